/* Random schemas and values.  The contract is in random_rows.h. */
#include "random_rows.h"

#include <stdio.h>
#include <string.h>

/*
** Values that compare unlike others by one of the rules: types, affinities, prefixes, letter case.
*/
static const char *const values[] = {
    "NULL",
    "0",
    "1",
    "2",
    "-3",
    "10",
    "1.0",
    "1.5",
    "0.1",
    "-0.0",
    "1e300",
    "1e999",
    "-1e999",
    "9007199254740992",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "9.3e18",
    "'1'",
    "'01'",
    "' 1'",
    "'1 '",
    "'1.0'",
    "'+2'",
    "'.1'",
    "'1e1'",
    "'10'",
    "'9'",
    "'-3'",
    "'0x10'",
    "'9007199254740993'",
    "'nan'",
    "''",
    "'a'",
    "'A'",
    "'b'",
    "'B '",
    "'ab'",
    "'aB'",
    "'a%'",
    "'abcdefgh'",
    "'abcdefghi'",
    "'abcdefghI'",
    "'abcdefgh '",
    "'é'",
    "'É'",
    "'日本'",
    "'日本語の文'",
    "'😀'",
    "'2024-01-01'",
    "x''",
    "x'31'",
    "x'61'",
    "x'6162636465666768'",
    "x'616263646566676869'",
};

#define VALUES (sizeof values / sizeof values[0])

const char *random_value(rng *r) {
    static char ring[8][40];
    static int next;
    char *const out = ring[next++ % 8];
    if (rng_chance(r, 0.7)) {
        return values[rng_below(r, VALUES)];
    }
    if (rng_chance(r, 0.5)) {
        snprintf(out, 40, "%d", (int)rng_below(r, 30) - 5);
    } else {
        snprintf(out, 40, "'%c%c'", "aAbB1 "[rng_below(r, 6)], "cC2 z"[rng_below(r, 5)]);
    }
    return out;
}

const char *random_vector(const schema *s) {
    static char ring[8][200];
    static int next;
    char *const out = ring[next++ % 8];
    const int range = rng_chance(s->r, 0.1) ? 100 : 6;
    int length = snprintf(out, 200, "'[");
    for (int i = 0; i < s->dim; i++) {
        length +=
            snprintf(out + length, 200 - (size_t)length, "%s%d%s", i ? "," : "",
                     (int)rng_below(s->r, (uint32_t)range) - 2, rng_chance(s->r, 0.3) ? ".5" : "");
    }
    snprintf(out + length, 200 - (size_t)length, "]'");
    return out;
}

const char *schema_key(const schema *s) {
    return s->kind == TEXT_KEY || s->kind == INTEGER_KEY ? "name" : NULL;
}

/*
** ------------------------------------------------------------------------------------- tables --
*/

static const char *collation_name(int collation) {
    static const char *const names[] = {"", " COLLATE NOCASE", " COLLATE RTRIM"};
    return names[collation];
}

static column random_column(rng *r, int number, bool kept) {
    static const struct {
        const char *type;
        int affinity;
    } types[] = {{"TEXT", TEXT_COLUMN},       {"TEXT", TEXT_COLUMN},    {"INTEGER", NUMERIC_COLUMN},
                 {"REAL", NUMERIC_COLUMN},    {"BLOB", BLOB_COLUMN},    {"NUMERIC", NUMERIC_COLUMN},
                 {"VARCHAR(9)", TEXT_COLUMN}, {"DATE", NUMERIC_COLUMN}, {"BIGINT", NUMERIC_COLUMN}};
    const uint32_t which = rng_below(r, sizeof types / sizeof types[0]);
    column c = {.type = types[which].type, .affinity = types[which].affinity, .kept = kept};
    snprintf(c.name, sizeof c.name, "%c%d", kept ? 'x' : 'a', number);
    if (rng_chance(r, 0.3)) {
        c.collation = 1 + (int)rng_below(r, 2);
    }
    return c;
}

static void create_plain(const schema *s, sqlite3 *db) {
    sqlite3_str *const text = sqlite3_str_new(db);
    sqlite3_str_appendf(text, "CREATE TABLE p(id INTEGER PRIMARY KEY, vector BLOB");
    if (s->kind == TEXT_KEY) {
        sqlite3_str_appendall(text, ", name TEXT");
    }
    if (s->kind == INTEGER_KEY) {
        sqlite3_str_appendall(text, ", name INTEGER AS (id)");
    }
    for (int i = 0; i < s->count; i++) {
        sqlite3_str_appendf(text, ", %s %s%s", s->columns[i].name, s->columns[i].type,
                            collation_name(s->columns[i].collation));
    }
    char *const sql = sqlite3_str_finish(text);
    db_must(db, "%s)", sql);
    sqlite3_free(sql);
}

static void create_hannoy(const schema *s, sqlite3 *db) {
    sqlite3_str *const text = sqlite3_str_new(db);
    sqlite3_str_appendf(text, "CREATE VIRTUAL TABLE v USING hannoy(dim=%d, metric=%s", s->dim,
                        s->metric);
    if (s->kind == TEXT_KEY) {
        sqlite3_str_appendall(text, ", name TEXT PRIMARY KEY");
    }
    if (s->kind == INTEGER_KEY) {
        sqlite3_str_appendall(text, ", name INTEGER PRIMARY KEY");
    }
    if (s->kind == USERS_TABLE) {
        sqlite3_str_appendall(text, ", content=p, vector=vector");
    }
    sqlite3_str_appendall(text, ", autobuild=0, linear_below=0");
    for (int i = 0; i < s->count; i++) {
        const column *const c = &s->columns[i];
        sqlite3_str_appendf(text, ", %s%s %s%s", c->kept ? "+" : "", c->name, c->type,
                            collation_name(c->collation));
    }
    char *const sql = sqlite3_str_finish(text);
    db_must(db, "%s)", sql);
    sqlite3_free(sql);
}

/* The names of the columns that hold values, each after a comma. */
static char *value_columns(const schema *s) {
    sqlite3_str *const text = sqlite3_str_new(NULL);
    if (s->kind == TEXT_KEY) {
        sqlite3_str_appendall(text, ", name");
    }
    for (int i = 0; i < s->count; i++) {
        sqlite3_str_appendf(text, ", %s", s->columns[i].name);
    }
    char *const names = sqlite3_str_finish(text);
    return names ? names : sqlite3_mprintf("");
}

static void insert_row(const schema *s, sqlite3 *db, int id, const char *columns) {
    sqlite3_str *const text = sqlite3_str_new(NULL);
    if (s->kind == TEXT_KEY) {
        sqlite3_str_appendf(text, ", 'key%d'", id);
    }
    for (int i = 0; i < s->count; i++) {
        sqlite3_str_appendf(text, ", %s", random_value(s->r));
    }
    char *const row = sqlite3_str_finish(text);
    const bool lacks = s->kind == USERS_TABLE && rng_chance(s->r, 0.1);
    db_must(db, "INSERT INTO p(id, vector%s) VALUES (%d, %s%s%s%s)", columns, id,
            lacks ? "" : "hannoy_vector(", lacks ? "NULL" : random_vector(s), lacks ? "" : ")",
            row ? row : "");
    sqlite3_free(row);
}

/* Brings v to the rows of p, part of them by a build and part of them after it. */
static void fill_hannoy(const schema *s, sqlite3 *db, const char *columns) {
    const int built = rng_chance(s->r, 0.3) ? 0 : (int)rng_below(s->r, (uint32_t)s->rows + 1);
    if (s->kind != USERS_TABLE) {
        db_must(db, "INSERT INTO v(rowid, vector%s) SELECT id, vector%s FROM p WHERE id <= %d",
                columns, columns, built);
    }
    if (built) {
        db_must(db, "INSERT INTO v(v) VALUES ('build')");
    }
    if (s->kind != USERS_TABLE) {
        db_must(db, "INSERT INTO v(rowid, vector%s) SELECT id, vector%s FROM p WHERE id > %d",
                columns, columns, built);
    }
}

static void fill_others(const schema *s, sqlite3 *db) {
    db_must(db, "CREATE TABLE t(id INTEGER PRIMARY KEY, t TEXT, c TEXT COLLATE NOCASE, i INTEGER, "
                "r REAL, b BLOB, u, q, key TEXT)");
    for (int i = 1; i <= 8; i++) {
        const char *const number = values[1 + rng_below(s->r, 17)];
        db_must(db, "INSERT INTO t VALUES (%d, %s, %s, %s, %s, %s, %s, %s, 'key%d')", i,
                random_value(s->r), random_value(s->r), number, values[1 + rng_below(s->r, 17)],
                random_value(s->r), random_value(s->r),
                rng_chance(s->r, 0.15) ? "NULL" : random_vector(s), i);
    }
    if (rng_chance(s->r, 0.5)) {
        db_must(db, "CREATE INDEX ti ON t(i); CREATE INDEX tt ON t(t)");
    }
}

void schema_create(schema *s, rng *r, sqlite3 *db) {
    static const char *const metrics[] = {"l2", "l1", "cosine"};
    static const char *const encodings[] = {"UTF-8", "UTF-8", "UTF-16le", "UTF-16be"};
    memset(s, 0, sizeof *s);
    s->r = r;
    s->kind = (int)rng_below(r, ROW_KINDS);
    s->dim = 1 + (int)rng_below(r, 3);
    s->metric = metrics[rng_below(r, 3)];
    s->rows = 10 + (int)rng_below(r, 50);
    const int filters = 1 + (int)rng_below(r, 4), kept = (int)rng_below(r, 3);
    for (int i = 0; i < filters + kept; i++) {
        s->columns[s->count++] = random_column(r, i, i >= filters);
    }
    db_must(db, "PRAGMA encoding = '%s'; PRAGMA synchronous = OFF",
            encodings[rng_below(r, sizeof encodings / sizeof encodings[0])]);
    create_plain(s, db);
    if (s->kind == USERS_TABLE) {
        create_hannoy(s, db);
    }
    char *const columns = value_columns(s);
    for (int i = 1; i <= s->rows; i++) {
        if (rng_chance(r, 0.9)) {
            insert_row(s, db, i, columns);
        }
    }
    if (s->kind != USERS_TABLE) {
        create_hannoy(s, db);
    }
    fill_hannoy(s, db, columns);
    sqlite3_free(columns);
    fill_others(s, db);
    if (rng_chance(r, 0.3)) {
        db_must(db, "ANALYZE");
    }
}
