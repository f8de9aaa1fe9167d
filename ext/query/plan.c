#include "query/plan.h"

#include <stdbool.h>

#include "query/conditions.h"
#include "shadow/error.h"
#include "shadow/shadow.h"

typedef struct sqlite3_index_constraint constraint;

/* The constraints that matter, as positions in aConstraint; -1: there is none. */
typedef struct survey {
    int query, k, ef, exact;
    int above, below; /* on the distance */
    int rowid, key, from, to;
    int queries;         /* constraints that ask for neighbours, usable or not */
    bool unusable;       /* one of the query's is, in this join order */
    const char *compare; /* "k", "ef" or "exact" where it is compared with anything but = */
} survey;

/* Which hidden column this is, or HX_HIDDEN_COUNT. */
static hx_hidden hidden_of(const hx_shadow *shadow, int column) {
    const int first = shadow->columns.count;
    return column >= first && column < first + HX_HIDDEN_COUNT ? (hx_hidden)(column - first)
                                                               : HX_HIDDEN_COUNT;
}

static bool is_query(const hx_shadow *shadow, const constraint *c) {
    if (hx_column_is(&shadow->columns, c->iColumn, HX_ROLE_VECTOR))
        return c->op == SQLITE_INDEX_CONSTRAINT_MATCH || c->op == SQLITE_INDEX_CONSTRAINT_FUNCTION;
    const hx_hidden hidden = hidden_of(shadow, c->iColumn);
    return (hidden == HX_QUERY || hidden == HX_ITEM) && c->op == SQLITE_INDEX_CONSTRAINT_EQ;
}

static bool is_below(const constraint *c) {
    return c->op == SQLITE_INDEX_CONSTRAINT_LT || c->op == SQLITE_INDEX_CONSTRAINT_LE;
}

static bool is_above(const constraint *c) {
    return c->op == SQLITE_INDEX_CONSTRAINT_GT || c->op == SQLITE_INDEX_CONSTRAINT_GE;
}

/* k, ef or exact: with = only. */
static void survey_number(survey *s, const constraint *c, int position, hx_hidden which) {
    int *const at = which == HX_K ? &s->k : which == HX_EF ? &s->ef : &s->exact;
    if (c->op == SQLITE_INDEX_CONSTRAINT_EQ) {
        if (!c->usable) s->unusable = true;
        *at = position;
    } else if (is_below(c) || is_above(c)) {
        s->compare = hx_hidden_name(which);
    }
}

static void survey_distance(survey *s, const constraint *c, int position) {
    if (!c->usable) return;
    if (is_above(c)) s->above = position;
    if (is_below(c)) s->below = position;
}

static void survey_rowid(survey *s, const constraint *c, int position) {
    if (!c->usable) return;
    if (c->op == SQLITE_INDEX_CONSTRAINT_EQ) s->rowid = position;
    if (is_above(c)) s->from = position;
    if (is_below(c)) s->to = position;
}

/* A text key is found byte by byte. */
static bool is_key(const hx_shadow *shadow, sqlite3_index_info *info, int position) {
    const constraint *const c = &info->aConstraint[position];
    return hx_column_is(&shadow->columns, c->iColumn, HX_ROLE_KEY) &&
           c->op == SQLITE_INDEX_CONSTRAINT_EQ &&
           sqlite3_stricmp(sqlite3_vtab_collation(info, position), "BINARY") == 0;
}

static survey look(const hx_shadow *shadow, sqlite3_index_info *info) {
    survey s = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, false, NULL};
    for (int i = 0; i < info->nConstraint; i++) {
        const constraint *const c = &info->aConstraint[i];
        const hx_hidden hidden = hidden_of(shadow, c->iColumn);
        if (is_query(shadow, c)) {
            s.queries++;
            s.query = i;
            if (!c->usable) s.unusable = true;
        } else if (hidden == HX_K || hidden == HX_EF || hidden == HX_EXACT) {
            survey_number(&s, c, i, hidden);
        } else if (hidden == HX_DISTANCE) {
            survey_distance(&s, c, i);
        } else if (hx_column_is_rowid(&shadow->columns, c->iColumn)) {
            survey_rowid(&s, c, i);
        } else if (c->usable && is_key(shadow, info, i)) {
            s.key = i;
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

/* SQLite has one bit for all columns from the 64th on. */
static bool reads(const sqlite3_index_info *info, int column) {
    return info->colUsed >> (column < 63 ? column : 63) & 1;
}

static void note_unread(const hx_shadow *shadow, sqlite3_index_info *info) {
    const hx_columns *const columns = &shadow->columns;
    bool rest = false, vector = false;
    for (int i = 0; i < columns->count; i++) rest |= columns->at[i].stored >= 0 && reads(info, i);
    for (int i = 0; i < columns->vectors; i++) vector |= reads(info, columns->vector[i]);
    if (!vector) info->idxNum |= HX_PLAN_NO_VECTOR;
    if (!rest) info->idxNum |= HX_PLAN_NO_REST;
}

/* ------------------------------------------------------------------------------ nearest rows -- */

/* A constraint that says how to search: SQLite has nothing to check about it. */
static void take_word(sqlite3_index_info *info, int position, int flag, sqlite3_str *words,
                      const char *word) {
    if (position < 0) return;
    take(info, position, flag, true);
    sqlite3_str_appendall(words, word);
}

static void take_bound(sqlite3_index_info *info, int position, int flag, int same,
                       sqlite3_str *words) {
    static const char *const signs[2][2] = {{">", ">="}, {"<", "<="}};
    if (position < 0) return;
    const constraint *const c = &info->aConstraint[position];
    const bool included =
        c->op == SQLITE_INDEX_CONSTRAINT_GE || c->op == SQLITE_INDEX_CONSTRAINT_LE;
    take(info, position, flag, false);
    if (included) info->idxNum |= same;
    sqlite3_str_appendf(words, ", distance%s?", signs[flag == HX_PLAN_BELOW][included]);
}

static int refuse_plan(hx_shadow *shadow, const survey *s) {
    if (s->queries > 1)
        return hx_fail(shadow, SQLITE_ERROR,
                       "hannoy: %s is asked for neighbours of %d vectors at once; "
                       "join the table once for each",
                       shadow->name, s->queries);
    if (s->compare)
        return hx_fail(shadow, SQLITE_ERROR, "hannoy: %s is set with =, as in %s = 10", s->compare,
                       s->compare);
    return s->unusable ? SQLITE_CONSTRAINT : SQLITE_OK;
}

/* Words and, behind a NUL, codes; *out is SQLite's to free. */
static int join_words(sqlite3_str *words, sqlite3_str *codes, char **out) {
    sqlite3_str_appendchar(words, 1, '\0');
    sqlite3_str_append(words, sqlite3_str_value(codes), sqlite3_str_length(codes));
    const int failed = sqlite3_str_errcode(codes);
    sqlite3_free(sqlite3_str_finish(codes));
    *out = sqlite3_str_finish(words);
    if (*out && !failed) return SQLITE_OK;
    sqlite3_free(*out);
    *out = NULL;
    return SQLITE_NOMEM;
}

/* What a search is expected to cost; see hx_conditions_plan for what raises it. */
#define KNN_COST 10000

static int plan_knn(hx_shadow *shadow, sqlite3_index_info *info, const survey *s) {
    const hx_hidden hidden = hidden_of(shadow, info->aConstraint[s->query].iColumn);
    int rc = refuse_plan(shadow, s);
    if (rc) return rc;
    sqlite3_str *const words = sqlite3_str_new(NULL), *const codes = sqlite3_str_new(NULL);
    info->estimatedCost = KNN_COST;
    take_word(info, s->query, HX_PLAN_KNN, words, hidden == HX_ITEM ? "knn item=?" : "knn");
    if (hidden == HX_ITEM) info->idxNum |= HX_PLAN_ITEM;
    if (hidden == HX_QUERY) info->idxNum |= HX_PLAN_ARGUMENT;
    take_word(info, s->k, HX_PLAN_K, words, " k=?");
    take_word(info, s->ef, HX_PLAN_EF, words, " ef=?");
    take_word(info, s->exact, HX_PLAN_EXACT, words, " exact=?");
    take_bound(info, s->above, HX_PLAN_ABOVE, HX_PLAN_ABOVE_SAME, words);
    take_bound(info, s->below, HX_PLAN_BELOW, HX_PLAN_BELOW_SAME, words);
    hx_conditions_plan(shadow, info, words, codes);
    if (sqlite3_str_length(codes)) info->idxNum |= HX_PLAN_WHERE;
    const int distance = hx_hidden_column(&shadow->columns, HX_DISTANCE);
    if (reads(info, distance)) info->idxNum |= HX_PLAN_DISTANCES;
    info->orderByConsumed = ordered_by(info, distance) && !info->aOrderBy[0].desc;
    info->estimatedRows = s->k >= 0 ? 10 : 100;
    rc = join_words(words, codes, &info->idxStr);
    info->needToFreeIdxStr = rc == SQLITE_OK;
    return rc;
}

/* --------------------------------------------------------------------------------- the table -- */

/* The number of rows is not worth a look at the database; only the proportions matter. */
#define ASSUMED_ROWS 1e6

static bool ordered_by_rowid(const hx_shadow *shadow, const sqlite3_index_info *info) {
    return info->nOrderBy == 1 && hx_column_is_rowid(&shadow->columns, info->aOrderBy[0].iColumn);
}

static void plan_one(const hx_shadow *shadow, sqlite3_index_info *info, const survey *s) {
    const bool key = s->rowid < 0;
    take(info, key ? s->key : s->rowid, key ? HX_PLAN_KEY : HX_PLAN_ROWID, false);
    info->idxStr = (char *)(key ? "key=?" : "rowid=?");
    info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
    info->orderByConsumed = ordered_by_rowid(shadow, info);
    info->estimatedCost = key ? 10 : 5;
    info->estimatedRows = 1;
}

static void plan_range(const hx_shadow *shadow, sqlite3_index_info *info, const survey *s) {
    static const char *const words[] = {"all", "rowid>?", "rowid<?", "rowid>? rowid<?"};
    const double share = (s->from >= 0 ? 0.25 : 1) * (s->to >= 0 ? 0.25 : 1);
    take(info, s->from, HX_PLAN_FROM, false);
    take(info, s->to, HX_PLAN_TO, false);
    info->idxStr = (char *)words[(s->from >= 0) + 2 * (s->to >= 0)];
    if (ordered_by_rowid(shadow, info)) {
        info->orderByConsumed = 1;
        if (info->aOrderBy[0].desc) info->idxNum |= HX_PLAN_DOWN;
    }
    info->estimatedCost = 3 * share * ASSUMED_ROWS;
    info->estimatedRows = (sqlite3_int64)(share * ASSUMED_ROWS);
}

int hx_plan_best(sqlite3_vtab *vtab, sqlite3_index_info *info) {
    hx_shadow *const shadow = (hx_shadow *)vtab;
    const survey s = look(shadow, info);
    info->idxNum = 0;
    note_unread(shadow, info);
    if (s.queries) return plan_knn(shadow, info, &s);
    if (s.rowid >= 0 || s.key >= 0)
        plan_one(shadow, info, &s);
    else
        plan_range(shadow, info, &s);
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
