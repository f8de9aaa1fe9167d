/* A sidecar as bytes, and where everything lies in it; the contract is in mutated_file.h. */
#include "mutated_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define BIG_DATA  1u
#define NO_PAGE   UINT64_MAX
#define MAX_DEPTH 32

void *must(void *memory) {
    if (!memory) {
        fail("out of memory");
    }
    return memory;
}

/* ------------------------------------------------------------------------------------- bytes -- */

uint64_t load(const image *file, size_t offset, size_t size) {
    uint64_t value = 0;
    if (offset + size <= file->size) {
        memcpy(&value, file->bytes + offset, size);
    }
    return value;
}

void store(image *file, size_t offset, size_t size, uint64_t value) {
    if (offset + size <= file->size) {
        memcpy(file->bytes + offset, &value, size);
    }
}

image image_read(const char *path) {
    image file = {NULL, 0};
    const int64_t size = file_size(path);
    FILE *const in = fopen(path, "rb");
    if (size < 0 || !in) {
        fail("cannot read %s: %s", path, strerror(errno));
    }
    file.size = (size_t)size;
    file.bytes = must(malloc(file.size + PAGE));
    if (fread(file.bytes, 1, file.size, in) != file.size) {
        fail("cannot read %s", path);
    }
    fclose(in);
    return file;
}

void image_write(const image *file, const char *path) {
    FILE *const out = fopen(path, "wb");
    if (!out || fwrite(file->bytes, 1, file->size, out) != file->size || fclose(out)) {
        fail("cannot write %s", path);
    }
}

void image_free(image *file) {
    free(file->bytes);
    *file = (image){NULL, 0};
}

/* Values that code forgets to think of, and neighbours of the old one. */
static uint64_t odd_value(rng *r, size_t bytes, uint64_t old) {
    const uint64_t top = bytes == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * bytes) - 1;
    const uint64_t fixed[] = {0, 1, 2, 3, 7, 8, 15, 16, top, top - 1, top >> 1, (top >> 1) + 1};
    switch (rng_below(r, 8)) {
    case 0:
    case 1:
        return fixed[rng_below(r, sizeof fixed / sizeof *fixed)];
    case 2:
        return rng_next(r) & top;
    case 3:
        return rng_below(r, 256);
    case 4:
        return (old ^ UINT64_C(1) << rng_below(r, (uint32_t)(8 * bytes))) & top;
    case 5:
        return (old + PAGE) & top;
    default:
        return (old + rng_below(r, 129) - 64) & top;
    }
}

void change_number(image *file, size_t offset, size_t size, rng *r) {
    const uint64_t old = load(file, offset, size);
    uint64_t value = odd_value(r, size, old);
    if (value == old) {
        value = old ^ 1;
    }
    store(file, offset, size, value);
}

/* --------------------------------------------------------------------------------- the trees -- */

static void push_page(page_list *p, size_t page) {
    if (p->count == p->capacity) {
        p->capacity = 2 * p->capacity + 16;
        p->items = must(realloc(p->items, p->capacity * sizeof *p->items));
    }
    p->items[p->count++] = page;
}

static void push_entry(list *l, entry e) {
    if (l->count == l->capacity) {
        l->capacity = 2 * l->capacity + 64;
        l->items = must(realloc(l->items, l->capacity * sizeof *l->items));
    }
    l->items[l->count++] = e;
}

static entry entry_at(const map *m, size_t node) {
    const image *const f = &m->whole;
    entry e = {.node = node, .size = load(f, node, 4), .key_size = load(f, node + 6, 2)};
    e.big = load(f, node + 4, 2) & BIG_DATA;
    e.key = f->bytes + node + NODE_HEAD;
    e.data = node + NODE_HEAD + e.key_size;
    if (e.big) {
        e.data = load(f, e.data, 8) * PAGE + PAGE_HEAD;
    }
    return e;
}

static void walk_tree(map *m, uint64_t page, int depth, list *out) {
    const image *const f = &m->whole;
    const size_t at = page * PAGE;
    if (page == NO_PAGE || depth > MAX_DEPTH || at + PAGE > f->size) {
        return;
    }
    const bool branch = load(f, at + 10, 2) & BRANCH;
    const size_t count = (load(f, at + 12, 2) - PAGE_HEAD) / 2;
    push_page(branch ? &m->branches : &m->leaves, page);
    for (size_t i = 0; i < count; i++) {
        const size_t node = at + load(f, at + PAGE_HEAD + 2 * i, 2);
        if (branch) {
            walk_tree(m, load(f, node, 6), depth + 1, out);
        } else {
            push_entry(out, entry_at(m, node));
        }
    }
}

map map_of(const image *file) {
    map m = {.whole = {must(malloc(file->size)), file->size}};
    memcpy(m.whole.bytes, file->bytes, file->size);
    m.meta = load(file, 144, 8) > load(file, PAGE + 144, 8) ? 0 : PAGE;
    m.last_page = load(file, m.meta + 136, 8);
    walk_tree(&m, load(file, m.meta + 128, 8), 0, &m.entries);
    walk_tree(&m, load(file, m.meta + 80, 8), 0, &m.free_entries);
    return m;
}

void map_free(map *m) {
    image_free(&m->whole);
    free(m->entries.items);
    free(m->free_entries.items);
    free(m->branches.items);
    free(m->leaves.items);
}

const entry *any_entry(const map *m, rng *r) {
    const list *const l =
        m->free_entries.count && rng_chance(r, 0.15) ? &m->free_entries : &m->entries;
    return l->count ? &l->items[rng_below(r, (uint32_t)l->count)] : NULL;
}

/* -------------------------------------------------------------------------- keys and digests -- */

int kind_of(const entry *e) {
    return e->key_size >= 8 ? e->key[3] : -1;
}

uint64_t seed_of(const entry *e) {
    uint64_t seed = 0;
    for (int i = 0; i < 8; i++) {
        seed = seed << 8 | e->key[i];
    }
    return seed;
}

static bool is_row(const image *f, size_t at, size_t bytes, uint64_t seed) {
    return (uint32_t)XXH3_64bits_withSeed(f->bytes + at, bytes, seed) ==
           (uint32_t)load(f, at + bytes, 4);
}

/* Of block 0, whose first two rows have the numbers 0 and 1. */
static bool find_rows(const map *m, const entry *e, code_rows *out) {
    const image *const f = &m->whole;
    const uint64_t seed = seed_of(e);
    const size_t at = e->data + ROWS_OFFSET, end = e->data + e->size;
    for (size_t bytes = 9; at + bytes + 4 <= end; bytes++) {
        if (!is_row(f, at, bytes, seed)) {
            continue;
        }
        *out = (code_rows){bytes, e->size, 1};
        for (size_t pitch = (bytes + 7) & ~(size_t)3; at + pitch + bytes + 4 <= end; pitch += 4) {
            if (!is_row(f, at + pitch, bytes, seed + 1)) {
                continue;
            }
            *out = (code_rows){bytes, pitch, (e->size - ROWS_OFFSET) / pitch};
            break;
        }
        return true;
    }
    return false;
}

bool rows_of(const map *m, const entry *e, code_rows *out) {
    for (size_t i = 0; i < m->entries.count; i++) {
        const entry *const first = &m->entries.items[i];
        if (kind_of(first) != CODES || memcmp(first->key, e->key, 4) != 0) {
            continue;
        }
        if (memcmp(first->key + 4, "\0\0\0\0", 4) != 0) {
            continue;
        }
        return find_rows(m, first, out);
    }
    return false;
}

void seal(image *file, const map *m, const entry *e) {
    const uint64_t seed = seed_of(e), number = seed & UINT32_MAX;
    code_rows rows;
    if (kind_of(e) != CODES) {
        if (e->size < 8) {
            return;
        }
        store(file, e->data, 8, XXH3_64bits_withSeed(file->bytes + e->data + 8, e->size - 8, seed));
        return;
    }
    if (!rows_of(m, e, &rows)) {
        return;
    }
    for (size_t i = 0; i < rows.count; i++) {
        const size_t at = e->data + ROWS_OFFSET + i * rows.pitch;
        store(file, at + rows.bytes, 4,
              XXH3_64bits_withSeed(file->bytes + at, rows.bytes,
                                   seed - number + number * rows.count + i));
    }
}

uint32_t number_of(const entry *e) {
    return (uint32_t)seed_of(e);
}

const entry *same_entry(const map *m, const entry *e) {
    for (size_t i = 0; i < m->entries.count; i++) {
        const entry *const other = &m->entries.items[i];
        if (other->key_size == e->key_size && memcmp(other->key, e->key, e->key_size) == 0) {
            return other;
        }
    }
    return NULL;
}
