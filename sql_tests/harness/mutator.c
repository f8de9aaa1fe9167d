/* Mutations of sidecar files; the contract is in mutator.h. */
#include "mutator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define PAGE      4096u
#define PAGE_HEAD 16u
#define NODE_HEAD 8u
#define BRANCH    1u
#define LEAF      2u
#define OVERFLOW  4u
#define BIG_DATA  1u
#define NO_PAGE   UINT64_MAX
#define MAX_DEPTH 32

const char *const mutation_name[MUTATIONS] = {
    "one bit",      "some bytes", "LMDB field", "LMDB fields", "our value", "our values",
    "stale digest", "forged row", "cut",        "extended",    "mixed"};

static void *must(void *memory) {
    if (!memory) {
        fail("out of memory");
    }
    return memory;
}

/* ------------------------------------------------------------------------------------- bytes -- */

static uint64_t load(const image *file, size_t offset, size_t size) {
    uint64_t value = 0;
    if (offset + size <= file->size) {
        memcpy(&value, file->bytes + offset, size);
    }
    return value;
}

static void store(image *file, size_t offset, size_t size, uint64_t value) {
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

static void change_number(image *file, size_t offset, size_t size, rng *r) {
    const uint64_t old = load(file, offset, size);
    uint64_t value = odd_value(r, size, old);
    if (value == old) {
        value = old ^ 1;
    }
    store(file, offset, size, value);
}

/* --------------------------------------------------------------------------------- the trees -- */

typedef struct entry {
    size_t node;              /* offset */
    size_t data;              /* offset of the value */
    size_t size;              /* of the value */
    const unsigned char *key; /* in a copy of the file */
    size_t key_size;
    bool big;
} entry;

typedef struct list {
    entry *items;
    size_t count, capacity;
} list;

typedef struct page_list {
    size_t *items;
    size_t count, capacity;
} page_list;

/* The file as it was, and where everything lies in it. */
typedef struct map {
    image whole;
    uint64_t meta; /* offset of the newest meta page */
    uint64_t last_page;
    list entries, free_entries;
    page_list branches, leaves;
} map;

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

static map map_of(const image *file) {
    map m = {.whole = {must(malloc(file->size)), file->size}};
    memcpy(m.whole.bytes, file->bytes, file->size);
    m.meta = load(file, 144, 8) > load(file, PAGE + 144, 8) ? 0 : PAGE;
    m.last_page = load(file, m.meta + 136, 8);
    walk_tree(&m, load(file, m.meta + 128, 8), 0, &m.entries);
    walk_tree(&m, load(file, m.meta + 80, 8), 0, &m.free_entries);
    return m;
}

static void map_free(map *m) {
    image_free(&m->whole);
    free(m->entries.items);
    free(m->free_entries.items);
    free(m->branches.items);
    free(m->leaves.items);
}

/* ----------------------------------------------------------------------------- LMDB's fields -- */

typedef struct field {
    const char *name;
    uint16_t offset, size;
} field;

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

#define COUNT(array) (sizeof(array) / sizeof *(array))

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

static const entry *any_entry(const map *m, rng *r) {
    const list *const l =
        m->free_entries.count && rng_chance(r, 0.15) ? &m->free_entries : &m->entries;
    return l->count ? &l->items[rng_below(r, (uint32_t)l->count)] : NULL;
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

static bool change_lmdb(image *file, const map *m, rng *r, char *what, size_t size) {
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

/* ----------------------------------------------------------------------------------- our own -- */

enum {
    FILE_RECORD,
    TABLE,
    BOUNDARY,
    CODES,
    RESIDUALS,
    LINKS,
    UPPER,
    DELETED,
    ROWIDS = 10,
    COPIES = 12
};

static int kind_of(const entry *e) {
    return e->key_size >= 8 ? e->key[3] : -1;
}

static uint64_t seed_of(const entry *e) {
    uint64_t seed = 0;
    for (int i = 0; i < 8; i++) {
        seed = seed << 8 | e->key[i];
    }
    return seed;
}

/* A row of codes with its rowid: its bytes, and the distance to the next. */
typedef struct code_rows {
    size_t bytes, pitch, count;
} code_rows;

#define ROWS_OFFSET 48

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

/* The rows of a block of codes, by the first block of its space. */
static bool rows_of(const map *m, const entry *e, code_rows *out) {
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

static void seal(image *file, const map *m, const entry *e) {
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

static const field table_fields[] = {
    {"dim", 8, 4},          {"metric", 12, 1},         {"type", 13, 1},
    {"codes", 14, 1},       {"attributes", 15, 1},     {"m", 16, 4},
    {"space", 20, 4},       {"slots", 24, 4},          {"uppers", 28, 4},
    {"live", 32, 4},        {"deleted", 36, 4},        {"free slots", 40, 4},
    {"free uppers", 44, 4}, {"entry slot", 48, 4},     {"entry upper", 52, 4},
    {"entry level", 56, 4}, {"first boundary", 60, 4}, {"boundaries", 64, 4},
    {"touched", 72, 8},     {"calibrated", 80, 4},     {"curve", 84, 2},
    {"crowding", 364, 4},   {"unlinked", 388, 4},      {"copies", 424, 4}};

/* Any number in the record; slots is then made the sum that it must be. */
static void change_table(image *file, const entry *e, rng *r, char *what, size_t size) {
    const field f = table_fields[rng_below(r, COUNT(table_fields))];
    const size_t at = e->data;
    snprintf(what, size, "table record, %s", f.name);
    change_number(file, at + f.offset, f.size, r);
    if (f.offset >= 24 && f.offset <= 40 && f.offset != 28 && rng_chance(r, 0.8)) {
        store(file, at + 24, 4,
              load(file, at + 32, 4) + load(file, at + 36, 4) + load(file, at + 40, 4));
    }
    if (f.offset == 84 && rng_chance(r, 0.5)) {
        memset(file->bytes + at + 84, (int)rng_next(r), 112);
    }
    if (rng_chance(r, 0.2)) {
        change_number(file, at + 8 + 4 * rng_below(r, (uint32_t)(e->size - 8) / 4), 4, r);
    }
}

/* Links of level 0 or of upper rows, in any way that could mislead a search or a build. */
static void change_links(image *file, const entry *e, rng *r, char *what, size_t size) {
    unsigned char *const bytes = file->bytes + e->data;
    const size_t words = e->size / 4;
    const uint32_t way = rng_below(r, 6);
    snprintf(what, size, "links or upper rows, way %u", way);
    switch (way) {
    case 0: /* every count */
        memset(bytes + 8, (int)rng_below(r, 130), 8 + rng_below(r, 24));
        break;
    case 1: /* edges of the tree */
        for (size_t i = 24; i < words; i++) {
            if (rng_chance(r, 0.7)) {
                bytes[4 * i + 3] |= 0x80;
            }
        }
        break;
    case 2: /* no edges */
        for (size_t i = 24; i < words; i++) {
            bytes[4 * i + 3] &= 0x7f;
        }
        break;
    case 3: { /* all to one */
        const uint32_t node = rng_below(r, 300) | (rng_chance(r, 0.5) ? 1u << 31 : 0);
        for (size_t i = 32; i < words; i++) {
            memcpy(bytes + 4 * i, &node, 4);
        }
        break;
    }
    case 4: /* anywhere within small tables */
        for (size_t i = 32; i < words; i++) {
            const uint32_t node = rng_below(r, 300) | (rng_chance(r, 0.3) ? 1u << 31 : 0);
            memcpy(bytes + 4 * i, &node, 4);
        }
        break;
    default:
        for (uint32_t i = 1 + rng_below(r, 4); i > 0; i--) {
            change_number(file, e->data + 8 + rng_below(r, (uint32_t)e->size - 12), 4, r);
        }
    }
}

static bool change_codes(image *file, const map *m, const entry *e, rng *r) {
    static const int64_t odd[] = {0, -1, 1, INT64_MAX, INT64_MIN, 1000000000000};
    code_rows rows;
    if (!rows_of(m, e, &rows)) {
        return false;
    }
    const size_t at = e->data + ROWS_OFFSET + rows.pitch * rng_below(r, (uint32_t)rows.count);
    const size_t rowid = at + rows.bytes - 8;
    switch (rng_below(r, 5)) {
    case 0:
        store(file, rowid, 8, (uint64_t)odd[rng_below(r, COUNT(odd))]);
        break;
    case 1:
        store(file, rowid, 8, rng_below(r, 600));
        break;
    case 2: { /* a rowid twice */
        const size_t twin = e->data + ROWS_OFFSET + rows.pitch * rng_below(r, (uint32_t)rows.count);
        store(file, rowid, 8, load(file, twin + rows.bytes - 8, 8));
        break;
    }
    case 3: { /* what may be a scale or an error */
        static const uint32_t floats[] = {0x7fc00000, 0x7f800000, 0xff800000, 0xbf800000,
                                          0,          0x7f7fffff, 1};
        if (rows.bytes < 20) {
            return false;
        }
        store(file, rowid - 4 * (1 + rng_below(r, 3)), 4, floats[rng_below(r, COUNT(floats))]);
        break;
    }
    default:
        for (size_t i = 0; i + 8 < rows.bytes; i++) {
            file->bytes[at + i] = (unsigned char)rng_next(r);
        }
    }
    return true;
}

static void change_any(image *file, const entry *e, rng *r) {
    const size_t skip = e->size > 8 ? 8 : 0;
    const uint32_t count = rng_chance(r, 0.2) ? 40 : 1 + rng_below(r, 4);
    for (uint32_t i = 0; i < count; i++) {
        const size_t width = (size_t)1 << rng_below(r, 4);
        const size_t left = e->size - skip;
        if (left < width) {
            continue;
        }
        const size_t near = rng_chance(r, 0.5) && left > 128 ? 128 : left;
        change_number(file, e->data + skip + rng_below(r, (uint32_t)(near - width + 1)), width, r);
    }
}

/* The words of rings: of the first slots, since tables are small. */
static void change_copies(image *file, const entry *e, rng *r, char *what, size_t size) {
    const size_t words = e->size / 4 < 400 ? e->size / 4 : 400;
    const uint32_t way = rng_below(r, 6), one = 1 + rng_below(r, 300);
    snprintf(what, size, "copies, way %u", way);
    for (size_t i = 2; i < words; i++) {
        unsigned char *const at = file->bytes + e->data + 4 * i;
        uint32_t word;
        memcpy(&word, at, 4);
        const uint32_t flag = word & 1u << 31;
        switch (way) {
        case 0: /* all lead to one */
            word = one | flag;
            break;
        case 1: /* all lead to others */
            word = (1 + rng_below(r, 300)) | flag;
            break;
        case 2: /* every row is a copy, or none is */
            word = one % 2 ? word | 1u << 31 : word & ~(1u << 31);
            break;
        case 3: /* no rings */
            word = rng_chance(r, 0.5) ? word : 0;
            break;
        case 4: /* one more ring */
            word = i - 2 == one ? (one + 1) % 300 + 1 : i - 3 == one ? (one + 1) | 1u << 31 : word;
            break;
        default: /* some words anywhere */
            word = rng_chance(r, 0.2) ? (uint32_t)rng_next(r) : word;
        }
        memcpy(at, &word, 4);
    }
}

/* Kinds are drawn first, or a table record would hardly ever be. */
static const entry *our_entry(const map *m, rng *r) {
    const uint32_t kind = rng_chance(r, 0.25) ? TABLE : rng_below(r, COPIES + 1);
    const entry *found = NULL;
    uint32_t count = 0;
    for (size_t i = 0; i < m->entries.count; i++) {
        if (kind_of(&m->entries.items[i]) != (int)kind) {
            continue;
        }
        if (rng_below(r, ++count) == 0) {
            found = &m->entries.items[i];
        }
    }
    return found;
}

static bool change_ours(image *file, const map *m, bool sealed, rng *r, char *what, size_t size) {
    const entry *const e = our_entry(m, r);
    if (!e) {
        return false;
    }
    const int kind = kind_of(e);
    snprintf(what, size, "value of kind %d", kind);
    if (kind == TABLE && e->size >= 200) {
        change_table(file, e, r, what, size);
    } else if (kind == CODES && rng_chance(r, 0.8)) {
        if (!change_codes(file, m, e, r)) {
            return false;
        }
    } else if ((kind == LINKS || kind == UPPER) && rng_chance(r, 0.8)) {
        change_links(file, e, r, what, size);
    } else if (kind == COPIES && rng_chance(r, 0.9)) {
        change_copies(file, e, r, what, size);
    } else {
        change_any(file, e, r);
    }
    if (sealed) {
        seal(file, m, e);
    }
    return true;
}

/* -------------------------------------------------------------------- rows with all digests -- */

/* A node of the map of rowids: its level and count, and its entries: a rowid, a number, a check. */
#define NODE_LEVEL   8
#define NODE_COUNT   10
#define NODE_ENTRIES 16
#define ENTRY_BYTES  16
#define TABLE_ROOT   200
#define TABLE_CHECK  204

static uint32_t number_of(const entry *e) {
    return (uint32_t)seed_of(e);
}

/*
** Gives every entry for this number on this level of the map a check, and a rowid that it had;
** returns the node with the last of them.
*/
static const entry *set_check(image *file, const map *m, const entry *like, uint32_t level,
                              uint32_t number, uint32_t change, const int64_t *rowid) {
    const entry *found = NULL;
    for (size_t i = 0; i < m->entries.count; i++) {
        const entry *const e = &m->entries.items[i];
        if (kind_of(e) != ROWIDS || memcmp(e->key, like->key, 3) != 0 ||
            load(file, e->data + NODE_LEVEL, 1) != level) {
            continue;
        }
        for (uint64_t j = 0; j < load(file, e->data + NODE_COUNT, 2); j++) {
            const size_t at = e->data + NODE_ENTRIES + j * ENTRY_BYTES;
            if (load(file, at + 8, 4) != number) {
                continue;
            }
            store(file, at + 12, 4, load(file, at + 12, 4) ^ change);
            if (rowid) {
                store(file, at, 8, (uint64_t)*rowid);
            }
            found = e;
        }
    }
    return found;
}

/* From a leaf to the root, and the table record. */
static void seal_path(image *file, const map *m, const entry *node) {
    for (uint32_t level = 1; node && level < 8; level++) {
        const uint32_t before = (uint32_t)load(file, node->data, 4);
        seal(file, m, node);
        const uint32_t change = before ^ (uint32_t)load(file, node->data, 4);
        for (size_t i = 0; i < m->entries.count; i++) {
            const entry *const e = &m->entries.items[i];
            if (kind_of(e) == TABLE && load(file, e->data + TABLE_ROOT, 4) == number_of(node)) {
                store(file, e->data + TABLE_CHECK, 4,
                      load(file, e->data + TABLE_CHECK, 4) ^ change);
                seal(file, m, e);
            }
        }
        node = set_check(file, m, node, level, number_of(node), change, NULL);
    }
}

/* Another vector or another rowid in a row of codes, with all that confirms it. */
static bool forge_row(image *file, const map *m, rng *r, char *what, size_t size) {
    const entry *e = NULL;
    code_rows rows;
    for (int i = 0; i < 100 && (!e || kind_of(e) != CODES); i++) {
        e = any_entry(m, r);
    }
    if (!e || kind_of(e) != CODES || !rows_of(m, e, &rows)) {
        return false;
    }
    const uint32_t i = rng_below(r, (uint32_t)rows.count);
    const size_t at = e->data + ROWS_OFFSET + rows.pitch * i;
    const uint32_t before = (uint32_t)load(file, at + rows.bytes, 4);
    int64_t rowid = (int64_t)load(file, at + rows.bytes - 8, 8);
    const bool other = rng_chance(r, 0.4);
    if (other) {
        rowid = rng_chance(r, 0.5) ? (int64_t)rng_below(r, 2000) : rowid + 1;
        store(file, at + rows.bytes - 8, 8, (uint64_t)rowid);
    } else {
        const size_t twin = e->data + ROWS_OFFSET + rows.pitch * rng_below(r, (uint32_t)rows.count);
        memmove(file->bytes + at, file->bytes + twin, rows.bytes - 8);
    }
    seal(file, m, e);
    const uint32_t change = before ^ (uint32_t)load(file, at + rows.bytes, 4);
    const uint32_t slot = number_of(e) * (uint32_t)rows.count + i;
    seal_path(file, m, set_check(file, m, e, 0, slot, change, &rowid));
    snprintf(what, size, "%s of slot %u", other ? "rowid" : "codes", slot);
    return true;
}

/* ------------------------------------------------------------------------------- whole files -- */

static void cut(image *file, rng *r) {
    const size_t pages = file->size / PAGE;
    file->size = rng_below(r, (uint32_t)pages) * (size_t)PAGE;
    if (rng_chance(r, 0.3)) {
        file->size += rng_below(r, PAGE);
    }
}

static void extend(image *file, rng *r) {
    const size_t more = 1 + rng_below(r, 8 * PAGE);
    file->bytes = must(realloc(file->bytes, file->size + more));
    for (size_t i = 0; i < more; i++) {
        file->bytes[file->size + i] = (unsigned char)(more % 2 ? rng_next(r) : 0);
    }
    file->size += more;
}

/* Some pages, or all from one on, as they were at the other moment; the meta pages stay or go. */
static void mix(image *file, const image *other, rng *r) {
    const size_t pages = (file->size < other->size ? file->size : other->size) / PAGE;
    const double share = rng_chance(r, 0.5) ? 0.5 : 2.0 / (double)pages;
    const size_t from = rng_chance(r, 0.3) ? rng_below(r, (uint32_t)pages) : 0;
    const bool metas = rng_chance(r, 0.3);
    for (size_t page = metas ? 0 : 2; page < pages; page++) {
        if (from ? page < from : !rng_chance(r, share)) {
            continue;
        }
        memcpy(file->bytes + page * PAGE, other->bytes + page * PAGE, PAGE);
    }
}

static void change_bytes(image *file, rng *r) {
    for (uint32_t i = 1 + rng_below(r, 60); i > 0; i--) {
        file->bytes[rng_below(r, (uint32_t)file->size)] = (unsigned char)rng_next(r);
    }
}

static bool change_several(image *file, const map *m, mutation how, rng *r, char *what,
                           size_t size) {
    const bool several = how == LMDB_FIELDS || how == OUR_VALUES;
    bool done = false;
    for (uint32_t i = several ? 2 + rng_below(r, 2) : 1; i > 0; i--) {
        const bool changed = how == FORGED_ROW ? forge_row(file, m, r, what, size)
                             : how == LMDB_FIELD || how == LMDB_FIELDS
                                 ? change_lmdb(file, m, r, what, size)
                                 : change_ours(file, m, how != STALE_DIGEST, r, what, size);
        done |= changed;
    }
    return done;
}

bool mutate(image *file, const image *other, mutation how, rng *r, char *what, size_t what_size) {
    bool done = true;
    snprintf(what, what_size, "%s", mutation_name[how]);
    if (how == ONE_BIT) {
        const uint32_t byte = rng_below(r, (uint32_t)file->size);
        file->bytes[byte] ^= (unsigned char)(1 << rng_below(r, 8));
        snprintf(what, what_size, "bit of byte %u of page %u", byte % PAGE, byte / PAGE);
    } else if (how == SOME_BYTES) {
        change_bytes(file, r);
    } else if (how == CUT) {
        cut(file, r);
    } else if (how == EXTENDED) {
        extend(file, r);
    } else if (how == MIXED) {
        mix(file, other, r);
    } else {
        map m = map_of(file);
        done = change_several(file, &m, how, r, what, what_size);
        map_free(&m);
    }
    return done;
}
