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
    return (MDB_val){HNY__KEY_BYTES, (void *)(uintptr_t)key->bytes};
}

/* In a write transaction, by LMDB's functions: they see what the transaction wrote. */
static int get_for_write(hny__txn *txn, const hny__key *key, hny__value *out) {
    MDB_val k = key_value(key), v = {0, NULL};
    const int rc = note_code(txn, HNY__GUARDED(mdb_get(txn->mdb, txn->env->dbi, &k, &v)));
    if (!rc) {
        *out = (hny__value){v.mv_data, v.mv_size};
    }
    return rc;
}

static int seek_for_write(hny__txn *txn, const hny__key *key, hny__key *found, hny__value *out) {
    MDB_cursor *cursor;
    MDB_val k = key_value(key), v = {0, NULL};
    int code = mdb_cursor_open(txn->mdb, txn->env->dbi, &cursor);
    if (code) {
        return note_code(txn, code);
    }
    code = HNY__GUARDED(mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE));
    if (code != HNY__ASSERTED) { /* after an assertion LMDB may no longer touch the cursor */
        mdb_cursor_close(cursor);
    }
    if (code) {
        return note_code(txn, code);
    }
    if (k.mv_size != HNY__KEY_BYTES) {
        return HNY_CORRUPT;
    }
    memcpy(found->bytes, k.mv_data, HNY__KEY_BYTES);
    return get_for_write(txn, found, out);
}

int hny__seek(hny__txn *txn, const hny__key *key, hny__key *found, hny__value *out) {
    uint64_t number;
    const uint8_t *data;
    if (txn->writes) {
        return seek_for_write(txn, key, found, out);
    }
    const int rc = hny__pages_seek(&txn->pages, hny__key_number(key), &number, &data, &out->size);
    if (!rc) {
        out->data = data;
        *found = hny__key_of_number(number);
    }
    return rc;
}

int hny__get(hny__txn *txn, const hny__key *key, hny__value *out) {
    hny__key found;
    *out = (hny__value){NULL, 0};
    if (txn->writes) {
        return get_for_write(txn, key, out);
    }
    const int rc = hny__seek(txn, key, &found, out);
    return rc ? rc : memcmp(found.bytes, key->bytes, HNY__KEY_BYTES) ? HNY_MISSING : HNY_OK;
}

int hny__locate(const hny__txn *txn, const hny__key *key, hny__value *out) {
    out->data = hny__pages_locate(&txn->pages, hny__key_number(key), &out->size);
    return out->data ? HNY_OK : HNY_MISSING;
}

int hny__locate_leaf(const hny__txn *txn, const hny__key *key, hny__value *out) {
    out->data = hny__pages_leaf(&txn->pages, hny__key_number(key));
    out->size = txn->pages.meta.page_size;
    return out->data ? HNY_OK : HNY_MISSING;
}

hny__value hny__all_pages(const hny__txn *txn) {
    const hny__meta *const meta = &txn->pages.meta;
    return (hny__value){txn->pages.base, (size_t)(meta->last_page + 1) * meta->page_size};
}

/*
** Finds the value that is to be replaced or deleted.  The pages of both trees were checked before
** the transaction, but not the headers of overflow pages, since those are all over the file: LMDB
** frees as many pages as they say.  So the value is first looked up in the state before.
*/
static int find_for_change(hny__txn *txn, const hny__key *key, hny__value *out) {
    const uint64_t number = hny__key_number(key);
    const uint8_t *data;
    uint64_t found;
    size_t size;
    const int rc = hny__pages_seek(&txn->pages, number, &found, &data, &size);
    return rc && rc != HNY_MISSING ? rc : get_for_write(txn, key, out);
}

static int delete_found(hny__txn *txn, const hny__key *key) {
    MDB_val k = key_value(key);
    return note_code(txn, HNY__GUARDED(mdb_del(txn->mdb, txn->env->dbi, &k, NULL)));
}

/*
** A value of another size is deleted first: LMDB keeps a smaller one on the pages that a larger one
** took in the same transaction, so that their number would not follow from its size.
*/
int hny__put(hny__txn *txn, const hny__key *key, const void *value, size_t size) {
    MDB_val k = key_value(key), v = {size, (void *)(uintptr_t)value};
    hny__value old;
    int rc = find_for_change(txn, key, &old);
    if (!rc && old.size != size) {
        rc = delete_found(txn, key);
    }
    if (rc && rc != HNY_MISSING) {
        return rc;
    }
    return note_code(txn, HNY__GUARDED(mdb_put(txn->mdb, txn->env->dbi, &k, &v, 0)));
}

int hny__put_digested(hny__txn *txn, const hny__key *key, void *value, size_t size) {
    hny__digest_write(value, size, key);
    return hny__put(txn, key, value, size);
}

int hny__del(hny__txn *txn, const hny__key *key) {
    hny__value old;
    int rc = find_for_change(txn, key, &old);
    if (!rc) {
        rc = delete_found(txn, key);
    }
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
    const int rc = hny__table_record_check(record);
    return rc ? rc : hny__put_digested(txn, &key, record, sizeof *record);
}

int hny__get_boundary(hny__txn *txn, uint32_t space, uint32_t number, hny_boundary *boundary,
                      uint64_t *digest, uint64_t *older_digest, int64_t **ids, size_t *count) {
    const hny__key key = hny__key_make(space, HNY__KIND_BOUNDARY, number);
    hny__value value;
    const int rc = hny__get(txn, &key, &value);
    if (rc) {
        return rc == HNY_MISSING ? HNY_CORRUPT : rc;
    }
    return hny__boundary_decode(value.data, value.size, &key, boundary, digest, older_digest, ids,
                                count);
}

int hny__put_boundary(hny__txn *txn, uint32_t space, uint32_t number, const hny_boundary *boundary,
                      const int64_t *ids, size_t count, uint64_t *digest) {
    const hny__key key = hny__key_make(space, HNY__KIND_BOUNDARY, number);
    void *value;
    size_t size;
    int rc = hny__boundary_encode(boundary, ids, count, *digest, &key, &value, &size);
    if (rc) {
        return rc;
    }
    memcpy(digest, value, sizeof *digest);
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
