/*
** Interface to write.c: INSERT, UPDATE and DELETE.
*/
#ifndef HX_WRITE_H
#define HX_WRITE_H

#include "sqlite_api.h"

typedef struct hx_writer hx_writer;

/*
** xUpdate.  All checks precede the first write to a shadow table.  SQLite opens no statement
** journal for a single-row statement, so a write that precedes a failure would stay in the
** transaction.
*/
int hx_write_update(hx_writer *writer, int argc, sqlite3_value **argv, sqlite3_int64 *rowid);

#endif
