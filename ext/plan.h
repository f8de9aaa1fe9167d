/*
** Interface to plan.c: which constraints a cursor takes over from SQLite, and how it is told.
*/
#ifndef HX_PLAN_H
#define HX_PLAN_H

#include "host.h"

/*
** idxNum: what xFilter does and which arguments it gets, in this order.  Without HX_PLAN_KNN it is a
** scan of the content by rowid.
*/
enum {
    HX_PLAN_KNN = 1,        /* the query */
    HX_PLAN_K = 2,          /* k */
    HX_PLAN_EF = 4,         /* ef */
    HX_PLAN_ROWID = 8,      /* one rowid */
    HX_PLAN_FROM = 16,      /* the least rowid; SQLite checks again whether it is itself included */
    HX_PLAN_TO = 32,        /* the largest rowid, likewise */
    HX_PLAN_DOWN = 64,      /* largest rowid first */
    HX_PLAN_IDS = 128,      /* nobody reads the vectors */
    HX_PLAN_DISTANCES = 256 /* with HX_PLAN_KNN: somebody reads the distance, or sorts by it */
};

/* xBestIndex. */
int hx_plan_best(sqlite3_vtab *vtab, sqlite3_index_info *info);

/* xFindFunction: knn_match(vector, query) is a constraint for xBestIndex to take. */
int hx_plan_function(sqlite3_vtab *vtab, int argc, const char *name,
                     void (**function)(sqlite3_context *, int, sqlite3_value **), void **aux);

/* knn_match where no plan took it: an error with a sentence. */
void hx_knn_match(sqlite3_context *context, int argc, sqlite3_value **argv);

#endif
