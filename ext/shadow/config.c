/* The shadow table v_config: what a table is.  The contract is in config.h. */
#include "shadow/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "shadow/boundary.h"
#include "shadow/error.h"
#include "shadow/shadow.h"

/* The version of a table whose log has packs; before its first one it is 1, for older libraries. */
#define FORMAT        1
#define PACKED_FORMAT 2

static int config_damaged(hx_shadow *shadow, const char *what) {
    return hx_fail(shadow, SQLITE_CORRUPT_VTAB,
                   "hannoy: %s_config has no usable '%s': the table is damaged", shadow->name,
                   what);
}

/* --------------------------------------------------------------------------------- the rows -- */

/* Steps a statement on the row of `key`; the caller resets it. */
static int get_row(hx_shadow *shadow, const char *key, sqlite3_stmt **out) {
    int rc = hx_sql_get(shadow, HX_SQL_CONFIG_GET, out);
    if (rc) {
        return rc;
    }
    sqlite3_bind_text(*out, 1, key, -1, SQLITE_STATIC);
    rc = hx_sql_step(shadow, *out);
    if (rc == SQLITE_DONE) {
        return config_damaged(shadow, key);
    }
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int get_integer(hx_shadow *shadow, const char *key, int64_t *out) {
    sqlite3_stmt *stmt;
    const int rc = get_row(shadow, key, &stmt);
    if (rc) {
        return rc;
    }
    *out = sqlite3_column_int64(stmt, 0);
    hx_sql_done(stmt);
    return SQLITE_OK;
}

/* Without the row *out stays as it is. */
static int get_optional(hx_shadow *shadow, const char *key, int64_t *out) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_CONFIG_GET, &stmt);
    if (rc) {
        return rc;
    }
    sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
    rc = hx_sql_step(shadow, stmt);
    if (rc != SQLITE_ROW) {
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    *out = sqlite3_column_int64(stmt, 0);
    hx_sql_done(stmt);
    return SQLITE_OK;
}

static int put_text(hx_shadow *shadow, const char *key, char *text) {
    sqlite3_stmt *stmt;
    if (!text) {
        return SQLITE_NOMEM;
    }
    int rc = hx_sql_get(shadow, HX_SQL_CONFIG_PUT, &stmt);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
        sqlite3_bind_text(stmt, 2, text, -1, SQLITE_STATIC);
        rc = hx_sql_run(shadow, stmt);
    }
    sqlite3_free(text);
    return rc;
}

static int put_integer(hx_shadow *shadow, const char *key, int64_t value) {
    sqlite3_stmt *stmt;
    const int rc = hx_sql_get(shadow, HX_SQL_CONFIG_PUT, &stmt);
    if (rc) {
        return rc;
    }
    sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, value);
    return hx_sql_run(shadow, stmt);
}

static int put_trim(hx_shadow *shadow, hny_boundary trim, int64_t digest) {
    return put_text(shadow, "trim",
                    sqlite3_mprintf("%lld %lld %lld", trim.seq, trim.chain, digest));
}

/* Three integers, separated by single blanks. */
static bool read_trim(const char *text, hny_boundary *trim, int64_t *digest) {
    long long numbers[3];
    for (int i = 0; i < 3; i++) {
        char *end;
        errno = 0;
        numbers[i] = strtoll(text, &end, 10);
        if (errno || end == text || *end != (i < 2 ? ' ' : '\0')) {
            return false;
        }
        text = end + 1;
    }
    *trim = (hny_boundary){numbers[0], numbers[1]};
    *digest = numbers[2];
    return trim->seq >= 0;
}

/* ------------------------------------------------------------------------------- the options -- */

/* The key of a vector's row: `name`, or name.1, name.2, …; returns `key`. */
#define KEY_BYTES 16
static const char *key_of(const char *name, int vector, char *key) {
    return sqlite3_snprintf(KEY_BYTES, key, vector ? "%s.%d" : "%s", name, vector);
}

/* Writes the options of a vector, and adds them and its number to the digest. */
static int put_options(hx_shadow *shadow, int vector, const hx_options *options, uint32_t number,
                       int64_t *digest) {
    char key[KEY_BYTES];
    char *const text = hx_options_text(options);
    if (!text) {
        return SQLITE_NOMEM;
    }
    *digest = (int64_t)XXH64(text, strlen(text), (uint64_t)*digest * 31 + number);
    return put_text(shadow, key_of("options", vector, key), text);
}

static int load_options(hx_shadow *shadow, const char *key, hx_options *out) {
    sqlite3_stmt *stmt;
    char *error = NULL;
    int rc = get_row(shadow, key, &stmt);
    if (rc) {
        return rc;
    }
    const char *const text = (const char *)sqlite3_column_text(stmt, 0);
    rc = hx_options_from_text(text ? text : "", out, &error);
    hx_sql_done(stmt);
    return rc ? hx_fail_with(shadow, rc, error) : rc;
}

/* The metric is left out: it may have been changed after the CREATE statement. */
static bool same_vectors(hny_shape a, hny_shape b) {
    return a.dim == b.dim && a.type == b.type;
}

static int load_vector(hx_shadow *shadow, int vector, bool other_attributes,
                       hx_vector_config *config) {
    char key[KEY_BYTES];
    int64_t number = 0;
    hx_options options;
    int rc = get_integer(shadow, key_of("table", vector, key), &number);
    if (rc == SQLITE_OK && (number < 1 || number > UINT32_MAX)) {
        rc = config_damaged(shadow, key);
    }
    if (rc == SQLITE_OK) {
        rc = load_options(shadow, key_of("options", vector, key), &options);
    }
    if (rc) {
        return rc;
    }
    if (!same_vectors(options.shape, config->options.shape)) {
        return config_damaged(shadow, key);
    }
    const bool another = other_attributes || number != config->number ||
                         options.shape.metric != config->options.shape.metric;
    *config = (hx_vector_config){options, (uint32_t)number, config->identity + another};
    return SQLITE_OK;
}

static int load_config(hx_shadow *shadow, int64_t digest) {
    hx_config loaded = shadow->config;
    int64_t format = 0, set = 0;
    int rc = get_integer(shadow, "format", &format);
    if (rc) {
        return rc;
    }
    if (format != FORMAT && format != PACKED_FORMAT) {
        return hx_fail(shadow, SQLITE_ERROR,
                       "hannoy: table %s has format %lld and this version reads format %d; "
                       "load the version that wrote it",
                       shadow->name, format, PACKED_FORMAT);
    }
    rc = get_optional(shadow, "attributes", &set);
    if (rc == SQLITE_OK && (set < 0 || set > UINT32_MAX)) {
        rc = config_damaged(shadow, "attributes");
    }
    const bool others = (uint32_t)set != loaded.attribute_set;
    for (int i = 0; i < shadow->columns.vectors && rc == SQLITE_OK; i++) {
        rc = load_vector(shadow, i, others, &loaded.vectors[i]);
    }
    if (rc) {
        return rc;
    }
    loaded.attribute_set = (uint32_t)set;
    loaded.digest = digest;
    loaded.loaded = true;
    shadow->config = loaded;
    return SQLITE_OK;
}

/* -------------------------------------------------------------------------------- interface -- */

int hx_config_create(hx_shadow *shadow, uint32_t number) {
    const int vectors = shadow->columns.vectors;
    char key[KEY_BYTES];
    int64_t digest = 0;
    int rc = put_integer(shadow, "format", FORMAT);
    for (int i = 0; i < vectors && rc == SQLITE_OK; i++) {
        const uint32_t own = number + (uint32_t)i;
        rc = put_options(shadow, i, &shadow->config.vectors[i].options, own, &digest);
        if (rc == SQLITE_OK) {
            rc = put_integer(shadow, key_of("table", i, key), own);
        }
    }
    return rc ? rc : put_trim(shadow, hx_boundary_start(shadow), digest);
}

int hx_config_read(hx_shadow *shadow, hny_boundary *trim) {
    sqlite3_stmt *stmt;
    int64_t digest;
    const int rc = get_row(shadow, "trim", &stmt);
    if (rc) {
        return rc;
    }
    const char *const text = (const char *)sqlite3_column_text(stmt, 0);
    const bool sound = text && read_trim(text, trim, &digest);
    hx_sql_done(stmt);
    if (!sound) {
        return config_damaged(shadow, "trim");
    }
    if (shadow->config.loaded && shadow->config.digest == digest) {
        return SQLITE_OK;
    }
    return load_config(shadow, digest);
}

int hx_config_write_trim(hx_shadow *shadow, hny_boundary trim) {
    return put_trim(shadow, trim, shadow->config.digest);
}

int hx_config_read_built(hx_shadow *shadow, int64_t *out) {
    *out = 0;
    return get_optional(shadow, "built", out);
}

int hx_config_write_built(hx_shadow *shadow, int64_t seq) {
    return put_integer(shadow, "built", seq);
}

int hx_config_read_packed(hx_shadow *shadow, bool *out) {
    int64_t format = FORMAT;
    const int rc = get_integer(shadow, "format", &format);
    *out = format == PACKED_FORMAT;
    return rc;
}

int hx_config_note_packs(hx_shadow *shadow) {
    return put_integer(shadow, "format", PACKED_FORMAT);
}

/* Writes all options and their digest, which includes the set of attributes. */
static int write_all(hx_shadow *shadow, const hx_options *options, uint32_t set,
                     hny_boundary trim) {
    int64_t digest = set;
    int rc = SQLITE_OK;
    for (int i = 0; i < shadow->columns.vectors && rc == SQLITE_OK; i++) {
        rc = put_options(shadow, i, &options[i], shadow->config.vectors[i].number, &digest);
    }
    return rc ? rc : put_trim(shadow, trim, digest);
}

int hx_config_write_options(hx_shadow *shadow, const hx_options *options) {
    hny_boundary trim;
    const int rc = hx_config_read(shadow, &trim);
    return rc ? rc : write_all(shadow, options, shadow->config.attribute_set, trim);
}

/* A number that was not used before: an index of an earlier one has other values. */
int hx_config_change_attributes(hx_shadow *shadow) {
    hx_options options[HX_MAX_VECTORS];
    hny_boundary trim;
    uint32_t set;
    int rc = hx_config_read(shadow, &trim);
    for (int i = 0; i < shadow->columns.vectors; i++) {
        options[i] = shadow->config.vectors[i].options;
    }
    do {
        sqlite3_randomness(sizeof set, &set);
    } while (set == 0 || set == shadow->config.attribute_set);
    if (rc == SQLITE_OK) {
        rc = put_integer(shadow, "attributes", set);
    }
    return rc ? rc : write_all(shadow, options, set, trim);
}
