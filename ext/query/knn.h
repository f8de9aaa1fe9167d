/*
** Interface to knn.c: the rows nearest to a query, in the order of hny_hit_compare.
*/
#ifndef HX_KNN_H
#define HX_KNN_H

#include "query/request.h"

typedef struct hx_view hx_view;
typedef struct hx_knn hx_knn;

/*
** A query for the rows nearest to `vector`, the stored bytes of one.  Finds nothing yet.  Takes
** over request->conditions, also on failure.  SQLITE_OK or SQLITE_NOMEM.
*/
int hx_knn_new(hx_view *view, const void *vector, const hx_knn_request *request, hx_knn **out);
void hx_knn_free(hx_knn *knn); /* NULL is fine */

/* SQLITE_ROW with the next hit, SQLITE_DONE, or an error with its sentence in the table. */
int hx_knn_next(hx_knn *knn, hny_hit *out);

#endif
