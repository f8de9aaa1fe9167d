/* Which constraints a search applies itself.  The contract is in constraints.h. */
#include "query/constraints.h"

#include <string.h>

#include "shadow/shadow.h"

typedef struct sqlite3_index_constraint constraint;

/*
** In a join, "v.doc = d.id" finds the rows of the other table for those that were found: k counts
** rows of v, whatever the planner knows of d.  So with a k a plan that has the value of such a
** condition, which would search once for each row of d, is the last choice; a condition with a
** parameter has no other plan.  Without a k the rows are the same in both orders, and a search that
** applies the condition is the better one: a plan without the value costs more than a search for
** each of 10^12 rows.  A bound of the distance decides which rows are the first k, and is applied.
*/
#define COST_UNFILTERED 1e22
#define COST_JOINED     1e9
#define COST_ONE_ROWID  1e12

typedef struct spelling {
    unsigned char op; /* of SQLite's constraint */
    char code;
    const char *sign;
    bool filters; /* the engine can decide it */
} spelling;

static const spelling spellings[] = {
    {SQLITE_INDEX_CONSTRAINT_EQ, HX_CODE_EQ, "=", true},
    {SQLITE_INDEX_CONSTRAINT_IS, HX_CODE_IS, " is", true},
    {SQLITE_INDEX_CONSTRAINT_ISNOT, HX_CODE_IS_NOT, " is not", false},
    {SQLITE_INDEX_CONSTRAINT_NE, HX_CODE_NE, "<>", true},
    {SQLITE_INDEX_CONSTRAINT_LT, HX_CODE_LT, "<", true},
    {SQLITE_INDEX_CONSTRAINT_LE, HX_CODE_LE, "<=", true},
    {SQLITE_INDEX_CONSTRAINT_GT, HX_CODE_GT, ">", true},
    {SQLITE_INDEX_CONSTRAINT_GE, HX_CODE_GE, ">=", true},
    {SQLITE_INDEX_CONSTRAINT_ISNULL, HX_CODE_IS_NULL, " is null", true},
    {SQLITE_INDEX_CONSTRAINT_ISNOTNULL, HX_CODE_NOT_NULL, " is not null", true},
    {SQLITE_INDEX_CONSTRAINT_LIKE, HX_CODE_LIKE, " like", false},
    {SQLITE_INDEX_CONSTRAINT_GLOB, HX_CODE_GLOB, " glob", false},
    {SQLITE_INDEX_CONSTRAINT_REGEXP, HX_CODE_REGEXP, " regexp", false},
};

static const spelling *find_spelling(unsigned char op) {
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        if (spellings[i].op == op) {
            return &spellings[i];
        }
    }
    return NULL;
}

void hx_constraint_take(sqlite3_index_info *info, int position, bool omit) {
    int next = 1;
    for (int i = 0; i < info->nConstraint; i++) {
        next += info->aConstraintUsage[i].argvIndex > 0;
    }
    info->aConstraintUsage[position].argvIndex = next;
    info->aConstraintUsage[position].omit = omit;
}

/* The state of hx_constraints_plan. */
typedef struct planner {
    hx_shadow *shadow;
    sqlite3_index_info *info;
    bool bounded;
    sqlite3_str *words, *codes;
} planner;

/* ------------------------------------------------------------------------ bounds of distance -- */

typedef struct bound_spelling {
    unsigned char op;
    char code;
    const char *sign;
} bound_spelling;

static const bound_spelling bound_spellings[] = {
    {SQLITE_INDEX_CONSTRAINT_GT, HX_CODE_ABOVE, ">"},
    {SQLITE_INDEX_CONSTRAINT_GE, HX_CODE_FROM, ">="},
    {SQLITE_INDEX_CONSTRAINT_LT, HX_CODE_BELOW, "<"},
    {SQLITE_INDEX_CONSTRAINT_LE, HX_CODE_TO, "<="},
};

static void plan_bounds_of(planner *p, const bound_spelling *b) {
    const int distance = hx_hidden_column(&p->shadow->columns, HX_DISTANCE);
    for (int i = 0; i < p->info->nConstraint; i++) {
        const constraint *const c = &p->info->aConstraint[i];
        if (c->iColumn != distance || c->op != b->op) {
            continue;
        }
        if (!c->usable) {
            p->info->estimatedCost += COST_UNFILTERED;
            continue;
        }
        hx_constraint_take(p->info, i, false);
        sqlite3_str_appendchar(p->codes, 1, b->code);
        sqlite3_str_appendf(p->words, ", distance%s?", b->sign);
    }
}

static void plan_bounds(planner *p) {
    for (size_t i = 0; i < sizeof bound_spellings / sizeof bound_spellings[0]; i++) {
        plan_bounds_of(p, &bound_spellings[i]);
    }
}

/* --------------------------------------------------------------------- conditions on columns -- */

/* Makes SQLite hand over all values of `x IN (…)` at once; false: it is a plain `=`. */
static bool take_set(planner *p, int position) {
    return HX_HAS_VTAB_IN && sqlite3_vtab_in(p->info, position, 1);
}

bool hx_constraint_is_literal(sqlite3_index_info *info, int position) {
    sqlite3_value *value;
    return HX_HAS_VTAB_IN && sqlite3_vtab_rhs_value(info, position, &value) == SQLITE_OK;
}

/*
** Is the comparison by the collation of its column?  For <> and IS NOT sqlite3_vtab_collation does
** not know, and says BINARY.
*/
static bool is_by_own_collation(const planner *p, int position, const spelling *s) {
    const int number = p->info->aConstraint[position].iColumn;
    const bool known = s->code != HX_CODE_NE && s->code != HX_CODE_IS_NOT;
    return !known || s->code == HX_CODE_LIKE || s->code == HX_CODE_GLOB ||
           s->code == HX_CODE_REGEXP ||
           sqlite3_stricmp(sqlite3_vtab_collation(p->info, position),
                           p->shadow->columns.at[number].collation) == 0;
}

/*
** Beside `x LIKE 'a%'` SQLite offers x >= 'a' and x < 'b'.  The latter is not true of the BLOB
** x'61', and LIKE may be.
*/
static bool may_be_of_pattern(const planner *p, int position, const spelling *s) {
    const sqlite3_index_info *const info = p->info;
    if (s->code != HX_CODE_LT) {
        return false;
    }
    for (int i = 0; i < info->nConstraint; i++) {
        const constraint *const c = &info->aConstraint[i];
        if (c->iColumn != info->aConstraint[position].iColumn) {
            continue;
        }
        if (c->op == SQLITE_INDEX_CONSTRAINT_LIKE || c->op == SQLITE_INDEX_CONSTRAINT_GLOB) {
            return true;
        }
    }
    return false;
}

/* Can the search apply a condition?  What the engine cannot decide is only worth it for a k. */
static bool applies(const planner *p, int position, const spelling *s) {
    const hx_columns *const columns = &p->shadow->columns;
    const int column = p->info->aConstraint[position].iColumn;
    if (hx_column_is(columns, column, HX_ROLE_KEPT)) {
        return p->bounded;
    }
    if (!hx_column_is(columns, column, HX_ROLE_FILTER)) {
        return false;
    }
    return p->bounded || (s->filters && is_by_own_collation(p, position, s) &&
                          !may_be_of_pattern(p, position, s));
}

static void plan_column(planner *p, int position, const spelling *s) {
    const int number = p->info->aConstraint[position].iColumn;
    const char *const collation = sqlite3_vtab_collation(p->info, position);
    const bool set = s->code == HX_CODE_EQ &&
                     hx_collation_of_name(collation) != HX_COLLATION_OTHER && take_set(p, position);
    hx_constraint_take(p->info, position, false);
    const char code = may_be_of_pattern(p, position, s) ? HX_CODE_LT_OR_BLOB : s->code;
    sqlite3_str_appendf(p->codes, "%c%s%d", set ? HX_CODE_IN : code,
                        hx_constraint_is_literal(p->info, position) ? "!" : "", number);
    if (!is_by_own_collation(p, position, s)) {
        sqlite3_str_appendf(p->codes, "%c%d:%s", HX_CODE_COLLATION, (int)strlen(collation),
                            collation);
    }
    sqlite3_str_appendf(p->words, " %s%s", p->shadow->columns.at[number].name,
                        set ? " in set" : s->sign);
}

/* Is it `x IN (…)` by a collation for which there are no sets?  Then it is left to SQLite. */
static bool is_foreign_set(const planner *p, int position) {
    return p->info->aConstraint[position].op == SQLITE_INDEX_CONSTRAINT_EQ && HX_HAS_VTAB_IN &&
           sqlite3_vtab_in(p->info, position, -1) &&
           hx_collation_of_name(sqlite3_vtab_collation(p->info, position)) == HX_COLLATION_OTHER;
}

static void plan_columns(planner *p) {
    bool any = false;
    for (int i = 0; i < p->info->nConstraint; i++) {
        const constraint *const c = &p->info->aConstraint[i];
        const spelling *const s = find_spelling(c->op);
        if (!s || !applies(p, i, s)) {
            continue;
        }
        if (!c->usable) {
            p->info->estimatedCost += p->bounded ? 0 : COST_UNFILTERED;
        } else if (!is_foreign_set(p, i)) {
            const bool may_be_joined = p->bounded && !hx_constraint_is_literal(p->info, i);
            p->info->estimatedCost += may_be_joined ? COST_JOINED : 0;
            if (!any) {
                sqlite3_str_appendall(p->words, ", filter");
            }
            any = true;
            plan_column(p, i, s);
        }
    }
}

/* ------------------------------------------------------------------------------ sets of rows -- */

static void plan_rows_of(planner *p, int position, bool key, const char *name) {
    const bool set = take_set(p, position);
    if (!set && p->bounded) {
        return;
    }
    hx_constraint_take(p->info, position, false);
    sqlite3_str_appendchar(p->codes, 1,
                           key   ? set ? HX_CODE_KEYS : HX_CODE_KEY
                           : set ? HX_CODE_ROWIDS
                                 : HX_CODE_ROWID);
    sqlite3_str_appendf(p->words, ", %s%s", name, set ? " in set" : "=");
    if (!set) {
        p->info->estimatedCost += COST_ONE_ROWID;
    }
}

static void plan_rows(planner *p) {
    const hx_columns *const columns = &p->shadow->columns;
    for (int i = 0; i < p->info->nConstraint; i++) {
        const constraint *const c = &p->info->aConstraint[i];
        if (!c->usable || c->op != SQLITE_INDEX_CONSTRAINT_EQ) {
            continue;
        }
        if (hx_column_is_rowid(columns, c->iColumn)) {
            plan_rows_of(p, i, false, "rowid");
        } else if (hx_column_is(columns, c->iColumn, HX_ROLE_KEY) &&
                   sqlite3_stricmp(sqlite3_vtab_collation(p->info, i),
                                   columns->at[c->iColumn].collation) == 0) {
            plan_rows_of(p, i, true, columns->at[c->iColumn].name);
        }
    }
}

void hx_constraints_plan(hx_shadow *shadow, sqlite3_index_info *info, bool bounded,
                         sqlite3_str *words, sqlite3_str *codes) {
    planner p = {shadow, info, bounded, words, codes};
    plan_bounds(&p);
    plan_columns(&p);
    plan_rows(&p);
}
