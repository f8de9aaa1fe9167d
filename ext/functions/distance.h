/*
** Interface to distance.c: the distance of two arguments of an SQL function.  It is the distance
** that a table of their shape returns (hannoy.h), in double precision.
*/
#ifndef HX_DISTANCE_H
#define HX_DISTANCE_H

#include "functions/argument.h"

/*
** Sets the result of hannoy_distance(a, b, metric [, type]).  When the lengths of
** a and b differ, a BLOB that is a float32 vector of the other's length is converted, as in tables.
*/
void hx_distance(sqlite3_context *context, int argc, sqlite3_value **argv);

/*
** Sets the result of vec_distance_…(a, b), by the metric in the function's detail.  Both vectors
** must have the same mark; hamming takes bits only, the others numbers only.
*/
void hx_distance_marked(sqlite3_context *context, int argc, sqlite3_value **argv);

#endif
