/*
** Fuzzes sidecar files: a sound file is changed as the input says, its digests and checks are made
** anew, and it is read, searched, checked, built and replaced.
**
** Byte 0 chooses the file.  Byte 1 has flags: all digests and checks are made anew at the end (1);
** the file is cut (2); what is done with it beside searches (4, 8, 16).  Then each 8 bytes are a
** change: what is changed (1), which value or page (2), an offset in it (2), how many bytes (1) and
** their value (2).
*/
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/replay.h"
#include "hannoy.h"
#include "sidecar/format.h"
#include "sidecar/pages.h"

enum { ROWS = 70, DIM = 8, TABLE = 1, MOMENTS = 2, MOST_CHANGES = 12, HITS = 4096 };

/* ------------------------------------------------------------------------------- sound files -- */

typedef struct image {
    uint8_t *bytes;
    size_t size;
} image;

static const struct {
    hny_type type;
    hny_metric metric;
    hny_codes codes;
    uint32_t attributes;
    int distinct; /* numbers of a vector: few make rows with equal codes */
} kinds[] = {
    {HNY_FLOAT32, HNY_EUCLIDEAN, HNY_CODES_FLOAT32, 0, 2},
    {HNY_FLOAT32, HNY_COSINE, HNY_CODES_INT8, 2, 200},
    {HNY_FLOAT32, HNY_DOT, HNY_CODES_INT4, 1, 200},
    {HNY_FLOAT16, HNY_MANHATTAN, HNY_CODES_FLOAT16, 0, 3},
    {HNY_BIT, HNY_HAMMING, HNY_CODES_BIT, 1, 2},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static char folder[64], database[80], path[96], lock[112];
static image sound[KINDS][MOMENTS];

static hny_options options_of(int kind) {
    return (hny_options){{DIM, (uint8_t)kinds[kind].metric, (uint8_t)kinds[kind].type},
                         (uint8_t)kinds[kind].codes,
                         4,
                         8,
                         kinds[kind].attributes,
                         0};
}

static void vector_of(int kind, int64_t rowid, uint8_t *out) {
    uint64_t state = (uint64_t)rowid * 0x9e3779b97f4a7c15u;
    memset(out, 0, 4 * DIM);
    for (int i = 0; i < DIM; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const float value = (float)((int)(state >> 33) % kinds[kind].distinct + 1);
        const uint16_t half = hny_half_from_float(value);
        if (kinds[kind].type == HNY_FLOAT32) {
            memcpy(out + 4 * i, &value, 4);
        } else if (kinds[kind].type == HNY_FLOAT16) {
            memcpy(out + 2 * i, &half, 2);
        } else {
            out[i / 8] = (uint8_t)(out[i / 8] | (value > 1) << i % 8);
        }
    }
}

static int put_row(hny_build *build, int kind, int64_t rowid) {
    uint8_t vector[4 * DIM];
    hny_attribute attributes[HNY_MAX_ATTRIBUTES];
    vector_of(kind, rowid, vector);
    for (uint32_t i = 0; i < kinds[kind].attributes; i++) {
        attributes[i] = hny_attribute_integer(rowid % 5);
    }
    return hny_build_put(build, rowid, vector, attributes);
}

static int open_build(hny_sidecar *sidecar, int kind, int flags, hny_build **out) {
    const hny_options options = options_of(kind);
    const hny_build_limits limits = {.threads = 1};
    return hny_build_open(sidecar, TABLE, &options, &limits, flags, out);
}

/* Rows first .. end - 1 are put, and of every seventh before them one is removed. */
static int change_rows(hny_sidecar *sidecar, int kind, int64_t first, int64_t end, int flags,
                       bool restart) {
    hny_build *build;
    int rc = open_build(sidecar, kind, flags, &build);
    if (rc) {
        return rc;
    }
    if (restart) {
        rc = hny_build_restart(build);
    }
    hny_build_expect(build, (uint64_t)(end - first));
    for (int64_t rowid = 0; rowid < first && !rc && !restart; rowid += 7) {
        rc = hny_build_remove(build, rowid);
    }
    for (int64_t rowid = first; rowid < end && !rc; rowid++) {
        rc = put_row(build, kind, rowid);
    }
    if (!rc) {
        rc = hny_build_publish(build, (hny_boundary){end, 7 * end});
    }
    if (!rc) {
        rc = hny_build_sweep(build, &(uint32_t){TABLE}, 1);
    }
    if (!rc) {
        rc = hny_build_erase(build);
    }
    hny_build_close(build);
    return rc;
}

static image read_image(const char *name) {
    image file;
    FILE *const in = fopen(name, "rb");
    CHECK(in && fseek(in, 0, SEEK_END) == 0);
    file.size = (size_t)ftell(in);
    rewind(in);
    file.bytes = malloc(file.size);
    CHECK(file.bytes && fread(file.bytes, 1, file.size, in) == file.size);
    fclose(in);
    return file;
}

static void remove_files(void) {
    unlink(path);
    unlink(lock);
}

static void remove_folder(void) {
    remove_files();
    rmdir(folder);
}

static hny_sidecar *open_sidecar(void) {
    hny_sidecar *sidecar;
    CHECK(hny_sidecar_new(database, "", &sidecar) == HNY_OK);
    return sidecar;
}

static void make_sound_files(void) {
    const char *const base = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
    snprintf(folder, sizeof folder, "%s/hannoy-fuzz-XXXXXX", base);
    CHECK(mkdtemp(folder));
    snprintf(database, sizeof database, "%s/a", folder);
    snprintf(path, sizeof path, "%s-hannoy", database);
    snprintf(lock, sizeof lock, "%s-lock", path);
    atexit(remove_folder);
    for (int kind = 0; kind < KINDS; kind++) {
        hny_sidecar *const sidecar = open_sidecar();
        CHECK(change_rows(sidecar, kind, 0, ROWS - 20, 0, false) == HNY_OK);
        sound[kind][0] = read_image(path);
        CHECK(change_rows(sidecar, kind, ROWS - 20, ROWS, 0, false) == HNY_OK);
        CHECK(change_rows(sidecar, kind, ROWS, ROWS + 2, HNY_BUILD_APPEND, false) == HNY_OK);
        sound[kind][1] = read_image(path);
        hny_sidecar_unref(sidecar);
        remove_files();
    }
}

/* ---------------------------------------------------------------------------- values in them -- */

typedef struct value {
    hny__key key;
    uint8_t *bytes; /* in the image */
    size_t size;
} value;

enum { MOST_VALUES = 256 };

typedef struct values {
    value at[MOST_VALUES];
    size_t count;
    hny__table_record table; /* as it was */
    hny__geometry geometry;
} values;

static hny__kind kind_of(const value *v) {
    hny__kind kind;
    uint32_t space, number;
    CHECK(hny__key_parse(&v->key, &space, &kind, &number));
    return kind;
}

static uint32_t number_of(const value *v) {
    return (uint32_t)hny__key_number(&v->key);
}

/* Of a sound image. */
static void find_values(image *file, values *out) {
    hny__meta metas[2];
    CHECK(hny__meta_read(file->bytes, &metas[0]) == HNY_OK);
    CHECK(hny__meta_read(file->bytes + metas[0].page_size, &metas[1]) == HNY_OK);
    const hny__pages pages = {file->bytes, metas[metas[1].txn > metas[0].txn]};
    uint64_t key = 0;
    const uint8_t *data;
    out->count = 0;
    for (value *v = out->at; !hny__pages_seek(&pages, key, &key, &data, &v->size); v++, key++) {
        CHECK(out->count < MOST_VALUES);
        v->key = hny__key_of_number(key);
        v->bytes = file->bytes + (data - file->bytes);
        out->count++;
        if (kind_of(v) == HNY__KIND_TABLE) {
            CHECK(!hny__table_record_read(v->bytes, v->size, &v->key, &out->table));
        }
    }
    hny__geometry_init(&out->geometry, &out->table);
}

static value *find_value(values *all, hny__kind kind, uint32_t number) {
    for (size_t i = 0; i < all->count; i++) {
        if (kind_of(&all->at[i]) == kind && number_of(&all->at[i]) == number) {
            return &all->at[i];
        }
    }
    return NULL;
}

static const hny__layout *layout_of(const values *all, hny__kind kind) {
    for (int family = 0; family < HNY__FAMILIES; family++) {
        const hny__layout *const layout = &all->geometry.layout[family];
        if (layout->kind == kind && layout->per_block) {
            return layout;
        }
    }
    return NULL;
}

static void seal_value(const values *all, const value *v) {
    const hny__layout *const layout = layout_of(all, kind_of(v));
    if (kind_of(v) == HNY__KIND_CODES && layout && layout->bytes == v->size) {
        hny__block_seal(layout, v->bytes, &v->key);
    } else if (kind_of(v) != HNY__KIND_CODES) {
        hny__digest_write(v->bytes, v->size, &v->key);
    }
}

/* ---------------------------------------------------------- all digests and checks made anew -- */

static const uint8_t *row_of(values *all, hny__family family, uint32_t slot) {
    const hny__layout *const layout = &all->geometry.layout[family];
    if (!layout->per_block) {
        return NULL;
    }
    const uint32_t number = hny__layout_block(layout, slot);
    const value *const v = find_value(all, layout->kind, number);
    return v && v->size == layout->bytes
               ? hny__row_at(layout, v->bytes, slot - number * layout->per_block)
               : NULL;
}

static uint32_t check_of_row(values *all, uint32_t slot) {
    const hny__row_parts row = {
        row_of(all, HNY__CODES, slot), row_of(all, HNY__RESIDUALS, slot),
        (const hny_attribute *)(const void *)row_of(all, HNY__ATTRIBUTES, slot)};
    const bool whole = row.code && (row.residual || !all->geometry.quantizer.residual_bytes) &&
                       (row.attributes || !all->table.attributes);
    return whole ? hny__row_check(&all->geometry, slot, &row) : 0;
}

static uint32_t check_of_node(values *all, uint32_t number) {
    const value *const v = find_value(all, HNY__KIND_ROWIDS, number);
    uint32_t check = 0;
    if (v) {
        memcpy(&check, v->bytes, sizeof check);
    }
    return check;
}

static void seal_nodes(values *all, uint8_t level) {
    for (size_t i = 0; i < all->count; i++) {
        const value *const v = &all->at[i];
        hny__rowid_node node;
        if (kind_of(v) != HNY__KIND_ROWIDS || v->size != sizeof node) {
            continue;
        }
        memcpy(&node, v->bytes, sizeof node);
        if (node.level != level) {
            continue;
        }
        for (uint32_t j = 0; j < node.count && j < HNY__ROWID_ENTRIES; j++) {
            hny__row_ref *const entry = &node.entries[j];
            entry->check = level ? check_of_node(all, entry->slot) : check_of_row(all, entry->slot);
        }
        memcpy(v->bytes, &node, sizeof node);
        seal_value(all, v);
    }
}

static void seal_all(values *all) {
    for (size_t i = 0; i < all->count; i++) {
        seal_value(all, &all->at[i]);
    }
    for (uint8_t level = 0; level < 4; level++) {
        seal_nodes(all, level);
    }
    for (size_t i = 0; i < all->count; i++) {
        const value *const v = &all->at[i];
        hny__table_record record;
        if (kind_of(v) != HNY__KIND_TABLE || v->size != sizeof record) {
            continue;
        }
        memcpy(&record, v->bytes, sizeof record);
        const value *const newest =
            find_value(all, HNY__KIND_BOUNDARY, record.first_boundary + record.boundaries - 1);
        record.rowid_check = check_of_node(all, record.rowid_root);
        if (newest) {
            memcpy(&record.boundary_digest, newest->bytes, sizeof record.boundary_digest);
        }
        memcpy(v->bytes, &record, sizeof record);
        seal_value(all, v);
    }
}

/* ----------------------------------------------------------------------------------- changes -- */

typedef struct change {
    uint8_t what;
    uint16_t which, offset;
    uint8_t bytes;
    uint16_t to;
} change;

static void write_bytes(uint8_t *at, size_t left, const change *c) {
    const size_t bytes = 1 + (size_t)c->bytes % 8, filled = bytes < left ? bytes : left;
    for (size_t i = 0; i < filled; i++) {
        at[i] = (uint8_t)(i == 0 ? c->to : i == 1 ? c->to >> 8 : c->bytes & 64 ? 0xff : 0);
    }
}

/* As it was at the other moment. */
static void take_back(values *all, const value *v, image *other) {
    values before;
    find_values(other, &before);
    const value *const old = find_value(&before, kind_of(v), number_of(v));
    if (old && old->size == v->size) {
        memcpy(v->bytes, old->bytes, v->size);
        seal_value(all, v);
    }
}

static void apply_change(image *file, values *all, image *other, const change *c) {
    const value *const v = &all->at[c->which % all->count];
    switch (c->what % 8) {
    case 0: { /* anywhere */
        const size_t at = ((size_t)c->which * 4096 + c->offset % 4096) % file->size;
        write_bytes(file->bytes + at, file->size - at, c);
        break;
    }
    case 1: /* a page's head, or its first nodes */
    case 2: {
        const size_t at = (size_t)c->which % (file->size / 4096) * 4096 + c->offset % 64;
        write_bytes(file->bytes + at, file->size - at, c);
        break;
    }
    case 3:
        take_back(all, v, other);
        break;
    case 4: /* without its digest */
        write_bytes(v->bytes + c->offset % v->size, v->size - c->offset % v->size, c);
        break;
    default:
        write_bytes(v->bytes + c->offset % v->size, v->size - c->offset % v->size, c);
        seal_value(all, v);
    }
}

/* -------------------------------------------------------------------------------------- uses -- */

static hny_hit hits[HITS];

static hny_hit *reserve(void *arg, size_t capacity) {
    (void)arg;
    return capacity <= HITS ? hits : NULL;
}

static void check_hits(const hny_search *search) {
    CHECK(search->count <= HITS);
    for (size_t i = 0; i < search->count; i++) {
        for (size_t j = 0; j < i; j++) {
            CHECK(hits[i].rowid != hits[j].rowid);
        }
    }
}

static void search_table(hny_reader *reader, int kind, const hny_filter *filter) {
    uint8_t vector[4 * DIM];
    vector_of(kind, 33, vector);
    const uint32_t efs[] = {0, 5, 2 * ROWS};
    for (size_t i = 0; i < sizeof efs / sizeof *efs; i++) {
        hny_search search = {.vector = vector,
                             .k = 10,
                             .ef = efs[i],
                             .recall = 0.95,
                             .filter = filter,
                             .reserve = reserve};
        if (!hny_reader_search(reader, &search)) {
            check_hits(&search);
        }
    }
    hny_search scan = {.vector = vector, .k = 20, .filter = filter, .reserve = reserve};
    if (!hny_reader_scan(reader, &scan)) {
        check_hits(&scan);
    }
}

static void read_table(hny_reader *reader, int kind) {
    const hny_attribute two = hny_attribute_integer(2);
    const int64_t some[] = {1, 5, 33, 34, 69};
    hny_filter *filter, *few;
    hny_boundary boundary;
    hny_stats stats;
    char *fault = NULL;
    CHECK(hny_filter_new(&filter) == HNY_OK && hny_filter_new(&few) == HNY_OK);
    CHECK(hny_filter_rowids(few, some, sizeof some / sizeof *some) == HNY_OK);
    if (kinds[kind].attributes) {
        CHECK(hny_filter_where(filter, 0, HNY_EQ, &two, 1) == HNY_OK);
    }
    search_table(reader, kind, NULL);
    search_table(reader, kind, filter);
    search_table(reader, kind, few);
    (void)hny_reader_stats(reader, true, &stats);
    for (uint32_t age = 0; !hny_reader_boundary(reader, age, &boundary); age++) {
        int64_t *ids = NULL;
        size_t count;
        if (!hny_reader_touched(reader, age, &ids, &count)) {
            free(ids);
        }
        CHECK(age < 10000);
    }
    (void)hny_reader_check(reader, (hny_interrupt){0}, &fault);
    free(fault);
    hny_filter_free(filter);
    hny_filter_free(few);
}

enum { SEAL_ALL = 1, CUT = 2, BUILD = 4, CONSOLIDATE = 8, REPLACE = 16 };

/* What is damaged is found by then or by the first of these builds, and replaced. */
static void replace_file(hny_sidecar *sidecar, hny_reader *reader, int kind) {
    char *fault = NULL;
    int rc = HNY_CORRUPT;
    for (int i = 0; i < 4 && rc; i++) {
        rc = change_rows(sidecar, kind, 0, ROWS, 0, true);
    }
    CHECK(rc == HNY_OK && hny_reader_begin(reader) == HNY_OK);
    CHECK(hny_reader_check(reader, (hny_interrupt){0}, &fault) == HNY_OK && !fault);
    hny_reader_end(reader);
}

static void use_file(int kind, int flags) {
    const hny_options options = options_of(kind);
    hny_sidecar *const sidecar = open_sidecar();
    hny_reader *reader;
    CHECK(!hny_reader_new(sidecar, TABLE, options.shape, options.attributes, 0, &reader));
    if (!hny_reader_begin(reader)) {
        read_table(reader, kind);
        hny_reader_end(reader);
    }
    if (flags & BUILD) {
        (void)change_rows(sidecar, kind, ROWS + 2, ROWS + 4, HNY_BUILD_APPEND | HNY_BUILD_ERASE,
                          false);
    }
    if (flags & CONSOLIDATE) {
        (void)change_rows(sidecar, kind, ROWS, ROWS + 9, HNY_BUILD_CONSOLIDATE | HNY_BUILD_ERASE,
                          false);
    }
    if ((flags & (BUILD | CONSOLIDATE)) && !hny_reader_begin(reader)) {
        read_table(reader, kind);
        hny_reader_end(reader);
    }
    if (flags & REPLACE) {
        replace_file(sidecar, reader, kind);
    }
    hny_reader_free(reader);
    hny_sidecar_unref(sidecar);
}

static void write_image(const image *file) {
    FILE *const out = fopen(path, "wb");
    CHECK(out && fwrite(file->bytes, 1, file->size, out) == file->size && fclose(out) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static values all;
    if (!sound[0][0].bytes) {
        make_sound_files();
    }
    if (size < 2) {
        return 0;
    }
    const int kind = data[0] % KINDS, moment = data[0] / KINDS % MOMENTS;
    image *const from = &sound[kind][moment];
    image file = {malloc(from->size), from->size};
    CHECK(file.bytes);
    memcpy(file.bytes, from->bytes, file.size);
    find_values(&file, &all);
    for (size_t at = 2, i = 0; at + 8 <= size && i < MOST_CHANGES; at += 8, i++) {
        change c = {.what = data[at], .bytes = data[at + 5]};
        memcpy(&c.which, data + at + 1, 2);
        memcpy(&c.offset, data + at + 3, 2);
        memcpy(&c.to, data + at + 6, 2);
        apply_change(&file, &all, &sound[kind][!moment], &c);
    }
    if (data[1] & SEAL_ALL) {
        seal_all(&all);
    }
    if (data[1] & CUT) {
        file.size = file.size * data[1] / 256;
    }
    write_image(&file);
    free(file.bytes);
    use_file(kind, data[1]);
    remove_files();
    return 0;
}
