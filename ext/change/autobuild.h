/*
** Interface to commit.c: the end of a write transaction, which is where automatic builds run.
*/
#ifndef HX_COMMIT_H
#define HX_COMMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "sqlite_api.h"

typedef struct hx_table hx_table;
typedef struct hx_build hx_build;

typedef struct hx_commit {
    int64_t written;   /* log rows of this transaction, those that ROLLBACK TO undid included */
    int64_t wait_for;  /* after a failure, no automatic build before the log's tip is here, */
    bool indexed;      /* unless there is an index where there was none, or the other way round */
    int64_t looked_at; /* the log's tip when the sidecar was last asked what it has */
    char *trouble;     /* why the last build at a COMMIT did not come about; NULL: it did */
} hx_commit;

/* Methods of sqlite3_module. */
int hx_commit_begin(sqlite3_vtab *vtab);
int hx_commit_sync(sqlite3_vtab *vtab);
int hx_commit_done(sqlite3_vtab *vtab); /* xCommit and xRollback */

/*
** After a build in this write transaction: drops the part of the log that the sidecar holds now.  A
** failure of this write has rolled the transaction back and must reach the user.
*/
int hx_commit_trim(hx_table *table, const hx_build *build);

void hx_commit_free(hx_commit *commit);

#endif
