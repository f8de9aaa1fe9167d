/*
** Interface to records.c: reading and writing what the sidecar holds, in a transaction.
**
** All functions return a status.  A value that is returned by pointer lies in the map: it is valid
** until the transaction ends or writes.  HNY_MISSING: there is no such key.
*/
#ifndef HNY_RECORDS_H
#define HNY_RECORDS_H

#include "sidecar/env.h"
#include "sidecar/format.h"

typedef struct hny__value {
    const void *data;
    size_t size;
} hny__value;

/* Readers find values by pages.h, so whatever is in the file, a value lies in its map. */
int hny__get(hny__txn *txn, const hny__key *key, hny__value *out);
int hny__put(hny__txn *txn, const hny__key *key, const void *value, size_t size);
int hny__del(hny__txn *txn, const hny__key *key); /* HNY_OK also if the key is missing */

/* Writes the digest into the first bytes of `value`, then puts it. */
int hny__put_digested(hny__txn *txn, const hny__key *key, void *value, size_t size);

/*
** For readers: where a key's value lies, or the page of LMDB's tree that tells it; neither is read.
** HNY_MISSING also if the tree is damaged: a read of the value reports that.
*/
int hny__locate(const hny__txn *txn, const hny__key *key, hny__value *out);
int hny__locate_leaf(const hny__txn *txn, const hny__key *key, hny__value *out);

/* For readers: all pages of the state, in the map. */
hny__value hny__all_pages(const hny__txn *txn);

/* ------------------------------------------------------------------------------------- typed -- */

/* Also HNY_CORRUPT, or HNY_VERSION for a file record of another format. */
int hny__get_file_record(hny__txn *txn, hny__file_record *out);
int hny__put_file_record(hny__txn *txn, hny__file_record *record);
int hny__get_table_record(hny__txn *txn, uint32_t table, hny__table_record *out);

/* HNY_CORRUPT if the record contradicts itself: then what it was made from was damaged. */
int hny__put_table_record(hny__txn *txn, uint32_t table, hny__table_record *record);

/*
** As hny__boundary_decode.  A boundary that the table's record counts must exist: else
** HNY_CORRUPT.
*/
int hny__get_boundary(hny__txn *txn, uint32_t space, uint32_t number, hny_boundary *boundary,
                      uint64_t *digest, uint64_t *older_digest, int64_t **ids, size_t *count);

/* *digest: of the boundary before; then of this one. */
int hny__put_boundary(hny__txn *txn, uint32_t space, uint32_t number, const hny_boundary *boundary,
                      const int64_t *ids, size_t count, uint64_t *digest);

/* Copies a block to `block`, of layout->bytes: zeros where there is none. */
int hny__get_block(hny__txn *txn, const hny__key *key, const hny__layout *layout, uint8_t *block);

/* Seals a block (hny__block_seal), then puts it. */
int hny__put_block(hny__txn *txn, const hny__key *key, const hny__layout *layout, uint8_t *block);

/* ------------------------------------------------------------------------------------- seeks -- */

/* The first value whose key is `key` or behind it.  HNY_MISSING: there is none. */
int hny__seek(hny__txn *txn, const hny__key *key, hny__key *found, hny__value *out);

#endif
