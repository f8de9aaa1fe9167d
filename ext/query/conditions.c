/* The conditions of a search.  The contract is in conditions.h. */
#include "query/conditions.h"

#include <stdlib.h>
#include <string.h>

#include "query/constraints.h"
#include "query/row_check.h"
#include "shadow/content.h"
#include "shadow/error.h"
#include "shadow/shadow.h"
#include "values/array.h"

struct hx_conditions {
    hny_filter *filter;
    hx_row_check **checks;
    size_t count, capacity;
    bool selective;
    bool kept; /* a check reads a column that is only stored */
};

static int fail_status(hx_shadow *shadow, int status) {
    return status ? hx_fail_status(shadow, status) : SQLITE_OK;
}

/* The state of hx_conditions_new. */
typedef struct builder {
    hx_shadow *shadow;
    hx_conditions *conditions;
    bool bounded;
} builder;

/* A condition as its code has it. */
typedef struct condition {
    char code;
    bool literal;
    const hx_column *column;
    char *collation; /* NULL: the column's; for sqlite3_free() */
    sqlite3_value *value;
} condition;

/* -------------------------------------------------------------------------------- the values -- */

/* The values of an argument: of a set one by one, else itself. */
typedef struct values {
    sqlite3_value *argument;
    sqlite3_value *next; /* NULL: no more */
    bool set;
    int rc;
} values;

static void end_values(values *v) {
    if (v->rc != SQLITE_OK) {
        v->next = NULL;
    }
    if (v->rc == SQLITE_DONE) {
        v->rc = SQLITE_OK;
    }
}

static values values_of(sqlite3_value *argument, bool set) {
    values v = {argument, argument, set, SQLITE_OK};
    if (set) {
        v.rc = sqlite3_vtab_in_first(argument, &v.next);
    }
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

/* The members of a set as attributes, for sqlite3_free(). */
typedef struct members {
    hny_attribute *items;
    size_t count, capacity;
    bool numbers; /* there are numbers among them */
} members;

static int add_member(members *m, hx_comparable how, sqlite3_value *value) {
    hny_attribute *const items = hx_array_grow(m->items, &m->capacity, m->count + 1, sizeof *items);
    if (!items) {
        return SQLITE_NOMEM;
    }
    m->items = items;
    m->numbers |= hx_value_is_number(value);
    return hx_comparable_attribute(how, value, &items[m->count++]);
}

static int read_members(hx_comparable how, sqlite3_value *argument, members *out) {
    values v = values_of(argument, true);
    int rc = v.rc;
    *out = (members){NULL, 0, 0, false};
    while (rc == SQLITE_OK && v.next) {
        rc = add_member(out, how, v.next);
        if (rc == SQLITE_OK) {
            next_value(&v);
            rc = v.rc;
        }
    }
    return rc;
}

/* ------------------------------------------------------------------------------ sets of rows -- */

int hx_conditions_rowid(hx_shadow *shadow, bool key, sqlite3_value *value, int64_t *id,
                        bool *found) {
    static const hx_comparable numeric = {HX_AFFINITY_NUMERIC, HX_COLLATION_BINARY, SQLITE_UTF8};
    hny_attribute attribute;
    *found = false;
    if (key) {
        return hx_content_find(shadow, value, id, found);
    }
    const int rc = hx_comparable_attribute(numeric, value, &attribute);
    if (rc) {
        return rc;
    }
    *id = (int64_t)attribute.word;
    *found = attribute.detail == hny_attribute_integer(0).detail;
    return SQLITE_OK;
}

static int add_rows(builder *b, bool key, bool set, sqlite3_value *argument) {
    int64_t *rowids = NULL;
    size_t count = 0, capacity = 0;
    values v = values_of(argument, set);
    int rc = v.rc;
    for (; rc == SQLITE_OK && v.next; rc = rc ? rc : v.rc) {
        bool found = false;
        int64_t *const items = hx_array_grow(rowids, &capacity, count + 1, sizeof *items);
        rc = items ? hx_conditions_rowid(b->shadow, key, v.next, &items[count], &found)
                   : SQLITE_NOMEM;
        if (items) {
            rowids = items;
        }
        count += found;
        if (rc == SQLITE_OK) {
            next_value(&v);
        }
    }
    if (rc == SQLITE_OK) {
        rc = fail_status(b->shadow, hny_filter_rowids(b->conditions->filter, rowids, count));
    }
    sqlite3_free(rowids);
    return rc;
}

/* No row passes. */
static int add_never(builder *b) {
    return fail_status(b->shadow, hny_filter_rowids(b->conditions->filter, NULL, 0));
}

/* ------------------------------------------------------------------------------------- terms -- */

static bool is_ordering(char code) {
    return code == HX_CODE_LT || code == HX_CODE_LE || code == HX_CODE_GT || code == HX_CODE_GE;
}

static hny_op op_of_code(char code) {
    switch (code) {
    case HX_CODE_NE:
        return HNY_NE;
    case HX_CODE_LT:
        return HNY_LT;
    case HX_CODE_LE:
        return HNY_LE;
    case HX_CODE_GT:
        return HNY_GT;
    case HX_CODE_GE:
        return HNY_GE;
    case HX_CODE_IS_NULL:
        return HNY_IS_NULL;
    case HX_CODE_NOT_NULL:
        return HNY_NOT_NULL;
    case HX_CODE_IN:
        return HNY_IN;
    default:
        return HNY_EQ;
    }
}

static bool has_own_collation(const condition *c) {
    return c->collation == NULL;
}

/* Attributes of the column compare as the condition does. */
static hx_comparable comparable_of(const builder *b, const condition *c, hx_affinity affinity) {
    const char *const name = has_own_collation(c) ? c->column->collation : c->collation;
    return (hx_comparable){affinity, hx_collation_of_name(name), b->shadow->encoding};
}

static int add_term(builder *b, const condition *c, hny_op op, const hny_attribute *attributes,
                    size_t count) {
    return fail_status(
        b->shadow,
        hny_filter_where(b->conditions->filter, (uint32_t)c->column->place, op, attributes, count));
}

/* ------------------------------------------------------------------------------------ checks -- */

static int add_check(builder *b, int rc, hx_row_check *check) {
    hx_conditions *const conditions = b->conditions;
    if (rc) {
        return rc;
    }
    hx_row_check **const items = hx_array_grow(conditions->checks, &conditions->capacity,
                                               conditions->count + 1, sizeof *items);
    if (!items) {
        hx_row_check_free(check);
        return SQLITE_NOMEM;
    }
    conditions->checks = items;
    items[conditions->count++] = check;
    conditions->kept |= hx_row_check_column(check)->role == HX_ROLE_KEPT;
    return SQLITE_OK;
}

static int check_comparison(builder *b, const condition *c, char code, bool untyped,
                            bool selective) {
    hx_row_check *check = NULL;
    if (!b->bounded) {
        return SQLITE_OK;
    }
    b->conditions->selective |= selective;
    const char *const name = has_own_collation(c) ? c->column->collation : c->collation;
    const int rc = hx_row_check_new(b->shadow, c->column, code, name, c->value, untyped, &check);
    return add_check(b, rc, check);
}

static int check_members(builder *b, const condition *c, const members *m) {
    hx_row_check *check = NULL;
    if (!b->bounded) {
        return SQLITE_OK;
    }
    b->conditions->selective = true;
    const hx_collation collation = comparable_of(b, c, HX_AFFINITY_NONE).collation;
    const int rc =
        hx_row_check_new_set(b->shadow, c->column, collation, m->items, m->count, &check);
    return add_check(b, rc, check);
}

/* -------------------------------------------------------------------------------- conditions -- */

/* Texts that differ by BINARY pass <>, whatever the collation is (row_check.h). */
static bool is_by_unknown_collation(const condition *c, char code) {
    return code == HX_CODE_NE && sqlite3_value_type(c->value) == SQLITE_TEXT &&
           strcmp(c->column->collation, "BINARY") != 0;
}

/*
** Can the engine decide the condition, or reject no row that passes?  Not if a text is compared
** with a number, or the value may have an affinity that makes numbers of texts.
*/
static bool is_for_engine(const condition *c, char code, bool untyped) {
    const hx_affinity affinity = hx_affinity_of_type(c->column->type);
    if (c->column->role != HX_ROLE_FILTER || !has_own_collation(c) ||
        is_by_unknown_collation(c, code)) {
        return false;
    }
    if (code == HX_CODE_IS_NULL || code == HX_CODE_NOT_NULL) {
        return true;
    }
    if (affinity == HX_AFFINITY_NUMERIC) {
        return true;
    }
    if (hx_value_is_number(c->value)) {
        return false;
    }
    return !is_ordering(code) || untyped || sqlite3_value_type(c->value) == SQLITE_BLOB;
}

static int add_set(builder *b, const condition *c) {
    const hx_affinity affinity = hx_affinity_of_type(c->column->type);
    const bool filter = c->column->role == HX_ROLE_FILTER && has_own_collation(c);
    members m;
    int rc = read_members(
        comparable_of(b, c, affinity == HX_AFFINITY_NUMERIC ? affinity : HX_AFFINITY_NONE),
        c->value, &m);
    if (rc == SQLITE_OK && filter && (affinity == HX_AFFINITY_NUMERIC || !m.numbers)) {
        rc = add_term(b, c, HNY_IN, m.items, m.count);
    } else if (rc == SQLITE_OK) {
        rc = check_members(b, c, &m);
    }
    sqlite3_free(m.items);
    return rc;
}

static int add_engine_term(builder *b, const condition *c, char code, bool untyped) {
    const hny_op op = op_of_code(code);
    hny_attribute attribute;
    if (op == HNY_IS_NULL || op == HNY_NOT_NULL) {
        return add_term(b, c, op, NULL, 0);
    }
    int rc = hx_comparable_attribute(comparable_of(b, c, hx_affinity_of_type(c->column->type)),
                                     c->value, &attribute);
    if (rc == SQLITE_OK) {
        rc = add_term(b, c, op, &attribute, 1);
    }
    if (rc || !is_ordering(code) || !hny_filter_unsure(b->conditions->filter)) {
        return rc;
    }
    return check_comparison(b, c, code, untyped, false);
}

/* With NULL a comparison is true for no row, and IS and IS NOT ask whether the column is NULL. */
static char code_for_value(const condition *c) {
    if (sqlite3_value_type(c->value) != SQLITE_NULL) {
        return c->code;
    }
    if (c->code == HX_CODE_IS) {
        return HX_CODE_IS_NULL;
    }
    return c->code == HX_CODE_IS_NOT ? HX_CODE_NOT_NULL : c->code;
}

static int add_condition(builder *b, const condition *c) {
    const char code = code_for_value(c);
    const bool untyped = c->literal || sqlite3_value_frombind(c->value);
    const bool null_test = code == HX_CODE_IS_NULL || code == HX_CODE_NOT_NULL;
    if (code == HX_CODE_IN) {
        return add_set(b, c);
    }
    if (sqlite3_value_type(c->value) == SQLITE_NULL && !null_test) {
        return add_never(b);
    }
    const bool comparison = code == HX_CODE_EQ || code == HX_CODE_IS || code == HX_CODE_NE ||
                            is_ordering(code) || null_test;
    if (comparison && is_for_engine(c, code, untyped)) {
        return add_engine_term(b, c, code, untyped);
    }
    return check_comparison(b, c, code, untyped, true);
}

/* ----------------------------------------------------------------------------------- parsing -- */

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Reads the collation that may follow, and moves *at behind it. */
static int read_collation(const char **at, char **out) {
    char *name;
    *out = NULL;
    if (**at != HX_CODE_COLLATION) {
        return SQLITE_OK;
    }
    const long length = strtol(*at + 1, &name, 10);
    *out = sqlite3_mprintf("%.*s", (int)length, name + 1);
    *at = name + 1 + length;
    return *out ? SQLITE_OK : SQLITE_NOMEM;
}

static int add_coded_column(builder *b, const char **codes, sqlite3_value *value) {
    condition c = {.code = **codes, .value = value};
    const char *const at = *codes + 1;
    char *end;
    c.literal = *at == HX_CODE_LITERAL;
    c.column = &b->shadow->columns.at[strtol(at + c.literal, &end, 10)];
    *codes = end;
    int rc = read_collation(codes, &c.collation);
    if (rc == SQLITE_OK) {
        rc = add_condition(b, &c);
    }
    sqlite3_free(c.collation);
    return rc;
}

static int add_coded(builder *b, const char **codes, sqlite3_value *value) {
    const char code = **codes;
    const bool keys = code == HX_CODE_KEY || code == HX_CODE_KEYS;
    if (!keys && code != HX_CODE_ROWID && code != HX_CODE_ROWIDS) {
        return add_coded_column(b, codes, value);
    }
    ++*codes;
    return add_rows(b, keys, code == HX_CODE_KEYS || code == HX_CODE_ROWIDS, value);
}

int hx_conditions_new(hx_shadow *shadow, const char *codes, sqlite3_value **argv, bool bounded,
                      hx_conditions **out) {
    *out = NULL;
    hx_conditions *const conditions = sqlite3_malloc(sizeof *conditions);
    if (!conditions) {
        return SQLITE_NOMEM;
    }
    memset(conditions, 0, sizeof *conditions);
    builder b = {shadow, conditions, bounded};
    int rc = fail_status(shadow, hny_filter_new(&conditions->filter));
    while (rc == SQLITE_OK && is_letter(*codes)) {
        rc = add_coded(&b, &codes, *argv++);
    }
    if (rc == SQLITE_OK) {
        *out = conditions;
    } else {
        hx_conditions_free(conditions);
    }
    return rc;
}

void hx_conditions_free(hx_conditions *conditions) {
    if (!conditions) {
        return;
    }
    hny_filter_free(conditions->filter);
    for (size_t i = 0; i < conditions->count; i++) {
        hx_row_check_free(conditions->checks[i]);
    }
    sqlite3_free(conditions->checks);
    sqlite3_free(conditions);
}

const hny_filter *hx_conditions_filter(const hx_conditions *conditions) {
    return conditions ? conditions->filter : NULL;
}

/* ---------------------------------------------------------------------------------- checking -- */

bool hx_conditions_by_attributes(const hx_conditions *conditions) {
    return conditions && hny_filter_has_terms(conditions->filter);
}

static int test_attributes(hx_shadow *shadow, const hx_conditions *conditions, sqlite3_stmt *stmt,
                           int64_t rowid, bool *out) {
    hny_attribute attributes[HNY_MAX_ATTRIBUTES];
    int rc = SQLITE_OK;
    for (int i = 0; i < shadow->columns.attributes && rc == SQLITE_OK; i++) {
        rc = hx_content_attribute(shadow, i, sqlite3_column_value(stmt, 1 + i), &attributes[i]);
    }
    *out = rc == SQLITE_OK && hny_filter_test(conditions->filter, rowid, attributes) != HNY_NO;
    return rc;
}

int hx_conditions_test(hx_shadow *shadow, const hx_conditions *conditions, int64_t rowid,
                       bool *out) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_CONTENT_ATTRIBUTES, &stmt);
    *out = false;
    if (rc) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, rowid);
    rc = hx_sql_step(shadow, stmt);
    if (rc != SQLITE_ROW) {
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    rc = test_attributes(shadow, conditions, stmt, rowid, out);
    hx_sql_done(stmt);
    return rc;
}

bool hx_conditions_unsure(const hx_conditions *conditions) {
    return conditions && conditions->count;
}

bool hx_conditions_selective(const hx_conditions *conditions) {
    return conditions && conditions->selective;
}

/* Where a statement on the stored row has the columns. */
static int stored_column(const hx_shadow *shadow, const hx_conditions *conditions,
                         const hx_column *column) {
    return conditions->kept ? 1 + shadow->columns.vectors + column->stored : 1 + column->place;
}

/* Copies the values to check: a check may run code of the host, and that may use the statement. */
static int read_stored(hx_shadow *shadow, const hx_conditions *conditions, int64_t rowid,
                       sqlite3_value **stored, bool *found) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, conditions->kept ? HX_SQL_SCAN_ONE_REST : HX_SQL_CONTENT_ATTRIBUTES,
                        &stmt);
    if (rc) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, rowid);
    rc = hx_sql_step(shadow, stmt);
    *found = rc == SQLITE_ROW;
    if (rc != SQLITE_ROW) {
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    rc = SQLITE_OK;
    for (size_t i = 0; i < conditions->count && rc == SQLITE_OK; i++) {
        const hx_column *const column = hx_row_check_column(conditions->checks[i]);
        stored[i] = sqlite3_value_dup(
            sqlite3_column_value(stmt, stored_column(shadow, conditions, column)));
        if (!stored[i]) {
            rc = SQLITE_NOMEM;
        }
    }
    hx_sql_done(stmt);
    return rc;
}

int hx_conditions_check(hx_shadow *shadow, const hx_conditions *conditions, int64_t rowid,
                        bool *passes, bool *counts) {
    sqlite3_value **const stored = sqlite3_malloc64(conditions->count * sizeof *stored);
    if (!stored) {
        return SQLITE_NOMEM;
    }
    memset(stored, 0, conditions->count * sizeof *stored);
    int rc = read_stored(shadow, conditions, rowid, stored, passes);
    *counts = *passes;
    for (size_t i = 0; i < conditions->count && *passes && rc == SQLITE_OK; i++) {
        bool counted;
        rc = hx_row_check_run(shadow, conditions->checks[i], stored[i], passes, &counted);
        *counts &= counted;
    }
    for (size_t i = 0; i < conditions->count; i++) {
        sqlite3_value_free(stored[i]);
    }
    sqlite3_free(stored);
    return rc;
}
