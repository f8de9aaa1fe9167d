/* The operations of the property test, each on the database and on the model. */
#include "operations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ABORT, REPLACE, IGNORE, FAIL, ROLLBACK, CONFLICTS };
static const char *const conflict_name[CONFLICTS] = {"", "OR REPLACE", "OR IGNORE", "OR FAIL",
                                                     "OR ROLLBACK"};

/* -------------------------------------------------------------------------------- statements -- */

/* Steps to the end and finalizes. */
static int finish(connection *c, sqlite3_stmt *stmt, int rc) {
    if (rc == SQLITE_OK) {
        while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
            continue;
        }
        if (rc == SQLITE_DONE) {
            rc = SQLITE_OK;
        }
    }
    const int end = sqlite3_finalize(stmt);
    (void)c;
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
    rc = finish(c, stmt, rc);
    tell_step(w, "%s: INSERT %s %s x%d %lld.. -> %d", c->name, conflict_name[conflict], t->name,
              rows, (long long)b.ids[0], rc);
    if (rc == SQLITE_OK && scaled && fresh) {
        read_back(c, &next.t[slot], b.ids[0], &next.t[slot].content);
    }
    settle(w, c, rc, expected, &next);
}

static void op_insert(world *w, connection *c) {
    insert(w, c, 1);
}

static void op_insert_many(world *w, connection *c) {
    insert(w, c, 2 + (int)rng_below(&w->r, BATCH - 1));
}

/* An automatic rowid: the next one, or any that is free where the largest is taken. */
static void op_insert_automatic(world *w, connection *c) {
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
    rc = finish(c, stmt, rc);
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

static void op_update(world *w, connection *c) {
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
    rc = finish(c, stmt, rc);
    tell_step(w, "%s: UPDATE %s %lld..%lld -> %d", c->name, t->name, (long long)low,
              (long long)high, rc);
    settle(w, c, rc, SQLITE_OK, &next);
}

/* UPDATE v SET rowid, which may collide. */
static void op_move(world *w, connection *c) {
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

static void op_delete(world *w, connection *c) {
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
static void op_bad_input(world *w, connection *c) {
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
    rc = finish(c, stmt, rc);
    tell_step(w, "%s: INSERT of %s -> %d", c->name, value, rc);
    if (rc == SQLITE_OK) {
        fail("%s: %s was taken", c->name, value);
    }
    refresh(w, c);
}

/* ------------------------------------------------------------------------------ transactions -- */

static void op_begin(world *w, connection *c) {
    if (c->in_transaction) {
        return;
    }
    const char *how = "";
    if (c->writer && rng_chance(&w->r, 0.4)) {
        how = "IMMEDIATE";
    }
    if (c->writer && rng_chance(&w->r, 0.05)) {
        how = "EXCLUSIVE";
    }
    cursors_close(w, c);
    const int rc = db_try(c->db, "BEGIN %s", how);
    tell_step(w, "%s: BEGIN %s -> %d", c->name, how, rc);
    if (rc == SQLITE_OK) {
        c->in_transaction = c->begun = true;
        c->exclusive = !strcmp(how, "EXCLUSIVE");
    } else if ((rc & 255) != SQLITE_BUSY) {
        fail("%s: BEGIN: %d %s", c->name, rc, sqlite3_errmsg(c->db));
    }
    refresh(w, c);
}

/* COMMIT, or RELEASE of the savepoint that began the transaction. */
static void commit(world *w, connection *c, const char *sql) {
    for (int i = 0; i < CURSORS; i++) {
        if (rng_chance(&w->r, 0.7)) {
            cursor_close(w, c, &c->cursors[i]);
        }
    }
    const int rc = db_try(c->db, "%s", sql);
    tell_step(w, "%s: %s -> %d", c->name, sql, rc);
    const bool over = sqlite3_get_autocommit(c->db);
    if (rc == SQLITE_OK && over) {
        if (c->wrote) {
            state_copy(&w->disk, &c->view);
            count->commits++;
        }
        transaction_ended(w, c);
    } else if (rc == SQLITE_CONSTRAINT_COMMITHOOK && c->vetoed) {
        count->vetoes++;
        cursors_close(w, c);
        /* SQLite 3.40 has rolled back here and yet leaves autocommit off after RELEASE. */
        if (!over) {
            db_must(c->db, "ROLLBACK");
        }
        transaction_ended(w, c);
    } else if ((rc & 255) == SQLITE_BUSY && !w->cfg.wal && !over) {
        count->refused++;
        c->stuck = true;
        refresh(w, c);
    } else {
        fail("%s: %s: %d %s", c->name, sql, rc, sqlite3_errmsg(c->db));
    }
    c->vetoed = false;
}

static void op_commit(world *w, connection *c) {
    if (c->in_transaction && c->begun) {
        commit(w, c, rng_chance(&w->r, 0.5) ? "COMMIT" : "END");
    }
}

static void op_rollback(world *w, connection *c) {
    if (!c->in_transaction) {
        return;
    }
    cursors_close(w, c);
    const int rc = db_try(c->db, "ROLLBACK");
    tell_step(w, "%s: ROLLBACK -> %d", c->name, rc);
    if (rc != SQLITE_OK) {
        fail("%s: ROLLBACK: %d %s", c->name, rc, sqlite3_errmsg(c->db));
    }
    transaction_ended(w, c);
}

static void op_savepoint(world *w, connection *c) {
    if (c->depth == SAVEPOINTS) {
        return;
    }
    const int rc = db_try(c->db, "SAVEPOINT s%d", c->depth);
    tell_step(w, "%s: SAVEPOINT s%d -> %d", c->name, c->depth, rc);
    if (rc != SQLITE_OK) {
        fail("%s: SAVEPOINT: %d %s", c->name, rc, sqlite3_errmsg(c->db));
    }
    c->in_transaction = true;
    /* The snapshot is taken now, so that ROLLBACK TO has a state to go back to. */
    const int read = db_try(c->db, "SELECT count(*) FROM sqlite_master");
    refresh(w, c);
    if (read != SQLITE_OK) {
        if (!excused(w, c, read)) {
            fail("%s: %d", c->name, read);
        }
        db_try(c->db, "RELEASE s%d", c->depth);
        if (c->depth == 0 && !c->begun) {
            c->in_transaction = false;
        }
        return refresh(w, c);
    }
    state_copy(&c->saved[c->depth++], visible(w, c));
}

static void op_rollback_to(world *w, connection *c) {
    if (c->depth == 0) {
        return;
    }
    const int to = (int)rng_below(&w->r, (uint32_t)c->depth);
    cursors_close(w, c);
    const int rc = db_try(c->db, "ROLLBACK TO s%d", to);
    tell_step(w, "%s: ROLLBACK TO s%d -> %d", c->name, to, rc);
    if (rc != SQLITE_OK) {
        fail("%s: ROLLBACK TO: %d %s", c->name, rc, sqlite3_errmsg(c->db));
    }
    c->depth = to + 1;
    refresh(w, c);
    if (c->snapshot) {
        state_copy(&c->view, &c->saved[to]);
    }
}

static void op_release(world *w, connection *c) {
    if (c->depth == 0) {
        return;
    }
    char sql[20];
    const int to = c->begun ? (int)rng_below(&w->r, (uint32_t)c->depth) : 0;
    snprintf(sql, sizeof sql, "RELEASE s%d", to);
    if (to == 0 && !c->begun) {
        return commit(w, c, sql);
    }
    const int rc = db_try(c->db, "%s", sql);
    tell_step(w, "%s: %s -> %d", c->name, sql, rc);
    if (rc != SQLITE_OK) {
        fail("%s: RELEASE: %d %s", c->name, rc, sqlite3_errmsg(c->db));
    }
    c->depth = to;
}

static void op_end(world *w, connection *c) {
    if (!c->in_transaction) {
        return;
    }
    if (rng_chance(&w->r, 0.3)) {
        return op_rollback(w, c);
    }
    if (!c->begun) {
        return commit(w, c, "RELEASE s0");
    }
    commit(w, c, "COMMIT");
}

static void op_veto(world *w, connection *c) {
    c->veto = true;
    tell_step(w, "%s: the next commit will be refused", c->name);
}

/* ---------------------------------------------------------------------------------- commands -- */

/* A command that writes through the table, and leaves its rows alone. */
static void command(world *w, connection *c, const char *text) {
    cursors_before_write(w, c);
    int slot;
    const table *const t = some_table(w, c, &slot);
    if (!t) {
        return;
    }
    state next = {0};
    state_copy(&next, visible(w, c));
    const int rc = db_try(c->db, "INSERT INTO %s(%s) VALUES ('%s')", t->name, t->name, text);
    tell_step(w, "%s: %s of %s -> %d", c->name, text, t->name, rc);
    settle(w, c, rc, SQLITE_OK, &next);
}

static void op_build(world *w, connection *c) {
    command(w, c, rng_chance(&w->r, 0.15) ? "rebuild" : "build");
    count->builds++;
}

static void op_check(world *w, connection *c) {
    command(w, c, "integrity-check");
}

static void op_setting(world *w, connection *c) {
    char text[30];
    static const int autobuild[] = {0, 1, 3, 5, 20, 1000};
    snprintf(text, sizeof text, "autobuild=%d", autobuild[rng_below(&w->r, 6)]);
    command(w, c, text);
}

static void op_hannoy_build(world *w, connection *c) {
    int slot;
    const table *const t = some_table(w, c, &slot);
    if (!t) {
        return;
    }
    const int rc = db_try(c->db, "SELECT hannoy_build('%s')", t->name);
    tell_step(w, "%s: hannoy_build(%s) -> %d", c->name, t->name, rc);
    refresh(w, c);
    if (rc != SQLITE_OK && !excused(w, c, rc)) {
        fail("%s: hannoy_build: %d %s", c->name, rc, sqlite3_errmsg(c->db));
    }
    count->builds += rc == SQLITE_OK;
}

static void op_info(world *w, connection *c) {
    int slot;
    const table *const t = some_table(w, c, &slot);
    if (!t || blocked(w, c)) {
        return;
    }
    const int64_t rows = db_info(c->db, t->name, "rows");
    refresh(w, c);
    if (rows != (int64_t)t->content.count) {
        fail("%s: hannoy_info has %lld rows of %zu", c->name, (long long)rows, t->content.count);
    }
}

/* Drops the tags and adds them again: the rows have none then, but in a table of the user's. */
static void op_alter(world *w, connection *c) {
    int slot;
    cursors_close(w, c);
    const table *const t = c->in_transaction ? some_table(w, c, &slot) : NULL;
    if (!t || t->s.kind == PLAIN || t->s.kind == PAIRED) {
        return;
    }
    state next = {0};
    state_copy(&next, visible(w, c));
    rowset *const content = &next.t[slot].content;
    const int rc = db_try(c->db, "INSERT INTO %s(%s) VALUES ('drop tag')", t->name, t->name);
    if (rc == SQLITE_OK) {
        db_must(c->db, "INSERT INTO %s(%s) VALUES ('add tag INTEGER')", t->name, t->name);
    }
    for (size_t i = 0; t->s.kind != EXTERNAL && i < content->count; i++) {
        unsigned char record[MAX_RECORD];
        memcpy(record, rowset_at(content, i), content->width);
        record[shape_bytes(t->s)] = 0;
        rowset_put(content, content->ids[i], record);
    }
    tell_step(w, "%s: drop and add tag of %s -> %d", c->name, t->name, rc);
    settle(w, c, rc, SQLITE_OK, &next);
}

static void op_rename(world *w, connection *c) {
    cursors_close(w, c);
    int slot;
    const table *const t = some_table(w, c, &slot);
    if (!t) {
        return;
    }
    state next = {0};
    state_copy(&next, visible(w, c));
    char *const name = next.t[slot].name;
    name[0] = name[0] >= 'c' ? (char)(name[0] - 2) : (char)(name[0] + 2); /* a <-> c, b <-> d */
    const int rc = db_try(c->db, "ALTER TABLE %s RENAME TO %s", t->name, name);
    tell_step(w, "%s: ALTER TABLE %s RENAME TO %s -> %d", c->name, t->name, name, rc);
    settle(w, c, rc, SQLITE_OK, &next);
}

static void op_drop(world *w, connection *c) {
    cursors_close(w, c);
    int slot;
    const table *const t = some_table(w, c, &slot);
    /*
    ** Two statements are one in a transaction: the second cannot be refused once the first was not.
    */
    if (!t || (t->s.kind == EXTERNAL && !c->wrote)) {
        return;
    }
    state next = {0};
    state_copy(&next, visible(w, c));
    next.t[slot].exists = false;
    rowset_clear(&next.t[slot].content, 1);
    int rc = db_try(c->db, "DROP TABLE %s", t->name);
    if (rc == SQLITE_OK && t->s.kind == EXTERNAL) {
        rc = db_try(c->db, "DROP TABLE %s", t->docs);
    }
    tell_step(w, "%s: DROP TABLE %s -> %d", c->name, t->name, rc);
    settle(w, c, rc, SQLITE_OK, &next);
}

static shape random_shape(world *w) {
    static const int wide[] = {16, 31, 33, 64, 65, 130};
    shape s = {.dim = 1 + (int)rng_below(&w->r, w->cfg.big ? 4 : 10)};
    if (!w->cfg.big && rng_chance(&w->r, 0.15)) {
        s.dim = wide[rng_below(&w->r, 6)];
    }
    s.metric = (int)rng_below(&w->r, METRICS);
    s.type = rng_chance(&w->r, 0.5) ? FLOAT32 : (int)rng_below(&w->r, TYPES);
    if (w->cfg.big && s.type == BIT) {
        s.dim *= 8;
    }
    s.kind = (int)rng_below(&w->r, KINDS);
    const bool is_float = s.type == FLOAT32 || s.type == FLOAT16;
    const bool is_dot = s.metric == COSINE || s.metric == EUCLIDEAN || s.metric == DOT;
    s.coarse = is_float && is_dot && rng_chance(&w->r, 0.4);
    return s;
}

static void op_create(world *w, connection *c) {
    cursors_close(w, c);
    const state *const sees = visible(w, c);
    int slot = 0;
    while (slot < w->cfg.tables && sees->t[slot].exists) {
        slot++;
    }
    if (slot == w->cfg.tables) {
        return;
    }
    state next = {0};
    state_copy(&next, sees);
    table *const t = &next.t[slot];
    t->exists = true;
    t->s = random_shape(w);
    if (t->s.kind == EXTERNAL && !c->wrote) {
        t->s.kind = TAGGED;
    }
    snprintf(t->docs, sizeof t->docs, "docs%c", 'a' + slot);
    snprintf(t->name, sizeof t->name, "%c", 'a' + slot);
    rowset_clear(&t->content, record_bytes(t->s));
    const config *const cfg = &w->cfg;
    char more[200] = "";
    int n = 0;
    if (cfg->threads) {
        n += snprintf(more + n, sizeof more - (size_t)n, ", threads=%d", cfg->threads);
    }
    if (cfg->m) {
        n += snprintf(more + n, sizeof more - (size_t)n, ", m=%d", cfg->m);
    }
    if (cfg->ef_construction) {
        n += snprintf(more + n, sizeof more - (size_t)n, ", ef_construction=%d",
                      cfg->ef_construction);
    }
    if (cfg->linear_below >= 0) {
        snprintf(more + n, sizeof more - (size_t)n, ", linear_below=%d", cfg->linear_below);
    }
    if (t->s.coarse) {
        strcat(more, ", codes=int4");
    }
    if (t->s.kind != PLAIN) {
        strcat(more, ", tag INTEGER");
    }
    if (t->s.kind == KEYED) {
        strcat(more, ", id TEXT PRIMARY KEY");
    }
    if (t->s.kind == EXTERNAL) {
        strcat(strcat(more, ", vector=vector, content="), t->docs);
        db_must(c->db, "CREATE TABLE %s(id INTEGER PRIMARY KEY, vector, tag INTEGER)", t->docs);
    }
    char vectors[200];
    n = snprintf(vectors, sizeof vectors,
                 t->s.kind == PAIRED ? "vector.dim=%d, vector.type=%s" : "dim=%d, type=%s",
                 t->s.dim, type_name[t->s.type]);
    if (t->s.kind == PAIRED) {
        snprintf(vectors + n, sizeof vectors - (size_t)n, ", other.dim=%d, other.type=%s", t->s.dim,
                 type_name[t->s.type]);
    }
    const int rc =
        db_try(c->db, "CREATE VIRTUAL TABLE %s USING hannoy(%s, metric=%s, autobuild=%d%s)",
               t->name, vectors, metric_name[t->s.metric], cfg->autobuild, more);
    tell_step(w, "%s: CREATE %s (dim=%d, metric=%s, type=%s, autobuild=%d%s) -> %d", c->name,
              t->name, t->s.dim, metric_name[t->s.metric], type_name[t->s.type], cfg->autobuild,
              more, rc);
    settle(w, c, rc, SQLITE_OK, &next);
}

/* ------------------------------------------------------------------------------------- files -- */

static void op_reopen(world *w, connection *c) {
    tell_step(w, "%s: closes and opens again", c->name);
    connection_close(w, c);
    if (w->cfg.memory) { /* it was all in there */
        state_free(&w->disk);
    }
    connection_open(w, c);
}

static void op_vacuum(world *w, connection *c) {
    if (c->in_transaction) {
        return;
    }
    state next = {0};
    cursors_close(w, c);
    state_copy(&next, visible(w, c));
    const int rc = db_try(c->db, "VACUUM");
    tell_step(w, "%s: VACUUM -> %d", c->name, rc);
    settle(w, c, rc, SQLITE_OK, &next);
}

/* With nobody in a transaction the whole WAL can go: nothing of the extension's may hold it. */
static void op_checkpoint(world *w, connection *c) {
    for (int i = 0; i < w->connections; i++) {
        if (w->c[i].snapshot || w->c[i].in_transaction) {
            return;
        }
    }
    if (!w->cfg.wal) {
        return;
    }
    const int64_t busy = db_int(c->db, "PRAGMA wal_checkpoint(TRUNCATE)");
    tell_step(w, "%s: checkpoint -> %d", c->name, (int)busy);
    if (busy) {
        fail("%s: a checkpoint finds a reader, and there is none", c->name);
    }
    refresh(w, c);
}

/* Copies all pages between two connections, as .backup and .restore do. */
static int copy_pages(sqlite3 *to, sqlite3 *from) {
    sqlite3_backup *const job = sqlite3_backup_init(to, "main", from, "main");
    if (!job) {
        return sqlite3_errcode(to);
    }
    sqlite3_backup_step(job, -1);
    return sqlite3_backup_finish(job);
}

static void op_backup(world *w, connection *c) {
    if (c->wrote) {
        return;
    }
    const int slot = (int)rng_below(&w->r, BACKUPS);
    const char *const path = case_path("backup%d.db", slot);
    sqlite3 *side;
    unlink(path);
    int rc;
    if (!c->in_transaction && rng_chance(&w->r, 0.3)) {
        rc = db_try(c->db, "VACUUM INTO '%s'", path);
    } else {
        if (sqlite3_open(path, &side)) {
            fail("cannot open %s", path);
        }
        rc = copy_pages(side, c->db);
        sqlite3_close(side);
    }
    refresh(w, c);
    tell_step(w, "%s: backup %d -> %d", c->name, slot, rc);
    w->backup[slot].there = rc == SQLITE_OK;
    if (rc == SQLITE_OK) {
        state_copy(&w->backup[slot].content, visible(w, c));
    } else if ((rc & 255) != SQLITE_BUSY && (rc & 255) != SQLITE_ERROR) {
        fail("%s: backup: %d %s", c->name, rc, sqlite3_errmsg(c->db));
    }
}

static void op_restore(world *w, connection *c) {
    const int slot = (int)rng_below(&w->r, BACKUPS);
    if (c->in_transaction || !w->backup[slot].there) {
        return;
    }
    sqlite3 *side;
    state next = {0};
    cursors_close(w, c);
    if (sqlite3_open(case_path("backup%d.db", slot), &side)) {
        fail("cannot open the backup");
    }
    const int rc = copy_pages(c->db, side);
    sqlite3_close(side);
    tell_step(w, "%s: restores backup %d -> %d", c->name, slot, rc);
    state_copy(&next, &w->backup[slot].content);
    settle(w, c, rc, SQLITE_OK, &next);
}

/*
** The way of rqlite: everyone closes, another file takes the database's place, the sidecar stays.
*/
static void op_swap(world *w, connection *c) {
    const int slot = (int)rng_below(&w->r, BACKUPS);
    (void)c;
    if (w->cfg.memory || !w->backup[slot].there) {
        return;
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        connection_close(w, &w->c[i]);
    }
    tell_step(w, "all close, backup %d becomes the database", slot);
    unlink(case_path("test.db-wal"));
    unlink(case_path("test.db-shm"));
    unlink(case_path("test.db-journal"));
    file_copy(case_path("backup%d.db", slot), case_path("new.db"));
    if (rename(case_path("new.db"), case_path("test.db"))) {
        fail("rename");
    }
    state_copy(&w->disk, &w->backup[slot].content);
    for (int i = 0; i < CONNECTIONS; i++) {
        connection_open(w, &w->c[i]);
    }
}

static void op_keep_sidecar(world *w, connection *c) {
    (void)c;
    if (file_size(sidecar_path()) < 0) {
        return;
    }
    const int slot = w->sidecars++ % 3;
    file_copy(sidecar_path(), case_path("sidecar%d", slot));
    tell_step(w, "the sidecar is copied to %d", slot);
}

static void op_lose_sidecar(world *w, connection *c) {
    (void)c;
    const bool data = rng_chance(&w->r, 0.8), lock = !data || rng_chance(&w->r, 0.3);
    if (data) {
        unlink(sidecar_path());
    }
    if (lock) {
        unlink(case_path("test.db-hannoy-lock"));
    }
    tell_step(w, "lost:%s%s", data ? " sidecar" : "", lock ? " lock file" : "");
}

static void op_old_sidecar(world *w, connection *c) {
    (void)c;
    if (w->sidecars == 0) {
        return;
    }
    const int slot = (int)rng_below(&w->r, (uint32_t)(w->sidecars < 3 ? w->sidecars : 3));
    file_copy(case_path("sidecar%d", slot), case_path("sidecar"));
    if (rename(case_path("sidecar"), sidecar_path())) {
        fail("rename");
    }
    tell_step(w, "sidecar %d is put back", slot);
}

/* ------------------------------------------------------------------------------ long readers -- */

static void op_cursor_open(world *w, connection *c) {
    cursor_open(w, c);
}

static void op_cursor_step(world *w, connection *c) {
    cursor *const cur = &c->cursors[rng_below(&w->r, CURSORS)];
    if (!cur->stmt) {
        return;
    }
    const int steps = 1 + (int)rng_below(&w->r, rng_chance(&w->r, 0.2) ? 1000 : 6);
    tell_step(w, "%s: cursor %d, %d steps", c->name, (int)(cur - c->cursors), steps);
    cursor_step(w, c, cur, steps);
}

static void op_cursor_close(world *w, connection *c) {
    cursor_close(w, c, &c->cursors[rng_below(&w->r, CURSORS)]);
}

static const struct {
    void (*run)(world *, connection *);
    int writer, reader; /* how often, by who does it */
} ops[] = {
    {op_insert, 130, 0},      {op_insert_many, 70, 0},  {op_insert_automatic, 15, 0},
    {op_update, 50, 0},       {op_move, 20, 0},         {op_delete, 70, 0},
    {op_bad_input, 10, 0},    {op_begin, 60, 60},       {op_commit, 60, 15},
    {op_rollback, 20, 5},     {op_savepoint, 35, 5},    {op_rollback_to, 25, 5},
    {op_release, 20, 5},      {op_veto, 8, 0},          {op_build, 20, 0},
    {op_check, 8, 0},         {op_setting, 2, 0},       {op_hannoy_build, 25, 25},
    {op_info, 5, 5},          {op_rename, 4, 0},        {op_drop, 2, 0},
    {op_create, 12, 0},       {op_reopen, 6, 6},        {op_vacuum, 4, 0},
    {op_checkpoint, 10, 0},   {op_backup, 8, 2},        {op_restore, 5, 0},
    {op_swap, 1, 0},          {op_keep_sidecar, 6, 2},  {op_lose_sidecar, 5, 1},
    {op_old_sidecar, 7, 2},   {op_cursor_open, 15, 40}, {op_cursor_step, 20, 60},
    {op_cursor_close, 5, 10}, {op_alter, 25, 0},
};
#define OPS (sizeof ops / sizeof *ops)

void operation_run(world *w, connection *c) {
    int total = 0;
    for (size_t i = 0; i < OPS; i++) {
        total += c->writer ? ops[i].writer : ops[i].reader;
    }
    int pick = (int)rng_below(&w->r, (uint32_t)total);
    size_t i = 0;
    while ((pick -= c->writer ? ops[i].writer : ops[i].reader) >= 0) {
        i++;
    }
    ops[i].run(w, c);
}

/* In two transactions. */
void operation_fill(world *w, connection *c) {
    for (int part = 0; part < 2; part++) {
        op_begin(w, c);
        while (c->in_transaction && rng_chance(&w->r, 0.99)) {
            op_insert_many(w, c);
        }
        if (c->in_transaction) {
            commit(w, c, "COMMIT");
        }
    }
}

void operation_write(world *w, connection *c) {
    if (rng_chance(&w->r, 0.3)) {
        op_delete(w, c);
    } else {
        op_insert(w, c);
    }
}

void operation_end(world *w, connection *c) {
    op_end(w, c);
}

void operation_rollback(world *w, connection *c) {
    op_rollback(w, c);
}

void operation_create(world *w, connection *c) {
    op_create(w, c);
}
