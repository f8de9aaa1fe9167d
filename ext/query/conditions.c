/* Conditions that a search applies itself.  The contract is in conditions.h. */
#include "query/conditions.h"

#include <stdlib.h>
#include <string.h>

#include "shadow/content.h"
#include "shadow/error.h"
#include "shadow/shadow.h"
#include "values/array.h"

/*
** The codes of a plan are, for each argument, a letter and the place of its filter column in
** decimal. They are part of what EXPLAIN QUERY PLAN shows, so that they survive a copy of the
** string.
*/
enum {
    CODE_ROWID = 'r',
    CODE_ROWIDS = 'R', /* a set of them */
    CODE_KEY = 'k',
    CODE_KEYS = 'K',
    CODE_IS = 'I',
    CODE_OPS = 'a' /* and up: hny_op */
};

/* ---------------------------------------------------------------------------------- planning -- */

typedef struct sqlite3_index_constraint constraint;

/*
** In a join, "v.tenant = u.tenant" restricts the search, so the plan that offers it is preferred.
** But "v.rowid = d.id" finds the rows of the other table for those that were found; a search for
** each of its rows is the last choice.
*/
#define COST_UNFILTERED 1e9
#define COST_ONE_ROWID  1e12

typedef struct spelling {
    unsigned char op; /* of SQLite's constraint */
    hny_op means;
    const char *sign;
} spelling;

static const spelling spellings[] = {
    {SQLITE_INDEX_CONSTRAINT_EQ, HNY_EQ, "="},
    {SQLITE_INDEX_CONSTRAINT_IS, HNY_EQ, " is"},
    {SQLITE_INDEX_CONSTRAINT_NE, HNY_NE, "<>"},
    {SQLITE_INDEX_CONSTRAINT_LT, HNY_LT, "<"},
    {SQLITE_INDEX_CONSTRAINT_LE, HNY_LE, "<="},
    {SQLITE_INDEX_CONSTRAINT_GT, HNY_GT, ">"},
    {SQLITE_INDEX_CONSTRAINT_GE, HNY_GE, ">="},
    {SQLITE_INDEX_CONSTRAINT_ISNULL, HNY_IS_NULL, " is null"},
    {SQLITE_INDEX_CONSTRAINT_ISNOTNULL, HNY_NOT_NULL, " is not null"},
};

static const spelling *find_spelling(unsigned char op) {
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        if (spellings[i].op == op) return &spellings[i];
    }
    return NULL;
}

/* Attributes are compared byte by byte, keys by the collation of their column. */
static bool has_collation(sqlite3_index_info *info, int position, const char *collation) {
    return sqlite3_stricmp(sqlite3_vtab_collation(info, position), collation) == 0;
}

/* The state of hx_conditions_plan. */
typedef struct planner {
    hx_shadow *shadow;
    sqlite3_index_info *info;
    sqlite3_str *words, *codes;
    int next; /* argvIndex */
} planner;

static void take_condition(planner *p, int position, char code, int place) {
    p->info->aConstraintUsage[position].argvIndex = p->next++;
    sqlite3_str_appendf(p->codes, "%c%d", code, place);
}

/* Makes SQLite hand over all values of `x IN (…)` at once; false: it is a plain `=`. */
static bool take_set(planner *p, int position) {
    return sqlite3_vtab_in(p->info, position, 1);
}

static void plan_column(planner *p, int position, const hx_column *column, const spelling *s) {
    const constraint *const c = &p->info->aConstraint[position];
    const bool set = c->op == SQLITE_INDEX_CONSTRAINT_EQ && take_set(p, position);
    const int code = set ? CODE_OPS + HNY_IN : CODE_OPS + (int)s->means;
    take_condition(p, position, (char)(c->op == SQLITE_INDEX_CONSTRAINT_IS ? CODE_IS : code),
                   column->place);
    sqlite3_str_appendf(p->words, " %s%s", column->name, set ? " in set" : s->sign);
}

static void plan_filters(planner *p) {
    const size_t before = (size_t)sqlite3_str_length(p->codes);
    for (int i = 0; i < p->info->nConstraint; i++) {
        const constraint *const c = &p->info->aConstraint[i];
        const spelling *const s = find_spelling(c->op);
        if (!s || !hx_column_is(&p->shadow->columns, c->iColumn, HX_ROLE_FILTER)) continue;
        if (!c->usable) {
            p->info->estimatedCost += COST_UNFILTERED;
        } else if (has_collation(p->info, i, "BINARY")) {
            if ((size_t)sqlite3_str_length(p->codes) == before) {
                sqlite3_str_appendall(p->words, ", filter");
            }
            plan_column(p, i, &p->shadow->columns.at[c->iColumn], s);
        }
    }
}

static void plan_set(planner *p, int position, bool key, const char *name) {
    const bool set = take_set(p, position);
    take_condition(p, position,
                   key   ? set ? CODE_KEYS : CODE_KEY
                   : set ? CODE_ROWIDS
                         : CODE_ROWID,
                   0);
    sqlite3_str_appendf(p->words, ", %s%s", name, set ? " in set" : "=");
    if (!set) p->info->estimatedCost += COST_ONE_ROWID;
}

static void plan_sets(planner *p) {
    const hx_columns *const columns = &p->shadow->columns;
    for (int i = 0; i < p->info->nConstraint; i++) {
        const constraint *const c = &p->info->aConstraint[i];
        if (!c->usable || c->op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
        if (hx_column_is_rowid(columns, c->iColumn)) {
            plan_set(p, i, false, "rowid");
        } else if (hx_column_is(columns, c->iColumn, HX_ROLE_KEY) &&
                   has_collation(p->info, i, columns->at[c->iColumn].collation)) {
            plan_set(p, i, true, columns->at[c->iColumn].name);
        }
    }
}

void hx_conditions_plan(hx_shadow *shadow, sqlite3_index_info *info, sqlite3_str *words,
                        sqlite3_str *codes) {
    planner p = {shadow, info, words, codes, 1};
    for (int i = 0; i < info->nConstraint; i++) p.next += info->aConstraintUsage[i].argvIndex > 0;
    plan_filters(&p);
    plan_sets(&p);
}

/* -------------------------------------------------------------------------------- the values -- */

/* A comparison of texts or BLOBs whose order the engine may not know. */
typedef struct comparison {
    int attribute;
    hny_op op;
    sqlite3_value *value;
} comparison;

struct hx_conditions {
    hny_filter *filter;
    comparison *comparisons;
    size_t count, capacity;
};

/*
** The value as it is compared with a column of this type.  It is a copy that is converted: the
** value itself may be a constant that the statement uses elsewhere too.
*/
static int convert_value(sqlite3_value *value, const char *type, sqlite3_value **out) {
    const int is = sqlite3_value_type(value);
    *out = sqlite3_value_dup(value);
    if (!*out) return SQLITE_NOMEM;
    if (type[0] == 'T' && (is == SQLITE_INTEGER || is == SQLITE_FLOAT)) {
        if (!sqlite3_value_text(*out)) return SQLITE_NOMEM;
    } else if (is == SQLITE_TEXT && strchr("IRN", type[0])) {
        sqlite3_value_numeric_type(*out);
    }
    return SQLITE_OK;
}

static int to_attribute(sqlite3_value *value, const char *type, hny_attribute *out) {
    sqlite3_value *converted;
    const int rc = convert_value(value, type, &converted);
    const bool text = type[0] == 'T' && sqlite3_value_type(value) != SQLITE_BLOB &&
                      sqlite3_value_type(value) != SQLITE_NULL;
    if (rc == SQLITE_OK && text) {
        *out = hny_attribute_text(sqlite3_value_text(converted),
                                  (size_t)sqlite3_value_bytes(converted));
    } else if (rc == SQLITE_OK) {
        *out = hx_attribute_of(converted);
    }
    sqlite3_value_free(converted);
    return rc;
}

/* The values of an argument: of a set one by one, else itself. */
typedef struct values {
    sqlite3_value *argument;
    sqlite3_value *next; /* NULL: no more */
    bool set;
    int rc;
} values;

static void end_values(values *v) {
    if (v->rc != SQLITE_OK) v->next = NULL;
    if (v->rc == SQLITE_DONE) v->rc = SQLITE_OK;
}

static values values_of(sqlite3_value *argument, bool set) {
    values v = {argument, argument, set, SQLITE_OK};
    if (set) v.rc = sqlite3_vtab_in_first(argument, &v.next);
    end_values(&v);
    return v;
}

static void next_value(values *v) {
    if (v->set) {
        v->rc = sqlite3_vtab_in_next(v->argument, &v->next);
    } else {
        v->next = NULL;
    }
    end_values(v);
}

/* ------------------------------------------------------------------------------- conditions -- */

static int fail_status(hx_shadow *shadow, int status) {
    return status ? hx_fail_status(shadow, status) : SQLITE_OK;
}

static const hx_column *filter_column(const hx_shadow *shadow, int place) {
    const hx_column *column = shadow->columns.at;
    while (column->role != HX_ROLE_FILTER || column->place != place) column++;
    return column;
}

static int add_set(hx_shadow *shadow, hx_conditions *conditions, const hx_column *column,
                   sqlite3_value *argument) {
    hny_attribute *attributes = NULL;
    size_t count = 0, capacity = 0;
    values v = values_of(argument, true);
    int rc = v.rc;
    for (; rc == SQLITE_OK && v.next; rc = rc ? rc : v.rc) {
        hny_attribute *const items = hx_array_grow(attributes, &capacity, count + 1, sizeof *items);
        rc = items ? to_attribute(v.next, column->type, &items[count++]) : SQLITE_NOMEM;
        if (items) attributes = items;
        if (rc == SQLITE_OK) next_value(&v);
    }
    if (rc == SQLITE_OK) {
        rc = fail_status(shadow, hny_filter_where(conditions->filter, (uint32_t)column->place,
                                                  HNY_IN, attributes, count));
    }
    sqlite3_free(attributes);
    return rc;
}

static bool is_ordering(hny_op op) {
    return op == HNY_LT || op == HNY_LE || op == HNY_GT || op == HNY_GE;
}

static int add_comparison(hx_conditions *conditions, const hx_column *column, hny_op op,
                          sqlite3_value *argument) {
    comparison *const items = hx_array_grow(conditions->comparisons, &conditions->capacity,
                                            conditions->count + 1, sizeof *items);
    if (!items) return SQLITE_NOMEM;
    conditions->comparisons = items;
    sqlite3_value *value;
    const int rc = convert_value(argument, column->type, &value);
    items[conditions->count++] = (comparison){column->place, op, value};
    return rc;
}

static hny_op op_of(char code, sqlite3_value *argument) {
    if (code != CODE_IS) return (hny_op)(code - CODE_OPS);
    return sqlite3_value_type(argument) == SQLITE_NULL ? HNY_IS_NULL : HNY_EQ;
}

static int add_condition(hx_shadow *shadow, hx_conditions *conditions, const hx_column *column,
                         char code, sqlite3_value *argument) {
    const hny_op op = op_of(code, argument);
    hny_attribute attribute;
    if (op == HNY_IN) return add_set(shadow, conditions, column, argument);
    int rc = to_attribute(argument, column->type, &attribute);
    if (rc == SQLITE_OK && is_ordering(op)) rc = add_comparison(conditions, column, op, argument);
    if (rc) return rc;
    const bool alone = op == HNY_IS_NULL || op == HNY_NOT_NULL;
    return fail_status(shadow, hny_filter_where(conditions->filter, (uint32_t)column->place, op,
                                                alone ? NULL : &attribute, alone ? 0 : 1));
}

int hx_conditions_rowid(hx_shadow *shadow, bool key, sqlite3_value *value, int64_t *id,
                        bool *found) {
    sqlite3_value *converted;
    *found = false;
    if (key) return hx_content_find(shadow, value, id, found);
    const int rc = convert_value(value, "INTEGER", &converted);
    if (rc == SQLITE_OK) {
        const hny_attribute attribute = hx_attribute_of(converted);
        *id = (int64_t)attribute.word;
        *found = attribute.detail == hny_attribute_integer(0).detail;
    }
    sqlite3_value_free(converted);
    return rc;
}

static int add_rowids(hx_shadow *shadow, hx_conditions *conditions, bool key, bool set,
                      sqlite3_value *argument) {
    int64_t *rowids = NULL;
    size_t count = 0, capacity = 0;
    values v = values_of(argument, set);
    int rc = v.rc;
    for (; rc == SQLITE_OK && v.next; rc = rc ? rc : v.rc) {
        bool found = false;
        int64_t *const items = hx_array_grow(rowids, &capacity, count + 1, sizeof *items);
        rc = items ? hx_conditions_rowid(shadow, key, v.next, &items[count], &found) : SQLITE_NOMEM;
        if (items) rowids = items;
        count += found;
        if (rc == SQLITE_OK) next_value(&v);
    }
    if (rc == SQLITE_OK) {
        rc = fail_status(shadow, hny_filter_rowids(conditions->filter, rowids, count));
    }
    sqlite3_free(rowids);
    return rc;
}

static int add_coded(hx_shadow *shadow, hx_conditions *conditions, char code, int place,
                     sqlite3_value *argument) {
    switch (code) {
    case CODE_ROWID:
    case CODE_ROWIDS:
        return add_rowids(shadow, conditions, false, code == CODE_ROWIDS, argument);
    case CODE_KEY:
    case CODE_KEYS:
        return add_rowids(shadow, conditions, true, code == CODE_KEYS, argument);
    default:
        return add_condition(shadow, conditions, filter_column(shadow, place), code, argument);
    }
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int add_all_coded(hx_shadow *shadow, hx_conditions *conditions, const char *codes,
                         sqlite3_value **argv) {
    int rc = SQLITE_OK;
    while (is_letter(*codes) && rc == SQLITE_OK) {
        char *end;
        const int place = (int)strtol(codes + 1, &end, 10);
        rc = add_coded(shadow, conditions, *codes, place, *argv++);
        codes = end;
    }
    return rc;
}

int hx_conditions_new(hx_shadow *shadow, const char *codes, sqlite3_value **argv,
                      hx_conditions **out) {
    *out = NULL;
    hx_conditions *const conditions = sqlite3_malloc(sizeof *conditions);
    if (!conditions) return SQLITE_NOMEM;
    memset(conditions, 0, sizeof *conditions);
    int rc = fail_status(shadow, hny_filter_new(&conditions->filter));
    if (rc == SQLITE_OK) rc = add_all_coded(shadow, conditions, codes, argv);
    if (rc == SQLITE_OK) {
        *out = conditions;
    } else {
        hx_conditions_free(conditions);
    }
    return rc;
}

void hx_conditions_free(hx_conditions *conditions) {
    if (!conditions) return;
    hny_filter_free(conditions->filter);
    for (size_t i = 0; i < conditions->count; i++) {
        sqlite3_value_free(conditions->comparisons[i].value);
    }
    sqlite3_free(conditions->comparisons);
    sqlite3_free(conditions);
}

const hny_filter *hx_conditions_filter(const hx_conditions *conditions) {
    return conditions ? conditions->filter : NULL;
}

/* ---------------------------------------------------------------------------------- checking -- */

bool hx_conditions_unsure(const hx_conditions *conditions) {
    return conditions && hny_filter_unsure(conditions->filter);
}

static int compare_bytes(sqlite3_value *a, sqlite3_value *b) {
    const void *const left = sqlite3_value_blob(a), *const right = sqlite3_value_blob(b);
    const int m = sqlite3_value_bytes(a), n = sqlite3_value_bytes(b);
    const int shared = m < n ? m : n;
    const int order = shared ? memcmp(left, right, (size_t)shared) : 0;
    return order ? order : (m > n) - (m < n);
}

/* Only two texts or two BLOBs can be in doubt; the engine decided about all others. */
static bool comparison_holds(const comparison *c, sqlite3_value *value) {
    const int type = sqlite3_value_type(c->value);
    if ((type != SQLITE_TEXT && type != SQLITE_BLOB) || sqlite3_value_type(value) != type) {
        return true;
    }
    const int order = compare_bytes(value, c->value);
    switch (c->op) {
    case HNY_LT:
        return order < 0;
    case HNY_LE:
        return order <= 0;
    case HNY_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}

int hx_conditions_check(hx_shadow *shadow, const hx_conditions *conditions, int64_t rowid,
                        bool *passes) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_CONTENT_GET, &stmt);
    if (rc) return rc;
    sqlite3_bind_int64(stmt, 1, rowid);
    rc = hx_sql_step(shadow, stmt);
    *passes = rc == SQLITE_ROW;
    if (rc != SQLITE_ROW) return rc == SQLITE_DONE ? SQLITE_OK : rc;
    for (size_t i = 0; i < conditions->count && *passes; i++) {
        *passes =
            comparison_holds(&conditions->comparisons[i],
                             sqlite3_column_value(stmt, 1 + conditions->comparisons[i].attribute));
    }
    hx_sql_done(stmt);
    return SQLITE_OK;
}
