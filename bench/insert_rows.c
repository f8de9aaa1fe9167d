/*
** Inserts the rows of an .fvecs file into a new table, as a program in C does: what `hannoy import`
** is measured against.
**
**     insert_rows EXTENSION DATABASE FILE.fvecs ROWS_OF_A_TRANSACTION
*/
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void require(sqlite3 *db, bool fine, const char *what) {
    if (!fine) {
        fprintf(stderr, "insert_rows: %s: %s\n", what, db ? sqlite3_errmsg(db) : "failed");
        exit(1);
    }
}

static void run(sqlite3 *db, const char *sql) {
    require(db, sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sql);
}

static void create(sqlite3 *db, int32_t dim) {
    char sql[200];
    snprintf(sql, sizeof sql,
             "CREATE VIRTUAL TABLE notes USING hannoy(id INTEGER PRIMARY KEY, dim=%d,"
             " metric=cosine, autobuild=0)",
             (int)dim);
    run(db, sql);
}

/* The number of rows. */
static long insert(sqlite3 *db, FILE *file, long chunk) {
    sqlite3_stmt *stmt = NULL;
    float *row = NULL;
    long count = 0;
    for (int32_t dim; fread(&dim, sizeof dim, 1, file) == 1; count++) {
        const size_t size = (size_t)dim * sizeof *row;
        if (count == 0) {
            create(db, dim);
            row = malloc(size);
            require(db,
                    row && sqlite3_prepare_v2(db, "INSERT INTO notes(vector) VALUES (?)", -1, &stmt,
                                              NULL) == SQLITE_OK,
                    "prepare");
        }
        require(NULL, fread(row, size, 1, file) == 1, "read");
        if (count % chunk == 0) {
            run(db, "BEGIN IMMEDIATE");
        }
        sqlite3_bind_blob(stmt, 1, row, (int)size, SQLITE_STATIC);
        require(db, sqlite3_step(stmt) == SQLITE_DONE, "insert");
        sqlite3_reset(stmt);
        if (count % chunk == chunk - 1) {
            run(db, "COMMIT");
        }
    }
    if (count % chunk != 0) {
        run(db, "COMMIT");
    }
    sqlite3_finalize(stmt);
    free(row);
    return count;
}

int main(int argc, char **argv) {
    require(NULL, argc == 5, "takes EXTENSION DATABASE FILE.fvecs ROWS_OF_A_TRANSACTION");
    sqlite3 *db = NULL;
    require(db, sqlite3_open(argv[2], &db) == SQLITE_OK, argv[2]);
    sqlite3_enable_load_extension(db, 1);
    char *message = NULL;
    if (sqlite3_load_extension(db, argv[1], NULL, &message) != SQLITE_OK) {
        fprintf(stderr, "insert_rows: %s\n", message);
        return 1;
    }
    FILE *const file = fopen(argv[3], "rb");
    require(NULL, file != NULL, argv[3]);
    printf("%ld rows\n", insert(db, file, atol(argv[4])));
    fclose(file);
    sqlite3_close(db);
    return 0;
}
