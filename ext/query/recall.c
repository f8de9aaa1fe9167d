/*
** Measures the recall of a table's own settings; contract in recall.h.
*/
#include "query/recall.h"

#include "shadow/error.h"
#include "shadow/shadow.h"

#define K 10

/* Ordinary statements on the table, so that the result is what a user gets. */
typedef struct measurement {
    hx_shadow *shadow;
    const char *vector; /* its name; "": the table has one, and `item` names a row */
    sqlite3_stmt *ends, *next, *search, *exact;
    int64_t wanted, found;
} measurement;

/* Takes over the text; NULL: out of memory. */
static int prepare_query(hx_shadow *shadow, char *sql, sqlite3_stmt **out) {
    if (!sql) {
        return SQLITE_NOMEM;
    }
    const int rc = sqlite3_prepare_v2(shadow->db, sql, -1, out, NULL);
    sqlite3_free(sql);
    return rc ? hx_fail_sql(shadow, rc) : SQLITE_OK;
}

static char *search_text(const measurement *m, bool exact) {
    const char *const schema = m->shadow->schema, *const name = m->shadow->name;
    const hx_columns *const columns = &m->shadow->columns;
    const char *const distance = hx_hidden_name(columns, HX_DISTANCE);
    const char *const k = hx_hidden_name(columns, HX_K);
    const char *const is_exact = hx_hidden_name(columns, HX_EXACT);
    if (!m->vector[0]) {
        return sqlite3_mprintf("SELECT \"%w\" FROM \"%w\".\"%w\" WHERE \"%w\" = ?1 AND \"%w\" = %d "
                               "AND \"%w\" = %d",
                               distance, schema, name, hx_hidden_name(columns, HX_ITEM), k, K,
                               is_exact, exact);
    }
    return sqlite3_mprintf(
        "SELECT distance FROM (SELECT rowid AS id, \"%w\" AS distance FROM "
        "\"%w\".\"%w\" WHERE \"%w\" MATCH (SELECT \"%w\" FROM \"%w\".\"%w\" WHERE "
        "rowid = ?1) AND \"%w\" = %d AND \"%w\" = %d) WHERE id <> ?1",
        distance, schema, name, m->vector, m->vector, schema, name, k, K + 1, is_exact, exact);
}

static char *next_text(const measurement *m) {
    const char *const schema = m->shadow->schema, *const name = m->shadow->name;
    return m->vector[0]
               ? sqlite3_mprintf("SELECT rowid FROM \"%w\".\"%w\" WHERE rowid >= ?1 AND \"%w\" IS "
                                 "NOT NULL ORDER BY rowid LIMIT 1",
                                 schema, name, m->vector)
               : sqlite3_mprintf("SELECT rowid FROM \"%w\".\"%w\" WHERE rowid >= ?1 ORDER BY rowid "
                                 "LIMIT 1",
                                 schema, name);
}

static int prepare_queries(measurement *m) {
    hx_shadow *const shadow = m->shadow;
    const char *const schema = shadow->schema, *const name = shadow->name;
    int rc = prepare_query(
        shadow, sqlite3_mprintf("SELECT min(rowid), max(rowid) FROM \"%w\".\"%w\"", schema, name),
        &m->ends);
    if (rc == SQLITE_OK) {
        rc = prepare_query(shadow, next_text(m), &m->next);
    }
    if (rc == SQLITE_OK) {
        rc = prepare_query(shadow, search_text(m, false), &m->search);
    }
    if (rc == SQLITE_OK) {
        rc = prepare_query(shadow, search_text(m, true), &m->exact);
    }
    return rc;
}

/* The distances that a statement returns, ascending. */
static int step_distances(hx_shadow *shadow, sqlite3_stmt *stmt, double *distances, int *count) {
    int rc;
    *count = 0;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && *count < K) {
        distances[(*count)++] = sqlite3_column_double(stmt, 0);
    }
    rc = rc == SQLITE_ROW ? SQLITE_OK : sqlite3_reset(stmt);
    sqlite3_reset(stmt);
    return rc ? hx_fail_sql(shadow, rc) : SQLITE_OK;
}

/* The same of the neighbours of a row. */
static int search_item(measurement *m, sqlite3_stmt *stmt, sqlite3_value *item, double *distances,
                       int *count) {
    sqlite3_bind_value(stmt, 1, item);
    return step_distances(m->shadow, stmt, distances, count);
}

static int measure_item(measurement *m, sqlite3_value *item) {
    double found[K], exact[K];
    int founds, exacts;
    int rc = search_item(m, m->search, item, found, &founds);
    if (rc == SQLITE_OK) {
        rc = search_item(m, m->exact, item, exact, &exacts);
    }
    if (rc || exacts == 0) {
        return rc;
    }
    m->wanted += exacts;
    for (int i = 0; i < founds; i++) {
        m->found += found[i] <= exact[exacts - 1];
    }
    return SQLITE_OK;
}

/* Finds the first row from a rowid on; false: there is none. */
static bool find_next_row(measurement *m, int64_t from, int64_t *rowid) {
    sqlite3_bind_int64(m->next, 1, from);
    const bool found = sqlite3_step(m->next) == SQLITE_ROW;
    if (found) {
        *rowid = sqlite3_column_int64(m->next, 0);
    }
    sqlite3_reset(m->next);
    return found;
}

/* The row is named by its rowid, or where an item can name it by its text key. */
static int measure_rowid(measurement *m, int64_t rowid) {
    hx_shadow *const shadow = m->shadow;
    sqlite3_stmt *stmt;
    int rc = hx_sql_get(shadow, HX_SQL_SCAN_ONE_REST, &stmt);
    if (rc) {
        return rc;
    }
    sqlite3_bind_int64(stmt, 1, rowid);
    rc = hx_sql_step(shadow, stmt);
    if (rc != SQLITE_ROW) {
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    const hx_columns *const columns = &shadow->columns;
    const bool key = !m->vector[0] && hx_columns_text_key(columns);
    const int at = key ? 1 + columns->vectors + columns->at[columns->key].stored : 0;
    sqlite3_value *const item = sqlite3_value_dup(sqlite3_column_value(stmt, at));
    hx_sql_done(stmt);
    rc = item ? measure_item(m, item) : SQLITE_NOMEM;
    sqlite3_value_free(item);
    return rc;
}

static int measure_rows(measurement *m, int64_t queries) {
    int rc = sqlite3_step(m->ends);
    if (rc != SQLITE_ROW) {
        return hx_fail_sql(m->shadow, rc);
    }
    if (sqlite3_column_type(m->ends, 0) == SQLITE_NULL) {
        return SQLITE_OK;
    }
    const int64_t first = sqlite3_column_int64(m->ends, 0);
    const double step =
        ((double)sqlite3_column_int64(m->ends, 1) - (double)first + 1) / (double)queries;
    int64_t last = INT64_MIN, rowid;
    rc = SQLITE_OK;
    for (int64_t i = 0; i < queries && rc == SQLITE_OK; i++) {
        const int64_t from = first + (int64_t)(step * (double)i);
        if (from <= last && i > 0) {
            continue;
        }
        if (!find_next_row(m, from, &rowid)) {
            break;
        }
        rc = measure_rowid(m, rowid);
        last = rowid;
    }
    return rc;
}

int hx_measure_recall(hx_shadow *shadow, int vector, int64_t queries, double *recall, bool *any) {
    measurement m = {.shadow = shadow, .vector = hx_columns_which(&shadow->columns, vector)};
    int rc = prepare_queries(&m);
    if (rc == SQLITE_OK) {
        rc = measure_rows(&m, queries);
    }
    *any = m.wanted > 0;
    *recall = *any ? (double)m.found / (double)m.wanted : 0;
    sqlite3_finalize(m.ends);
    sqlite3_finalize(m.next);
    sqlite3_finalize(m.search);
    sqlite3_finalize(m.exact);
    return rc;
}

/* ---------------------------------------------------------------------------- users' queries -- */

/* What a search must find: rows at most as far as the last of the nearest ones. */
typedef struct hx_nearest {
    int count;
    double farthest;
} hx_nearest;

/* The statement that searches with a user's query, whose bytes are bound to it. */
static int prepare_search(const hx_recall *recall, bool exact, sqlite3_stmt **out) {
    const hx_columns *const columns = &recall->shadow->columns;
    return prepare_query(
        recall->shadow,
        sqlite3_mprintf(
            "SELECT \"%w\" FROM \"%w\".\"%w\" WHERE \"%w\" MATCH ?1 AND \"%w\" = %d AND "
            "\"%w\" = %d",
            hx_hidden_name(columns, HX_DISTANCE), recall->shadow->schema, recall->shadow->name,
            recall->vector, hx_hidden_name(columns, HX_K), K, hx_hidden_name(columns, HX_EXACT),
            exact),
        out);
}

static int search_query(const hx_recall *recall, sqlite3_stmt *stmt, size_t i, double *distances,
                        int *count) {
    const hx_query_set *const set = recall->set;
    sqlite3_bind_blob64(stmt, 1, set->vectors + i * set->bytes, set->bytes, SQLITE_STATIC);
    return step_distances(recall->shadow, stmt, distances, count);
}

int hx_recall_init(hx_recall *out, hx_shadow *shadow, int vector, const hx_query_set *set) {
    const hx_columns *const columns = &shadow->columns;
    sqlite3_stmt *stmt = NULL;
    *out = (hx_recall){
        .shadow = shadow, .vector = columns->at[columns->vector[vector]].name, .set = set};
    out->truths = sqlite3_malloc64((set->count + 1) * sizeof *out->truths);
    int rc = out->truths ? prepare_search(out, true, &stmt) : SQLITE_NOMEM;
    for (size_t i = 0; i < set->count && rc == SQLITE_OK; i++) {
        double exact[K];
        hx_nearest *const truth = &out->truths[i];
        rc = search_query(out, stmt, i, exact, &truth->count);
        truth->farthest = rc == SQLITE_OK && truth->count ? exact[truth->count - 1] : 0;
        out->wanted += truth->count;
    }
    sqlite3_finalize(stmt);
    return rc;
}

void hx_recall_free(hx_recall *recall) {
    sqlite3_free(recall->truths);
    recall->truths = NULL;
}

int hx_recall_measure(hx_recall *recall, double *out) {
    sqlite3_stmt *stmt = NULL;
    int64_t found = 0;
    int rc = prepare_search(recall, false, &stmt);
    for (size_t i = 0; i < recall->set->count && rc == SQLITE_OK; i++) {
        double distances[K];
        int count;
        rc = search_query(recall, stmt, i, distances, &count);
        for (int j = 0; j < count && rc == SQLITE_OK; j++) {
            found += distances[j] <= recall->truths[i].farthest;
        }
    }
    sqlite3_finalize(stmt);
    *out = recall->wanted ? (double)found / (double)recall->wanted : 1;
    return rc;
}
