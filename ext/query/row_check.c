/* Conditions that SQLite evaluates on a stored row.  The contract is in row_check.h. */
#include "query/row_check.h"

#include <string.h>

#include "shadow/error.h"
#include "shadow/shadow.h"

struct hx_row_check {
    const hx_column *column;
    bool blobs_pass; /* without counting */
    hx_reading readings[HX_MAX_READINGS];
    int count;
    /* a comparison: */
    sqlite3_value *value;
    sqlite3_stmt *stmt;   /* SELECT ?1 op ?2 */
    sqlite3_stmt *binary; /* the same by BINARY: what passes does not count; NULL: none */
    /* a set: */
    hny_filter *members; /* of attribute 0 */
    hx_comparable how;
};

/* ---------------------------------------------------------------------------------- readings -- */

static int readings_of_text(bool untyped, hx_reading *readings) {
    readings[0] = (hx_reading){HX_AFFINITY_TEXT, HX_AFFINITY_NONE, true};
    readings[1] = (hx_reading){HX_AFFINITY_NUMERIC, HX_AFFINITY_NUMERIC, false};
    return untyped ? 1 : 2;
}

/* The number may be of a numeric column, a literal, or of a column without a type. */
static int readings_of_number(bool untyped, hx_reading *readings) {
    readings[0] = (hx_reading){HX_AFFINITY_TEXT, HX_AFFINITY_TEXT, untyped};
    readings[1] = (hx_reading){HX_AFFINITY_NUMERIC, HX_AFFINITY_NONE, !untyped};
    readings[2] = (hx_reading){HX_AFFINITY_NONE, HX_AFFINITY_NONE, false};
    return untyped ? 2 : 3;
}

static int readings_of_untyped_column(bool untyped, bool number, hx_reading *readings) {
    readings[0] = (hx_reading){HX_AFFINITY_NONE, HX_AFFINITY_NONE, !number || untyped};
    readings[1] = (hx_reading){HX_AFFINITY_NUMERIC, HX_AFFINITY_NUMERIC, number && !untyped};
    return number || !untyped ? 2 : 1;
}

int hx_readings_of(hx_affinity column, sqlite3_value *value, bool untyped, hx_reading *readings) {
    const int type = sqlite3_value_type(value);
    const bool number = hx_value_is_number(value);
    readings[0] = (hx_reading){column, column, true};
    if (column == HX_AFFINITY_NUMERIC || type == SQLITE_NULL || type == SQLITE_BLOB) {
        return 1;
    }
    if (column == HX_AFFINITY_NONE) {
        return readings_of_untyped_column(untyped, number, readings);
    }
    return number ? readings_of_number(untyped, readings) : readings_of_text(untyped, readings);
}

/* ------------------------------------------------------------------------------- comparisons -- */

static const char *operator_of(char code) {
    switch (code) {
    case HX_CODE_EQ:
        return "=";
    case HX_CODE_NE:
        return "<>";
    case HX_CODE_LT:
    case HX_CODE_LT_OR_BLOB:
        return "<";
    case HX_CODE_LE:
        return "<=";
    case HX_CODE_GT:
        return ">";
    case HX_CODE_GE:
        return ">=";
    case HX_CODE_IS:
    case HX_CODE_IS_NULL:
        return "IS";
    case HX_CODE_IS_NOT:
    case HX_CODE_NOT_NULL:
        return "IS NOT";
    case HX_CODE_LIKE:
        return "LIKE";
    case HX_CODE_GLOB:
        return "GLOB";
    default:
        return "REGEXP";
    }
}

static bool is_pattern(char code) {
    return code == HX_CODE_LIKE || code == HX_CODE_GLOB || code == HX_CODE_REGEXP;
}

static int prepare_check(hx_shadow *shadow, char code, const char *collation, sqlite3_stmt **out) {
    char *const text = is_pattern(code) ? sqlite3_mprintf("SELECT ?1 %s ?2", operator_of(code))
                                        : sqlite3_mprintf("SELECT ?1 %s ?2 COLLATE \"%w\"",
                                                          operator_of(code), collation);
    if (!text) {
        return SQLITE_NOMEM;
    }
    const int rc = sqlite3_prepare_v2(shadow->db, text, -1, out, NULL);
    sqlite3_free(text);
    return rc ? hx_fail_sql(shadow, rc) : SQLITE_OK;
}

static int new_check(const hx_column *column, hx_row_check **out) {
    hx_row_check *const check = sqlite3_malloc(sizeof *check);
    *out = check;
    if (!check) {
        return SQLITE_NOMEM;
    }
    memset(check, 0, sizeof *check);
    check->column = column;
    return SQLITE_OK;
}

static int finish_check(int rc, hx_row_check **out) {
    if (rc == SQLITE_OK) {
        return rc;
    }
    hx_row_check_free(*out);
    *out = NULL;
    return rc;
}

int hx_row_check_new(hx_shadow *shadow, const hx_column *column, char code, const char *collation,
                     sqlite3_value *value, bool untyped, hx_row_check **out) {
    int rc = new_check(column, out);
    if (rc) {
        return rc;
    }
    hx_row_check *const check = *out;
    check->value = sqlite3_value_dup(value);
    if (!check->value) {
        return finish_check(SQLITE_NOMEM, out);
    }
    check->readings[0] = (hx_reading){HX_AFFINITY_NONE, HX_AFFINITY_NONE, true};
    check->count = 1;
    check->blobs_pass = code == HX_CODE_LT_OR_BLOB;
    if (!is_pattern(code)) {
        check->count =
            hx_readings_of(hx_affinity_of_type(column->type), value, untyped, check->readings);
    }
    rc = prepare_check(shadow, code, collation, &check->stmt);
    if (rc == SQLITE_OK && (code == HX_CODE_NE || code == HX_CODE_IS_NOT) &&
        hx_collation_of_name(collation) != HX_COLLATION_BINARY) {
        rc = prepare_check(shadow, code, "BINARY", &check->binary);
    }
    return finish_check(rc, out);
}

int hx_row_check_new_set(hx_shadow *shadow, const hx_column *column, hx_collation collation,
                         const hny_attribute *members, size_t count, hx_row_check **out) {
    const hx_affinity affinity = hx_affinity_of_type(column->type);
    int rc = new_check(column, out);
    if (rc) {
        return rc;
    }
    hx_row_check *const check = *out;
    check->how = (hx_comparable){HX_AFFINITY_NONE, collation, shadow->encoding};
    check->readings[0] = (hx_reading){affinity, affinity, true};
    check->readings[1] =
        (hx_reading){HX_AFFINITY_NUMERIC, HX_AFFINITY_NONE, affinity == HX_AFFINITY_TEXT};
    check->count = affinity == HX_AFFINITY_NUMERIC ? 1 : 2;
    int status = hny_filter_new(&check->members);
    if (status == HNY_OK) {
        status = hny_filter_where(check->members, 0, HNY_IN, members, count);
    }
    rc = status ? hx_fail_status(shadow, status) : SQLITE_OK;
    return finish_check(rc, out);
}

void hx_row_check_free(hx_row_check *check) {
    if (!check) {
        return;
    }
    sqlite3_value_free(check->value);
    sqlite3_finalize(check->stmt);
    sqlite3_finalize(check->binary);
    hny_filter_free(check->members);
    sqlite3_free(check);
}

const hx_column *hx_row_check_column(const hx_row_check *check) {
    return check->column;
}

/* ----------------------------------------------------------------------------------- running -- */

static int compare_stored(hx_shadow *shadow, const hx_row_check *check, sqlite3_stmt *stmt,
                          hx_reading reading, sqlite3_value *stored, bool *holds) {
    int rc = hx_affinity_bind(reading.left, stored, stmt, 1);
    if (rc == SQLITE_OK) {
        rc = hx_affinity_bind(reading.right, check->value, stmt, 2);
    }
    if (rc) {
        return rc;
    }
    rc = sqlite3_step(stmt);
    *holds = rc == SQLITE_ROW && sqlite3_column_int(stmt, 0);
    rc = sqlite3_reset(stmt);
    return rc ? hx_fail_sql(shadow, rc) : SQLITE_OK;
}

static int find_stored(const hx_row_check *check, hx_reading reading, sqlite3_value *stored,
                       bool *holds) {
    hny_attribute attribute;
    hx_comparable how = check->how;
    how.affinity = reading.left;
    const int rc = hx_comparable_attribute(how, stored, &attribute);
    *holds = rc == SQLITE_OK && hny_filter_test(check->members, 0, &attribute) == HNY_YES;
    return rc;
}

static int run_reading(hx_shadow *shadow, const hx_row_check *check, hx_reading reading,
                       sqlite3_value *stored, bool *passes, bool *counts) {
    bool holds = false;
    int rc = check->members ? find_stored(check, reading, stored, &holds)
                            : compare_stored(shadow, check, check->stmt, reading, stored, &holds);
    *passes |= holds;
    *counts |= holds && reading.counts;
    if (rc || *passes || !check->binary) {
        return rc;
    }
    return compare_stored(shadow, check, check->binary, reading, stored, passes);
}

int hx_row_check_run(hx_shadow *shadow, const hx_row_check *check, sqlite3_value *stored,
                     bool *passes, bool *counts) {
    int rc = SQLITE_OK;
    *passes = check->blobs_pass && sqlite3_value_type(stored) == SQLITE_BLOB;
    *counts = false;
    for (int i = 0; i < check->count && !*counts && rc == SQLITE_OK; i++) {
        rc = run_reading(shadow, check, check->readings[i], stored, passes, counts);
    }
    return rc;
}
