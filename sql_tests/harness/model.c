/* The model of the property test: what each connection sees of tables. */
#include "model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

counts *count;

void state_copy(state *to, const state *from) {
    for (int i = 0; i < TABLES; i++) {
        table *const t = &to->t[i];
        t->exists = from->t[i].exists;
        memcpy(t->name, from->t[i].name, sizeof t->name);
        memcpy(t->docs, from->t[i].docs, sizeof t->docs);
        t->s = from->t[i].s;
        rowset_copy(&t->content, &from->t[i].content);
    }
}

void state_free(state *s) {
    for (int i = 0; i < TABLES; i++) {
        rowset_free(&s->t[i].content);
    }
    *s = (state){0};
}

void tell_step(world *w, const char *format, ...) {
    char *const line = w->history[w->told++ % HISTORY];
    va_list list;
    va_start(list, format);
    const int n = snprintf(line, sizeof w->history[0], "%5ld ", w->step);
    vsnprintf(line + n, sizeof w->history[0] - (size_t)n, format, list);
    va_end(list);
    if (arg.verbose) {
        printf("%s\n", line);
    }
}

/* ------------------------------------------------------------------------------- connections -- */

const char *sidecar_path(void) {
    return case_path("test.db-hannoy");
}

static int commit_hook(void *data) {
    connection *const c = data;
    if (!c->veto) {
        return 0;
    }
    c->veto = false;
    c->vetoed = true;
    return 1;
}

void connection_open(world *w, connection *c) {
    c->db = db_open(w->cfg.path ? w->cfg.path : case_path("test.db"));
    sqlite3_busy_timeout(c->db, 0);
    sqlite3_commit_hook(c->db, commit_hook, c);
    const int rc =
        db_try(c->db, "PRAGMA journal_mode = %s; PRAGMA synchronous = OFF", w->cfg.journal);
    if (rc != SQLITE_OK && (rc & 255) != SQLITE_BUSY) {
        fail("journal_mode: %d", rc);
    }
}

void connection_close(world *w, connection *c) {
    cursors_close(w, c);
    const int rc = sqlite3_close(c->db);
    if (rc != SQLITE_OK) {
        fail("%s: sqlite3_close: %d", c->name, rc);
    }
    c->db = NULL;
    transaction_ended(w, c);
    c->snapshot = c->veto = false;
}

const state *visible(const world *w, const connection *c) {
    return c->snapshot ? &c->view : &w->disk;
}

bool blocked(const world *w, const connection *c) {
    for (int i = 0; i < w->connections && !w->cfg.wal; i++) {
        const connection *const other = &w->c[i];
        if (other != c && (other->stuck || other->exclusive)) {
            return true;
        }
    }
    return false;
}

bool excused(const world *w, const connection *c, int rc) {
    if (!blocked(w, c)) {
        return false;
    }
    return (rc & 255) == SQLITE_BUSY ||
           (rc == SQLITE_ERROR && strstr(sqlite3_errmsg(c->db), "no such table"));
}

const table *some_table(world *w, const connection *c, int *slot) {
    const state *const s = visible(w, c);
    const int first = (int)rng_below(&w->r, TABLES);
    for (int i = 0; i < TABLES; i++) {
        *slot = (first + i) % TABLES;
        if (s->t[*slot].exists) {
            return &s->t[*slot];
        }
    }
    return NULL;
}

int64_t some_id(world *w, const rowset *content) {
    static const int64_t odd[] = {INT64_MIN, INT64_MAX,     -1,
                                  0,         INT64_MIN + 1, UINT32_MAX,
                                  1ll << 32, -(1ll << 31),  INT64_MAX - 1};
    if (content->count && rng_chance(&w->r, 0.4)) {
        return content->ids[rng_below(&w->r, (uint32_t)content->count)];
    }
    if (rng_chance(&w->r, 0.05)) {
        return odd[rng_below(&w->r, sizeof odd / sizeof *odd)];
    }
    return 1 + (int64_t)rng_below(&w->r, (uint32_t)w->cfg.ids);
}

void refresh(world *w, connection *c) {
    const bool reads = sqlite3_txn_state(c->db, "main") != SQLITE_TXN_NONE;
    bool open = c->in_transaction;
    for (int i = 0; i < CURSORS; i++) {
        open |= c->cursors[i].stmt != NULL;
    }
    if (reads && !open) {
        fail("%s: a statement of the extension's was left open", c->name);
    }
    if (reads && !c->snapshot) {
        state_copy(&c->view, &w->disk);
    }
    c->snapshot = reads;
}

void transaction_ended(world *w, connection *c) {
    c->in_transaction = c->begun = c->wrote = c->stuck = c->exclusive = false;
    c->depth = 0;
    if (c->db) {
        refresh(w, c);
    }
}

static void take(world *w, connection *c, state *next) {
    if (c->in_transaction) {
        c->wrote = c->snapshot = true;
    } else {
        state_copy(&w->disk, next);
        count->commits++;
        if (!c->snapshot) {
            return;
        }
    }
    state_copy(&c->view, next);
}

void settle(world *w, connection *c, int rc, int expected, state *next) {
    const int primary = rc & 255;
    const bool lost = c->in_transaction && sqlite3_get_autocommit(c->db);
    const bool own_cursor = c->cursors[0].stmt || c->cursors[1].stmt;
    if (rc == SQLITE_CONSTRAINT_COMMITHOOK && c->vetoed && !c->in_transaction) {
        count->vetoes++;
    } else if (primary == SQLITE_BUSY || (primary == SQLITE_LOCKED && own_cursor) ||
               excused(w, c, rc)) {
        count->refused++;
        if (lost) {
            fail("%s: BUSY rolled the transaction back", c->name);
        }
    } else if (primary == expected) {
        if (lost && expected == SQLITE_OK) {
            fail("%s: the transaction is gone", c->name);
        }
        if (lost) {
            transaction_ended(w, c); /* OR ROLLBACK */
            if (c->snapshot) {
                state_copy(&c->view, &w->disk);
            }
        } else {
            take(w, c, next);
        }
    } else {
        fail("%s: %d %s, should be %d", c->name, rc, sqlite3_errmsg(c->db), expected);
    }
    c->vetoed = false;
    refresh(w, c);
    state_free(next);
}

/* ----------------------------------------------------------------------------------- cursors -- */

void cursor_close(world *w, connection *c, cursor *cur) {
    if (!cur->stmt) {
        return;
    }
    sqlite3_finalize(cur->stmt);
    cur->stmt = NULL;
    judge_free(&cur->j);
    refresh(w, c);
}

void cursors_close(world *w, connection *c) {
    for (int i = 0; i < CURSORS; i++) {
        cursor *const cur = &c->cursors[i];
        if (!cur->stmt) {
            continue;
        }
        sqlite3_finalize(cur->stmt);
        cur->stmt = NULL;
        judge_free(&cur->j);
    }
    refresh(w, c);
}

void cursors_before_write(world *w, connection *c) {
    if (rng_chance(&w->r, 0.8)) {
        cursors_close(w, c);
    }
    for (int i = 0; i < CURSORS; i++) {
        c->cursors[i].dirty = true;
    }
}

static void random_vector(world *w, const table *t, void *out) {
    if (t->content.count && rng_chance(&w->r, 0.5)) {
        const size_t at = rng_below(&w->r, (uint32_t)t->content.count);
        memcpy(out, rowset_at(&t->content, at), shape_bytes(t->s));
    } else if (rng_chance(&w->r, 0.05)) {
        vector_zero(t->s, out);
    } else {
        vector_random(t->s, rng_chance(&w->r, 0.7) ? w->cfg.style : LATTICE, &w->r, out);
    }
}

void cursor_open(world *w, connection *c) {
    int slot;
    const table *const t = some_table(w, c, &slot);
    cursor *const cur = &c->cursors[rng_below(&w->r, CURSORS)];
    if (!t || cur->stmt) {
        return;
    }
    unsigned char vector[MAX_RECORD];
    random_vector(w, t, vector);
    query q = {.table = t->name, .s = t->s, .vector = vector};
    query_vary(&q, t->content.count, &w->r);
    q.k = -1;
    const int rc = query_prepare(c->db, &q, &cur->stmt);
    tell_step(w, "%s: opens cursor %d: %s -> %d", c->name, (int)(cur - c->cursors), query_text(&q),
              rc);
    if (rc != SQLITE_OK) {
        if (!excused(w, c, rc)) {
            fail("%s: %s: %d %s", c->name, query_text(&q), rc, sqlite3_errmsg(c->db));
        }
        cur->stmt = NULL;
        return refresh(w, c);
    }
    cur->expected = query_judge(&q, &t->content, &cur->j);
    cur->q = q;
    cur->dirty = false;
    count->cursors++;
    cursor_step(w, c, cur, 1 + (int)rng_below(&w->r, 4));
}

void cursor_step(world *w, connection *c, cursor *cur, int steps) {
    int rc = SQLITE_OK;
    if (!cur->stmt) {
        return;
    }
    for (int i = 0; i < steps && cur->stmt; i++) {
        rc = sqlite3_step(cur->stmt);
        if (rc == SQLITE_ROW) {
            if (!cur->dirty) {
                query_row(&cur->q, cur->stmt, &cur->j);
            }
        } else {
            if (rc == SQLITE_DONE && !cur->dirty) {
                judge_end(&cur->j, cur->expected, cur->j.complete);
            }
            const bool busy = cur->j.got == 0 && excused(w, c, rc);
            if (rc != SQLITE_DONE && !cur->dirty && !busy) {
                fail("%s: cursor %d after %zu rows: %d %s", c->name, (int)(cur - c->cursors),
                     cur->j.got, rc, sqlite3_errmsg(c->db));
            }
        }
        if (cur->j.error[0]) {
            fail("%s: cursor %d: %s", c->name, (int)(cur - c->cursors), cur->j.error);
        }
        if (rc != SQLITE_ROW) {
            return cursor_close(w, c, cur);
        }
    }
    refresh(w, c);
}

/* ------------------------------------------------------------------------------------ checks -- */

static void check_table(world *w, connection *c, const table *t) {
    rowset content = {0};
    int rc = rowset_load(&content, c->db, t->name, t->s.kind != EXTERNAL && rng_chance(&w->r, 0.05),
                         t->s);
    if (rc != SQLITE_OK) {
        if (excused(w, c, rc)) {
            return rowset_free(&content);
        }
        fail("%s: reading %s: %d %s", c->name, t->name, rc, sqlite3_errmsg(c->db));
    }
    refresh(w, c);
    if (!rowset_equal(&content, &t->content)) {
        fail("%s: the content of %s: %s", c->name, t->name,
             rowset_difference(&content, &t->content));
    }
    count->snapshots++;
    for (int i = rng_chance(&w->r, 0.3) ? 2 : 1; i > 0; i--) {
        unsigned char vector[MAX_RECORD];
        random_vector(w, t, vector);
        query q = {.table = t->name, .s = t->s, .vector = vector};
        query_vary(&q, content.count, &w->r);
        rc = query_check(c->db, &q, &content, c->name);
        if (rc != SQLITE_OK) {
            fail("%s: %s: %d %s", c->name, query_text(&q), rc, sqlite3_errmsg(c->db));
        }
        count->queries++;
        refresh(w, c);
    }
    rowset_free(&content);
}

void connection_check(world *w, connection *c) {
    for (int i = 0; i < TABLES; i++) {
        const table *const t = &visible(w, c)->t[i];
        if (t->exists) {
            check_table(w, c, t);
        }
    }
}
