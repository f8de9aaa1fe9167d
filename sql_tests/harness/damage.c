/* A database with two hannoy tables, and what can happen to its sidecar. */
#include "damage.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const pair usual = {{{8, COSINE, FLOAT32, PLAIN, false}, {5, EUCLIDEAN, FLOAT32, PLAIN, false}}};
const char *const names[2] = {"v", "d"};

rowset expected[2];
rng r;
long *pages;

const char *sidecar(void) {
    return case_path("test.db-hannoy");
}

const char *lock_file(void) {
    return case_path("test.db-hannoy-lock");
}

/* ----------------------------------------------------------------------------------- content -- */

void put(sqlite3 *db, const char *name, shape s, int64_t id, rowset *content) {
    unsigned char vector[MAX_DIM * 4];
    char sql[100];
    sqlite3_stmt *stmt;
    vector_random(s, GAUSS, &r, vector);
    snprintf(sql, sizeof sql, "REPLACE INTO %s(rowid, vector) VALUES (?1, ?2)", name);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL)) {
        fail("%s: %s", sql, sqlite3_errmsg(db));
    }
    sqlite3_bind_int64(stmt, 1, id);
    vector_bind(stmt, 2, s, vector, AS_BYTES);
    if (sqlite3_step(stmt) != SQLITE_DONE) {
        fail("%s: %s", sql, sqlite3_errmsg(db));
    }
    sqlite3_finalize(stmt);
    rowset_put(content, id, vector);
}

void change(sqlite3 *db, const pair *with, int64_t first, int count, rowset content[2]) {
    db_must(db, "BEGIN");
    for (int which = 0; which < 2; which++) {
        for (int i = 0; i < count; i++) {
            put(db, names[which], with->s[which], first + i, &content[which]);
        }
        db_must(db, "DELETE FROM %s WHERE rowid = %lld", names[which], (long long)first + 1);
        rowset_remove(&content[which], first + 1);
    }
    db_must(db, "COMMIT");
}

void build(sqlite3 *db) {
    for (int which = 0; which < 2; which++) {
        db_must(db, "INSERT INTO %s(%s) VALUES ('build')", names[which], names[which]);
    }
}

static sqlite3 *create(const char *file, const pair *with, rowset content[2]) {
    sqlite3 *const db = db_open(case_path("%s", file));
    db_must(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
    for (int which = 0; which < 2; which++) {
        const shape s = with->s[which];
        db_must(db, "CREATE VIRTUAL TABLE %s USING hannoy(dim=%d, metric=%s, autobuild=0%s)",
                names[which], s.dim, metric_name[s.metric], which ? "" : ", linear_below=0");
        rowset_clear(&content[which], shape_bytes(s));
    }
    return db;
}

void close_or_fail(sqlite3 *db) {
    if (sqlite3_close(db)) {
        fail("sqlite3_close");
    }
}

/* A database with two tables, most of it built, some of it pending; `old` is an earlier sidecar. */
void prepare(void) {
    r = rng_of(arg.seed);
    sqlite3 *const db = create("test.db", &usual, expected);
    change(db, &usual, 1, ROWS / 2, expected);
    build(db);
    file_copy(sidecar(), case_path("old"));
    change(db, &usual, ROWS / 3, ROWS, expected);
    build(db);
    change(db, &usual, ROWS, 7, expected);
    close_or_fail(db);
}

/* What another process has written. */
void reload(sqlite3 *db) {
    for (int i = 0; i < 2; i++) {
        if (rowset_load(&expected[i], db, names[i], true, usual.s[i])) {
            fail("reading the content");
        }
    }
}

/* The sidecar of another database, whose tables have the same names and numbers. */
void prepare_other(const pair *with) {
    rowset content[2] = {{0}, {0}};
    sqlite3 *const db = create("other.db", with, content);
    change(db, with, 1, ROWS, content);
    build(db);
    close_or_fail(db);
    for (int which = 0; which < 2; which++) {
        rowset_free(&content[which]);
    }
}

/* ------------------------------------------------------------------------------------ damage -- */

static void new_sidecar(const char *from) {
    if (rename(from, sidecar())) {
        fail("rename %s: %s", from, strerror(errno));
    }
}

void deleted(int with_lock) {
    unlink(sidecar());
    if (with_lock) {
        unlink(lock_file());
    }
}

void lock_deleted(int unused) {
    (void)unused;
    unlink(lock_file());
}

void emptied(int by_rename) {
    if (by_rename) {
        file_write(case_path("new"), 0, "", 0);
        new_sidecar(case_path("new"));
    } else if (truncate(sidecar(), 0)) {
        fail("truncate: %s", strerror(errno));
    }
}

void older(int unused) {
    (void)unused;
    new_sidecar(case_path("old"));
}

void another(int unused) {
    (void)unused;
    new_sidecar(case_path("other.db-hannoy"));
}

void text_file(int unused) {
    (void)unused;
    char text[3 * PAGE];
    memset(text, 'a', sizeof text);
    file_write(case_path("new"), 0, text, sizeof text);
    new_sidecar(case_path("new"));
}

void zero_file(int unused) {
    (void)unused;
    file_write(case_path("new"), 0, "", 0);
    if (truncate(case_path("new"), 64 * PAGE)) {
        fail("truncate");
    }
    new_sidecar(case_path("new"));
}

void folder(int with_file) {
    unlink(sidecar());
    if (mkdir(sidecar(), 0755)) {
        fail("mkdir");
    }
    if (with_file) {
        file_write(case_path("test.db-hannoy/file"), 0, "x", 1);
    }
}

void fifo(int unused) {
    (void)unused;
    unlink(sidecar());
    if (mkfifo(sidecar(), 0644)) {
        fail("mkfifo");
    }
}

/* A link: to nothing, to itself, to the database. */
void symbolic_link(int which) {
    static const char *const target[] = {"nothing-there", "test.db-hannoy", "test.db"};
    unlink(sidecar());
    if (symlink(target[which], sidecar())) {
        fail("symlink");
    }
}

void lock_garbage(int bytes) {
    unsigned char garbage[4 * PAGE];
    for (size_t i = 0; i < sizeof garbage; i++) {
        garbage[i] = (unsigned char)rng_next(&r);
    }
    unlink(lock_file());
    file_write(lock_file(), 0, garbage, (size_t)bytes);
}

/* Its name is another's, or nobody's: who has it open may go on reading. */
void moved(int unused) {
    (void)unused;
    if (rename(sidecar(), case_path("moved"))) {
        fail("rename: %s", strerror(errno));
    }
}

void lock_folder(int unused) {
    (void)unused;
    unlink(lock_file());
    if (mkdir(lock_file(), 0755)) {
        fail("mkdir");
    }
}

void cut(int bytes) {
    if (truncate(sidecar(), bytes)) {
        fail("truncate: %s", strerror(errno));
    }
}

/* A page that is there becomes 0, 0xff or noise. */
enum { ZEROS, ONES, NOISE };
static void fill_page(int page, int with) {
    unsigned char bytes[PAGE];
    memset(bytes, with == ONES ? 0xff : 0, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes && with == NOISE; i++) {
        bytes[i] = (unsigned char)rng_next(&r);
    }
    file_write(sidecar(), (int64_t)page * PAGE, bytes, sizeof bytes);
}

void meta_zeros(int which) {
    for (int page = 0; page < 2; page++) {
        if (which & 1 << page) {
            fill_page(page, ZEROS);
        }
    }
}

void meta_ones(int which) {
    for (int page = 0; page < 2; page++) {
        if (which & 1 << page) {
            fill_page(page, ONES);
        }
    }
}

void meta_noise(int which) {
    for (int page = 0; page < 2; page++) {
        if (which & 1 << page) {
            fill_page(page, NOISE);
        }
    }
}

/*
** LMDB's meta page, on 64-bit machines: a header of 16 bytes, magic 4, version 4, address 8, map
** size 8, two trees of 48 bytes (root at 40), last page 8, transaction 8. The fields that follow
** are written into both pages, with every value that could make someone follow them.
*/
enum {
    VERSION,
    MAP_SIZE,
    FREE_ROOT,
    MAIN_ROOT,
    LAST_PAGE,
    TRANSACTION,
    PAGE_FLAGS,
    PAGE_SIZE,
    DEPTH
};
static const struct {
    int offset, bytes;
} fields[] = {{20, 4},  {32, 8}, {40 + 40, 8}, {88 + 40, 8}, {136, 8},
              {144, 8}, {10, 2}, {40, 4},      {88 + 6, 2}};

static void meta_field(int which, int field) {
    static const uint64_t absurd[] = {0, 2, 12345678, UINT64_MAX, UINT64_MAX - 1, 1ull << 52, 999};
    const uint64_t value = absurd[which];
    for (int page = 0; page < 2; page++) {
        file_write(sidecar(), page * PAGE + fields[field].offset, &value,
                   (size_t)fields[field].bytes);
    }
}

void meta_version(int which) {
    meta_field(which, VERSION);
}
void meta_map_size(int which) {
    meta_field(which, MAP_SIZE);
}
void meta_free_root(int which) {
    meta_field(which, FREE_ROOT);
}
void meta_main_root(int which) {
    meta_field(which, MAIN_ROOT);
}
void meta_last_page(int which) {
    meta_field(which, LAST_PAGE);
}
void meta_transaction(int which) {
    meta_field(which, TRANSACTION);
}
void meta_flags(int which) {
    meta_field(which, PAGE_FLAGS);
}
void meta_page_size(int which) {
    meta_field(which, PAGE_SIZE);
}
void meta_depth(int which) {
    meta_field(which, DEPTH);
}

/*
** One byte in a value that has pages of its own: a block of codes or links, whose digest, or a
** row's, then tells.  (Damage to LMDB's own pages is another matter: it trusts them.)
*/
void block_byte(int which) {
    unsigned char head[16], byte;
    for (; which >= BLOCKS; which -= BLOCKS) { /* another place in the same block */
        rng_next(&r);
    }
    const int fd = open(sidecar(), O_RDWR);
    for (int64_t page = 2; pread(fd, head, sizeof head, page * PAGE) == sizeof head;) {
        uint32_t count = 1;
        const bool own_pages = head[10] & 4; /* P_OVERFLOW */
        if (own_pages) {
            memcpy(&count, head + 12, sizeof count);
        }
        if (own_pages && which-- == 0) {
            const int64_t at = page * PAGE + 16 + (int64_t)rng_below(&r, count * PAGE - 16);
            if (pread(fd, &byte, 1, at) != 1) {
                fail("pread");
            }
            byte ^= (unsigned char)(1 << rng_below(&r, 8));
            if (pwrite(fd, &byte, 1, at) != 1) {
                fail("pwrite");
            }
            close(fd);
            return;
        }
        page += count;
    }
    close(fd);
    skip("the sidecar has not so many blocks");
}

/* The engine's own record: each byte after its magic is another one now. */
void own_record(int byte) {
    const int64_t size = file_size(sidecar());
    unsigned char *const bytes = malloc((size_t)size);
    const int fd = open(sidecar(), O_RDONLY);
    if (!bytes || fd < 0 || read(fd, bytes, (size_t)size) != size) {
        fail("cannot read the sidecar");
    }
    close(fd);
    int found = 0;
    for (int64_t at = 0; at + 32 < size; at++) {
        if (memcmp(bytes + at, "hannoy", 6)) {
            continue;
        }
        const unsigned char other = bytes[at + byte] + 1;
        file_write(sidecar(), at + byte, &other, 1);
        found++;
    }
    free(bytes);
    if (!found) {
        fail("the sidecar has no magic");
    }
}
