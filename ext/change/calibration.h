/*
** Interface to calibration.c: INSERT INTO v(v, vector) VALUES('calibrate', queries).
**
** A build calibrates searches by the table's own rows (build/calibrate.h): a search for a recall
** knows what finds so much for queries that resemble them.  For queries of another kind that may be
** too little.  A calibration by a user's queries finds the smallest *aim* with which the recall of
** the table's settings is reached for them: a larger recall of the rows' own queries, or where the
** largest does not suffice an ef.  The aim is kept in the table's options, so it outlives each
** build; as a build calibrates anew, it means the same again.  It never makes searches smaller.
*/
#ifndef HX_CALIBRATION_H
#define HX_CALIBRATION_H

#include "sqlite_api.h"

typedef struct hx_writer hx_writer;

/* An SQLite code, with its sentence in the table. */
int hx_calibrate(hx_writer *writer, int vector, sqlite3_value *queries);

#endif
