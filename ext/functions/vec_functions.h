/*
** Interface to vec_functions.c: SQL functions of vectors, under sqlite-vec's names.
**
** An application written for sqlite-vec (https://github.com/asg017/sqlite-vec, here 0.1.9) finds
** what it calls, with the results that it knows.  Vectors come as BLOBs or as JSON; a BLOB is of
** the type that it is marked with (argument.h), or float32:
**
**   vec_f32(v), vec_int8(v), vec_bit(v)       a BLOB that is marked; a BLOB's own mark does not count
**   vec_length(v), vec_type(v)                INTEGER dimensions; 'float32', 'int8', 'bit'
**   vec_to_json(v)                            six digits after the point, as printf's %f; bits 0 or 1
**   vec_add(a, b), vec_sub(a, b)              element by element, int8 modulo 256; not of bits
**   vec_slice(v, start, end)                  from start, counted from 0, up to but not including end
**   vec_normalize(v)                          x / length; float32 only
**   vec_quantize_binary(v)                    x > 0 as bits; a multiple of 8 of them
**   vec_quantize_int8(v, 'unit')              -1 .. 1 onto -128 .. 127, cut off towards zero
**   vec_distance_l2, _l1, _cosine (a, b)      of numbers of one type and length
**   vec_distance_hamming(a, b)                of bits
**
** Where it differs: distances are those of hannoy's tables, in double precision, and of a zero
** vector, which gives NULL there, 1 under cosine; vec_normalize of a zero vector gives zeros, not
** NaN; a sum beyond float32 is refused, not infinity; vec_bit takes JSON, too; float16 goes where
** numbers go; JSON must be well-formed but for numbers that begin with a point; and a vector has at
** most 65536 dimensions.  NULL is refused, as there.
*/
#ifndef HX_VEC_FUNCTIONS_H
#define HX_VEC_FUNCTIONS_H

#include "sqlite_api.h"

/*
** Registers those that the connection does not have, so that sqlite-vec's own stay where it was
** loaded first; loaded later, it replaces these.  After hx_hannoy_functions_register; registers
** nothing where SQLite does not tell what there is.
*/
int hx_vec_functions_register(sqlite3 *db);

#endif
