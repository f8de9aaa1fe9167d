/*
** What SQL cannot say, on Windows: threads with a connection each, names in UTF-8, files that
** cannot be deleted while they are open, and how much of a sidecar is on the disk.
**
**     check EXTENSION
**
** The last line is "N passed, N failed".
*/
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

enum { WRITERS = 3, READERS = 3, ROUNDS = 20, ROWS = 50, DIM = 16 };

static const char *extension;
static char folder[4 * MAX_PATH]; /* UTF-8 */
static int passed, failed;

static void expect(int holds, const char *what) {
    passed += holds;
    failed += !holds;
    if (!holds) {
        printf("check: %s\n", what);
    }
}

static sqlite3 *open_database(const char *name) {
    sqlite3 *db;
    char *const path = sqlite3_mprintf("%s\\%s", folder, name), *message = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_enable_load_extension(db, 1) ||
        sqlite3_load_extension(db, extension, NULL, &message) || sqlite3_busy_timeout(db, 60000)) {
        printf("check: %s: %s\n", path, message ? message : sqlite3_errmsg(db));
        exit(2);
    }
    sqlite3_free(path);
    return db;
}

/* The first value of a statement, as a number; -1 after an error, which is told. */
static double run_sql(sqlite3 *db, const char *format, ...) {
    sqlite3_stmt *statement = NULL;
    double value = -1;
    va_list args;
    va_start(args, format);
    char *const sql = sqlite3_vmprintf(format, args);
    va_end(args);
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
        value = rc == SQLITE_ROW ? sqlite3_column_double(statement, 0) : 0;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        printf("check: %s: %s\n", sql, sqlite3_errmsg(db));
        value = -1;
    }
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return value;
}

/* --------------------------------------------------------------------------------- threads -- */

static char *row_vector(int row) {
    char *text = sqlite3_mprintf("[%d", row % 97);
    for (int i = 1; i < DIM; i++) {
        text = sqlite3_mprintf("%z,%d", text, (row * (i + 3) + i * i) % 101);
    }
    return sqlite3_mprintf("%z]", text);
}

/* NULL, or a word for what failed. */
static void *write_rows(void *arg) {
    const int writer = (int)(intptr_t)arg;
    sqlite3 *const db = open_database("threads.db");
    const char *fault = NULL;
    for (int round = 0; round < ROUNDS && !fault; round++) {
        double rc = run_sql(db, "BEGIN IMMEDIATE");
        for (int i = 0; i < ROWS && rc >= 0; i++) {
            const int row = (writer * ROUNDS + round) * ROWS + i + 1;
            char *const vector = row_vector(row);
            rc = run_sql(db, "INSERT INTO v(rowid, vector) VALUES (%d, '%s')", row, vector);
            sqlite3_free(vector);
        }
        fault = rc < 0 || run_sql(db, "COMMIT") < 0 ? "a writer failed" : NULL;
    }
    sqlite3_close(db);
    return (void *)(uintptr_t)fault;
}

/* What a search finds is nearest of all: the rows are those of one state. */
static void *search_rows(void *arg) {
    sqlite3 *const db = open_database("threads.db");
    const char *fault = NULL;
    for (int round = 0; round < 5 * ROUNDS && !fault; round++) {
        const double rows = run_sql(db, "SELECT count(*) FROM v");
        const int row = 1 + (round * 31 + (int)(intptr_t)arg) % (WRITERS * ROUNDS * ROWS);
        char *const vector = row_vector(row);
        const double found = run_sql(db,
                                     "SELECT count(*) FROM (SELECT rowid FROM v WHERE "
                                     "knn_match(vector, '%s') AND k = 5)",
                                     vector);
        sqlite3_free(vector);
        fault = rows < 0 || found < 0           ? "a reader failed"
                : found < (rows < 5 ? rows : 5) ? "a search found too few rows"
                                                : NULL;
    }
    sqlite3_close(db);
    return (void *)(uintptr_t)fault;
}

static void check_threads(void) {
    pthread_t threads[WRITERS + READERS];
    sqlite3 *const db = open_database("threads.db");
    run_sql(db, "PRAGMA journal_mode = wal");
    run_sql(db,
            "CREATE VIRTUAL TABLE v USING hannoy(dim=%d, metric=l2, autobuild=200, "
            "background=1)",
            DIM);
    for (intptr_t i = 0; i < WRITERS + READERS; i++) {
        pthread_create(&threads[i], NULL, i < WRITERS ? write_rows : search_rows, (void *)i);
    }
    for (int i = 0; i < WRITERS + READERS; i++) {
        void *fault;
        pthread_join(threads[i], &fault);
        expect(!fault, fault ? fault : "");
    }
    expect(run_sql(db, "SELECT count(*) FROM v") == WRITERS * ROUNDS * ROWS, "rows are missing");
    expect(run_sql(db, "INSERT INTO v(v) VALUES ('build')") == 0, "a build failed");
    expect(run_sql(db, "INSERT INTO v(v) VALUES ('integrity-check')") == 0, "the check failed");
    for (int row = 1; row <= WRITERS * ROUNDS * ROWS; row += 211) {
        char *const vector = row_vector(row);
        expect(run_sql(db, "SELECT distance FROM v WHERE knn_match(vector, '%s') AND k = 1",
                       vector) == 0,
               "a row does not find itself");
        sqlite3_free(vector);
    }
    sqlite3_close(db);
}

/* ----------------------------------------------------------------------------------- files -- */

static wchar_t *wide_path(const char *name) {
    char *const path = sqlite3_mprintf("%s\\%s", folder, name);
    wchar_t *const wide = malloc(8 * MAX_PATH);
    MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, 4 * MAX_PATH);
    sqlite3_free(path);
    return wide;
}

static int exists(const char *name) {
    wchar_t *const wide = wide_path(name);
    const int found = GetFileAttributesW(wide) != INVALID_FILE_ATTRIBUTES;
    free(wide);
    return found;
}

static int delete_file(const char *name) {
    wchar_t *const wide = wide_path(name);
    const int done = DeleteFileW(wide) != 0;
    free(wide);
    return done;
}

static FILE_STANDARD_INFO size_of_file(const char *name) {
    FILE_STANDARD_INFO info = {.EndOfFile = {.QuadPart = -1}};
    wchar_t *const wide = wide_path(name);
    const HANDLE file = CreateFileW(wide, 0, 7, NULL, OPEN_EXISTING, 0, NULL);
    GetFileInformationByHandleEx(file, FileStandardInfo, &info, sizeof info);
    CloseHandle(file);
    free(wide);
    return info;
}

static void fill_table(sqlite3 *db) {
    run_sql(db, "CREATE VIRTUAL TABLE v USING hannoy(dim=%d, metric=l2)", DIM);
    run_sql(db, "BEGIN");
    for (int row = 1; row <= 2000; row++) {
        char *const vector = row_vector(row);
        run_sql(db, "INSERT INTO v(rowid, vector) VALUES (%d, '%s')", row, vector);
        sqlite3_free(vector);
    }
    run_sql(db, "COMMIT");
    run_sql(db, "INSERT INTO v(v) VALUES ('build')");
}

static double nearest(sqlite3 *db) {
    char *const vector = row_vector(77);
    const double found =
        run_sql(db, "SELECT rowid FROM v WHERE knn_match(vector, '%s') AND k = 1", vector);
    sqlite3_free(vector);
    return found;
}

/* Names that no code page of Windows has all letters of. */
#define NAME         "\xc3\xbc\xd0\x96\xe6\xbc\xa2.db"
#define SIDECAR      NAME "-hannoy"
#define SIDECAR_LOCK SIDECAR "-lock"

static void check_files(void) {
    sqlite3 *db = open_database(NAME);
    fill_table(db);
    expect(nearest(db) == 77, "a table with a name in UTF-8 is not searched");
    expect(exists(SIDECAR) && exists(SIDECAR_LOCK), "a sidecar has another name");
    expect(!delete_file(SIDECAR), "a sidecar was deleted while it was open");
    expect(nearest(db) == 77, "a sidecar is lost after it could not be deleted");
    sqlite3_close(db);

    const FILE_STANDARD_INFO before = size_of_file(SIDECAR);
    expect(before.AllocationSize.QuadPart < before.EndOfFile.QuadPart / 4,
           "the whole map of a sidecar is on the disk");
    expect(before.EndOfFile.QuadPart <= 32 << 20, "a map is too large");
    for (int i = 0; i < 3; i++) {
        db = open_database(NAME);
        expect(nearest(db) == 77, "a sidecar is not opened again");
        sqlite3_close(db);
    }
    expect(size_of_file(SIDECAR).EndOfFile.QuadPart == before.EndOfFile.QuadPart,
           "a sidecar grows with each opening");

    expect(delete_file(SIDECAR) && delete_file(SIDECAR_LOCK), "a closed sidecar is not deleted");
    db = open_database(NAME);
    expect(nearest(db) == 77, "without its sidecar a table is not searched");
    sqlite3_close(db);
}

int main(int argc, char **argv) {
    wchar_t parent[MAX_PATH + 1];
    if (argc != 2 || !GetTempPathW(MAX_PATH, parent)) {
        fprintf(stderr, "usage: check EXTENSION\n");
        return 2;
    }
    extension = argv[1];
    WideCharToMultiByte(CP_UTF8, 0, parent, -1, folder, sizeof folder, NULL, NULL);
    snprintf(folder + strlen(folder), 64, "hannoy-%lx-\xc3\xa9", GetCurrentProcessId());
    wchar_t *const wide = wide_path(".");
    CreateDirectoryW(wide, NULL);
    free(wide);
    check_files();
    check_threads();
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
