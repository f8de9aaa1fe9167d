/*
** Interface to sql.c: the statements that a table runs on its shadow tables.
**
** Each is prepared when it is first needed and kept.  A statement that stays stepped pins the read
** transaction and makes other connections' checkpoints wait, so whoever steps one resets it before
** its callback returns; scans that live as long as a cursor borrow theirs.
*/
#ifndef HX_STATEMENTS_H
#define HX_STATEMENTS_H

#include "sqlite_api.h"

typedef struct hx_shadow hx_shadow;

/*
** Every statement.  What stands in braces is filled in for the table (sql.c): {content}, {log} and
** {config} are its shadow tables, or {content} one of the user's, with the columns {id} and {vector}, in
** which {present} leaves out rows without a vector, and {and} goes on; {rest} the columns that it shows beside the vector, each behind a
** comma, in the order in which they are shown, and {attributes} those of them that are filtered by; {values}
** parameters for {rest} from ?3 on, and {sets} assignments to them and the vector, each of which takes
** place where the parameter before its own is true.
*/
#define HX_SQL_MAP(X)                                                                              \
    X(POLL, "SELECT 1")                                                                            \
    X(HOLD, "SELECT 1 FROM {config}")                                                              \
    X(CONTENT_INSERT, "INSERT INTO {content}(id, vector{rest}) VALUES (?1, ?2{values})")           \
    X(CONTENT_REPLACE,                                                                             \
      "INSERT OR REPLACE INTO {content}(id, vector{rest}) VALUES (?1, ?2{values})")                \
    X(CONTENT_UPDATE, "UPDATE {content} SET {sets} WHERE id = ?1")                                 \
    X(CONTENT_MOVE, "UPDATE {content} SET id = ?2 WHERE id = ?1")                                  \
    X(CONTENT_DELETE, "DELETE FROM {content} WHERE id = ?1")                                       \
    X(CONTENT_GET, "SELECT {vector}{cells} FROM {content} WHERE {id} = ?1")                        \
    X(CONTENT_ALL, "SELECT {id}, {vector}{cells} FROM {content}")                                  \
    X(CONTENT_COUNT, "SELECT count(*) FROM {content}{present}")                                    \
    X(CONTENT_COUNT_TO, "SELECT count(*) FROM (SELECT 1 FROM {content}{present} LIMIT ?1)")        \
    X(KEY_FIND, "SELECT id FROM {content} WHERE key = ?1")                                         \
    X(SCAN_ONE, "SELECT {id}, {vector}{rest} FROM {content}{present}{and} {id} = ?1")              \
    X(SCAN_ONE_REST, "SELECT {id}, NULL{rest} FROM {content}{present}{and} {id} = ?1")             \
    X(SCAN_KEY, "SELECT id, vector{rest} FROM {content} WHERE key = ?1")                           \
    X(SCAN_UP, "SELECT {id}, {vector}{rest} FROM {content}{present}{and}"                          \
               " {id} >= ?1 AND {id} <= ?2 ORDER BY {id}")                                         \
    X(SCAN_DOWN, "SELECT {id}, {vector}{rest} FROM {content}{present}{and}"                        \
                 " {id} >= ?1 AND {id} <= ?2 ORDER BY {id} DESC")                                  \
    X(SCAN_REST, "SELECT {id}, NULL{rest} FROM {content}{present}{and}"                            \
                 " {id} >= ?1 AND {id} <= ?2 ORDER BY {id}")                                       \
    X(SCAN_IDS, "SELECT {id} FROM {content}{present}{and}"                                         \
                " {id} >= ?1 AND {id} <= ?2 ORDER BY {id}")                                        \
    X(LOG_TIP, "SELECT seq, chain FROM {log} ORDER BY seq DESC LIMIT 1")                           \
    X(LOG_APPEND, "INSERT INTO {log}(seq, id, chain) VALUES (?1, ?2, ?3)")                         \
    X(LOG_CHAIN, "SELECT chain FROM {log} WHERE seq = ?1")                                         \
    X(LOG_SINCE, "SELECT id FROM {log} WHERE seq > ?1")                                            \
    X(LOG_COUNT, "SELECT count(*) FROM {log} WHERE seq > ?1")                                      \
    X(LOG_TRIM, "DELETE FROM {log} WHERE seq < ?1")                                                \
    X(CONFIG_GET, "SELECT value FROM {config} WHERE key = ?1")                                     \
    X(CONFIG_PUT, "INSERT OR REPLACE INTO {config}(key, value) VALUES (?1, ?2)")

typedef enum hx_sql_id {
#define HX_SQL_ENUM(name, text) HX_SQL_##name,
    HX_SQL_MAP(HX_SQL_ENUM)
#undef HX_SQL_ENUM
        HX_SQL_COUNT
} hx_sql_id;

/* The statements of one table. */
typedef struct hx_sql {
    sqlite3_stmt *kept[HX_SQL_COUNT]; /* NULL: not prepared yet, or lent */
    unsigned generation; /* counts hx_sql_drop: what was lent before is for the old name */
} hx_sql;

/* A statement on loan to a cursor. */
typedef struct hx_loan {
    sqlite3_stmt *stmt; /* NULL: nothing borrowed */
    hx_sql_id id;
    unsigned generation;
} hx_loan;

/* All functions return an SQLite code and leave its sentence in the table (error.h). */

/* The statement, ready for bindings.  Not the caller's to finalize. */
int hx_sql_get(hx_shadow *shadow, hx_sql_id id, sqlite3_stmt **out);

/* Steps a statement that returns no rows, and resets it. */
int hx_sql_run(hx_shadow *shadow, sqlite3_stmt *stmt);

/*
** Steps a statement for its next row: SQLITE_ROW, SQLITE_DONE or an error.  After anything but
** SQLITE_ROW it is reset.
*/
int hx_sql_step(hx_shadow *shadow, sqlite3_stmt *stmt);

/* Ends the use of a statement; bindings are let go. */
void hx_sql_done(sqlite3_stmt *stmt);

/* The integer of a statement that returns one row and one column; 0 if it has no row. */
int hx_sql_integer(hx_shadow *shadow, sqlite3_stmt *stmt, sqlite3_int64 *out);

/* Takes a statement out of the table, so that several may scan at once, and gives it back. */
int hx_sql_borrow(hx_shadow *shadow, hx_sql_id id, hx_loan *loan);
void hx_sql_return(hx_shadow *shadow, hx_loan *loan);

/* Finalizes all that are kept. */
void hx_sql_drop(hx_shadow *shadow);

/* Runs a statement once; the format is sqlite3_mprintf's. */
int hx_sql_exec(hx_shadow *shadow, const char *format, ...);

#endif
