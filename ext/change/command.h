/*
** Interface to command.c: INSERT INTO v(v) VALUES('…'): build, rebuild, compact, integrity-check,
** or a setting such as ef=200; and INSERT INTO v(v, vector) VALUES('calibrate', …).
*/
#ifndef HX_COMMAND_H
#define HX_COMMAND_H

#include "sqlite_api.h"

typedef struct hx_writer hx_writer;

/*
** Within xUpdate.  `queries`: what the column of the vector at `vector` holds; NULL: nothing.  An
** SQLite code, with its sentence in the table.
*/
int hx_command_run(hx_writer *writer, sqlite3_value *text, int vector, sqlite3_value *queries);

/* A command came with values in other columns. */
int hx_command_refuse_values(hx_writer *writer);

#endif
