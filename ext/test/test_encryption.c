/*
** Where the index of an encrypted database is.  The cipher is a VFS that inverts each byte of a
** file, on top of SQLite's own.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "shadow/encryption.h"
#include "sqlite3_hannoy.h"

/* The file of the VFS below stands behind each of ours. */
typedef struct cipher_file {
    sqlite3_file base;
    sqlite3_file *real;
} cipher_file;

static sqlite3_file *real_of(sqlite3_file *file) {
    return ((cipher_file *)file)->real;
}

static void invert(void *bytes, int count) {
    for (unsigned char *p = bytes; count > 0; count--) {
        *p++ ^= 0xff;
    }
}

static int cipher_close(sqlite3_file *file) {
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int cipher_read(sqlite3_file *file, void *to, int count, sqlite3_int64 offset) {
    sqlite3_file *const real = real_of(file);
    sqlite3_int64 size = 0;
    const int rc = real->pMethods->xRead(real, to, count, offset);
    real->pMethods->xFileSize(real, &size);
    const sqlite3_int64 there = size - offset;
    invert(to, there < 0 ? 0 : there < count ? (int)there : count);
    return rc;
}

static int cipher_write(sqlite3_file *file, const void *from, int count, sqlite3_int64 offset) {
    sqlite3_file *const real = real_of(file);
    void *const bytes = malloc((size_t)count);
    assert_non_null(bytes);
    memcpy(bytes, from, (size_t)count);
    invert(bytes, count);
    const int rc = real->pMethods->xWrite(real, bytes, count, offset);
    free(bytes);
    return rc;
}

#define PASS_ON(name, parameters, call)                                                            \
    static int cipher_##name parameters {                                                          \
        sqlite3_file *const real = real_of(file);                                                  \
        return real->pMethods->call;                                                               \
    }
PASS_ON(truncate, (sqlite3_file * file, sqlite3_int64 size), xTruncate(real, size))
PASS_ON(sync, (sqlite3_file * file, int flags), xSync(real, flags))
PASS_ON(size, (sqlite3_file * file, sqlite3_int64 *size), xFileSize(real, size))
PASS_ON(lock, (sqlite3_file * file, int level), xLock(real, level))
PASS_ON(unlock, (sqlite3_file * file, int level), xUnlock(real, level))
PASS_ON(reserved, (sqlite3_file * file, int *out), xCheckReservedLock(real, out))
PASS_ON(sector, (sqlite3_file * file), xSectorSize(real))
PASS_ON(traits, (sqlite3_file * file), xDeviceCharacteristics(real))

static int cipher_control(sqlite3_file *file, int op, void *arg) {
    if (op == SQLITE_FCNTL_VFSNAME) {
        *(char **)arg = sqlite3_mprintf("cipher");
        return SQLITE_OK;
    }
    return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static const sqlite3_io_methods cipher_methods = {
    .iVersion = 1,
    .xClose = cipher_close,
    .xRead = cipher_read,
    .xWrite = cipher_write,
    .xTruncate = cipher_truncate,
    .xSync = cipher_sync,
    .xFileSize = cipher_size,
    .xLock = cipher_lock,
    .xUnlock = cipher_unlock,
    .xCheckReservedLock = cipher_reserved,
    .xFileControl = cipher_control,
    .xSectorSize = cipher_sector,
    .xDeviceCharacteristics = cipher_traits,
};

static int cipher_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                       int *out) {
    sqlite3_vfs *const below = vfs->pAppData;
    cipher_file *const own = (cipher_file *)file;
    own->real = (sqlite3_file *)(own + 1);
    const int rc = below->xOpen(below, name, own->real, flags, out);
    own->base.pMethods = rc ? NULL : &cipher_methods;
    return rc;
}

static void register_cipher(void) {
    static sqlite3_vfs cipher;
    sqlite3_vfs *const below = sqlite3_vfs_find("unix");
    cipher = *below;
    cipher.zName = "cipher";
    cipher.szOsFile = (int)sizeof(cipher_file) + below->szOsFile;
    cipher.pAppData = below;
    cipher.xOpen = cipher_open;
    assert_int_equal(sqlite3_vfs_register(&cipher, 0), SQLITE_OK);
}

/* ------------------------------------------------------------------------------------ tests -- */

static char folder[] = "/tmp/hannoy-test-XXXXXX", path[64], sidecar[80];

static int begin(void **unused) {
    (void)unused;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/t.db", folder);
    snprintf(sidecar, sizeof sidecar, "%s-hannoy", path);
    register_cipher();
    return 0;
}

static int end(void **unused) {
    char command[64];
    (void)unused;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static sqlite3 *open_database(const char *vfs) {
    sqlite3 *db;
    char *error = NULL;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    assert_int_equal(sqlite3_open_v2(path, &db, flags, vfs), SQLITE_OK);
    assert_int_equal(sqlite3_hannoy_init(db, &error, NULL), SQLITE_OK);
    return db;
}

static void run(sqlite3 *db, const char *sql) {
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) {
        fail_msg("%s: %s", sql, error);
    }
}

/* The first column of the first row. */
static const char *ask(sqlite3 *db, const char *sql) {
    static char text[256];
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    snprintf(text, sizeof text, "%s", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    return text;
}

#define STATE "SELECT value FROM hannoy_info('v') WHERE key = 'state'"
#define PLACE "SELECT value FROM hannoy_info('v') WHERE key = 'sidecar'"

static void fill(sqlite3 *db) {
    run(db, "INSERT INTO v(rowid, vector) VALUES (1, '[1, 0]'), (2, '[2, 0]')");
    run(db, "SELECT hannoy_build('v')");
    assert_string_equal(ask(db, STATE), "up to date");
    assert_string_equal(ask(db, "SELECT rowid FROM v('[2, 0]', 1)"), "2");
}

static void test_encrypted(void **unused) {
    (void)unused;
    sqlite3 *db = open_database("cipher");
    assert_true(hx_database_is_encrypted(db, "main")); /* empty still */
    run(db, "CREATE TABLE t(a)");
    assert_true(hx_database_is_encrypted(db, "main"));
    run(db, "CREATE VIRTUAL TABLE v USING hannoy(dim=2, metric=l2)");
    fill(db);
    assert_string_equal(ask(db, PLACE), "a private temporary file");
    run(db, "VACUUM");
    assert_string_equal(ask(db, STATE), "up to date"); /* of the connection */
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_not_equal(access(sidecar, F_OK), 0);
    db = open_database("cipher");
    assert_string_equal(ask(db, "SELECT rowid FROM v('[2, 0]', 1)"), "2");
    run(db, "DELETE FROM v");
    fill(db);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_beside_all_the_same(void **unused) {
    (void)unused;
    sqlite3 *const db = open_database("cipher");
    run(db, "CREATE TABLE t(a)");
    run(db, "CREATE VIRTUAL TABLE v USING hannoy(dim=2, metric=l2, sidecar=beside)");
    fill(db);
    assert_string_equal(ask(db, PLACE), sidecar);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(access(sidecar, F_OK), 0);
}

/* The locks of the connection hold while the file is opened once more. */
static void test_plain(void **unused) {
    (void)unused;
    sqlite3 *const db = open_database("unix"), *const second = open_database("unix");
    assert_false(hx_database_is_encrypted(db, "main")); /* empty still */
    run(db, "CREATE VIRTUAL TABLE v USING hannoy(dim=2, metric=l2)");
    run(db, "BEGIN EXCLUSIVE");
    assert_false(hx_database_is_encrypted(db, "main"));
    char command[200];
    snprintf(command, sizeof command, "sqlite3 %s 'SELECT * FROM v_log' >/dev/null 2>&1", path);
    assert_int_not_equal(system(command), 0);
    run(db, "COMMIT");
    assert_int_equal(system(command), 0);
    fill(db);
    assert_string_equal(ask(db, PLACE), sidecar);
    assert_string_equal(ask(second, STATE), "up to date");
    assert_false(hx_database_is_encrypted(db, "none"));
    assert_int_equal(sqlite3_close(second), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_encrypted, begin, end),
        cmocka_unit_test_setup_teardown(test_beside_all_the_same, begin, end),
        cmocka_unit_test_setup_teardown(test_plain, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
