/* Lookups in LMDB's pages that check every field on the way; the contract is in pages.h. */
#include "sidecar/pages.h"

#include <string.h>

#include "hannoy.h"

enum {
    PAGE_NUMBER = 0,
    PAGE_FLAGS = 10,
    PAGE_LOWER = 12,
    PAGE_UPPER = 14,
    PAGE_OVERFLOW_COUNT = 12,
    NODE_SIZE = 0,
    NODE_FLAGS = 4,
    NODE_KEY_SIZE = 6,
    NODE_HEAD = 8,
    META_MAGIC = 16,
    META_VERSION = 20,
    META_PAGE_SIZE = 40,
    META_FREE_TREE = 40,
    META_MAIN_TREE = 88,
    TREE_FLAGS = 4,
    TREE_DEPTH = 6,
    TREE_BRANCHES = 8,
    TREE_LEAVES = 16,
    TREE_OVERFLOW = 24,
    TREE_ENTRIES = 32,
    TREE_ROOT = 40,
    META_LAST_PAGE = 136,
    META_TXN = 144,
};
#define LMDB_MAGIC      0xBEEFC0DEu
#define LMDB_VERSION    1u
#define LMDB_SORT_FLAGS 0x7eu /* of a tree: how it sorts; the others are flags in memory */
#define LMDB_INTEGERKEY 8u
#define MAX_DEPTH       30u
#define KEY_BYTES       8u
#define OVERFLOW_NUMBER 8u /* bytes of a page number in a node */

static uint64_t load_field(const uint8_t *bytes, size_t offset, size_t size) {
    uint64_t value = 0;
    memcpy(&value, bytes + offset, size);
    return value;
}

static uint32_t load16(const uint8_t *bytes, size_t offset) {
    return (uint32_t)load_field(bytes, offset, 2);
}

/* ---------------------------------------------------------------------------- the meta pages -- */

static void read_tree(const uint8_t *bytes, hny__tree *out) {
    *out = (hny__tree){.flags = load16(bytes, TREE_FLAGS),
                       .depth = load16(bytes, TREE_DEPTH),
                       .branches = load_field(bytes, TREE_BRANCHES, 8),
                       .leaves = load_field(bytes, TREE_LEAVES, 8),
                       .overflow = load_field(bytes, TREE_OVERFLOW, 8),
                       .entries = load_field(bytes, TREE_ENTRIES, 8),
                       .root = load_field(bytes, TREE_ROOT, 8)};
}

static bool tree_ok(const hny__tree *tree, uint64_t last_page, uint32_t sort_flags) {
    if ((tree->flags & LMDB_SORT_FLAGS) != sort_flags) {
        return false;
    }
    if (tree->root == HNY__LMDB_NO_PAGE) {
        return tree->depth == 0;
    }
    return tree->root >= 2 && tree->root <= last_page && tree->depth >= 1 &&
           tree->depth <= MAX_DEPTH;
}

int hny__meta_read_numbers(const uint8_t *bytes, hny__meta *out) {
    if (load_field(bytes, META_MAGIC, 4) != LMDB_MAGIC ||
        load16(bytes, PAGE_FLAGS) != HNY__PAGE_META) {
        return HNY_CORRUPT;
    }
    if (load_field(bytes, META_VERSION, 4) != LMDB_VERSION) {
        return HNY_VERSION;
    }
    out->page_size = (uint32_t)load_field(bytes, META_PAGE_SIZE, 4);
    out->last_page = load_field(bytes, META_LAST_PAGE, 8);
    out->txn = load_field(bytes, META_TXN, 8);
    if (out->page_size < HNY__LMDB_MIN_PAGE || out->page_size > HNY__LMDB_MAX_PAGE ||
        (out->page_size & (out->page_size - 1)) || out->last_page < 1 ||
        out->last_page >= INT64_MAX / out->page_size) {
        return HNY_CORRUPT;
    }
    read_tree(bytes + META_FREE_TREE, &out->free);
    read_tree(bytes + META_MAIN_TREE, &out->main);
    return HNY_OK;
}

bool hny__meta_trees_ok(const hny__meta *meta) {
    return tree_ok(&meta->free, meta->last_page, LMDB_INTEGERKEY) &&
           tree_ok(&meta->main, meta->last_page, 0);
}

int hny__meta_read(const uint8_t *bytes, hny__meta *out) {
    const int rc = hny__meta_read_numbers(bytes, out);
    return rc || hny__meta_trees_ok(out) ? rc : HNY_CORRUPT;
}

/* ------------------------------------------------------------------------------------- pages -- */

bool hny__page_open(const hny__pages *pages, uint64_t number, uint32_t kind, hny__page *out) {
    const uint32_t size = pages->meta.page_size;
    if (number < 2 || number > pages->meta.last_page) {
        return false;
    }
    const uint8_t *const bytes = pages->base + number * size;
    const uint32_t lower = load16(bytes, PAGE_LOWER), upper = load16(bytes, PAGE_UPPER);
    if (load_field(bytes, PAGE_NUMBER, 8) != number || load16(bytes, PAGE_FLAGS) != kind ||
        lower < HNY__PAGE_HEAD || lower > upper || upper > size || lower % 2) {
        return false;
    }
    *out = (hny__page){bytes, size, lower, upper, (lower - HNY__PAGE_HEAD) / 2};
    return true;
}

/* A node's bytes are even. */
static uint32_t even(uint64_t bytes) {
    return (uint32_t)((bytes + 1) & ~(uint64_t)1);
}

bool hny__page_node(const hny__page *page, uint32_t index, uint32_t kind, hny__node_ref *out) {
    return hny__page_node_at(page, load16(page->bytes, HNY__PAGE_HEAD + 2 * (size_t)index), kind,
                             out);
}

bool hny__page_node_at(const hny__page *page, uint32_t offset, uint32_t kind, hny__node_ref *out) {
    if (offset < page->upper || offset + NODE_HEAD > page->size || offset % 2) {
        return false;
    }
    const uint8_t *const node = page->bytes + offset;
    const uint64_t left = page->size - offset - NODE_HEAD;
    out->key_size = load16(node, NODE_KEY_SIZE);
    out->key = node + NODE_HEAD;
    if (out->key_size > left) {
        return false;
    }
    if (kind == HNY__PAGE_BRANCH) { /* a page number where a leaf has size and flags */
        out->child = load_field(node, NODE_SIZE, 6);
        out->bytes = even(NODE_HEAD + out->key_size);
        return true;
    }
    out->size = load_field(node, NODE_SIZE, 4);
    out->flags = load16(node, NODE_FLAGS);
    if (out->flags & ~HNY__NODE_BIG) {
        return false; /* sub-databases and duplicates */
    }
    const bool big = (out->flags & HNY__NODE_BIG) != 0;
    const uint64_t here = big ? OVERFLOW_NUMBER : out->size;
    if (here > left - out->key_size) {
        return false;
    }
    const uint8_t *const data = out->key + out->key_size;
    out->child = big ? load_field(data, 0, OVERFLOW_NUMBER) : 0;
    out->data = big ? NULL : data;
    out->bytes = even(NODE_HEAD + out->key_size + here);
    return true;
}

uint64_t hny__overflow_pages(const hny__meta *meta, uint64_t size) {
    return (HNY__PAGE_HEAD - 1 + size) / meta->page_size + 1;
}

bool hny__is_overflow_size(uint32_t page_size, uint64_t size) {
    const uint32_t largest_node = (((page_size - HNY__PAGE_HEAD) / 2) & ~1u) - 2;
    return NODE_HEAD + KEY_BYTES + size > largest_node;
}

static bool overflow_head_ok(const hny__meta *meta, const uint8_t *page, uint64_t number,
                             uint64_t size) {
    return load_field(page, PAGE_NUMBER, 8) == number &&
           load16(page, PAGE_FLAGS) == HNY__PAGE_OVERFLOW &&
           load_field(page, PAGE_OVERFLOW_COUNT, 4) == hny__overflow_pages(meta, size);
}

/* The overflow pages of a leaf's node, which are not read; NULL: they are not within the file. */
static const uint8_t *overflow_of_node(const hny__pages *pages, const hny__node_ref *node) {
    const uint64_t first = node->child, last_page = pages->meta.last_page;
    if (first < 2 || first > last_page ||
        hny__overflow_pages(&pages->meta, node->size) > last_page - first + 1) {
        return NULL;
    }
    return pages->base + first * pages->meta.page_size;
}

const uint8_t *hny__node_data(const hny__pages *pages, const hny__node_ref *node) {
    if (node->data) {
        return node->data;
    }
    const uint8_t *const page = overflow_of_node(pages, node);
    return page && overflow_head_ok(&pages->meta, page, node->child, node->size)
               ? page + HNY__PAGE_HEAD
               : NULL;
}

/* ------------------------------------------------------------------------------------ lookup -- */

static uint64_t load_key(const uint8_t *key) {
    uint64_t value;
    memcpy(&value, key, sizeof value);
    return __builtin_bswap64(value);
}

/*
** The first node whose key is above `key`, or at it with `or_equal`.  UINT32_MAX: the page is
** damaged.  A branch's first key is not used: all keys below the second one are under it.
*/
static uint32_t search_page(const hny__page *page, uint32_t kind, uint64_t key, bool or_equal) {
    uint32_t low = kind == HNY__PAGE_BRANCH ? 1 : 0, high = page->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        hny__node_ref node;
        if (!hny__page_node(page, middle, kind, &node) || node.key_size != KEY_BYTES) {
            return UINT32_MAX;
        }
        const uint64_t found = load_key(node.key);
        if (found < key || (found == key && !or_equal)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* In one leaf. */
static int seek_in_leaf(const hny__pages *pages, uint64_t number, uint64_t key, uint64_t *found,
                        const uint8_t **data, size_t *size) {
    hny__page page;
    hny__node_ref node;
    if (!hny__page_open(pages, number, HNY__PAGE_LEAF, &page)) {
        return HNY_CORRUPT;
    }
    const uint32_t index = search_page(&page, HNY__PAGE_LEAF, key, true);
    if (index == page.count) {
        return HNY_MISSING;
    }
    if (index > page.count || !hny__page_node(&page, index, HNY__PAGE_LEAF, &node) ||
        node.key_size != KEY_BYTES) {
        return HNY_CORRUPT;
    }
    *found = load_key(node.key);
    *size = node.size;
    *data = hny__node_data(pages, &node);
    return *data ? HNY_OK : HNY_CORRUPT;
}

/* Below a page at `depth` (1: a leaf). */
static int seek_below(const hny__pages *pages, uint64_t number, uint32_t depth, uint64_t key,
                      uint64_t *found, const uint8_t **data, size_t *size) {
    hny__page page;
    hny__node_ref node;
    if (depth == 1) {
        return seek_in_leaf(pages, number, key, found, data, size);
    }
    if (!hny__page_open(pages, number, HNY__PAGE_BRANCH, &page) || page.count == 0) {
        return HNY_CORRUPT;
    }
    const uint32_t index = search_page(&page, HNY__PAGE_BRANCH, key, false);
    if (index > page.count) {
        return HNY_CORRUPT;
    }
    /*
    ** The child that has the key; if all its keys are below, the next one, which must have one
    ** above: so a damaged tree cannot make a lookup visit many pages.
    */
    if (!hny__page_node(&page, index - 1, HNY__PAGE_BRANCH, &node)) {
        return HNY_CORRUPT;
    }
    int rc = seek_below(pages, node.child, depth - 1, key, found, data, size);
    if (rc != HNY_MISSING || index == page.count) {
        return rc;
    }
    if (!hny__page_node(&page, index, HNY__PAGE_BRANCH, &node)) {
        return HNY_CORRUPT;
    }
    rc = seek_below(pages, node.child, depth - 1, key, found, data, size);
    return rc == HNY_MISSING ? HNY_CORRUPT : rc;
}

int hny__pages_seek(const hny__pages *pages, uint64_t key, uint64_t *found, const uint8_t **data,
                    size_t *size) {
    const hny__tree *const tree = &pages->meta.main;
    if (tree->root == HNY__LMDB_NO_PAGE) {
        return HNY_MISSING;
    }
    return seek_below(pages, tree->root, tree->depth, key, found, data, size);
}

/* ------------------------------------------------------------------------------------ places -- */

const uint8_t *hny__pages_leaf(const hny__pages *pages, uint64_t key) {
    const hny__tree *const tree = &pages->meta.main;
    uint64_t number = tree->root;
    for (uint32_t depth = tree->depth; depth > 1; depth--) {
        hny__page page;
        hny__node_ref node;
        if (!hny__page_open(pages, number, HNY__PAGE_BRANCH, &page) || page.count == 0) {
            return NULL;
        }
        const uint32_t index = search_page(&page, HNY__PAGE_BRANCH, key, false);
        if (index > page.count || !hny__page_node(&page, index - 1, HNY__PAGE_BRANCH, &node)) {
            return NULL;
        }
        number = node.child;
    }
    return number >= 2 && number <= pages->meta.last_page
               ? pages->base + number * pages->meta.page_size
               : NULL;
}

const uint8_t *hny__pages_locate(const hny__pages *pages, uint64_t key, size_t *size) {
    const uint8_t *const leaf = hny__pages_leaf(pages, key);
    hny__page page;
    hny__node_ref node;
    if (!leaf || !hny__page_open(pages, (uint64_t)(leaf - pages->base) / pages->meta.page_size,
                                 HNY__PAGE_LEAF, &page)) {
        return NULL;
    }
    const uint32_t index = search_page(&page, HNY__PAGE_LEAF, key, true);
    if (index >= page.count || !hny__page_node(&page, index, HNY__PAGE_LEAF, &node) ||
        node.key_size != KEY_BYTES || load_key(node.key) != key) {
        return NULL;
    }
    *size = node.size;
    if (node.data) {
        return node.data;
    }
    const uint8_t *const first = overflow_of_node(pages, &node);
    return first ? first + HNY__PAGE_HEAD : NULL;
}
