/*
** Interface to write.c: INSERT, UPDATE and DELETE.
*/
#ifndef HX_WRITE_H
#define HX_WRITE_H

#include "sqlite_api.h"

typedef struct hx_writer hx_writer;

/*
** xUpdate.  Everything that can be refused is refused before the first shadow row is written: a
** statement on a single row has no journal of its own, so what it wrote before it failed would
** stay in the transaction.
*/
int hx_write_update(hx_writer *writer, int argc, sqlite3_value **argv, sqlite3_int64 *rowid);

#endif
