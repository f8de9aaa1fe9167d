/*
** Interface to autobuild.c: automatic builds, which run at COMMIT (xSync).
*/
#ifndef HX_AUTOBUILD_H
#define HX_AUTOBUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "hannoy.h"
#include "schema/declaration.h"

typedef struct hx_writer hx_writer;

/* After a failed build of an index. */
typedef struct hx_autobuild_wait {
    int64_t until; /* no automatic build before the log's tip is here, */
    bool indexed;  /* as long as whether there is an index stays the same */
} hx_autobuild_wait;

typedef struct hx_autobuild {
    int64_t written;    /* log rows of this transaction, those undone by ROLLBACK TO included */
    int64_t checked_at; /* the log's tip when the sidecar was last opened at a COMMIT */
    char *trouble;      /* why the last build at COMMIT failed; NULL: it did not */
    hx_autobuild_wait waits[HX_MAX_VECTORS];
} hx_autobuild;

/* xBegin, xSync, and xCommit or xRollback. */
int hx_autobuild_begin(hx_writer *writer);
int hx_autobuild_sync(hx_writer *writer);
int hx_autobuild_done(hx_writer *writer);

/*
** After builds in this write transaction, when all indexes hold boundary `at`: trims the log.  If
** this write fails SQLite has rolled the transaction back, so the error must reach the user.
*/
int hx_autobuild_trim(hx_writer *writer, hny_boundary at);

void hx_autobuild_free(hx_autobuild *autobuild);

#endif
