/*
** Interface to pages.c: LMDB's pages, read without trust.
**
** LMDB follows every offset, size and page number in its file.  Readers therefore find keys with
** the functions here: a value that is returned lies within the file's pages in use, whatever the
** bytes of the file are.  They do not verify the order of keys: a damaged page can hide one.
**
** The layout is that of LMDB 0.9's data version 1 on a 64-bit machine.
*/
#ifndef HNY_PAGES_H
#define HNY_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HNY__META_BYTES    152u
#define HNY__PAGE_HEAD     16u
#define HNY__LMDB_MIN_PAGE 512u
#define HNY__LMDB_MAX_PAGE 65536u
#define HNY__LMDB_NO_PAGE  UINT64_MAX

/* Flags of pages and of nodes. */
#define HNY__PAGE_BRANCH   1u
#define HNY__PAGE_LEAF     2u
#define HNY__PAGE_OVERFLOW 4u
#define HNY__PAGE_META     8u
#define HNY__NODE_BIG      1u /* the value is on overflow pages */

/* One of the two trees in the file. */
typedef struct hny__tree {
    uint32_t flags;
    uint32_t depth;
    uint64_t branches, leaves, overflow, entries;
    uint64_t root;
} hny__tree;

typedef struct hny__meta {
    uint64_t txn;
    uint64_t last_page;
    uint32_t page_size;
    hny__tree free, main;
} hny__meta;

/*
** Reads a meta page's first HNY__META_BYTES.  HNY_OK, HNY_CORRUPT, or HNY_VERSION for another
** version of LMDB's format.
*/
int hny__meta_read(const uint8_t *bytes, hny__meta *out);

/*
** The same without a check of the trees, for the older of the two meta pages: a write that was cut
** short leaves it with some of the next state's fields.  LMDB neither reads the older one nor keeps
** any of its fields when it writes the next.
*/
int hny__meta_read_numbers(const uint8_t *bytes, hny__meta *out);
bool hny__meta_trees_ok(const hny__meta *meta);

/* The pages of one state of a file, mapped into memory. */
typedef struct hny__pages {
    const uint8_t *base;
    hny__meta meta;
} hny__pages;

/* A page whose header was checked. */
typedef struct hny__page {
    const uint8_t *bytes;
    uint32_t size;
    uint32_t lower, upper;
    uint32_t count; /* of nodes */
} hny__page;

/* A node that lies within its page. */
typedef struct hny__node_ref {
    const uint8_t *key;
    uint32_t key_size;
    uint32_t bytes;      /* of the node, as LMDB counts them */
    uint32_t flags;      /* of a leaf's node */
    uint64_t size;       /* of a leaf's value */
    uint64_t child;      /* of a branch's node, or the first overflow page of a leaf's */
    const uint8_t *data; /* a leaf's value on this page; NULL: it is on overflow pages */
} hny__node_ref;

/* `kind`: HNY__PAGE_BRANCH or HNY__PAGE_LEAF.  False if the page is not a sound one of it. */
bool hny__page_open(const hny__pages *pages, uint64_t number, uint32_t kind, hny__page *out);
bool hny__page_node(const hny__page *page, uint32_t index, uint32_t kind, hny__node_ref *out);
bool hny__page_node_at(const hny__page *page, uint32_t offset, uint32_t kind, hny__node_ref *out);

/* The number of overflow pages that a value takes. */
uint64_t hny__overflow_pages(const hny__meta *meta, uint64_t size);

/* Does a value of this size lie on overflow pages, if its key has 8 bytes? */
bool hny__is_overflow_size(uint32_t page_size, uint64_t size);

/*
** The value of a leaf's node, wherever it lies.  NULL if that is not within the file, or if the
** header of its overflow pages is not as LMDB writes it.
*/
const uint8_t *hny__node_data(const hny__pages *pages, const hny__node_ref *node);

/*
** The value of the first key at or above `key` in the main tree.  Keys are 8 bytes, big-endian.
** HNY_OK, HNY_MISSING or HNY_CORRUPT.
*/
int hny__pages_seek(const hny__pages *pages, uint64_t key, uint64_t *found, const uint8_t **data,
                    size_t *size);

/*
** The leaf of the main tree that has a key, if any has; only branches are read.  NULL: there is
** none, or the tree is damaged.
*/
const uint8_t *hny__pages_leaf(const hny__pages *pages, uint64_t key);

/*
** Where the value of a key lies; it is not read.  NULL: there is no such key, or the tree is
** damaged.
*/
const uint8_t *hny__pages_locate(const hny__pages *pages, uint64_t key, size_t *size);

#endif
