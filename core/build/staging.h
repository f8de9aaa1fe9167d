/*
** Interface to staging.c: new rows, from when they are added until their codes are in the sidecar.
**
** Rows near each other get slots near each other (reorder.h), and which rows those are is known
** only after all were added.  Staging keeps as many as HANNOY_BUILD_MEMORY allows.  If there are
** more, each full buffer is sorted by place and written to a temporary file as a run, and all runs
** are merged at the end.
*/
#ifndef HNY_STAGING_H
#define HNY_STAGING_H

#include "build/state.h"

/* Where the parts of a staged row lie. */
typedef struct hny__staged_row {
    uint8_t *code, *residual;
    hny_attribute *attributes;
} hny__staged_row;

/* Makes staging for the codes and attributes that the build has now; drops all staged rows. */
int hny__staging_open(hny_build *build);
void hny__staging_close(hny_build *build);

/* Memory for the next row.  It is staged by hny__staging_add, and overwritten otherwise. */
hny__staged_row hny__staging_next(const hny_build *build);
int hny__staging_add(hny_build *build, int64_t rowid);

/* Writes all rows that were added, queues them for linking, and closes staging. */
int hny__staging_flush(hny_build *build);

#endif
