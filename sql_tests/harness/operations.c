/* The operations of the property test, each on the database and on the model. */
#define _GNU_SOURCE /* F_OFD_SETLKW */
#include "operations.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "row_operations.h"

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

/* Under the builder's lock: the linker may write at any time. */
static void copy_sidecar(const char *to) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = (off_t)1 << 62};
    const int fd = open(sidecar_path(), O_RDWR);
    if (fd < 0 || fcntl(fd, F_OFD_SETLKW, &lock)) {
        fail("the builder's lock");
    }
    file_copy(sidecar_path(), to);
    close(fd);
}

static void op_keep_sidecar(world *w, connection *c) {
    (void)c;
    if (file_size(sidecar_path()) < 0) {
        return;
    }
    const int slot = w->sidecars++ % 3;
    copy_sidecar(case_path("sidecar%d", slot));
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
    {row_insert, 130, 0},     {row_insert_many, 70, 0}, {row_insert_automatic, 15, 0},
    {row_update, 50, 0},      {row_move, 20, 0},        {row_delete, 70, 0},
    {row_bad_input, 10, 0},   {op_begin, 60, 60},       {op_commit, 60, 15},
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
            row_insert_many(w, c);
        }
        if (c->in_transaction) {
            commit(w, c, "COMMIT");
        }
    }
}

void operation_write(world *w, connection *c) {
    if (rng_chance(&w->r, 0.3)) {
        row_delete(w, c);
    } else {
        row_insert(w, c);
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
