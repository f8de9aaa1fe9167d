/*
** Interface to integrity_check.c: compares the index of a table with its rows.
*/
#ifndef HX_INTEGRITY_CHECK_H
#define HX_INTEGRITY_CHECK_H

typedef struct hx_view hx_view;

/*
** SQLITE_OK: the log has no gap, every record of the sidecar is valid, and the index holds
** exactly the rows outside the delta, with their vectors.  SQLITE_CORRUPT_VTAB with a sentence
** about the first fault otherwise.  A table without an index passes.
*/
int hx_integrity_check(hx_view *view);

#endif
