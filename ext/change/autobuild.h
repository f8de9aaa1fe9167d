/*
** Interface to commit.c: the end of a write transaction, which is where automatic builds run.
*/
#ifndef HX_AUTOBUILD_H
#define HX_AUTOBUILD_H

#include <stdbool.h>
#include <stdint.h>

typedef struct hx_writer hx_writer;
typedef struct hx_index_build hx_index_build;

typedef struct hx_autobuild {
    int64_t written;   /* log rows of this transaction, those that ROLLBACK TO undid included */
    int64_t wait_for;  /* after a failure, no automatic build before the log's tip is here, */
    bool indexed;      /* unless there is an index where there was none, or the other way round */
    int64_t looked_at; /* the log's tip when the sidecar was last asked what it has */
    char *trouble;     /* why the last build at a COMMIT did not come about; NULL: it did */
} hx_autobuild;

/* xBegin, xSync, and xCommit or xRollback. */
int hx_autobuild_begin(hx_writer *writer);
int hx_autobuild_sync(hx_writer *writer);
int hx_autobuild_done(hx_writer *writer);

/*
** After a build in this write transaction: drops the part of the log that the sidecar holds now.  A
** failure of this write has rolled the transaction back and must reach the user.
*/
int hx_autobuild_trim(hx_writer *writer, const hx_index_build *build);

void hx_autobuild_free(hx_autobuild *commit);

#endif
