/* Fields of LMDB's pages: heads, nodes, overflow pages, the free list, the meta pages. */
#include "mutated_file.h"

#include <stdio.h>
#include <string.h>

/* ----------------------------------------------------------------------------- LMDB's fields -- */

static const field meta_fields[] = {
    {"flags", 10, 2},          {"magic", 16, 4},         {"version", 20, 4},
    {"address", 24, 8},        {"map size", 32, 8},      {"page size", 40, 4},
    {"free flags", 44, 2},     {"free depth", 46, 2},    {"free branches", 48, 8},
    {"free leaves", 56, 8},    {"free overflow", 64, 8}, {"free entries", 72, 8},
    {"free root", 80, 8},      {"main pad", 88, 4},      {"main flags", 92, 2},
    {"main depth", 94, 2},     {"main branches", 96, 8}, {"main leaves", 104, 8},
    {"main overflow", 112, 8}, {"main entries", 120, 8}, {"main root", 128, 8},
    {"last page", 136, 8},     {"transaction", 144, 8}};
static const field head_fields[] = {{"number", 0, 8}, {"pad", 8, 2},    {"flags", 10, 2},
                                    {"lower", 12, 2}, {"lower", 12, 2}, {"upper", 14, 2},
                                    {"upper", 14, 2}};
static const field overflow_fields[] = {
    {"number", 0, 8}, {"flags", 10, 2}, {"pages", 12, 4}, {"pages", 12, 4}};
static const field node_fields[] = {
    {"low size", 0, 2}, {"high size", 2, 2}, {"flags", 4, 2}, {"key size", 6, 2}};

static uint64_t any_page(const map *m, rng *r) {
    const uint64_t some[] = {0, 1, 2, m->last_page, m->last_page + 1, m->last_page - 1};
    if (rng_chance(r, 0.4)) {
        return some[rng_below(r, COUNT(some))];
    }
    return rng_below(r, (uint32_t)(m->whole.size / PAGE) + 2);
}

static const char *change_meta(image *file, const map *m, rng *r) {
    const field f = meta_fields[rng_below(r, COUNT(meta_fields))];
    const size_t meta = rng_chance(r, 0.7) ? m->meta : PAGE - m->meta;
    if (f.size == 8 && rng_chance(r, 0.5)) {
        store(file, meta + f.offset, f.size, any_page(m, r));
    } else {
        change_number(file, meta + f.offset, f.size, r);
    }
    return f.name;
}

static size_t tree_page(const map *m, rng *r) {
    const size_t count = m->branches.count + m->leaves.count;
    if (!count) {
        return 0;
    }
    if (m->branches.count && rng_chance(r, 0.3)) {
        return m->branches.items[rng_below(r, (uint32_t)m->branches.count)];
    }
    return m->leaves.items[rng_below(r, (uint32_t)m->leaves.count)];
}

static const char *change_head(image *file, const map *m, rng *r) {
    const field f = head_fields[rng_below(r, COUNT(head_fields))];
    change_number(file, tree_page(m, r) * PAGE + f.offset, f.size, r);
    return f.name;
}

static const char *change_flags(image *file, const map *m, rng *r) {
    static const uint16_t flags[] = {
        BRANCH,      LEAF,        BRANCH | LEAF, OVERFLOW,      0x20 | LEAF,
        0x40 | LEAF, 0x10 | LEAF, 0x4000 | LEAF, 0x8000 | LEAF, 0};
    store(file, tree_page(m, r) * PAGE + 10, 2, flags[rng_below(r, COUNT(flags))]);
    return "page flags";
}

static const char *change_pointer(image *file, const map *m, rng *r) {
    const size_t at = tree_page(m, r) * PAGE;
    const size_t count = (load(&m->whole, at + 12, 2) - PAGE_HEAD) / 2;
    if (!count) {
        return NULL;
    }
    change_number(file, at + PAGE_HEAD + 2 * rng_below(r, (uint32_t)count), 2, r);
    return "node offset";
}

static const char *change_node(image *file, const map *m, rng *r) {
    const field f = node_fields[rng_below(r, COUNT(node_fields))];
    const entry *const e = any_entry(m, r);
    if (!e) {
        return NULL;
    }
    change_number(file, e->node + f.offset, f.size, r);
    return f.name;
}

static const char *change_key(image *file, const map *m, rng *r) {
    const entry *const e = any_entry(m, r);
    if (!e || !e->key_size) {
        return NULL;
    }
    file->bytes[e->node + NODE_HEAD + rng_below(r, (uint32_t)e->key_size)] ^=
        (unsigned char)(1 << rng_below(r, 8));
    return "key";
}

static const entry *big_entry(const map *m, rng *r) {
    for (int i = 0; i < 200; i++) {
        const entry *const e = any_entry(m, r);
        if (e && e->big) {
            return e;
        }
    }
    return NULL;
}

static const char *change_overflow(image *file, const map *m, rng *r) {
    const entry *const e = big_entry(m, r);
    if (!e) {
        return NULL;
    }
    if (rng_chance(r, 0.5)) {
        const field f = overflow_fields[rng_below(r, COUNT(overflow_fields))];
        change_number(file, e->data - PAGE_HEAD + f.offset, f.size, r);
        return "overflow page";
    }
    const size_t at = e->node + NODE_HEAD + e->key_size;
    if (rng_chance(r, 0.7)) {
        store(file, at, 8, any_page(m, r));
    } else {
        change_number(file, at, 8, r);
    }
    return "number of an overflow page";
}

static const char *change_branch(image *file, const map *m, rng *r) {
    if (!m->branches.count) {
        return NULL;
    }
    const size_t at = m->branches.items[rng_below(r, (uint32_t)m->branches.count)] * PAGE;
    const size_t count = (load(&m->whole, at + 12, 2) - PAGE_HEAD) / 2;
    const size_t node = at + load(&m->whole, at + PAGE_HEAD + 2 * rng_below(r, (uint32_t)count), 2);
    store(file, node, 6, rng_chance(r, 0.5) ? tree_page(m, r) : any_page(m, r));
    return "child of a branch";
}

static const char *change_free_list(image *file, const map *m, rng *r) {
    if (!m->free_entries.count) {
        return NULL;
    }
    const entry *const e = &m->free_entries.items[rng_below(r, (uint32_t)m->free_entries.count)];
    const uint32_t count = (uint32_t)load(&m->whole, e->data, 8);
    const uint32_t i = rng_below(r, count + 1);
    if (i == 0) {
        change_number(file, e->data, 8, r);
    } else {
        store(file, e->data + 8 * i, 8, rng_chance(r, 0.4) ? tree_page(m, r) : any_page(m, r));
    }
    return "free list";
}

bool change_lmdb(image *file, const map *m, rng *r, char *what, size_t size) {
    static const char *(*const ways[])(image *, const map *, rng *) = {
        change_meta,     change_head,     change_head,   change_flags,    change_pointer,
        change_pointer,  change_node,     change_node,   change_key,      change_key,
        change_overflow, change_overflow, change_branch, change_free_list};
    const char *const done = ways[rng_below(r, COUNT(ways))](file, m, r);
    if (done) {
        snprintf(what, size, "%s", done);
    }
    return done != NULL;
}
