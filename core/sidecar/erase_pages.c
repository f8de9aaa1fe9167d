/* Overwriting the pages that a file does not use; the contract is in erase_pages.h. */
#include "sidecar/erase_pages.h"

#include <stdlib.h>
#include <string.h>

#include "sidecar/env_state.h"

/* -------------------------------------------------------------------------------- free pages -- */

#define DEEPEST 32 /* levels of a tree, in LMDB */

/* A walk over the free list. */
typedef struct free_walk {
    const hny__pages *pages;
    uint64_t below; /* of transactions before this one */
    roaring_bitmap_t *out;
} free_walk;

/* The pages that one transaction freed: their count, then their numbers. */
static bool add_free_pages(free_walk *w, const hny__node_ref *node) {
    const uint8_t *const list = hny__node_data(w->pages, node);
    uint64_t txn, count, page;
    if (!list || node->key_size != sizeof txn || node->size < 8) {
        return false;
    }
    memcpy(&txn, node->key, sizeof txn);
    memcpy(&count, list, 8);
    if (txn >= w->below) {
        return true;
    }
    if (count > node->size / 8 - 1) {
        return false;
    }
    for (uint64_t i = 1; i <= count; i++) {
        memcpy(&page, list + 8 * i, 8);
        if (page < 2 || page > w->pages->meta.last_page || page > UINT32_MAX) {
            return false;
        }
        roaring_bitmap_add(w->out, (uint32_t)page);
    }
    return true;
}

static bool walk_free_tree(free_walk *w, uint64_t number, uint32_t depth) {
    const uint32_t kind = depth > 1 ? HNY__PAGE_BRANCH : HNY__PAGE_LEAF;
    hny__node_ref node;
    hny__page page;
    if (depth == 0 || depth > DEEPEST || !hny__page_open(w->pages, number, kind, &page)) {
        return false;
    }
    for (uint32_t i = 0; i < page.count; i++) {
        if (!hny__page_node(&page, i, kind, &node) ||
            !(depth > 1 ? walk_free_tree(w, node.child, depth - 1) : add_free_pages(w, &node))) {
            return false;
        }
    }
    return true;
}

/* The pages that transactions before `below` freed.  The caller frees *out. */
static int find_free_pages(const hny__pages *pages, uint64_t below, roaring_bitmap_t **out) {
    const hny__tree *const tree = &pages->meta.free;
    free_walk w = {pages, below, roaring_bitmap_create()};
    if (!w.out) {
        return HNY_NOMEM;
    }
    if (tree->root != HNY__LMDB_NO_PAGE && !walk_free_tree(&w, tree->root, tree->depth)) {
        roaring_bitmap_free(w.out);
        return HNY_CORRUPT;
    }
    *out = w.out;
    return HNY_OK;
}

/* ------------------------------------------------------------------------------- the readers -- */

/*
** A line of LMDB's list of readers: a process, a thread and the state, or "-" for none.  Other
** lines are headings.
*/
static int lower_oldest(const char *line, void *arg) {
    uint64_t *const oldest = arg;
    char *end;
    (void)strtol(line, &end, 10);
    if (end == line) {
        return 0;
    }
    const char *const last = strrchr(line, ' ');
    if (last && last[1] >= '0' && last[1] <= '9') {
        const uint64_t state = strtoull(last + 1, NULL, 10);
        *oldest = state < *oldest ? state : *oldest;
    }
    return 0;
}

/* ----------------------------------------------------------------------------------- erasing -- */

#define PAGES_PER_WRITE 64

static bool is_zero(const uint8_t *bytes, size_t size) {
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* Overwrites adjacent pages. */
static int erase_run(const hny__env *env, uint64_t first, uint64_t count, const uint8_t *zeros) {
    const size_t bytes = (size_t)count * env->page_size;
    return hny__os_file_write(env->file, zeros, bytes, first * env->page_size) ? HNY_IO : HNY_OK;
}

/* Overwrites those pages that are not zeros. */
static int erase_pages(const hny__txn *txn, const roaring_bitmap_t *pages, bool *any) {
    const size_t size = txn->env->page_size;
    uint8_t *const zeros = calloc(PAGES_PER_WRITE, size);
    uint64_t first = 0, count = 0;
    roaring_uint32_iterator_t page;
    int rc = zeros ? HNY_OK : HNY_NOMEM;
    roaring_init_iterator(pages, &page);
    for (; page.has_value && !rc; roaring_advance_uint32_iterator(&page)) {
        if (is_zero(txn->pages.base + page.current_value * size, size)) {
            continue;
        }
        *any = true;
        if (count && (first + count != page.current_value || count == PAGES_PER_WRITE)) {
            rc = erase_run(txn->env, first, count, zeros);
            count = 0;
        }
        first = count ? first : page.current_value;
        count++;
    }
    if (!rc && count) {
        rc = erase_run(txn->env, first, count, zeros);
    }
    free(zeros);
    return rc;
}

static void set_erased(hny__env *env, roaring_bitmap_t *pages, size_t at) {
    if (env->erased) {
        roaring_bitmap_free(env->erased);
    }
    env->erased = pages;
    env->erased_at = at;
}

int hny__erase_free_pages(hny__txn *txn, bool *complete) {
    hny__env *const env = txn->env;
    const uint64_t newest = txn->id;
    uint64_t oldest = newest;
    roaring_bitmap_t *pages = NULL, *left = NULL;
    bool any = false;
    if (mdb_reader_list(env->mdb, lower_oldest, &oldest) < 0) {
        return HNY_IO;
    }
    *complete = oldest == newest;
    int rc = find_free_pages(&txn->pages, oldest, &pages);
    if (!rc) {
        left = env->erased && env->erased_at == txn->id ? roaring_bitmap_andnot(pages, env->erased)
                                                        : roaring_bitmap_copy(pages);
        rc = left ? erase_pages(txn, left, &any) : HNY_NOMEM;
    }
    if (!rc && any && hny__os_file_sync(env->file)) {
        rc = HNY_IO;
    }
    if (left) {
        roaring_bitmap_free(left);
    }
    if (pages) {
        set_erased(env, rc ? NULL : pages, txn->id);
    }
    if (rc && pages) {
        roaring_bitmap_free(pages);
    }
    return rc;
}

void hny__erase_follow(hny__env *env) {
    roaring_bitmap_t *pages = NULL;
    hny__txn *txn = NULL;
    if (!env->erased) {
        return;
    }
    if (!hny__env_begin_read(env, &txn)) {
        if (txn->id == env->erased_at) { /* nothing was committed */
            pages = roaring_bitmap_copy(env->erased);
        } else if (txn->id == env->erased_at + 1 &&
                   !find_free_pages(&txn->pages, UINT64_MAX, &pages)) {
            roaring_bitmap_and_inplace(pages, env->erased);
        }
        set_erased(env, pages, txn->id);
        hny__env_end_read(txn);
    } else {
        set_erased(env, NULL, 0);
    }
    hny__txn_free(txn);
}
