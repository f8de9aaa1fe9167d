/*
** Interface to distance.c: the distance of two arguments of an SQL function, which is the one that
** a table of their shape returns (hannoy.h), in double precision.
*/
#ifndef HX_DISTANCE_H
#define HX_DISTANCE_H

#include "functions/argument.h"

/*
** Sets the result of hannoy_distance(a, b, metric [, type]).  Where a's and b's lengths differ, a
** BLOB that is a float32 vector of the other one's length is converted, as tables do.
*/
void hx_distance(sqlite3_context *context, int argc, sqlite3_value **argv);

/*
** Sets the result of vec_distance_…(a, b), by the metric in the function's detail: of vectors that
** are marked alike; hamming of bits only, the others of numbers only.
*/
void hx_distance_marked(sqlite3_context *context, int argc, sqlite3_value **argv);

#endif
