/*
** Fuzzes the columns of CREATE VIRTUAL TABLE: what is accepted has columns and vectors within the
** limits, which SQLite reads as they were meant, and every refusal has a sentence.
*/
#include <stdbool.h>
#include <string.h>

#include <sqlite3.h>

#include "fuzz/replay.h"
#include "schema/declaration.h"

static void check_columns(const hx_columns *columns) {
    CHECK(columns->count > 0 && columns->vectors > 0 && columns->vectors <= HX_MAX_VECTORS);
    CHECK(columns->attributes >= 0 && columns->attributes <= HNY_MAX_ATTRIBUTES);
    CHECK(columns->key >= -1 && columns->key < columns->count);
    int vectors = 0, attributes = 0;
    for (int i = 0; i < columns->count; i++) {
        const hx_column *const column = &columns->at[i];
        CHECK(column->name && column->name[0]);
        if (column->role == HX_ROLE_VECTOR) {
            CHECK(vectors < HX_MAX_VECTORS && columns->vector[vectors] == i);
            CHECK(column->place == vectors);
            vectors++;
        }
        attributes += column->role == HX_ROLE_FILTER;
        for (int j = 0; j < i; j++) {
            CHECK(sqlite3_stricmp(column->name, columns->at[j].name));
        }
    }
    CHECK(vectors == columns->vectors && attributes == columns->attributes);
}

static const char *name_of(const hx_columns *columns, int i) {
    return i < columns->count ? columns->at[i].name : columns->hidden[i - columns->count];
}

/*
** Names, types and defaults are the user's.  SQLite reads them as these columns alone, or refuses
** them: a type may have a reserved word.
*/
static void check_declaration(const hx_columns *columns) {
    char *const sql = hx_columns_declaration(columns);
    sqlite3 *db;
    sqlite3_stmt *stmt = NULL;
    int count = 0;
    CHECK(sql && sqlite3_open(":memory:", &db) == SQLITE_OK);
    const int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    CHECK(rc == SQLITE_OK || rc == SQLITE_ERROR);
    CHECK(sqlite3_prepare_v2(db, "SELECT name FROM pragma_table_xinfo('x')", -1, &stmt, NULL) ==
          SQLITE_OK);
    for (; sqlite3_step(stmt) == SQLITE_ROW; count++) {
        CHECK(count < columns->count + HX_HIDDEN_COUNT);
        CHECK(!strcmp((const char *)sqlite3_column_text(stmt, 0), name_of(columns, count)));
    }
    CHECK(count == (rc == SQLITE_OK ? columns->count + HX_HIDDEN_COUNT : 0));
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    sqlite3_free(sql);
}

static void check_options(const hx_columns *columns, const hx_options *options) {
    for (int i = 0; i < columns->vectors; i++) {
        CHECK(options[i].shape.dim >= 1 && options[i].shape.dim <= HNY_MAX_DIM);
        CHECK(options[i].shape.metric >= HNY_COSINE && options[i].shape.metric <= HNY_DOT);
        CHECK(options[i].m >= 4 && options[i].m <= 63);
    }
}

/* Lines are the arguments; commas stay in them, as they do where they are quoted. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { MOST = 64 };
    const char *arguments[MOST];
    int count = 0;
    char *const text = malloc(size + 1);
    CHECK(text);
    if (size) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    for (char *rest = text; rest && count < MOST;) {
        char *const line = strsep(&rest, "\n");
        arguments[count++] = line;
    }
    hx_options options[HX_MAX_VECTORS];
    hx_columns columns = HX_NO_COLUMNS;
    char *error = NULL;
    const int rc = hx_columns_parse(count, arguments, "v", &columns, options, &error);
    if (rc == SQLITE_OK) {
        CHECK(!error);
        check_columns(&columns);
        check_options(&columns, options);
        check_declaration(&columns);
        hx_columns_free(&columns);
    } else {
        CHECK(rc == SQLITE_ERROR && error && !strncmp(error, "hannoy: ", 8));
    }
    sqlite3_free(error);
    free(text);
    return 0;
}
