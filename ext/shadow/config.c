#include "shadow/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "shadow/error.h"
#include "shadow/log.h"
#include "shadow/table_ids.h"
#include "table.h"

#define FORMAT 1

static int damaged(hx_table *table, const char *what) {
    return hx_fail(table, SQLITE_CORRUPT_VTAB,
                   "hannoy: %s_config has no usable '%s': the table is damaged", table->name, what);
}

/* --------------------------------------------------------------------------------- the rows -- */

/* The statement is stepped on the row of `key`; the caller ends it. */
static int get_row(hx_table *table, const char *key, sqlite3_stmt **out) {
    int rc = hx_sql_get(table, HX_SQL_CONFIG_GET, out);
    if (rc) return rc;
    sqlite3_bind_text(*out, 1, key, -1, SQLITE_STATIC);
    rc = hx_sql_step(table, *out);
    if (rc == SQLITE_DONE) return damaged(table, key);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int get_integer(hx_table *table, const char *key, int64_t *out) {
    sqlite3_stmt *stmt;
    const int rc = get_row(table, key, &stmt);
    if (rc) return rc;
    *out = sqlite3_column_int64(stmt, 0);
    hx_sql_done(stmt);
    return SQLITE_OK;
}

static int put_text(hx_table *table, const char *key, char *text) {
    sqlite3_stmt *stmt;
    if (!text) return SQLITE_NOMEM;
    int rc = hx_sql_get(table, HX_SQL_CONFIG_PUT, &stmt);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
        sqlite3_bind_text(stmt, 2, text, -1, SQLITE_STATIC);
        rc = hx_sql_run(table, stmt);
    }
    sqlite3_free(text);
    return rc;
}

static int put_integer(hx_table *table, const char *key, int64_t value) {
    sqlite3_stmt *stmt;
    const int rc = hx_sql_get(table, HX_SQL_CONFIG_PUT, &stmt);
    if (rc) return rc;
    sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, value);
    return hx_sql_run(table, stmt);
}

static int put_trim(hx_table *table, hny_boundary trim, int64_t digest) {
    return put_text(table, "trim", sqlite3_mprintf("%lld %lld %lld", trim.seq, trim.chain, digest));
}

/* Three integers with single blanks between them. */
static bool read_trim(const char *text, hny_boundary *trim, int64_t *digest) {
    long long numbers[3];
    for (int i = 0; i < 3; i++) {
        char *end;
        errno = 0;
        numbers[i] = strtoll(text, &end, 10);
        if (errno || end == text || *end != (i < 2 ? ' ' : '\0')) return false;
        text = end + 1;
    }
    *trim = (hny_boundary){numbers[0], numbers[1]};
    *digest = numbers[2];
    return trim->seq >= 0;
}

/* ------------------------------------------------------------------------------- the options -- */

/* Options to the text that is stored, and the digest of all that `load` reads. */
static int options_text(const hx_options *options, uint32_t number, char **text, int64_t *digest) {
    *text = hx_options_text(options);
    if (!*text) return SQLITE_NOMEM;
    *digest = (int64_t)XXH64(*text, strlen(*text), number);
    return SQLITE_OK;
}

static int load_options(hx_table *table, hx_options *out) {
    sqlite3_stmt *stmt;
    char *error = NULL;
    int rc = get_row(table, "options", &stmt);
    if (rc) return rc;
    const char *const text = (const char *)sqlite3_column_text(stmt, 0);
    rc = hx_options_from_text(text ? text : "", out, &error);
    hx_sql_done(stmt);
    return rc ? hx_fail_with(table, rc, error) : rc;
}

/* The metric may have been changed since the CREATE statement said one. */
static bool same_vectors(hny_shape a, hny_shape b) {
    return a.dim == b.dim && a.type == b.type;
}

static int load(hx_table *table, int64_t digest) {
    int64_t format = 0, number = 0;
    hx_options options;
    int rc = get_integer(table, "format", &format);
    if (rc) return rc;
    if (format != FORMAT)
        return hx_fail(table, SQLITE_ERROR,
                       "hannoy: table %s has format %lld and this version reads format %d; "
                       "load the version that wrote it",
                       table->name, format, FORMAT);
    rc = get_integer(table, "table", &number);
    if (rc == SQLITE_OK && (number < 1 || number > UINT32_MAX)) rc = damaged(table, "table");
    if (rc == SQLITE_OK) rc = load_options(table, &options);
    if (rc) return rc;
    if (!same_vectors(options.shape, table->config.options.shape)) return damaged(table, "options");
    if (number != table->config.number ||
        options.shape.metric != table->config.options.shape.metric)
        hx_table_drop_reader(table);
    table->config = (hx_config){options, (uint32_t)number, digest, true};
    return SQLITE_OK;
}

/* ------------------------------------------------------------------------------- for others -- */

/*
** Where the log of a new table begins.  One over another table has rows already, which no log row tells
** of, so its beginning must be like no other's: else a later table could take its index for its own.
*/
static hny_boundary first_boundary(const hx_table *table) {
    hny_boundary at = {1, 0};
    if (!hx_columns_external(&table->columns))
        return hx_log_start(table->config.options.shape, table->columns.attributes);
    sqlite3_randomness(sizeof at.chain, &at.chain);
    return at;
}

int hx_config_create(hx_table *table, uint32_t *out) {
    const hx_options *const options = &table->config.options;
    uint32_t number = 0;
    int64_t digest = 0;
    char *text = NULL;
    int rc = hx_table_ids_next(table, &number);
    if (rc == SQLITE_OK) rc = options_text(options, number, &text, &digest);
    if (rc == SQLITE_OK) rc = put_text(table, "options", text);
    if (rc == SQLITE_OK) rc = put_integer(table, "format", FORMAT);
    if (rc == SQLITE_OK) rc = put_integer(table, "table", number);
    if (rc == SQLITE_OK) rc = put_trim(table, first_boundary(table), digest);
    *out = number;
    return rc;
}

int hx_config_read(hx_table *table, hny_boundary *trim) {
    sqlite3_stmt *stmt;
    int64_t digest;
    const int rc = get_row(table, "trim", &stmt);
    if (rc) return rc;
    const char *const text = (const char *)sqlite3_column_text(stmt, 0);
    const bool sound = text && read_trim(text, trim, &digest);
    hx_sql_done(stmt);
    if (!sound) return damaged(table, "trim");
    if (table->config.loaded && table->config.digest == digest) return SQLITE_OK;
    return load(table, digest);
}

int hx_config_write_trim(hx_table *table, hny_boundary trim) {
    return put_trim(table, trim, table->config.digest);
}

int hx_config_write_options(hx_table *table, const hx_options *options) {
    hny_boundary trim;
    int64_t digest = 0;
    char *text = NULL;
    int rc = hx_config_read(table, &trim);
    if (rc == SQLITE_OK) rc = options_text(options, table->config.number, &text, &digest);
    if (rc == SQLITE_OK) rc = put_text(table, "options", text);
    return rc ? rc : put_trim(table, trim, digest);
}
