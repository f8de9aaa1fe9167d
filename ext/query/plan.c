/* xBestIndex, and knn_match as a constraint.  The contract is in plan.h. */
#include "query/plan.h"

#include <stdbool.h>

#include "query/constraints.h"
#include "shadow/error.h"
#include "shadow/shadow.h"

typedef struct sqlite3_index_constraint constraint;

/* The constraints that matter, as positions in aConstraint; -1: there is none. */
typedef struct survey {
    int query, k, ef, exact;
    int rowid, key, from, to;
    int queries;         /* constraints that ask for neighbours, usable or not */
    bool unusable;       /* one of the search's constraints is, in this join order */
    const char *compare; /* "k", "ef" or "exact" if it is compared otherwise than with = */
} survey;

/* Which hidden column this is, or HX_HIDDEN_COUNT. */
static hx_hidden hidden_of(const hx_shadow *shadow, int column) {
    const int first = shadow->columns.count;
    return column >= first && column < first + HX_HIDDEN_COUNT ? (hx_hidden)(column - first)
                                                               : HX_HIDDEN_COUNT;
}

static bool asks_for_neighbours(const hx_shadow *shadow, const constraint *c) {
    if (hx_column_is(&shadow->columns, c->iColumn, HX_ROLE_VECTOR)) {
        return c->op == SQLITE_INDEX_CONSTRAINT_MATCH || c->op == SQLITE_INDEX_CONSTRAINT_FUNCTION;
    }
    const hx_hidden hidden = hidden_of(shadow, c->iColumn);
    return (hidden == HX_QUERY || hidden == HX_ITEM) && c->op == SQLITE_INDEX_CONSTRAINT_EQ;
}

static bool is_upper_bound(const constraint *c) {
    return c->op == SQLITE_INDEX_CONSTRAINT_LT || c->op == SQLITE_INDEX_CONSTRAINT_LE;
}

static bool is_lower_bound(const constraint *c) {
    return c->op == SQLITE_INDEX_CONSTRAINT_GT || c->op == SQLITE_INDEX_CONSTRAINT_GE;
}

/* k, ef or exact: with = only. */
static void survey_number(const hx_shadow *shadow, survey *s, const constraint *c, int position,
                          hx_hidden which) {
    int *const place = which == HX_K ? &s->k : which == HX_EF ? &s->ef : &s->exact;
    if (c->op == SQLITE_INDEX_CONSTRAINT_EQ) {
        if (!c->usable) {
            s->unusable = true;
        }
        *place = position;
    } else if (is_upper_bound(c) || is_lower_bound(c)) {
        s->compare = hx_hidden_name(&shadow->columns, which);
    }
}

static void survey_rowid(survey *s, const constraint *c, int position) {
    if (!c->usable) {
        return;
    }
    if (c->op == SQLITE_INDEX_CONSTRAINT_EQ) {
        s->rowid = position;
    }
    if (is_lower_bound(c)) {
        s->from = position;
    }
    if (is_upper_bound(c)) {
        s->to = position;
    }
}

/* v_content finds a key by the collation of its column. */
static bool finds_key(const hx_shadow *shadow, sqlite3_index_info *info, int position) {
    const constraint *const c = &info->aConstraint[position];
    return hx_column_is(&shadow->columns, c->iColumn, HX_ROLE_KEY) &&
           c->op == SQLITE_INDEX_CONSTRAINT_EQ &&
           sqlite3_stricmp(sqlite3_vtab_collation(info, position),
                           shadow->columns.at[c->iColumn].collation) == 0;
}

static survey survey_constraints(const hx_shadow *shadow, sqlite3_index_info *info) {
    survey s = {-1, -1, -1, -1, -1, -1, -1, -1, 0, false, NULL};
    for (int i = 0; i < info->nConstraint; i++) {
        const constraint *const c = &info->aConstraint[i];
        const hx_hidden hidden = hidden_of(shadow, c->iColumn);
        if (asks_for_neighbours(shadow, c)) {
            s.queries++;
            s.query = i;
            if (!c->usable) {
                s.unusable = true;
            }
        } else if (hidden == HX_K || hidden == HX_EF || hidden == HX_EXACT) {
            survey_number(shadow, &s, c, i, hidden);
        } else if (hx_column_is_rowid(&shadow->columns, c->iColumn)) {
            survey_rowid(&s, c, i);
        } else if (c->usable && finds_key(shadow, info, i)) {
            s.key = i;
        }
    }
    return s;
}

/* Takes a constraint, if there is one at this position. */
static void take_constraint(sqlite3_index_info *info, int position, int flag, bool omit) {
    if (position < 0) {
        return;
    }
    hx_constraint_take(info, position, omit);
    info->idxNum |= flag;
}

/* Does the statement sort by this column alone? */
static bool sorts_by(const sqlite3_index_info *info, int column) {
    return info->nOrderBy == 1 && info->aOrderBy[0].iColumn == column;
}

/* SQLite has one bit for all columns from the 64th on. */
static bool reads_column(const sqlite3_index_info *info, int column) {
    return info->colUsed >> (column < 63 ? column : 63) & 1;
}

static void note_unread(const hx_shadow *shadow, sqlite3_index_info *info) {
    const hx_columns *const columns = &shadow->columns;
    bool rest = false;
    int vectors = 0, read = 0;
    for (int i = 0; i < columns->count; i++) {
        rest |= columns->at[i].stored >= 0 && reads_column(info, i);
    }
    for (int i = 0; i < columns->vectors; i++) {
        if (reads_column(info, columns->vector[i])) {
            vectors++;
            read = i + 1;
        }
    }
    if (vectors == 0) {
        info->idxNum |= HX_PLAN_NO_VECTOR;
    }
    if (vectors == 1 && columns->vectors > 1) {
        info->idxNum |= read << HX_PLAN_READ_BIT;
    }
    if (!rest) {
        info->idxNum |= HX_PLAN_NO_REST;
    }
}

/* ------------------------------------------------------------------------------ nearest rows -- */

/* A constraint that says how to search.  SQLite does not check it again. */
static void take_setting(sqlite3_index_info *info, int position, int flag, sqlite3_str *words,
                         const char *word) {
    if (position < 0) {
        return;
    }
    take_constraint(info, position, flag, true);
    sqlite3_str_appendall(words, word);
}

static int refuse_plan(hx_shadow *shadow, const survey *s) {
    if (s->queries > 1) {
        return hx_fail(shadow, SQLITE_ERROR,
                       "hannoy: %s is asked for neighbours of %d vectors at once; "
                       "join the table once for each",
                       shadow->name, s->queries);
    }
    if (s->compare) {
        return hx_fail(shadow, SQLITE_ERROR, "hannoy: %s is set with =, as in %s = 10", s->compare,
                       s->compare);
    }
    return s->unusable ? SQLITE_CONSTRAINT : SQLITE_OK;
}

/* "codes:words", or the words alone; *out is SQLite's to free. */
static int join_words(sqlite3_str *words, sqlite3_str *codes, char **out) {
    char *const right = sqlite3_str_finish(words);
    const int length = sqlite3_str_length(codes), failed = sqlite3_str_errcode(codes);
    char *const left = sqlite3_str_finish(codes);
    *out = right && !failed
               ? sqlite3_mprintf("%s%s%s", length ? left : "", length ? ":" : "", right)
               : NULL;
    sqlite3_free(left);
    sqlite3_free(right);
    return *out ? SQLITE_OK : SQLITE_NOMEM;
}

/* The cost of a search; hx_constraints_plan raises it. */
#define KNN_COST 10000

/*
** SQLite plans the arms of an OR each alone, and an arm does not show that the statement has a
** search. "knn_match(…) AND (rowid = 1 OR rowid = 2)" must not become two lookups of a row, to
** which knn_match means nothing.  So every access without a search costs more than any search, in
** whatever join.
*/
#define SCAN_COST 1e25

/* Notes which vector a search is on, if there are several. */
static void search_vector(const hx_shadow *shadow, sqlite3_index_info *info, int column,
                          sqlite3_str *words) {
    if (shadow->columns.vectors > 1 && hx_column_is(&shadow->columns, column, HX_ROLE_VECTOR)) {
        info->idxNum |= shadow->columns.at[column].place << HX_PLAN_SEARCHED_BIT;
        sqlite3_str_appendf(words, " %s", shadow->columns.at[column].name);
    }
}

static int plan_knn(hx_shadow *shadow, sqlite3_index_info *info, const survey *s) {
    const int column = info->aConstraint[s->query].iColumn;
    const hx_hidden hidden = hidden_of(shadow, column);
    int rc = refuse_plan(shadow, s);
    if (rc) {
        return rc;
    }
    sqlite3_str *const words = sqlite3_str_new(NULL), *const codes = sqlite3_str_new(NULL);
    info->estimatedCost = KNN_COST;
    take_setting(info, s->query, HX_PLAN_KNN, words, hidden == HX_ITEM ? "knn item=?" : "knn");
    search_vector(shadow, info, column, words);
    if (hidden == HX_ITEM) {
        info->idxNum |= HX_PLAN_ITEM;
    }
    if (hx_constraint_is_literal(info, s->query)) {
        info->idxNum |= HX_PLAN_LITERAL;
    }
    if (hidden == HX_QUERY) {
        info->idxNum |= HX_PLAN_ARGUMENT;
    }
    take_setting(info, s->k, HX_PLAN_K, words, " k=?");
    take_setting(info, s->ef, HX_PLAN_EF, words, " ef=?");
    take_setting(info, s->exact, HX_PLAN_EXACT, words, " exact=?");
    hx_constraints_plan(shadow, info, s->k >= 0, words, codes);
    if (sqlite3_str_length(codes)) {
        info->idxNum |= HX_PLAN_CONDITIONS;
    }
    const int distance = hx_hidden_column(&shadow->columns, HX_DISTANCE);
    if (reads_column(info, distance)) {
        info->idxNum |= HX_PLAN_DISTANCES;
    }
    info->orderByConsumed = sorts_by(info, distance) && !info->aOrderBy[0].desc;
    info->estimatedRows = s->k >= 0 ? 10 : 100;
    rc = join_words(words, codes, &info->idxStr);
    info->needToFreeIdxStr = rc == SQLITE_OK;
    return rc;
}

/* --------------------------------------------------------------------------------- the table -- */

/* The number of rows is not worth reading the database; only the proportions matter. */
#define ASSUMED_ROWS 1e6

static bool sorts_by_rowid(const hx_shadow *shadow, const sqlite3_index_info *info) {
    return info->nOrderBy == 1 && hx_column_is_rowid(&shadow->columns, info->aOrderBy[0].iColumn);
}

static void plan_one(const hx_shadow *shadow, sqlite3_index_info *info, const survey *s) {
    const bool key = s->rowid < 0;
    take_constraint(info, key ? s->key : s->rowid, key ? HX_PLAN_KEY : HX_PLAN_ROWID, false);
    info->idxStr = (char *)(key ? "key=?" : "rowid=?");
    info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
    info->orderByConsumed = sorts_by_rowid(shadow, info);
    info->estimatedCost = SCAN_COST * (key ? 10 : 5);
    info->estimatedRows = 1;
}

static void plan_range(const hx_shadow *shadow, sqlite3_index_info *info, const survey *s) {
    static const char *const words[] = {"all", "rowid>?", "rowid<?", "rowid>? rowid<?"};
    const double share = (s->from >= 0 ? 0.25 : 1) * (s->to >= 0 ? 0.25 : 1);
    take_constraint(info, s->from, HX_PLAN_FROM, false);
    take_constraint(info, s->to, HX_PLAN_TO, false);
    info->idxStr = (char *)words[(s->from >= 0) + 2 * (s->to >= 0)];
    if (sorts_by_rowid(shadow, info)) {
        info->orderByConsumed = 1;
        if (info->aOrderBy[0].desc) {
            info->idxNum |= HX_PLAN_DOWN;
        }
    }
    info->estimatedCost = SCAN_COST * 10 * share * ASSUMED_ROWS;
    info->estimatedRows = (sqlite3_int64)(share * ASSUMED_ROWS);
}

/*
** "k = 10 AND (knn_match(…) OR knn_match(…))" has plans that know of the search, one for each arm.
** This one must only be the last choice, so the error waits for xFilter.
*/
static void plan_without_query(sqlite3_index_info *info) {
    info->idxNum |= HX_PLAN_NO_QUERY;
    info->idxStr = (char *)"no query";
    info->estimatedCost = SCAN_COST * SCAN_COST;
}

int hx_plan_best(sqlite3_vtab *vtab, sqlite3_index_info *info) {
    hx_shadow *const shadow = (hx_shadow *)vtab;
    const survey s = survey_constraints(shadow, info);
    info->idxNum = 0;
    note_unread(shadow, info);
    if (s.queries) {
        return plan_knn(shadow, info, &s);
    }
    if (s.k >= 0 || s.ef >= 0 || s.exact >= 0) {
        plan_without_query(info);
    } else if (s.rowid >= 0 || s.key >= 0) {
        plan_one(shadow, info, &s);
    } else {
        plan_range(shadow, info, &s);
    }
    return SQLITE_OK;
}

/* --------------------------------------------------------------------------------- knn_match -- */

int hx_plan_function(sqlite3_vtab *vtab, int argc, const char *name,
                     void (**function)(sqlite3_context *, int, sqlite3_value **), void **aux) {
    (void)vtab;
    if (argc != 2 || sqlite3_stricmp(name, "knn_match") != 0) {
        return 0;
    }
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
