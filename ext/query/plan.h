/*
** Interface to plan.c: which constraints a cursor takes over from SQLite, and how the cursor learns
** of them.
*/
#ifndef HX_PLAN_H
#define HX_PLAN_H

#include "shadow/statements.h"
#include "sqlite_api.h"

/*
** idxNum: what xFilter does and which arguments it gets, in this order.  Without HX_PLAN_KNN it is
** a scan of the content.  EXPLAIN QUERY PLAN shows idxStr; with HX_PLAN_CONDITIONS it begins with
** codes for the arguments that follow (constraints.h) and a colon.
*/
enum {
    /* a search */
    HX_PLAN_KNN = 1 << 0,         /* the query, or the item */
    HX_PLAN_ITEM = 1 << 1,        /* it is an item: a row whose neighbours are wanted */
    HX_PLAN_ARGUMENT = 1 << 2,    /* it is v's argument: a query, or as an integer an item */
    HX_PLAN_K = 1 << 3,           /* k */
    HX_PLAN_EF = 1 << 4,          /* ef */
    HX_PLAN_EXACT = 1 << 5,       /* exact */
    HX_PLAN_LITERAL = 1 << 7,     /* the query is a literal */
    HX_PLAN_CONDITIONS = 1 << 10, /* bounds and conditions */
    HX_PLAN_DISTANCES = 1 << 11,  /* the statement reads the distance, or sorts by it */
    /* a scan */
    HX_PLAN_NO_QUERY = 1 << 6, /* k, ef or exact is given, and nothing to search for: an error */
    HX_PLAN_ROWID = 1 << 12,   /* one rowid */
    HX_PLAN_KEY = 1 << 13,     /* one key, a text */
    HX_PLAN_FROM = 1 << 14, /* a lower bound of the rowid; SQLite checks whether it passes itself */
    HX_PLAN_TO = 1 << 15,   /* an upper bound of the rowid, likewise */
    HX_PLAN_DOWN = 1 << 16, /* largest rowid first */
    /* either */
    HX_PLAN_NO_VECTOR = 1 << 17, /* the statement reads neither the vector */
    HX_PLAN_NO_REST = 1 << 18    /* nor the columns stored beside it */
};

/*
** In the bits above, of a table with several vectors: the place of the one that is searched for,
** and one more than the place of the only one that the statement reads; 0: it reads several.
*/
#define HX_PLAN_SEARCHED_BIT 19
#define HX_PLAN_READ_BIT     23

static inline int hx_plan_searched(int plan) {
    return plan >> HX_PLAN_SEARCHED_BIT & 15;
}

static inline int hx_plan_read(int plan) {
    const int read = plan >> HX_PLAN_READ_BIT & 31;
    return read ? read - 1 : HX_ALL_VECTORS;
}

/* xBestIndex. */
int hx_plan_best(sqlite3_vtab *vtab, sqlite3_index_info *info);

/* xFindFunction: knn_match(vector, query) is a constraint for xBestIndex to take. */
int hx_plan_function(sqlite3_vtab *vtab, int argc, const char *name,
                     void (**function)(sqlite3_context *, int, sqlite3_value **), void **aux);

/* knn_match where no plan takes it: an error with a sentence. */
void hx_knn_match(sqlite3_context *context, int argc, sqlite3_value **argv);

#endif
