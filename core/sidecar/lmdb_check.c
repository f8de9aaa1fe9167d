/* Checks of LMDB's pages; the contract is in lmdb_check.h. */
#include "sidecar/lmdb_check.h"

#include <stdlib.h>
#include <string.h>

#include "hannoy.h"

/* ---------------------------------------------------------------------------- the meta pages -- */

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

/* Reads both; the newest one to `out`, whose trees are checked. */
static int read_metas(hny__os_file file, hny__meta *out) {
    uint8_t bytes[HNY__META_BYTES];
    hny__meta metas[2];
    if (hny__os_file_read(file, bytes, sizeof bytes, 0) != (int64_t)sizeof bytes) {
        return HNY_CORRUPT;
    }
    int rc = hny__meta_read_numbers(bytes, &metas[0]);
    if (rc) {
        return rc;
    }
    const uint32_t second = metas[0].page_size;
    if (hny__os_file_read(file, bytes, sizeof bytes, second) != (int64_t)sizeof bytes) {
        return HNY_CORRUPT;
    }
    rc = hny__meta_read_numbers(bytes, &metas[1]);
    if (!rc && (metas[1].page_size != metas[0].page_size ||
                !transactions_ok(metas[0].txn, metas[1].txn))) {
        rc = HNY_CORRUPT;
    }
    if (rc) {
        return rc;
    }
    *out = metas[metas[1].txn > metas[0].txn];
    return hny__meta_trees_ok(out) ? HNY_OK : HNY_CORRUPT;
}

/* The metas may be read while another process writes one, and the file may grow: then again. */
#define META_TRIES 8

int hny__lmdb_check_metas(hny__os_file file, uint64_t *used) {
    int rc = HNY_CORRUPT;
    *used = 0;
    for (int i = 0; i < META_TRIES && rc == HNY_CORRUPT; i++) {
        hny__meta meta = {.page_size = 0};
        hny__os_info info;
        rc = read_metas(file, &meta);
        if (hny__os_file_info(file, &info)) {
            return HNY_IO;
        }
        if (info.bytes == 0) {
            return HNY_OK;
        }
        if (!rc && meta.last_page >= info.bytes / meta.page_size) {
            rc = HNY_CORRUPT;
        }
        if (!rc) {
            *used = (meta.last_page + 1) * meta.page_size;
        }
    }
    return rc;
}

/* ------------------------------------------------------------------------------------- pages -- */

#define KEY_BYTES 8u

/* A check of all pages. */
typedef struct page_check {
    const hny__pages *pages;
    uint64_t *used;  /* a bit for each page */
    uint8_t *starts; /* of nodes on one page: a flag for every second byte */
} page_check;

/* Marks pages as used or free.  False if they are not in the file, or one is marked already. */
static bool mark_pages(page_check *c, uint64_t first, uint64_t count) {
    const uint64_t last_page = c->pages->meta.last_page;
    if (first < 2 || first > last_page || count > last_page - first + 1) {
        return false;
    }
    for (uint64_t page = first; page < first + count; page++) {
        const uint64_t bit = (uint64_t)1 << (page % 64);
        if (c->used[page / 64] & bit) {
            return false;
        }
        c->used[page / 64] |= bit;
    }
    return true;
}

/*
** A walk over one tree.  Keys are compared as numbers: those of the free list are numbers in the
** machine's order, ours are big-endian.
*/
typedef struct tree_check {
    page_check *check;
    const hny__tree *tree;
    bool is_free_list;
    uint64_t branches, leaves, overflow, entries; /* found */
} tree_check;

static uint64_t key_of(const tree_check *t, const hny__node_ref *node) {
    uint64_t key;
    memcpy(&key, node->key, sizeof key);
    return t->is_free_list ? key : __builtin_bswap64(key);
}

/* Do the nodes fill what lies behind `upper`, without gaps and once each?  LMDB moves it as one. */
static bool nodes_fill_page(page_check *c, const hny__page *page, uint32_t kind) {
    uint32_t found = 0, offset = page->upper;
    memset(c->starts, 0, page->size / 2);
    for (uint32_t i = 0; i < page->count; i++) {
        uint16_t start;
        memcpy(&start, page->bytes + HNY__PAGE_HEAD + 2 * (size_t)i, sizeof start);
        if (start >= page->size || c->starts[start / 2]) {
            return false;
        }
        c->starts[start / 2] = 1;
    }
    while (offset < page->size && c->starts[offset / 2]) {
        hny__node_ref node;
        if (!hny__page_node_at(page, offset, kind, &node)) {
            return false;
        }
        offset += node.bytes;
        found++;
    }
    return offset == page->size && found == page->count;
}

/* Pages that a transaction freed: their count, then their numbers in descending order. */
static bool free_pages_ok(page_check *c, const uint8_t *list, uint64_t size) {
    uint64_t count, page, before = UINT64_MAX;
    if (size < 8 || size % 8) {
        return false;
    }
    memcpy(&count, list, 8);
    if (count > size / 8 - 1) {
        return false;
    }
    for (uint64_t i = 1; i <= count; i++) {
        memcpy(&page, list + 8 * i, 8);
        if (page >= before || !mark_pages(c, page, 1)) {
            return false;
        }
        before = page;
    }
    return true;
}

static bool leaf_node_ok(tree_check *t, const hny__node_ref *node) {
    const hny__pages *const pages = t->check->pages;
    const bool big = (node->flags & HNY__NODE_BIG) != 0;
    if (big != hny__is_overflow_size(pages->meta.page_size, node->size)) {
        return false;
    }
    if (big) {
        const uint64_t count = hny__overflow_pages(&pages->meta, node->size);
        if (!mark_pages(t->check, node->child, count)) {
            return false;
        }
        t->overflow += count;
    }
    t->entries++;
    if (!t->is_free_list) {
        return true;
    }
    const uint8_t *const list = hny__node_data(pages, node);
    return list && key_of(t, node) <= pages->meta.txn && free_pages_ok(t->check, list, node->size);
}

static bool page_ok(tree_check *t, uint64_t number, uint32_t depth, uint64_t low, uint64_t high);

/* Keys of the tree below a page lie in low .. high - 1, and high UINT64_MAX is no bound. */
static bool branch_ok(tree_check *t, const hny__page *page, uint32_t depth, uint64_t low,
                      uint64_t high) {
    hny__node_ref node, next;
    uint64_t first = low;
    for (uint32_t i = 0; i < page->count; i++) {
        uint64_t end = high;
        if (!hny__page_node(page, i, HNY__PAGE_BRANCH, &node)) {
            return false;
        }
        if (i == 0 ? node.key_size != 0 && node.key_size != KEY_BYTES
                   : node.key_size != KEY_BYTES) {
            return false;
        }
        if (i + 1 < page->count) {
            if (!hny__page_node(page, i + 1, HNY__PAGE_BRANCH, &next) ||
                next.key_size != KEY_BYTES) {
                return false;
            }
            end = key_of(t, &next);
        }
        if (end <= first || end > high || !page_ok(t, node.child, depth - 1, first, end)) {
            return false;
        }
        first = end;
    }
    t->branches++;
    return page->count >= 2;
}

static bool leaf_ok(tree_check *t, const hny__page *page, uint64_t low, uint64_t high) {
    uint64_t before = 0;
    for (uint32_t i = 0; i < page->count; i++) {
        hny__node_ref node;
        if (!hny__page_node(page, i, HNY__PAGE_LEAF, &node) || node.key_size != KEY_BYTES) {
            return false;
        }
        const uint64_t key = key_of(t, &node);
        if (key < low || key >= high || (i > 0 && key <= before) || !leaf_node_ok(t, &node)) {
            return false;
        }
        before = key;
    }
    t->leaves++;
    return page->count >= 1;
}

static bool page_ok(tree_check *t, uint64_t number, uint32_t depth, uint64_t low, uint64_t high) {
    const uint32_t kind = depth > 1 ? HNY__PAGE_BRANCH : HNY__PAGE_LEAF;
    hny__page page;
    if (!mark_pages(t->check, number, 1) || !hny__page_open(t->check->pages, number, kind, &page) ||
        !nodes_fill_page(t->check, &page, kind)) {
        return false;
    }
    return depth > 1 ? branch_ok(t, &page, depth, low, high) : leaf_ok(t, &page, low, high);
}

static bool tree_pages_ok(page_check *c, const hny__tree *tree, bool is_free_list) {
    tree_check t = {.check = c, .tree = tree, .is_free_list = is_free_list};
    if (tree->root != HNY__LMDB_NO_PAGE && !page_ok(&t, tree->root, tree->depth, 0, UINT64_MAX)) {
        return false;
    }
    return t.branches == tree->branches && t.leaves == tree->leaves &&
           t.overflow == tree->overflow && t.entries == tree->entries;
}

int hny__lmdb_check_pages(const hny__pages *pages) {
    page_check c = {.pages = pages,
                    .used = calloc(pages->meta.last_page / 64 + 1, sizeof *c.used),
                    .starts = malloc(pages->meta.page_size / 2)};
    int rc = c.used && c.starts ? HNY_OK : HNY_NOMEM;
    if (!rc && !(tree_pages_ok(&c, &pages->meta.main, false) &&
                 tree_pages_ok(&c, &pages->meta.free, true))) {
        rc = HNY_CORRUPT;
    }
    free(c.used);
    free(c.starts);
    return rc;
}
