/*
** Interface to statements.c: the statements that a table runs on its shadow tables.
**
** Each is prepared when it is first used, and kept.  A statement that is not reset keeps the read
** transaction open and blocks checkpoints of other connections, so every caller resets what it
** stepped before its callback returns.  A scan that lives as long as a cursor borrows its
** statement.
*/
#ifndef HX_STATEMENTS_H
#define HX_STATEMENTS_H

#include <stdbool.h>

#include "sqlite_api.h"

typedef struct hx_shadow hx_shadow;

/* How many changes a row of the log stands for (log_pack.h). */
#define HX_LOG_CHANGES "iif(typeof(id) = 'blob', length(id) / 16, 1)"

/*
** Every statement.  Placeholders:
**
**     {content} {log} {config}    the shadow tables; {content} may be a table of the user's,
**     {id}                        this column of {content}
**     {vector} {having}           of a statement on one vector: its column, and WHERE … that skips
**                                 rows without it
**     {vectors}                   all vectors, each after a comma; of a statement on one vector
**                                 NULL for each of the others
**     {nulls}                     NULL for each vector, each after a comma
**     {present} {and}             WHERE … that skips rows without any vector, and the word that
**                                 joins a further condition to it
**     {attributes}                the filter columns, each after a comma
**     {rest}                      all stored columns beside the vectors, each after a comma
**     {values}                    parameters for {vectors} and {rest}, from ?2 on
**     {sets}                      assignments to {vectors} and {rest}, each with two parameters
**                                 from ?2 on: whether to assign, and the value
*/
#define HX_SQL_MAP(X)                                                                              \
    X(POLL, "SELECT 1")                                                                            \
    X(SCHEMA_VERSION, "PRAGMA {schema}.schema_version")                                            \
    X(HOLD, "SELECT 1 FROM {config}")                                                              \
    X(CONTENT_INSERT, "INSERT INTO {content}(id{vectors}{rest}) VALUES (?1{values})")              \
    X(CONTENT_REPLACE, "INSERT OR REPLACE INTO {content}(id{vectors}{rest}) VALUES (?1{values})")  \
    X(CONTENT_UPDATE, "UPDATE {content} SET {sets} WHERE id = ?1")                                 \
    X(CONTENT_MOVE, "UPDATE {content} SET id = ?2 WHERE id = ?1")                                  \
    X(CONTENT_DELETE, "DELETE FROM {content} WHERE id = ?1")                                       \
    X(CONTENT_ROW, "SELECT {id}{vectors}{attributes} FROM {content} WHERE {id} = ?1")              \
    X(CONTENT_GET, "SELECT {vector}{attributes} FROM {content} WHERE {id} = ?1")                   \
    X(CONTENT_ATTRIBUTES, "SELECT {id}{attributes} FROM {content} WHERE {id} = ?1")                \
    X(CONTENT_ALL, "SELECT {id}, {vector}{attributes} FROM {content}")                             \
    X(CONTENT_DIGEST, "SELECT {id}{vectors}{attributes} FROM {content} ORDER BY {id}")             \
    X(CONTENT_EXISTS, "SELECT 1 FROM {content} WHERE {id} = ?1")                                   \
    X(CONTENT_COUNT, "SELECT count(*) FROM {content}{present}")                                    \
    X(CONTENT_COUNT_TO, "SELECT count(*) FROM (SELECT 1 FROM {content}{present} LIMIT ?1)")        \
    X(CONTENT_HAVING, "SELECT count(*) FROM {content}{having}")                                    \
    X(KEY_FIND, "SELECT id FROM {content} WHERE key = ?1")                                         \
    X(SCAN_ONE, "SELECT {id}{vectors}{rest} FROM {content}{present}{and} {id} = ?1")               \
    X(SCAN_ONE_REST, "SELECT {id}{nulls}{rest} FROM {content}{present}{and} {id} = ?1")            \
    X(SCAN_KEY, "SELECT id{vectors}{rest} FROM {content} WHERE key = ?1")                          \
    X(SCAN_UP, "SELECT {id}{vectors}{rest} FROM {content}{present}{and}"                           \
               " {id} >= ?1 AND {id} <= ?2 ORDER BY {id}")                                         \
    X(SCAN_DOWN, "SELECT {id}{vectors}{rest} FROM {content}{present}{and}"                         \
                 " {id} >= ?1 AND {id} <= ?2 ORDER BY {id} DESC")                                  \
    X(SCAN_REST, "SELECT {id}{nulls}{rest} FROM {content}{present}{and}"                           \
                 " {id} >= ?1 AND {id} <= ?2 ORDER BY {id}")                                       \
    X(SCAN_IDS, "SELECT {id} FROM {content}{present}{and}"                                         \
                " {id} >= ?1 AND {id} <= ?2 ORDER BY {id}")                                        \
    X(LOG_TIP, "SELECT seq, chain FROM {log} ORDER BY seq DESC LIMIT 1")                           \
    X(LOG_APPEND, "INSERT INTO {log}(seq, id, chain) VALUES (?1, ?2, ?3)")                         \
    X(LOG_UP_TO, "SELECT seq, chain FROM {log} WHERE seq <= ?1 ORDER BY seq DESC LIMIT 2")         \
    X(LOG_HAS, "SELECT 1 FROM {log} WHERE seq = ?1 AND chain = ?2")                                \
    X(LOG_SPAN, "SELECT (SELECT count(*) FROM {log}), seq, seq FROM {log} ORDER BY seq LIMIT 1")   \
    X(LOG_PACKED_SPAN, "SELECT (SELECT sum(" HX_LOG_CHANGES ") FROM {log}),"                       \
                       " seq - " HX_LOG_CHANGES " + 1, seq FROM {log} ORDER BY seq LIMIT 1")       \
    X(LOG_SINCE, "SELECT seq, id, chain FROM {log} WHERE seq > ?1 ORDER BY seq")                   \
    X(LOG_COUNT, "SELECT coalesce(sum(" HX_LOG_CHANGES "), 0) FROM {log} WHERE seq > ?1")          \
    X(LOG_DROP, "DELETE FROM {log} WHERE seq > ?1 AND seq < ?2")                                   \
    X(LOG_PACK, "UPDATE {log} SET id = ?2 WHERE seq = ?1")                                         \
    X(LOG_TRIM, "DELETE FROM {log} WHERE seq < ?1")                                                \
    X(CONFIG_GET, "SELECT value FROM {config} WHERE key = ?1")                                     \
    X(CONFIG_PUT, "INSERT OR REPLACE INTO {config}(key, value) VALUES (?1, ?2)")

typedef enum hx_sql_id {
#define HX_SQL_ENUM(name, text) HX_SQL_##name,
    HX_SQL_MAP(HX_SQL_ENUM)
#undef HX_SQL_ENUM
        HX_SQL_COUNT
} hx_sql_id;

/* The prepared statements of one table. */
typedef struct hx_sql {
    sqlite3_stmt **kept; /* by variant and hx_sql_id; NULL: not prepared, or on loan */
    unsigned generation; /* incremented by hx_sql_drop; loans of earlier ones are obsolete */
    bool obsolete;       /* one of them must not be kept; see hx_sql_settle */
} hx_sql;

/* A statement on loan to a cursor. */
typedef struct hx_loan {
    sqlite3_stmt *stmt; /* NULL: nothing borrowed */
    hx_sql_id id;
    int vector;
    unsigned generation;
    sqlite3_stmt *newest; /* of the connection when it was borrowed; never dereferenced */
} hx_loan;

/*
** All functions return an SQLite code and leave its sentence in the table (error.h).
**
** A statement on a shadow table can run other statements: a hostile schema has triggers on it, or
** a view in its place, that use the table again.  A step inside a step of the same table is
** therefore an error, and so is one that is nested HX_MAX_DEPTH deep in the connection.
*/
#define HX_MAX_DEPTH 16

/*
** Around the steps of a user's statement, which may read the table that it is run for: those count
** as nested, too.  SQLITE_OK, or an error after which hx_sql_ascend() is not called.
*/
int hx_sql_descend(hx_shadow *shadow);
void hx_sql_ascend(hx_shadow *shadow);

/* Needs the columns.  After a failure the caller must still call hx_sql_free. */
int hx_sql_init(hx_shadow *shadow);
void hx_sql_free(hx_shadow *shadow);

/* In place of the vector that a statement is on: all of them. */
#define HX_ALL_VECTORS (-1)

/* The statement, reset, on this vector or on all.  Do not finalize it. */
int hx_sql_of(hx_shadow *shadow, hx_sql_id id, int vector, sqlite3_stmt **out);

static inline int hx_sql_get(hx_shadow *shadow, hx_sql_id id, sqlite3_stmt **out) {
    return hx_sql_of(shadow, id, HX_ALL_VECTORS, out);
}

/* Runs a statement that returns no rows, and resets it. */
int hx_sql_run(hx_shadow *shadow, sqlite3_stmt *stmt);

/*
** Steps a statement for its next row: SQLITE_ROW, SQLITE_DONE or an error.  After anything but
** SQLITE_ROW it is reset.
*/
int hx_sql_step(hx_shadow *shadow, sqlite3_stmt *stmt);

/* Resets a statement and clears its bindings. */
void hx_sql_done(sqlite3_stmt *stmt);

/* Runs a statement that returns one integer; 0 if it returns no row. */
int hx_sql_integer(hx_shadow *shadow, sqlite3_stmt *stmt, sqlite3_int64 *out);

/*
** Takes a statement out of the table, so that several scans can run at once, and returns it.  Some
** hosts finalize all statements of a connection before they close it; those on loan are then gone
** when they are returned.
*/
int hx_sql_borrow(hx_shadow *shadow, hx_sql_id id, int vector, hx_loan *loan);
void hx_sql_return(hx_shadow *shadow, hx_loan *loan);

/* Finalizes all statements that are not on loan. */
void hx_sql_drop(hx_shadow *shadow);

/*
** At the end of a callback: finalizes the statements if SQLite has prepared one of them again after
** a change of the schema, or if one that writes leads to a virtual table.  A view or virtual table
** may now stand in a shadow table's place (schema_state.h).  A kept statement that leads back to
** this table would keep SQLite from ever disconnecting it, and the connection from being closed.
*/
void hx_sql_settle(hx_shadow *shadow);

/* Runs a statement once; the format is sqlite3_mprintf's. */
int hx_sql_exec(hx_shadow *shadow, const char *format, ...);

/*
** Prepares a query and steps it once: SQLITE_ROW, SQLITE_DONE or an error.  Takes over `text`, NULL
** meaning out of memory.  The caller finalizes *out.
*/
int hx_sql_query(hx_shadow *shadow, sqlite3_stmt **out, char *text);

/* *out: the query has a row.  Takes over `text` as hx_sql_query() does.  SQLITE_OK or an error. */
int hx_sql_ask(hx_shadow *shadow, bool *out, char *text);

/*
** The text that a query gives first, for sqlite3_free(); *out NULL: the query has no row.  Takes
** over `text` as hx_sql_query() does.  SQLITE_OK or an error.
*/
int hx_sql_query_text(hx_shadow *shadow, char *text, char **out);

/* Steps it again. */
int hx_sql_next(hx_shadow *shadow, sqlite3_stmt *stmt);

/* How often SQLite has prepared a kept statement again since it was prepared here. */
int hx_sql_prepared(hx_shadow *shadow, hx_sql_id id);

#endif
