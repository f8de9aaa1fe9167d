/* Operations of the property test on rows: INSERT, UPDATE, DELETE, and input that is refused. */
#include "row_operations.h"

#include <stdio.h>
#include <string.h>

enum { ABORT, REPLACE, IGNORE, FAIL, ROLLBACK, CONFLICTS };
static const char *const conflict_name[CONFLICTS] = {"", "OR REPLACE", "OR IGNORE", "OR FAIL",
                                                     "OR ROLLBACK"};

/* Steps to the end and finalizes. */
static int finish(sqlite3_stmt *stmt, int rc) {
    if (rc == SQLITE_OK) {
        while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
            continue;
        }
        if (rc == SQLITE_DONE) {
            rc = SQLITE_OK;
        }
    }
    const int end = sqlite3_finalize(stmt);
    return rc == SQLITE_OK ? end : rc;
}

static int random_conflict(world *w) {
    if (rng_chance(&w->r, 0.45)) {
        return ABORT;
    }
    if (rng_chance(&w->r, 0.7)) {
        return REPLACE;
    }
    return (int)rng_below(&w->r, CONFLICTS);
}

/* Where its rows are written. */
static const char *target(const table *t) {
    return t->s.kind == EXTERNAL ? t->docs : t->name;
}

static void bind_tag(sqlite3_stmt *stmt, int index, shape s, const void *record) {
    if (record_tag(s, record)) {
        sqlite3_bind_int(stmt, index, record_tag(s, record));
    }
}

/* A record: with a tag, if the table has them. */
static void fresh_vector(world *w, const table *t, void *out) {
    if (t->s.kind != PLAIN) {
        ((unsigned char *)out)[shape_bytes(t->s)] = (unsigned char)rng_below(&w->r, TAGS);
    }
    if (rng_chance(&w->r, 0.04)) {
        vector_zero(t->s, out);
    } else if (t->content.count && rng_chance(&w->r, 0.05)) {
        const size_t at = rng_below(&w->r, (uint32_t)t->content.count);
        memcpy(out, rowset_at(&t->content, at), shape_bytes(t->s));
    } else {
        vector_random(t->s, w->cfg.style, &w->r, out);
    }
}

/*
** What stands for the columns of a record: the parameter of the vector, and that of the tag where
** there are tags.
*/
static const char *values_of(const table *t, int vector, int tag, char *sql, size_t size) {
    if (t->s.kind == PLAIN) {
        snprintf(sql, size, "?%d", vector);
    } else if (t->s.kind == PAIRED) {
        snprintf(
            sql, size,
            "iif(ifnull(?%d, 0) %% 3 = 2, NULL, ?%d), iif(ifnull(?%d, 0) %% 3 = 1, NULL, ?%d), "
            "?%d",
            tag, vector, tag, vector, tag);
    } else {
        snprintf(sql, size, "?%d, ?%d", vector, tag);
    }
    return sql;
}

static const char *columns_of(const table *t) {
    return t->s.kind == PLAIN    ? "vector"
           : t->s.kind == PAIRED ? "vector, other, tag"
                                 : "vector, tag";
}

typedef struct batch {
    int count;
    int64_t ids[BATCH];
    unsigned char vectors[BATCH][MAX_RECORD];
} batch;

static void batch_fill(world *w, const table *t, int rows, batch *b) {
    b->count = rows;
    for (int i = 0; i < rows; i++) {
        b->ids[i] = some_id(w, &t->content);
        fresh_vector(w, t, b->vectors[i]);
    }
}

/* What the statement does to the rows, by SQLite's rules. */
static int batch_expect(rowset *content, const batch *b, int conflict) {
    rowset before = {0};
    int rc = SQLITE_OK;
    rowset_copy(&before, content);
    for (int i = 0; i < b->count && rc == SQLITE_OK; i++) {
        const bool exists = rowset_find(content, b->ids[i]) >= 0;
        if (!exists || conflict == REPLACE) {
            rowset_put(content, b->ids[i], b->vectors[i]);
        } else if (conflict != IGNORE) {
            rc = SQLITE_CONSTRAINT;
        }
    }
    if (rc != SQLITE_OK && conflict != FAIL) {
        rowset_copy(content, &before);
    }
    rowset_free(&before);
    return rc;
}

/*
** Floats into int8 under cosine are scaled, so what is stored is read back. It must point the same
** way.
*/
static void read_back(connection *c, const table *t, int64_t id, rowset *content) {
    sqlite3_stmt *stmt;
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT %s FROM %s WHERE rowid = ?1",
             t->s.kind == PAIRED ? "ifnull(vector, other)" : "vector", t->name);
    if (sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL)) {
        fail("%s", sqlite3_errmsg(c->db));
    }
    sqlite3_bind_int64(stmt, 1, id);
    if (sqlite3_step(stmt) != SQLITE_ROW) {
        fail("row %lld is not there", (long long)id);
    }
    const void *const stored = sqlite3_column_blob(stmt, 0);
    if ((size_t)sqlite3_column_bytes(stmt, 0) != shape_bytes(t->s)) {
        fail("stored bytes");
    }
    const void *const given = rowset_at(content, (size_t)rowset_find(content, id));
    const double turned = vector_distance(t->s, stored, given);
    if (turned > 0.01 && turned != 1) {
        fail("row %lld was stored %g away", (long long)id, turned);
    }
    unsigned char record[MAX_RECORD];
    memcpy(record, given, content->width);
    memcpy(record, stored, shape_bytes(t->s));
    rowset_put(content, id, record);
    sqlite3_finalize(stmt);
}

static void insert(world *w, connection *c, int rows) {
    cursors_before_write(w, c);
    int slot;
    const table *const t = some_table(w, c, &slot);
    if (!t) {
        return;
    }
    batch b;
    state next = {0};
    int conflict = random_conflict(w);
    batch_fill(w, t, rows, &b);
    /* What was undone, by whatever means, is done again with other vectors: the same numbers. */
    if (w->again.count == rows && rng_chance(&w->r, 0.25)) {
        conflict = REPLACE;
        memcpy(b.ids, w->again.ids, sizeof b.ids);
    }
    w->again.count = rows;
    memcpy(w->again.ids, b.ids, sizeof b.ids);
    state_copy(&next, visible(w, c));
    const bool fresh = rowset_find(&t->content, b.ids[0]) < 0 || conflict == REPLACE;
    const int expected = batch_expect(&next.t[slot].content, &b, conflict);
    char sql[1500], values[160];
    const bool tagged = t->s.kind != PLAIN;
    const int each = tagged ? 3 : 2;
    const bool keyed = t->s.kind == KEYED;
    int n = snprintf(sql, sizeof sql, "INSERT %s INTO %s(rowid, %s%s) VALUES ",
                     conflict_name[conflict], target(t), columns_of(t), keyed ? ", id" : "");
    for (int i = 0; i < rows; i++) {
        n += snprintf(sql + n, sizeof sql - (size_t)n, "%s(?%d, %s", i ? ", " : "", each * i + 1,
                      values_of(t, each * i + 2, each * i + 3, values, sizeof values));
        if (keyed) {
            n += snprintf(sql + n, sizeof sql - (size_t)n, ", ?%d", each * i + 1);
        }
        n += snprintf(sql + n, sizeof sql - (size_t)n, ")");
    }
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL);
    bool scaled = false;
    for (int i = 0; i < rows && rc == SQLITE_OK; i++) {
        const bool may_scale = vector_is_scaled(t->s);
        const int way = may_scale && rows > 1 ? AS_BYTES : (int)rng_below(&w->r, WAYS);
        sqlite3_bind_int64(stmt, each * i + 1, b.ids[i]);
        rc = vector_bind(stmt, each * i + 2, t->s, b.vectors[i], way);
        if (tagged) {
            bind_tag(stmt, each * i + 3, t->s, b.vectors[i]);
        }
        scaled |= may_scale && way != AS_BYTES;
    }
    rc = finish(stmt, rc);
    tell_step(w, "%s: INSERT %s %s x%d %lld.. -> %d", c->name, conflict_name[conflict], t->name,
              rows, (long long)b.ids[0], rc);
    if (rc == SQLITE_OK && scaled && fresh) {
        read_back(c, &next.t[slot], b.ids[0], &next.t[slot].content);
    }
    settle(w, c, rc, expected, &next);
}

void row_insert(world *w, connection *c) {
    insert(w, c, 1);
}

void row_insert_many(world *w, connection *c) {
    insert(w, c, 2 + (int)rng_below(&w->r, BATCH - 1));
}

/* An automatic rowid: the next one, or any that is free where the largest is taken. */
void row_insert_automatic(world *w, connection *c) {
    cursors_before_write(w, c);
    int slot;
    const table *const t = some_table(w, c, &slot);
    if (!t || t->s.kind == KEYED || t->content.count > 3 * (size_t)w->cfg.ids) {
        return;
    }
    unsigned char vector[MAX_RECORD];
    state next = {0};
    fresh_vector(w, t, vector);
    state_copy(&next, visible(w, c));
    char sql[200], values[160];
    const bool tagged = t->s.kind != PLAIN;
    snprintf(sql, sizeof sql, "INSERT INTO %s(%s) VALUES (%s)", target(t), columns_of(t),
             values_of(t, 1, 2, values, sizeof values));
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        vector_bind(stmt, 1, t->s, vector, AS_BYTES);
    }
    if (rc == SQLITE_OK && tagged) {
        bind_tag(stmt, 2, t->s, vector);
    }
    rc = finish(stmt, rc);
    tell_step(w, "%s: INSERT %s automatic -> %d", c->name, t->name, rc);
    if (rc == SQLITE_OK) {
        rowset *const content = &next.t[slot].content;
        const int64_t id = sqlite3_last_insert_rowid(c->db);
        const int64_t last = content->count ? content->ids[content->count - 1] : 0;
        if (rowset_find(content, id) >= 0) {
            fail("automatic rowid %lld exists", (long long)id);
        }
        if (last < INT64_MAX && id != (content->count ? last + 1 : 1)) {
            fail("automatic rowid %lld after %lld", (long long)id, (long long)last);
        }
        rowset_put(content, id, vector);
    }
    settle(w, c, rc, SQLITE_OK, &next);
}

void row_update(world *w, connection *c) {
    cursors_before_write(w, c);
    int slot;
    const table *const t = some_table(w, c, &slot);
    if (!t) {
        return;
    }
    unsigned char vector[MAX_RECORD];
    state next = {0};
    fresh_vector(w, t, vector);
    state_copy(&next, visible(w, c));
    rowset *const content = &next.t[slot].content;
    const int64_t low = some_id(w, content);
    const int64_t span =
        rng_chance(&w->r, 0.3) ? rng_below(&w->r, (uint32_t)w->cfg.ids / 3 + 1) : 0;
    const int64_t high = low > INT64_MAX - span ? INT64_MAX : low + span;
    const bool tagged = t->s.kind != PLAIN;
    const bool tag_alone = tagged && rng_chance(&w->r, 0.4);
    for (size_t i = rowset_seek(content, low); i < content->count && content->ids[i] <= high; i++) {
        unsigned char record[MAX_RECORD];
        memcpy(record, vector, content->width);
        if (tag_alone) {
            memcpy(record, rowset_at(content, i), shape_bytes(t->s));
        }
        rowset_put(content, content->ids[i], record);
    }
    char sql[300], values[160];
    if (tag_alone) {
        snprintf(
            sql, sizeof sql, "UPDATE %s SET tag = ?4%s WHERE rowid %s", target(t),
            t->s.kind == PAIRED
                ? ", vector = iif(ifnull(?4, 0) % 3 = 2, NULL, ifnull(vector, other)), other = "
                  "iif(ifnull(?4, 0) % 3 = 1, NULL, ifnull(vector, other))"
                : "",
            span ? "BETWEEN ?1 AND ?2" : "= ?1");
    } else {
        snprintf(sql, sizeof sql, "UPDATE %s SET (%s) = (%s) WHERE rowid %s", target(t),
                 columns_of(t), values_of(t, 3, 4, values, sizeof values),
                 span ? "BETWEEN ?1 AND ?2" : "= ?1");
    }
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(stmt, 1, low);
        sqlite3_bind_int64(stmt, 2, high);
        const int way = vector_is_scaled(t->s) ? AS_BYTES : (int)rng_below(&w->r, WAYS);
        if (!tag_alone) {
            vector_bind(stmt, 3, t->s, vector, way);
        }
        if (tagged) {
            bind_tag(stmt, 4, t->s, vector);
        }
    }
    rc = finish(stmt, rc);
    tell_step(w, "%s: UPDATE %s %lld..%lld -> %d", c->name, t->name, (long long)low,
              (long long)high, rc);
    settle(w, c, rc, SQLITE_OK, &next);
}

/* UPDATE v SET rowid, which may collide. */
void row_move(world *w, connection *c) {
    cursors_before_write(w, c);
    int slot;
    const table *const t = some_table(w, c, &slot);
    if (!t) {
        return;
    }
    state next = {0};
    state_copy(&next, visible(w, c));
    rowset *const content = &next.t[slot].content;
    const int64_t from = some_id(w, content), to = some_id(w, content);
    const int conflict = random_conflict(w);
    const long at = rowset_find(content, from);
    int expected = SQLITE_OK;
    if (at >= 0 && from != to) {
        const bool taken = rowset_find(content, to) >= 0;
        if (taken && conflict != REPLACE) {
            if (conflict != IGNORE) {
                expected = SQLITE_CONSTRAINT;
            }
        } else {
            unsigned char vector[MAX_RECORD];
            memcpy(vector, rowset_at(content, (size_t)at), content->width);
            rowset_remove(content, from);
            rowset_put(content, to, vector);
        }
    }
    char key[40] = "";
    if (t->s.kind == KEYED) {
        snprintf(key, sizeof key, ", id = '%lld'", (long long)to);
    }
    const int rc = db_try(c->db, "UPDATE %s %s SET rowid = %lld%s WHERE rowid = %lld",
                          conflict_name[conflict], target(t), (long long)to, key, (long long)from);
    tell_step(w, "%s: UPDATE %s %s SET rowid = %lld WHERE rowid = %lld -> %d", c->name,
              conflict_name[conflict], t->name, (long long)to, (long long)from, rc);
    settle(w, c, rc, expected, &next);
}

void row_delete(world *w, connection *c) {
    cursors_before_write(w, c);
    int slot;
    const table *const t = some_table(w, c, &slot);
    if (!t) {
        return;
    }
    state next = {0};
    state_copy(&next, visible(w, c));
    rowset *const content = &next.t[slot].content;
    const int64_t low = some_id(w, content);
    int64_t high = low;
    const uint32_t span = (uint32_t)w->cfg.ids / 4 + 1;
    if (rng_chance(&w->r, 0.3) && low < INT64_MAX - span) {
        high += rng_below(&w->r, span);
    }
    const bool all = rng_chance(&w->r, 0.02);
    while (all && content->count) {
        rowset_remove(content, content->ids[content->count - 1]);
    }
    for (size_t i = rowset_seek(content, low); i < content->count && content->ids[i] <= high;) {
        rowset_remove(content, content->ids[i]);
    }
    const int rc = all ? db_try(c->db, "DELETE FROM %s", target(t))
                       : db_try(c->db, "DELETE FROM %s WHERE rowid BETWEEN %lld AND %lld",
                                target(t), (long long)low, (long long)high);
    tell_step(w, "%s: DELETE %s %lld..%lld%s -> %d", c->name, t->name, (long long)low,
              (long long)high, all ? " (all)" : "", rc);
    settle(w, c, rc, SQLITE_OK, &next);
}

/* A statement that must fail in its second row, and change nothing. */
void row_bad_input(world *w, connection *c) {
    cursors_before_write(w, c);
    int slot;
    const table *const t = some_table(w, c, &slot);
    if (!t || t->s.kind == EXTERNAL || t->s.kind == PAIRED) { /* they take NULL */
        return;
    }
    static const char *const bad[] = {"NULL", "3.5", "'[1, 2'", "x'00'", "'[]'", "'[1e999]'", "7"};
    unsigned char vector[MAX_RECORD];
    int64_t id = 1;
    fresh_vector(w, t, vector);
    while (rowset_find(&t->content, id) >= 0) {
        id++;
    }
    const char *const value = bad[rng_below(&w->r, sizeof bad / sizeof *bad)];
    char sql[200];
    const bool single = rng_chance(&w->r, 0.5);
    if (single) {
        snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO %s(rowid, vector) VALUES (?1 - ?1, %s)",
                 t->name, value);
    } else {
        snprintf(sql, sizeof sql, "INSERT INTO %s(rowid, vector) VALUES (?1, ?2), (?1 + 1, %s)",
                 t->name, value);
    }
    if (!strcmp(value, "x'00'") && shape_bytes(t->s) == 1) {
        return;
    }
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(stmt, 1, id);
        if (!single) {
            vector_bind(stmt, 2, t->s, vector, AS_BYTES);
        }
    }
    rc = finish(stmt, rc);
    tell_step(w, "%s: INSERT of %s -> %d", c->name, value, rc);
    if (rc == SQLITE_OK) {
        fail("%s: %s was taken", c->name, value);
    }
    refresh(w, c);
}
