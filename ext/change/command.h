/*
** Interface to command.c: INSERT INTO v(v) VALUES('…'): build, rebuild, compact,
** integrity-check, or a setting such as ef=200.
*/
#ifndef HX_COMMAND_H
#define HX_COMMAND_H

#include "sqlite_api.h"

typedef struct hx_writer hx_writer;

/* Within xUpdate.  An SQLite code, with its sentence in the table. */
int hx_command_run(hx_writer *writer, sqlite3_value *text);

#endif
