/*
** The model that property.c drives beside the real thing: what each connection must see, kept in
** plain arrays by the rules of SQLite's transactions, and nothing of the extension's.
**
** `disk` is the last committed state.  A connection that holds a snapshot sees its own copy, with
** its uncommitted changes in it; one without sees `disk`.  Whether it holds one is not guessed:
** sqlite3_txn_state tells.  All connections are driven by one thread, so nothing moves between two
** statements, and a run follows from its seed.
*/
#ifndef SQL_TESTS_MODEL_H
#define SQL_TESTS_MODEL_H

#include "common.h"
#include "oracle.h"

#define TABLES      2
#define CONNECTIONS 4 /* two writers, two long readers */
#define CURSORS     2 /* open streams of a connection */
#define SAVEPOINTS  4
#define BACKUPS     3
#define HISTORY     30
#define BATCH       8 /* rows of one statement, at most */

typedef struct table {
    bool exists;
    char name[8];
    char docs[8]; /* with kind EXTERNAL: where its rows are */
    shape s;
    rowset content;
} table;

typedef struct state {
    table t[TABLES];
} state;

typedef struct cursor {
    sqlite3_stmt *stmt; /* NULL: free */
    query q;            /* without the vector */
    judge j;
    size_t expected; /* rows in all */
    bool dirty;      /* its own connection has written since: whatever comes, it must not crash */
} cursor;

typedef struct connection {
    char name[4];
    sqlite3 *db;
    bool writer;
    bool in_transaction; /* BEGIN or SAVEPOINT, not ended yet */
    bool begun;          /* by BEGIN */
    bool snapshot;       /* holds a read transaction, and `view` is what it sees */
    bool wrote;          /* in this transaction */
    bool stuck;          /* COMMIT got BUSY: holds a PENDING lock in rollback-journal mode */
    bool exclusive;
    bool veto;   /* the commit hook says no, once */
    bool vetoed; /* it has */
    state view;
    state saved[SAVEPOINTS];
    int depth; /* savepoints */
    cursor cursors[CURSORS];
} connection;

typedef struct config {
    bool wal, big;
    bool memory;      /* a :memory: or a temporary database, so one connection only */
    bool patient;     /* so many builds that the oldest boundaries are forgotten */
    const char *path; /* of the database, NULL: of the case's own file */
    const char *journal;
    int tables;
    int autobuild;
    int threads;      /* 0: the default */
    int linear_below; /* -1: the default */
    int m, ef_construction;
    int ids;   /* how many rowids are in play */
    int style; /* of the vectors */
} config;

typedef struct world {
    rng r;
    config cfg;
    state disk;
    int connections; /* in use, from the first */
    connection c[CONNECTIONS];
    struct {
        bool there;
        state content;
    } backup[BACKUPS];
    int sidecars; /* copies kept so far */
    struct {
        int count;
        int64_t ids[BATCH];
    } again; /* of the last INSERT */
    long step;
    char history[HISTORY][200]; /* a ring, by step */
    long told;
} world;

/* Counts over all runs, in memory that the processes share. */
typedef struct counts {
    long steps, queries, snapshots, commits, refused, vetoes, builds, cursors;
} counts;
extern counts *count;

void state_copy(state *to, const state *from);
void state_free(state *s);

/* Notes what is done, for the description of a failure. */
void tell_step(world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

const char *sidecar_path(void);
void connection_open(world *w, connection *c);
void connection_close(world *w, connection *c); /* rolls back what is open */

/* What it must see now. */
const state *visible(const world *w, const connection *c);

/* Another connection is inside a COMMIT that waits, so even reading may be BUSY. */
bool blocked(const world *w, const connection *c);

/*
** Does that explain this result? Where the schema has changed meanwhile, SQLite cannot look and
** says "no such table".
*/
bool excused(const world *w, const connection *c, int rc);

/* A random table that the connection sees; NULL where there is none. */
const table *some_table(world *w, const connection *c, int *slot);
int64_t some_id(world *w, const rowset *content);

/*
** After a statement that must end in `expected` (SQLITE_OK or SQLITE_CONSTRAINT) and then makes
** *next what the connection sees: BUSY and the veto of a commit change nothing, anything else fails
** the case.  Takes the content of *next.
*/
void settle(world *w, connection *c, int rc, int expected, state *next);

/* After anything that may have begun or ended a read transaction. */
void refresh(world *w, connection *c);
void transaction_ended(world *w, connection *c);

void cursor_open(world *w, connection *c);
void cursor_step(world *w, connection *c, cursor *cur, int rows);
void cursor_close(world *w, connection *c, cursor *cur);
void cursors_close(world *w, connection *c);

/* Before a write of its own: closes its cursors, or leaves one open, which then is dirty. */
void cursors_before_write(world *w, connection *c);

/* Content and answers of a connection against the model. */
void connection_check(world *w, connection *c);

#endif
