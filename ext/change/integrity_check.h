/*
** Interface to check.c: does the index of a table agree with its rows?
*/
#ifndef HX_INTEGRITY_CHECK_H
#define HX_INTEGRITY_CHECK_H

typedef struct hx_view hx_view;

/*
** SQLITE_OK: the log is whole, every record of the sidecar is sound, and the index holds exactly the
** rows outside the delta, with their vectors.  SQLITE_CORRUPT_VTAB with a sentence about the first
** fault.  A table without an index is sound.
*/
int hx_integrity_check(hx_view *view);

#endif
