/* Checks of an LMDB file before LMDB opens it. */
#include "sidecar/lmdb_check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hannoy.h"

/*
** Offsets in LMDB 0.9's data version 1 on a 64-bit machine.  A file of a 32-bit machine is
** HNY_CORRUPT and so rebuilt.
*/
enum {
    PAGE_FLAGS = 10,
    PAGE_LOWER = 12,
    PAGE_UPPER = 14,
    PAGE_HEAD = 16,
    NODE_SIZE = 0,
    NODE_FLAGS = 4,
    NODE_KEY_SIZE = 6,
    NODE_HEAD = 8,
    META_MAGIC = 16,
    META_VERSION = 20,
    META_PAGE_SIZE = 40,
    META_FREE_DB = 40,
    META_MAIN_DB = 88,
    DB_FLAGS = 4,
    DB_DEPTH = 6,
    DB_ROOT = 40,
    META_LAST_PAGE = 136,
    META_TXN = 144,
    META_BYTES = 152,
};
#define LMDB_MAGIC      0xBEEFC0DEu
#define LMDB_VERSION    1u
#define LMDB_P_META     8u
#define LMDB_P_BRANCH   1u
#define LMDB_P_LEAF     2u
#define LMDB_P_OVERFLOW 4u
#define LMDB_BIG_DATA   1u    /* of a node: its data lie on pages of their own */
#define LMDB_DB_FLAGS   0x7eu /* how a database sorts; the others are flags in memory */
#define LMDB_INTEGERKEY 8u
#define LMDB_MAX_DEPTH  30u

static uint64_t load(const uint8_t *bytes, size_t offset, size_t size) {
    uint64_t value = 0;
    memcpy(&value, bytes + offset, size);
    return value;
}

/* The newest state of a file. */
typedef struct state {
    int fd;
    uint64_t page_size, last_page, txn;
} state;

static bool is_page(const state *s, uint64_t number) {
    return number >= 2 && number <= s->last_page;
}

/*
** Reads the first bytes of a page.  False unless its header has that number and one of these
** kinds.
*/
static bool read_page(const state *s, uint64_t number, uint64_t kinds, uint8_t *out, size_t size) {
    if (!is_page(s, number)) {
        return false;
    }
    if (pread(s->fd, out, size, (off_t)(number * s->page_size)) != (ssize_t)size) {
        return false;
    }
    return load(out, 0, 8) == number && (load(out, PAGE_FLAGS, 2) & kinds) != 0;
}

static bool root_ok(const state *s, const uint8_t *db, uint64_t flags) {
    const uint64_t root = load(db, DB_ROOT, 8), depth = load(db, DB_DEPTH, 2);
    uint8_t head[PAGE_HEAD];
    if ((load(db, DB_FLAGS, 2) & LMDB_DB_FLAGS) != flags) {
        return false;
    }
    if (root == UINT64_MAX) {
        return depth == 0;
    }
    if (depth < 1 || depth > LMDB_MAX_DEPTH) {
        return false;
    }
    return read_page(s, root, depth > 1 ? LMDB_P_BRANCH : LMDB_P_LEAF, head, sizeof head);
}

/* ----------------------------------------------------------------------------- the free list -- */

/*
** A list of free pages: its count, then page numbers.  Only its first `readable` bytes were read.
*/
static bool list_ok(const state *s, const uint8_t *list, uint64_t size, uint64_t readable) {
    const uint64_t count = load(list, 0, 8);
    if (size < 8 || count > size / 8 - 1) {
        return false;
    }
    for (uint64_t i = 1; i <= count && 8 * i + 8 <= readable; i++) {
        if (!is_page(s, load(list, 8 * i, 8))) {
            return false;
        }
    }
    return true;
}

static bool big_list_ok(const state *s, uint64_t page, uint64_t size) {
    uint8_t head[PAGE_HEAD + 8];
    return read_page(s, page, LMDB_P_OVERFLOW, head, sizeof head) &&
           list_ok(s, head + PAGE_HEAD, size, 8);
}

/*
** A node of a leaf: a transaction's number and the pages it freed.  `left`: bytes to the page's
** end.
*/
static bool leaf_node_ok(const state *s, const uint8_t *node, uint64_t left) {
    const uint64_t size = load(node, NODE_SIZE, 4), key = load(node, NODE_KEY_SIZE, 2);
    const bool big = (load(node, NODE_FLAGS, 2) & LMDB_BIG_DATA) != 0;
    const uint64_t here = big ? 8 : size;
    if (key != 8 || left < NODE_HEAD + 16 || here > left - NODE_HEAD - 8) {
        return false;
    }
    if (load(node, NODE_HEAD, 8) > s->txn) {
        return false;
    }
    const uint8_t *const data = node + NODE_HEAD + 8;
    return big ? big_list_ok(s, load(data, 0, 8), size) : list_ok(s, data, size, size);
}

/* A branch has a page number where a leaf has size and flags; its first node has no key. */
static bool branch_node_ok(const state *s, const uint8_t *node, bool first) {
    return is_page(s, load(node, NODE_SIZE, 6)) && (first || load(node, NODE_KEY_SIZE, 2) == 8);
}

static bool nodes_ok(const state *s, const uint8_t *page) {
    const uint64_t lower = load(page, PAGE_LOWER, 2), upper = load(page, PAGE_UPPER, 2);
    const bool leaf = (load(page, PAGE_FLAGS, 2) & LMDB_P_LEAF) != 0;
    if (lower < PAGE_HEAD || lower > upper || upper > s->page_size) {
        return false;
    }
    for (uint64_t offset = PAGE_HEAD; offset < lower; offset += 2) {
        const uint64_t node = load(page, offset, 2);
        if (node < upper || node + NODE_HEAD > s->page_size) {
            return false;
        }
        if (leaf ? !leaf_node_ok(s, page + node, s->page_size - node)
                 : !branch_node_ok(s, page + node, offset == PAGE_HEAD)) {
            return false;
        }
    }
    return true;
}

/* The first page of the free list. */
static bool free_list_ok(const state *s, const uint8_t *db) {
    const uint64_t root = load(db, DB_ROOT, 8);
    if (root == UINT64_MAX) {
        return true;
    }
    uint8_t *const page = malloc(s->page_size);
    if (!page) {
        return true; /* LMDB will report it */
    }
    const bool ok =
        read_page(s, root, LMDB_P_BRANCH | LMDB_P_LEAF, page, s->page_size) && nodes_ok(s, page);
    free(page);
    return ok;
}

/* ---------------------------------------------------------------------------- the meta pages -- */

static bool meta_ok(const uint8_t *meta, uint64_t page_size) {
    return load(meta, META_MAGIC, 4) == LMDB_MAGIC && load(meta, PAGE_FLAGS, 2) == LMDB_P_META &&
           load(meta, META_PAGE_SIZE, 4) == page_size;
}

/*
** Transaction n writes meta page n % 2, so that the two have the last two numbers.  With any
** others LMDB could reuse pages that are in use, and would fail an assertion.
*/
static bool transactions_ok(uint64_t even, uint64_t odd) {
    if (even == 0 && odd == 0) {
        return true;
    }
    return even % 2 == 0 && (odd == even + 1 || even == odd + 1);
}

int hny__lmdb_check(int fd, uint64_t size) {
    uint8_t metas[2][META_BYTES];
    if (pread(fd, metas[0], META_BYTES, 0) != META_BYTES) {
        return HNY_CORRUPT;
    }
    const uint64_t page_size = load(metas[0], META_PAGE_SIZE, 4);
    if (page_size < 512 || page_size > 65536 || (page_size & (page_size - 1))) {
        return HNY_CORRUPT;
    }
    if (pread(fd, metas[1], META_BYTES, (off_t)page_size) != META_BYTES) {
        return HNY_CORRUPT;
    }
    if (!meta_ok(metas[0], page_size) || !meta_ok(metas[1], page_size)) {
        return HNY_CORRUPT;
    }
    for (int i = 0; i < 2; i++) {
        if (load(metas[i], META_VERSION, 4) != LMDB_VERSION) {
            return HNY_VERSION;
        }
    }
    const uint64_t even = load(metas[0], META_TXN, 8), odd = load(metas[1], META_TXN, 8);
    if (!transactions_ok(even, odd)) {
        return HNY_CORRUPT;
    }
    const uint8_t *const newest = metas[odd > even];
    const state s = {fd, page_size, load(newest, META_LAST_PAGE, 8), load(newest, META_TXN, 8)};
    if (s.last_page >= size / page_size) {
        return HNY_CORRUPT;
    }
    if (!root_ok(&s, newest + META_FREE_DB, LMDB_INTEGERKEY)) {
        return HNY_CORRUPT;
    }
    if (!root_ok(&s, newest + META_MAIN_DB, 0)) {
        return HNY_CORRUPT;
    }
    return free_list_ok(&s, newest + META_FREE_DB) ? HNY_OK : HNY_CORRUPT;
}
