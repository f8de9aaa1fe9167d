#include "plan.h"

#include <stdbool.h>

#include "error.h"
#include "table.h"

/* The constraints that matter, as positions in aConstraint; -1: there is none. */
typedef struct survey {
    int query, k, ef;
    int rowid, from, to;
    int queries;         /* constraints that ask for neighbours, usable or not */
    bool unusable;       /* one of the query's is, in this join order */
    const char *compare; /* "k" or "ef" where it is compared with anything but = */
} survey;

typedef struct sqlite3_index_constraint constraint;

static bool is_query(const constraint *c) {
    if (c->iColumn == HX_COLUMN_VECTOR)
        return c->op == SQLITE_INDEX_CONSTRAINT_MATCH || c->op == SQLITE_INDEX_CONSTRAINT_FUNCTION;
    return c->iColumn == HX_COLUMN_QUERY && c->op == SQLITE_INDEX_CONSTRAINT_EQ;
}

static bool is_comparison(const constraint *c) {
    return c->op == SQLITE_INDEX_CONSTRAINT_LT || c->op == SQLITE_INDEX_CONSTRAINT_LE ||
           c->op == SQLITE_INDEX_CONSTRAINT_GT || c->op == SQLITE_INDEX_CONSTRAINT_GE;
}

static void survey_number(survey *s, const constraint *c, int position) {
    const bool k = c->iColumn == HX_COLUMN_K;
    if (c->op == SQLITE_INDEX_CONSTRAINT_EQ) {
        if (!c->usable) s->unusable = true;
        *(k ? &s->k : &s->ef) = position;
    } else if (is_comparison(c)) {
        s->compare = k ? "k" : "ef";
    }
}

static void survey_rowid(survey *s, const constraint *c, int position) {
    if (!c->usable) return;
    switch (c->op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
        s->rowid = position;
        break;
    case SQLITE_INDEX_CONSTRAINT_GT:
    case SQLITE_INDEX_CONSTRAINT_GE:
        s->from = position;
        break;
    case SQLITE_INDEX_CONSTRAINT_LT:
    case SQLITE_INDEX_CONSTRAINT_LE:
        s->to = position;
        break;
    default:
        break;
    }
}

static survey look(const sqlite3_index_info *info) {
    survey s = {-1, -1, -1, -1, -1, -1, 0, false, NULL};
    for (int i = 0; i < info->nConstraint; i++) {
        const constraint *const c = &info->aConstraint[i];
        if (is_query(c)) {
            s.queries++;
            s.query = i;
            if (!c->usable) s.unusable = true;
        } else if (c->iColumn == HX_COLUMN_K || c->iColumn == HX_COLUMN_EF) {
            survey_number(&s, c, i);
        } else if (c->iColumn == -1) {
            survey_rowid(&s, c, i);
        }
    }
    return s;
}

/* Hands the value of a constraint to xFilter as its next argument. */
static void take(sqlite3_index_info *info, int position, int flag, bool omit) {
    if (position < 0) return;
    int next = 1;
    for (int i = 0; i < info->nConstraint; i++) next += info->aConstraintUsage[i].argvIndex > 0;
    info->aConstraintUsage[position].argvIndex = next;
    info->aConstraintUsage[position].omit = omit;
    info->idxNum |= flag;
}

/* Does the statement want exactly this order? */
static bool ordered_by(const sqlite3_index_info *info, int column) {
    return info->nOrderBy == 1 && info->aOrderBy[0].iColumn == column;
}

/* ------------------------------------------------------------------------------ nearest rows -- */

/*
** A constraint on the rowid is left to SQLite even where it is usable: taken, it would make a JOIN
** run one search for each row of the other table.
*/
static int plan_knn(hx_table *table, sqlite3_index_info *info, const survey *s) {
    static const char *const words[] = {"knn", "knn k=?", "knn ef=?", "knn k=? ef=?"};
    if (s->queries > 1)
        return hx_fail(table, SQLITE_ERROR,
                       "hannoy: %s is asked for neighbours of %d vectors at once; "
                       "join the table once for each",
                       table->name, s->queries);
    if (s->compare)
        return hx_fail(table, SQLITE_ERROR, "hannoy: %s is set with =, as in %s = 10", s->compare,
                       s->compare);
    if (s->unusable) return SQLITE_CONSTRAINT;
    take(info, s->query, HX_PLAN_KNN, true);
    take(info, s->k, HX_PLAN_K, true);
    take(info, s->ef, HX_PLAN_EF, true);
    if (info->colUsed & 1u << HX_COLUMN_DISTANCE) info->idxNum |= HX_PLAN_DISTANCES;
    info->idxStr = (char *)words[(s->k >= 0) + 2 * (s->ef >= 0)];
    info->orderByConsumed = ordered_by(info, HX_COLUMN_DISTANCE) && !info->aOrderBy[0].desc;
    info->estimatedCost = 10000;
    info->estimatedRows = s->k >= 0 ? 10 : 100;
    return SQLITE_OK;
}

/* --------------------------------------------------------------------------------- the table -- */

/* The number of rows is not worth a look at the database; only the proportions matter. */
#define ASSUMED_ROWS 1e6

static void plan_one(sqlite3_index_info *info, const survey *s) {
    take(info, s->rowid, HX_PLAN_ROWID, false);
    info->idxStr = "rowid=?";
    info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
    info->orderByConsumed = ordered_by(info, -1);
    info->estimatedCost = 5;
    info->estimatedRows = 1;
}

static void plan_range(sqlite3_index_info *info, const survey *s) {
    static const char *const words[] = {"all", "rowid>?", "rowid<?", "rowid>? rowid<?"};
    const double share = (s->from >= 0 ? 0.25 : 1) * (s->to >= 0 ? 0.25 : 1);
    take(info, s->from, HX_PLAN_FROM, false);
    take(info, s->to, HX_PLAN_TO, false);
    info->idxStr = (char *)words[(s->from >= 0) + 2 * (s->to >= 0)];
    if (ordered_by(info, -1)) {
        info->orderByConsumed = 1;
        if (info->aOrderBy[0].desc) info->idxNum |= HX_PLAN_DOWN;
    }
    info->estimatedCost = 3 * share * ASSUMED_ROWS;
    info->estimatedRows = (sqlite3_int64)(share * ASSUMED_ROWS);
}

int hx_plan_best(sqlite3_vtab *vtab, sqlite3_index_info *info) {
    const survey s = look(info);
    info->idxNum = 0;
    if (s.queries) return plan_knn((hx_table *)vtab, info, &s);
    if (!(info->colUsed & 1u << HX_COLUMN_VECTOR)) info->idxNum |= HX_PLAN_IDS;
    if (s.rowid >= 0)
        plan_one(info, &s);
    else
        plan_range(info, &s);
    return SQLITE_OK;
}

/* --------------------------------------------------------------------------------- knn_match -- */

int hx_plan_function(sqlite3_vtab *vtab, int argc, const char *name,
                     void (**function)(sqlite3_context *, int, sqlite3_value **), void **aux) {
    (void)vtab;
    if (argc != 2 || sqlite3_stricmp(name, "knn_match") != 0) return 0;
    *function = hx_knn_match;
    *aux = NULL;
    return SQLITE_INDEX_CONSTRAINT_FUNCTION;
}

void hx_knn_match(sqlite3_context *context, int argc, sqlite3_value **argv) {
    (void)argc;
    (void)argv;
    sqlite3_result_error(context,
                         "hannoy: knn_match(vector, query) stands in WHERE, by itself or joined by "
                         "AND, and its first argument is the vector column of a hannoy table",
                         -1);
}
