/* Records and blocks in a transaction; LMDB's codes end here. */
#include "sidecar/records.h"

#include <stdlib.h>

#include "sidecar/env_state.h"
#include "sidecar/lmdb_guard.h"
#include "sidecar/lmdb_status.h"

/* The status of an LMDB call.  hny__env_write needs the code itself, to see why a body failed. */
static int note_code(hny__txn *txn, int code) {
    if (code && code != MDB_NOTFOUND && !txn->failure) {
        txn->failure = code;
    }
    return hny__lmdb_status(code);
}

static MDB_val key_value(const hny__key *key) {
    return (MDB_val){key->size, (void *)(uintptr_t)key->bytes};
}

int hny__get(hny__txn *txn, const hny__key *key, hny__value *out) {
    MDB_val k = key_value(key), v = {0, NULL};
    const int code = HNY__GUARDED(mdb_get(txn->mdb, txn->env->dbi, &k, &v));
    *out = (hny__value){v.mv_data, v.mv_size};
    return note_code(txn, code);
}

int hny__put(hny__txn *txn, const hny__key *key, const void *value, size_t size) {
    MDB_val k = key_value(key), v = {size, (void *)(uintptr_t)value};
    return note_code(txn, HNY__GUARDED(mdb_put(txn->mdb, txn->env->dbi, &k, &v, 0)));
}

int hny__put_digested(hny__txn *txn, const hny__key *key, void *value, size_t size) {
    hny__digest_write(value, size, key);
    return hny__put(txn, key, value, size);
}

int hny__del(hny__txn *txn, const hny__key *key) {
    MDB_val k = key_value(key);
    const int rc = note_code(txn, HNY__GUARDED(mdb_del(txn->mdb, txn->env->dbi, &k, NULL)));
    return rc == HNY_MISSING ? HNY_OK : rc;
}

/* ------------------------------------------------------------------------------------- typed -- */

int hny__get_file_record(hny__txn *txn, hny__file_record *out) {
    const hny__key key = hny__key_make(0, HNY__KIND_FILE, 0);
    hny__value value;
    const int rc = hny__get(txn, &key, &value);
    return rc ? rc : hny__file_record_read(value.data, value.size, out);
}

int hny__put_file_record(hny__txn *txn, hny__file_record *record) {
    const hny__key key = hny__key_make(0, HNY__KIND_FILE, 0);
    return hny__put_digested(txn, &key, record, sizeof *record);
}

int hny__get_table_record(hny__txn *txn, uint32_t table, hny__table_record *out) {
    const hny__key key = hny__key_make(0, HNY__KIND_TABLE, table);
    hny__value value;
    const int rc = hny__get(txn, &key, &value);
    return rc ? rc : hny__table_record_read(value.data, value.size, &key, out);
}

int hny__put_table_record(hny__txn *txn, uint32_t table, hny__table_record *record) {
    const hny__key key = hny__key_make(0, HNY__KIND_TABLE, table);
    return hny__put_digested(txn, &key, record, sizeof *record);
}

int hny__get_slot(hny__txn *txn, uint32_t space, int64_t rowid, uint32_t *slot) {
    const hny__key key = hny__key_rowid(space, rowid);
    hny__value value;
    const int rc = hny__get(txn, &key, &value);
    if (rc) {
        return rc;
    }
    if (value.size != sizeof *slot) {
        return HNY_CORRUPT;
    }
    memcpy(slot, value.data, sizeof *slot);
    return HNY_OK;
}

int hny__get_boundary(hny__txn *txn, uint32_t space, uint32_t number, hny_boundary *boundary,
                      int64_t **ids, size_t *count) {
    const hny__key key = hny__key_make(space, HNY__KIND_BOUNDARY, number);
    hny__value value;
    const int rc = hny__get(txn, &key, &value);
    if (rc) {
        return rc == HNY_MISSING ? HNY_CORRUPT : rc;
    }
    return hny__boundary_decode(value.data, value.size, &key, boundary, ids, count);
}

int hny__put_boundary(hny__txn *txn, uint32_t space, uint32_t number, const hny_boundary *boundary,
                      const int64_t *ids, size_t count) {
    const hny__key key = hny__key_make(space, HNY__KIND_BOUNDARY, number);
    void *value;
    size_t size;
    int rc = hny__boundary_encode(boundary, ids, count, &key, &value, &size);
    if (rc) {
        return rc;
    }
    rc = hny__put(txn, &key, value, size);
    free(value);
    return rc;
}

int hny__get_block(hny__txn *txn, const hny__key *key, const hny__layout *layout, uint8_t *block) {
    hny__value value;
    const int rc = hny__get(txn, key, &value);
    if (rc == HNY_MISSING) {
        memset(block, 0, layout->bytes);
        return HNY_OK;
    }
    if (rc) {
        return rc;
    }
    if (!hny__block_ok(layout, value.data, value.size, key)) {
        return HNY_CORRUPT;
    }
    memcpy(block, value.data, layout->bytes);
    return HNY_OK;
}

int hny__put_block(hny__txn *txn, const hny__key *key, const hny__layout *layout, uint8_t *block) {
    hny__block_seal(layout, block, key);
    return hny__put(txn, key, block, layout->bytes);
}

/* ----------------------------------------------------------------------------------- cursors -- */

int hny__cursor_open(hny__cursor *cursor, hny__txn *txn) {
    *cursor = (hny__cursor){.txn = txn};
    return note_code(txn, mdb_cursor_open(txn->mdb, txn->env->dbi, &cursor->mdb));
}

/* After an assertion LMDB may no longer touch the cursor: it is abandoned. */
static int note_cursor_code(hny__cursor *cursor, int code) {
    if (code == HNY__ASSERTED) {
        cursor->mdb = NULL;
    }
    return note_code(cursor->txn, code);
}

void hny__cursor_close(hny__cursor *cursor) {
    if (cursor->mdb) {
        mdb_cursor_close(cursor->mdb);
    }
    cursor->mdb = NULL;
}

static int move_cursor(hny__cursor *cursor, MDB_val *key, MDB_cursor_op op) {
    MDB_val v = {0, NULL};
    const int code = HNY__GUARDED(mdb_cursor_get(cursor->mdb, key, &v, op));
    if (code) {
        return note_cursor_code(cursor, code);
    }
    cursor->value = (hny__value){v.mv_data, v.mv_size};
    return hny__key_parse(key->mv_data, key->mv_size, &cursor->space, &cursor->kind,
                          &cursor->number, &cursor->rowid)
               ? HNY_OK
               : HNY_MISSING;
}

int hny__cursor_seek(hny__cursor *cursor, const hny__key *key) {
    MDB_val k = key_value(key);
    return move_cursor(cursor, &k, MDB_SET_RANGE);
}

int hny__cursor_next(hny__cursor *cursor) {
    MDB_val k = {0, NULL};
    return move_cursor(cursor, &k, MDB_NEXT);
}

int hny__cursor_del(hny__cursor *cursor) {
    return note_cursor_code(cursor, HNY__GUARDED(mdb_cursor_del(cursor->mdb, 0)));
}
