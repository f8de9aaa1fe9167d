/* Readers: pinning a table's newest state, its boundaries, the mask, and figures. */
#include "read/reader.h"

#include <stdlib.h>

#include "base/free_memory.h"
#include "base/os_map.h"
#include "read/warmup.h"
#include "sidecar/records.h"

static void drop_encoder(hny_reader *reader) {
    hny__encoder_free(&reader->encoder);
    hny__os_free_aligned(reader->code);
    free(reader->residual);
    reader->code = reader->residual = NULL;
}

int hny__reader_make_encoder(hny_reader *reader) {
    const hny__quantizer *const quantizer = &reader->view.geometry.quantizer;
    if (reader->code && reader->encoder.quantizer.codes == quantizer->codes) {
        return HNY_OK;
    }
    drop_encoder(reader);
    const int rc = hny__encoder_init(&reader->encoder, quantizer);
    if (rc) {
        return rc;
    }
    reader->code = hny__os_alloc_aligned(64, quantizer->format.row_bytes);
    reader->residual = malloc(quantizer->residual_bytes + 1);
    if (reader->code && reader->residual) {
        return HNY_OK;
    }
    drop_encoder(reader);
    return HNY_NOMEM;
}

int hny_reader_new(hny_sidecar *sidecar, uint32_t table, hny_shape shape, uint32_t attributes,
                   uint32_t attribute_set, hny_reader **out) {
    hny_reader *const reader = calloc(1, sizeof *reader);
    if (!reader) {
        return HNY_NOMEM;
    }
    reader->sidecar = hny_sidecar_ref(sidecar);
    reader->table = table;
    reader->shape = shape;
    reader->attributes = attributes;
    reader->attribute_set = attribute_set;
    reader->status = HNY_MISSING;
    hny__paging_init(&reader->paging);
    *out = reader;
    return HNY_OK;
}

static void drop_mask(hny_reader *reader) {
    if (reader->mask) {
        roaring_bitmap_free(reader->mask);
    }
    reader->mask = NULL;
}

static void drop_env(hny_reader *reader) {
    reader->warmed_up = false;
    hny__view_free(&reader->view);
    hny__env_unref(reader->env);
    reader->env = NULL;
}

void hny_reader_free(hny_reader *reader) {
    if (!reader) {
        return;
    }
    drop_env(reader);
    drop_mask(reader);
    hny__filter_cache_clear(&reader->filters);
    hny__beam_free(&reader->beam);
    hny__asks_free(&reader->asks);
    hny__rerank_free(&reader->rerank);
    free(reader->measured);
    drop_encoder(reader);
    hny_sidecar_unref(reader->sidecar);
    free(reader);
}

/* ----------------------------------------------------------------------------------- pinning -- */

static bool has_reader_shape(const hny_reader *reader) {
    const hny__table_record *const table = &reader->view.table;
    return table->dim == reader->shape.dim && table->metric == reader->shape.metric &&
           table->type == reader->shape.type;
}

static bool has_reader_attributes(const hny_reader *reader) {
    const hny__table_record *const table = &reader->view.table;
    return table->attributes == reader->attributes && table->attribute_set == reader->attribute_set;
}

static int pin_newest_state(hny_reader *reader, bool *fresh) {
    hny__env *env;
    int rc = hny__sidecar_env(reader->sidecar, false, &env);
    if (rc) {
        drop_env(reader);
        return rc;
    }
    if (env != reader->env) {
        drop_env(reader);
        reader->env = hny__env_ref(env);
    }
    rc = hny__view_begin(&reader->view, env, reader->table, fresh);
    if (rc == HNY_CORRUPT) {
        hny__env_set_damaged(env);
    }
    if (!rc && !has_reader_shape(reader)) {
        hny__view_end(&reader->view);
        rc = HNY_SHAPE;
    }
    reader->view.foreign_attributes = !rc && !has_reader_attributes(reader);
    return rc;
}

bool hny_reader_has_attributes(const hny_reader *reader) {
    return !reader->view.foreign_attributes;
}

#define SAMPLED_PAGES 64 /* 20 us */

/* Does all of the sidecar fit into free memory, with a quarter of that left? */
static bool fits_memory(const hny_reader *reader) {
    return hny__env_bytes(reader->env) <= hny__free_memory() / 4 * 3;
}

/* The first time that the reader sees a file. */
static void warm_up(hny_reader *reader) {
    const bool absent = hny__count_absent_pages(&reader->view, SAMPLED_PAGES) > 0;
    const size_t budget = hny__warmup_budget(SIZE_MAX);
    hny__paging_open(&reader->paging, absent);
    hny__read_ahead_begin(&reader->ahead, absent && budget == SIZE_MAX &&
                                              hny__paging_adapts(&reader->paging) &&
                                              fits_memory(reader));
    hny__warmup(&reader->view, budget == SIZE_MAX ? 0 : budget);
    reader->warmed_up = true;
}

int hny_reader_begin(hny_reader *reader) {
    bool fresh = false;
    const int rc = pin_newest_state(reader, &fresh);
    if (fresh || rc != reader->status) {
        reader->version++;
        drop_mask(reader);
        hny__filter_cache_clear(&reader->filters);
    }
    reader->status = rc;
    if (!rc && !reader->warmed_up) {
        warm_up(reader);
    }
    return rc;
}

void hny_reader_end(hny_reader *reader) {
    hny__view_end(&reader->view);
}

bool hny_reader_intact(const hny_reader *reader) {
    return hny__txn_intact(reader->view.txn);
}

uint64_t hny_reader_version(const hny_reader *reader) {
    return reader->version;
}

/* -------------------------------------------------------------------------------- boundaries -- */

static int get_boundary(hny__view *view, uint32_t age, hny_boundary *boundary, uint64_t *digest,
                        uint64_t *older_digest, int64_t **ids, size_t *count) {
    const hny__table_record *const table = &view->table;
    const uint32_t number = table->first_boundary + table->boundaries - 1 - age;
    return hny__get_boundary(view->txn, table->space, number, boundary, digest, older_digest, ids,
                             count);
}

/* What the digest of a boundary must be: the record has the newest one's, each that before it. */
static int find_boundary_digest(hny__view *view, uint32_t age, uint64_t *expected) {
    hny_boundary unused;
    uint64_t digest;
    *expected = view->table.boundary_digest;
    return age ? get_boundary(view, age - 1, &unused, &digest, expected, NULL, NULL) : HNY_OK;
}

/* The oldest boundary has another digest than at first, since its ids are dropped. */
static int read_boundary(hny_reader *reader, uint32_t age, hny_boundary *boundary, int64_t **ids,
                         size_t *count) {
    hny__view *const view = &reader->view;
    const uint32_t boundaries = view->table.boundaries;
    uint64_t digest, older_digest, expected = 0;
    if (age >= boundaries) {
        return HNY_MISSING;
    }
    int rc = find_boundary_digest(view, age, &expected);
    if (!rc) {
        rc = get_boundary(view, age, boundary, &digest, &older_digest, ids, count);
    }
    if (!rc && digest != expected && (age == 0 || age + 1 < boundaries)) {
        if (ids) {
            free(*ids);
        }
        rc = HNY_CORRUPT;
    }
    if (rc == HNY_CORRUPT) {
        hny__env_set_damaged(view->env);
    }
    return rc;
}

int hny_reader_boundary(hny_reader *reader, uint32_t age, hny_boundary *out) {
    return read_boundary(reader, age, out, NULL, NULL);
}

int hny_reader_touched(hny_reader *reader, uint32_t age, int64_t **ids, size_t *count) {
    hny_boundary unused;
    if (age + 1 >= reader->view.table.boundaries) {
        return HNY_MISSING;
    }
    return read_boundary(reader, age, &unused, ids, count);
}

/* -------------------------------------------------------------------------------------- mask -- */

int hny_reader_mask_more(hny_reader *reader, const int64_t *ids, size_t count) {
    if (!reader->mask && count) {
        reader->mask = roaring_bitmap_create();
        if (!reader->mask) {
            return HNY_NOMEM;
        }
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t slot;
        const int rc = hny__view_find(&reader->view, ids[i], &slot);
        if (rc == HNY_OK) {
            roaring_bitmap_add(reader->mask, slot);
        } else if (rc != HNY_MISSING) {
            return rc;
        }
    }
    return HNY_OK;
}

int hny_reader_mask(hny_reader *reader, const int64_t *ids, size_t count) {
    drop_mask(reader);
    const int rc = hny_reader_mask_more(reader, ids, count);
    if (rc) {
        drop_mask(reader);
    } else if (reader->mask) {
        roaring_bitmap_run_optimize(reader->mask);
    }
    return rc;
}

bool hny__reader_hidden(hny_reader *reader, uint32_t slot) {
    if (reader->mask && roaring_bitmap_contains(reader->mask, slot)) {
        return true;
    }
    return reader->view.table.deleted + reader->view.table.free_slots > 0 &&
           hny__view_deleted(&reader->view, slot);
}

/* -------------------------------------------------------------------------------------- rows -- */

int hny__reader_measure(hny_reader *reader, uint32_t slot, hny_hit *out) {
    hny__view *const view = &reader->view;
    const uint8_t *const code = hny__view_code(view, slot);
    const uint8_t *const residual = hny__view_residual(view, slot);
    if (!code || (view->geometry.quantizer.residual_bytes && !residual)) {
        return view->status;
    }
    out->distance =
        hny__encoder_distance(&reader->encoder, reader->code, code, residual, &out->error);
    out->rowid = hny__rowid_of(&view->geometry.layout[HNY__CODES], code);
    return HNY_OK;
}

int hny__reader_confirm(hny_reader *reader, uint32_t slot) {
    const uint8_t *const code = hny__view_code(&reader->view, slot);
    return code ? hny__view_confirm(&reader->view, slot, code) : reader->view.status;
}

/* These two return 1, 0 or a status. */

static int test_codes(hny_reader *reader, uint32_t slot, const void *vector) {
    hny__view *const view = &reader->view;
    const hny__quantizer *const quantizer = &view->geometry.quantizer;
    const uint8_t *const code = hny__view_code(view, slot);
    const uint8_t *const residual = hny__view_residual(view, slot);
    if (!code || (quantizer->residual_bytes && !residual)) {
        return view->status;
    }
    const int rc = hny__reader_make_encoder(reader);
    if (rc) {
        return rc;
    }
    hny__encode(&reader->encoder, vector, reader->code, reader->residual);
    return hny__view_has_codes(view, slot, reader->code, reader->residual);
}

static int test_attributes(hny_reader *reader, uint32_t slot, const hny_attribute *attributes) {
    if (!reader->attributes || reader->view.foreign_attributes) {
        return 1;
    }
    const hny_attribute *const stored = hny__view_attributes(&reader->view, slot);
    if (!stored) {
        return reader->view.status;
    }
    return memcmp(stored, attributes, reader->attributes * sizeof *attributes) == 0;
}

int hny_reader_holds(hny_reader *reader, int64_t rowid, const void *vector,
                     const hny_attribute *attributes) {
    hny__view *const view = &reader->view;
    uint32_t slot;
    int rc = hny__view_find(view, rowid, &slot);
    if (rc) {
        return rc == HNY_MISSING ? 0 : rc;
    }
    if (hny__view_rowid(view, slot) != rowid || hny__view_deleted(view, slot)) {
        return view->status;
    }
    rc = test_attributes(reader, slot, attributes);
    return rc == 1 ? test_codes(reader, slot, vector) : rc;
}

/* ----------------------------------------------------------------------------------- figures -- */

uint32_t hny_reader_ef(const hny_reader *reader, uint64_t k, double recall) {
    return hny__ef_for(&reader->view.table, k, recall);
}

static int count_all_links(hny__view *view, uint64_t *links) {
    const hny__layout *const layout = &view->geometry.layout[HNY__LINKS];
    *links = 0;
    for (uint32_t number = 0; number < view->blocks[HNY__LINKS].count; number++) {
        const uint8_t *const block = hny__view_block(view, HNY__LINKS, number);
        if (!block) {
            return view->status;
        }
        for (uint32_t i = 0; i < layout->per_block; i++) {
            *links += hny__count_at(block, i);
        }
    }
    return HNY_OK;
}

int hny_reader_stats(hny_reader *reader, bool count_links, hny_stats *out) {
    hny__view *const view = &reader->view;
    const hny__table_record *const table = &view->table;
    memset(out, 0, sizeof *out);
    const int rc = hny_reader_boundary(reader, 0, &out->boundary);
    if (rc) {
        return rc;
    }
    out->rows = table->live;
    out->nodes = (uint64_t)table->live + table->deleted - table->unlinked - table->copies;
    out->unlinked = table->unlinked;
    out->deleted = table->deleted;
    out->levels = table->entry_slot == HNY__NONE ? 0 : table->entry_level + 1;
    out->bytes = hny__env_bytes(view->env);
    out->boundaries = table->boundaries;
    out->m = table->m;
    out->codes = table->codes;
    return count_links ? count_all_links(view, &out->links) : HNY_OK;
}
