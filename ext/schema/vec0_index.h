/*
** Interface to vec0_index.c: INDEXED BY clauses of sqlite-vec, and one of our own.
**
**     flat()                                            linear_below, so that searches are exact
**     rescore(quantizer=bit|int8)                       codes
**     ivf(quantizer=binary|int8)                        codes
**     diskann(neighbor_quantizer=binary|int8,           codes
**             n_neighbors=N,                            m, which is half of the links of level 0
**             search_list_size, _search, _insert = N)   ef, ef_construction
**     hnsw(m=N, ef_construction=N, …)                   our options by their names
**
** Other parameters of theirs have no counterpart and are ignored.
*/
#ifndef HX_VEC0_INDEX_H
#define HX_VEC0_INDEX_H

#include "schema/arguments.h"
#include "sqlite_api.h"
#include "values/span.h"

/* Appends a note to a list of them; the format is sqlite3_mprintf's. */
void hx_note(sqlite3_str *notes, const char *format, ...);

/*
** Appends the options that the clause "name(…)" stands for, and notes what became of it.
** SQLITE_OK, or SQLITE_ERROR or SQLITE_NOMEM as in refuse.h.
*/
int hx_index_clause(hx_span clause, hx_arguments *options, sqlite3_str *notes, char **error);

#endif
