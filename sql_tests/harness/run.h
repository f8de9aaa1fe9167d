/*
** The SQL test runner: what its files share.
**
**     run.c            the command line, a process a file, the counts; the dialect, at its top
**     run_script.c     *.test files: records, loops, variables
**     run_markdown.c   the SQL blocks of a Markdown file
**     run_database.c   connections, cursors, parameters, backup
**     run_rows.c       rows as text, and the comparison with what was expected
**     run_meanwhile.c  what another connection does in the middle of a statement
**     run_functions.c  the SQL functions test_…
**
** Allocation failures end the process: it is a test program.
*/
#ifndef HANNOY_SQL_TESTS_RUN_H
#define HANNOY_SQL_TESTS_RUN_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* nftw, getline; before the first header of the system */
#endif

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

/* A string that grows.  bytes is NULL or ends in 0. */
typedef struct text {
    char *bytes;
    size_t length, capacity;
} text;

void text_add(text *t, const char *bytes, size_t length);
void text_printf(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_free(text *t);
const char *text_string(const text *t); /* "" for an empty one */

void *run_alloc(size_t bytes);
char *run_strdup(const char *string);
char *run_strndup(const char *string, size_t length);

/* ------------------------------------------------------------------------- one file's run -- */

/* Lies in memory that parent and child share, so that a crash loses nothing. */
typedef struct report {
    int passed, failed;
    int line; /* of the record being run, for the sentence about a crash */
} report;

typedef struct connection {
    char *label;
    char *file;
    int readonly;
    sqlite3 *db; /* NULL until it is used */
} connection;

typedef struct named {
    char *name;
    char *value;
} named;

typedef struct binding {
    char *name; /* with its colon */
    sqlite3_value *value;
} binding;

typedef struct cursor {
    char *name;
    sqlite3_stmt *stmt;
    int done; /* a step past the end would begin anew */
} cursor;

/* The result of a query as text. */
typedef struct rows {
    size_t count, columns, capacity; /* capacity in cells */
    char **cells;                    /* count * columns */
} rows;

/* Waits for the next record (run_meanwhile.c). */
typedef struct meanwhile {
    int armed, done;
    long wait, calls; /* of the progress handler */
    char *label;      /* of the connection that acts */
    char *sql;        /* NULL: an interrupt of the record itself */
    rows expected, got;
    text message; /* of the SQL's error */
    size_t line;
    sqlite3 *db; /* whose handler is set; NULL until the record runs */
} meanwhile;

#define RUN_CONNECTIONS 16
#define RUN_CURSORS     8
#define RUN_BINDINGS    32
#define RUN_VARIABLES   16
#define RUN_LABELS      1024

typedef struct run {
    const char *path;      /* as printed */
    const char *extension; /* absolute path of hannoy.so, or NULL */
    char **lines;          /* of the file, without line ends */
    size_t line_count;
    connection connections[RUN_CONNECTIONS];
    int connection_count;
    connection *current;
    char *database; /* what `connection LABEL` opens when it names no file */
    cursor cursors[RUN_CURSORS];
    int cursor_count;
    binding bindings[RUN_BINDINGS];
    int binding_count;
    named variables[RUN_VARIABLES]; /* of loops, innermost last */
    int variable_count;
    named labels[RUN_LABELS]; /* rows of the labelled queries */
    int label_count;
    meanwhile meanwhile;
    bool skip_next; /* the next record, loop or block is for another version of SQLite */
    report *report;
    int verbose;
} run;

/* Counts a record; a failure is printed with the line's number. */
void run_pass(run *r);
void run_fail(run *r, size_t line, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---------------------------------------------------------------------------- run_rows.c -- */

void rows_free(rows *r);

/* Adds the current row of stmt, each value as text under its letter of `types` (A where NULL). */
void rows_add(rows *r, sqlite3_stmt *stmt, const char *types);
void rows_sort(rows *r);
void rows_text(const rows *r, text *out);

/* Splits an expected line into cells.  separator: a string, or NULL for tabs, else blanks. */
int rows_add_line(rows *r, const char *line, size_t columns, const char *separator);

/* 1 if equal, else 0 and a sentence in `why`. */
int rows_equal(const rows *expected, const rows *got, const char *types, text *why);

/* ------------------------------------------------------------------------ run_database.c -- */

void database_select(run *r, const char *label, const char *file, int readonly);
sqlite3 *database_open(run *r); /* the current connection's; a failure to open is fatal */
int database_load(run *r, const char *path, char **message); /* an extension, into it */
void database_close(run *r, const char *label, size_t line); /* label NULL: all */
void database_reset(run *r, size_t line);                    /* close and forget all of it */

/*
** Runs every statement of sql.  0 or an extended result code; the message is in *message.  With
** `got` the rows of the last statement are added to it; *columns is its number of columns.
*/
int database_exec(run *r, const char *sql, const char *types, rows *got, text *message);

void database_bind(run *r, const char *name, const char *expression, size_t line);
void database_copy(run *r, const char *file, int into, size_t line); /* the backup API */

/* Digest of schema and rows of every ordinary table that the connection sees. */
sqlite3_int64 database_digest(sqlite3 *db);

void cursor_open(run *r, const char *name, const char *sql, size_t line);
cursor *cursor_find(run *r, const char *name);
int cursor_fetch(cursor *c, const char *types, size_t limit, rows *got, text *message);
void cursor_close(run *r, const char *name, size_t line);

int functions_register(sqlite3 *db);

/* For SQLITE_CONFIG_LOG: keeps what test_log() returns. */
void functions_note_log(void *arg, int code, const char *message);

/* ----------------------------------------------------------------------- run_meanwhile.c -- */

/* Arms what happens in the next record; sql NULL: an interrupt.  Takes sql and expected over. */
void meanwhile_arm(run *r, const char *label, long wait, char *sql, rows expected, size_t line);
void meanwhile_begin(run *r); /* before a record's SQL */
void meanwhile_end(run *r);   /* after it: checks what came of it */

/* --------------------------------------------------------------- run_script, run_markdown -- */

void script_run(run *r, size_t from, size_t to); /* lines [from, to) */
void markdown_run(run *r);

#endif
