/*
** Interface to vec_functions.c: SQL functions of vectors under sqlite-vec's names.
**
** Applications written for sqlite-vec (https://github.com/asg017/sqlite-vec, here 0.1.9) get the
** same results.  Vectors are BLOBs or JSON; a BLOB is of the type of its mark (argument.h), or
** float32:
**
**   vec_f32(v), vec_int8(v), vec_bit(v)       a marked BLOB; the argument's own mark is ignored
**   vec_length(v), vec_type(v)                INTEGER dimensions; 'float32', 'int8', 'bit'
**   vec_to_json(v)                            six digits after the point, as printf("%f"); bits
**   vec_add(a, b), vec_sub(a, b)              element by element, int8 modulo 256; not of bits
**   vec_slice(v, start, end)                  from start, counted from 0, up to end, excluded
**   vec_normalize(v)                          x / length; float32 only
**   vec_quantize_binary(v)                    x > 0 as bits; a multiple of 8 of them
**   vec_quantize_int8(v, 'unit')              -1 .. 1 onto -128 .. 127, cut off towards zero
**   vec_distance_l2, _l1, _cosine (a, b)      of numbers of one type and length
**   vec_distance_hamming(a, b)                of bits
**   vec_version(), vec_debug()                texts
**
** Differences: distances are those of hannoy's tables, in double precision; the cosine distance of
** a zero vector is 1, not NULL; vec_normalize of a zero vector gives zeros, not NaN; a sum beyond
** float32 is refused, not infinity; vec_bit accepts JSON; float16 is accepted where numbers are;
** JSON must be well-formed except for numbers that begin with a point; and a vector has at most
** 65536 dimensions.  NULL gives NULL.
*/
#ifndef HX_VEC_FUNCTIONS_H
#define HX_VEC_FUNCTIONS_H

#include "sqlite_api.h"

/*
** Registers the functions that the connection does not have, so that sqlite-vec's own stay when it
** was loaded first; loaded later, it replaces these.  Call it after hx_hannoy_functions_register;
** registers nothing when SQLite does not list its functions.
*/
int hx_vec_functions_register(sqlite3 *db);

#endif
