/*
** A build takes rows in, in any number: their codes are written into slots that nothing refers to
** yet, in transactions of bounded size, and become visible together when publish.c writes the table
** record.  A build that fails leaves codes behind that the next one writes over.
*/
#include "build/build.h"

#include <stdlib.h>

#include "base/interrupt.h"
#include "base/sort.h"
#include "sidecar/lock.h"

#define REPORT_CHANGES 1024
#define EARLY_MOVES    ((size_t)1 << 18) /* some 8 MB of pages a transaction */

/* -------------------------------------------------------------------------------------- opening -- */

static void start_over(hny_build *build) {
    const hny_shape shape = build->options.shape;
    hny__quantizer quantizer;
    hny__quantizer_init(&quantizer, shape, (hny_codes)build->options.codes);
    build->has_base = build->append = 0;
    build->ordinals = 0;
    build->record = (hny__table_record){.dim = shape.dim,
                                        .metric = shape.metric,
                                        .type = shape.type,
                                        .codes = (uint8_t)quantizer.codes,
                                        .attributes = (uint8_t)build->options.attributes,
                                        .m = build->options.m,
                                        .entry_slot = HNY__NONE,
                                        .entry_upper = HNY__NONE};
    hny__geometry_init(&build->geometry, &build->record);
}

/* The state to build upon, or a fresh start where there is none that fits. */
static int find_base(hny_build *build) {
    int rc = hny_reader_new(build->sidecar, build->table, build->options.shape,
                            build->options.attributes, &build->reader);
    if (rc) return rc;
    rc = hny_reader_begin(build->reader);
    start_over(build);
    if (rc == HNY_MISSING || rc == HNY_SHAPE) return HNY_OK;
    if (rc) return rc;
    const hny__table_record *const table = &build->reader->view.table;
    build->old_space = table->space;
    /* Another m, or other codes, take effect when the index starts over. */
    build->has_base = 1;
    build->base = build->record = *table;
    build->ordinals = table->slots;
    hny__geometry_init(&build->geometry, table);
    return HNY_OK;
}

static int take_sidecar(hny_build *build) {
    hny__env *env;
    int rc = hny__sidecar_env(build->sidecar, 1, &env);
    if (!rc && hny__env_readonly(env)) rc = HNY_IO;
    if (!rc) rc = hny__lock_take(hny_sidecar_path(build->sidecar), &build->lock);
    if (rc) return rc == HNY_MISSING ? HNY_BUSY : rc;
    /* Between opening and locking, another builder may have replaced the file. */
    if (hny__env_current(env, hny_sidecar_path(build->sidecar)) == HNY_MISSING) return HNY_BUSY;
    build->env = hny__env_ref(env);
    hny__env_drop_dead_readers(env);
    return find_base(build);
}

static void release(hny_build *build) {
    hny_reader_free(build->reader);
    build->reader = NULL;
    if (build->env) hny__env_set_progress(build->env, 0, NULL, 0, 0);
    hny__lock_release(build->lock);
    build->lock = -1;
    hny__env_unref(build->env);
    build->env = NULL;
}

int hny_build_open(hny_sidecar *sidecar, uint32_t table, const hny_options *options,
                   unsigned threads, int flags, hny_interrupt interrupt, hny_build **out) {
    hny_build *const build = calloc(1, sizeof *build);
    if (!build) return HNY_NOMEM;
    build->sidecar = hny_sidecar_ref(sidecar);
    build->lock = -1;
    build->table = table;
    build->options = *options;
    build->threads = threads;
    build->flags = flags;
    build->interrupt = interrupt;
    build->deleted_slots = roaring_bitmap_create();
    int rc = build->deleted_slots ? HNY_OK : HNY_NOMEM;
    if (!rc) rc = hny__free_ids_init(&build->slots, HNY__KIND_FREE_SLOTS);
    if (!rc) rc = hny__free_ids_init(&build->uppers, HNY__KIND_FREE_UPPER);
    if (!rc) rc = take_sidecar(build);
    if (rc == HNY_CORRUPT) {
        /* Noticed only now: with the file marked as damaged, the second try replaces it. */
        release(build);
        rc = take_sidecar(build);
    }
    if (!rc) rc = hny__staging_open(build);
    if (rc) {
        hny_build_close(build);
        return rc;
    }
    hny__env_set_progress(build->env, table, "reading", 0, 0);
    *out = build;
    return HNY_OK;
}

hny_reader *hny_build_reader(hny_build *build) {
    return build->has_base ? build->reader : NULL;
}

bool hny_build_outdated(const hny_build *build) {
    hny__quantizer quantizer;
    hny__quantizer_init(&quantizer, build->options.shape, (hny_codes)build->options.codes);
    return build->has_base &&
           (build->base.m != build->options.m || build->base.codes != quantizer.codes);
}

int hny_build_restart(hny_build *build) {
    hny_reader_end(build->reader);
    start_over(build);
    return hny__staging_open(build);
}

/*
** A thirty-second, so that a table that grows by small builds writes each link some ten times over;
** and no more than a search can scan in a tenth of a millisecond or two.
*/
uint32_t hny__unlinked_limit(uint64_t live) {
    const uint64_t most = 16384;
    return (uint32_t)(live / 32 < most ? live / 32 : most);
}

void hny_build_expect(hny_build *build, uint64_t changes) {
    build->expected = changes;
    build->append = (build->flags & HNY_BUILD_APPEND) && build->has_base &&
                    build->base.entry_slot != HNY__NONE &&
                    build->base.unlinked + changes <= hny__unlinked_limit(build->base.live);
}

uint32_t hny_build_unlinked(const hny_build *build) {
    return build->has_base ? build->base.unlinked : 0;
}

void hny_build_close(hny_build *build) {
    if (!build) return;
    release(build);
    hny_sidecar_unref(build->sidecar);
    hny__free_ids_free(&build->slots);
    hny__free_ids_free(&build->uppers);
    if (build->deleted_slots) roaring_bitmap_free(build->deleted_slots);
    hny__staging_close(build);
    free(build->new_nodes);
    free(build->moves);
    free(build->attribute_updates.slots);
    free(build->attribute_updates.attributes);
    free(build->touched);
    free(build);
}

/* -------------------------------------------------------------------------------------- writing -- */

static int prepare_body(void *arg, hny__txn *txn) {
    hny_build *const build = arg;
    hny__file_record file;
    int rc = hny__get_file_record(txn, &file);
    if (rc == HNY_MISSING) {
        hny__file_record_init(&file);
        rc = HNY_OK;
    }
    if (rc) return rc;
    build->record.space = file.next_space++;
    if (build->record.space > 0xffffffu) return HNY_CORRUPT;
    return hny__put_file_record(txn, &file);
}

int hny__build_prepare(hny_build *build) {
    if (build->record.space) return HNY_OK;
    hny_reader_end(build->reader);
    return hny__env_write(build->env, prepare_body, build);
}

int hny__build_pin(hny_build *build) {
    bool fresh;
    if (!build->has_base || build->reader->view.pinned) return HNY_OK;
    return hny__view_begin(&build->reader->view, build->env, build->table, &fresh);
}

/* ---------------------------------------------------------------------------------------- moves -- */

int hny__build_map_rowid(hny_build *build, int64_t rowid, uint32_t slot) {
    const int rc = hny__grow((void **)&build->moves, &build->moves_capacity, build->moves_count,
                             sizeof *build->moves);
    if (!rc) build->moves[build->moves_count++] = (hny__rowid_slot){rowid, slot};
    return rc;
}

static int by_rowid(const void *a, const void *b) {
    const hny__rowid_slot *const x = a, *const y = b;
    return hny__compare_int64(&x->rowid, &y->rowid);
}

static int write_moves(const hny_build *build, hny__txn *txn, size_t first, size_t last) {
    int rc = 0;
    for (size_t i = first; i < last && !rc; i++) {
        const hny__rowid_slot *const move = &build->moves[i];
        const hny__key key = hny__key_rowid(build->record.space, move->rowid);
        if (move->slot == HNY__NONE) {
            rc = hny__del(txn, &key);
        } else {
            rc = hny__put(txn, &key, &move->slot, sizeof move->slot);
        }
    }
    return rc;
}

int hny__build_write_rowids(const hny_build *build, hny__txn *txn) {
    return write_moves(build, txn, 0, build->moves_count);
}

/* Some of the moves. */
typedef struct early {
    const hny_build *build;
    size_t first, last;
} early;

static int early_body(void *arg, hny__txn *txn) {
    const early *const e = arg;
    return write_moves(e->build, txn, e->first, e->last);
}

int hny__build_sort_rowids(hny_build *build) {
    const size_t count = build->moves_count;
    early e = {build, 0, 0};
    int rc = HNY_OK;
    if (count) qsort(build->moves, count, sizeof *build->moves, by_rowid);
    if (build->has_base) return HNY_OK;
    for (; e.first < count && !rc; e.first = e.last) {
        e.last = count - e.first > EARLY_MOVES ? e.first + EARLY_MOVES : count;
        rc = hny__env_write(build->env, early_body, &e);
    }
    free(build->moves);
    build->moves = NULL;
    build->moves_count = build->moves_capacity = 0;
    return rc;
}

/* --------------------------------------------------------------------------------- taking it in -- */

int hny__build_add_node(hny_build *build, hny__new_node new_node) {
    const int rc = hny__grow((void **)&build->new_nodes, &build->new_nodes_capacity,
                             build->new_nodes_count, sizeof *build->new_nodes);
    if (!rc) build->new_nodes[build->new_nodes_count++] = new_node;
    return rc;
}

static int note_touched(hny_build *build, int64_t rowid) {
    if (++build->changes % REPORT_CHANGES == 0) {
        hny__env_set_progress(build->env, build->table, "reading", build->changes, build->expected);
        if (hny__interrupted(build->interrupt)) return HNY_INTERRUPT;
    }
    if (!build->has_base) return HNY_OK;
    const int rc = hny__grow((void **)&build->touched, &build->touched_capacity,
                             build->touched_count, sizeof *build->touched);
    if (!rc) build->touched[build->touched_count++] = rowid;
    return rc;
}

/* The slot that the base has for a rowid; HNY_MISSING: none. */
static int find(hny_build *build, int64_t rowid, uint32_t *slot) {
    const int rc = build->has_base ? hny__build_pin(build) : HNY_MISSING;
    return rc ? rc : hny__view_find(&build->reader->view, rowid, slot);
}

static int kill_slot(hny_build *build, uint32_t slot) {
    if (!roaring_bitmap_add_checked(build->deleted_slots, slot)) return HNY_CORRUPT;
    if (build->record.live == 0) return HNY_CORRUPT;
    build->record.live--;
    build->record.deleted++;
    return HNY_OK;
}

/* Has the slot of the base the codes that lie behind the staged ones? */
static int unchanged(hny_build *build, uint32_t slot, const uint8_t *code,
                     const uint8_t *residual) {
    hny__view *const view = &build->reader->view;
    const hny__quantizer *const quantizer = &build->geometry.quantizer;
    const uint8_t *const old = hny__view_code(view, slot);
    const uint8_t *const old_residual = hny__view_residual(view, slot);
    if (!old || (quantizer->residual_bytes && !old_residual)) return view->status;
    return memcmp(old, code, quantizer->format.row_bytes) == 0 &&
           (!old_residual || memcmp(old_residual, residual, quantizer->residual_bytes) == 0);
}

/* The row stays in its slot; its attributes change where they differ. */
static int recell(hny_build *build, uint32_t slot, const hny_attribute *attributes) {
    hny__attribute_updates *const attribute_updates = &build->attribute_updates;
    const uint32_t width = build->record.attributes;
    if (!width) return HNY_OK;
    const hny_attribute *const old = hny__view_attributes(&build->reader->view, slot);
    if (!old) return build->reader->view.status;
    if (memcmp(old, attributes, width * sizeof *attributes) == 0) return HNY_OK;
    int rc = hny__grow((void **)&attribute_updates->slots, &attribute_updates->slots_capacity,
                       attribute_updates->count, sizeof *attribute_updates->slots);
    if (!rc) {
        rc = hny__grow((void **)&attribute_updates->attributes, &attribute_updates->cells_capacity,
                       attribute_updates->count, width * sizeof *attributes);
    }
    if (rc) return rc;
    memcpy(attribute_updates->attributes + attribute_updates->count * width, attributes,
           width * sizeof *attributes);
    attribute_updates->slots[attribute_updates->count++] = slot;
    return HNY_OK;
}

int hny_build_put(hny_build *build, int64_t rowid, const void *vector,
                  const hny_attribute *attributes) {
    const hny__quantizer *const quantizer = &build->geometry.quantizer;
    const hny__staging *const stage = &build->stage;
    const uint32_t width = build->record.attributes;
    uint8_t *const code = stage->codes + stage->count * quantizer->format.row_bytes;
    uint8_t *const residual = stage->residual + stage->count * quantizer->residual_bytes;
    uint32_t slot;
    int rc = note_touched(build, rowid);
    if (rc) return rc;
    hny__encode(&build->encoder, vector, code, residual);
    if (width)
        memcpy(stage->attributes + stage->count * width, attributes, width * sizeof *attributes);
    rc = find(build, rowid, &slot);
    if (!rc) {
        const int same = unchanged(build, slot, code, residual);
        if (same) return same > 0 ? recell(build, slot, attributes) : same;
        rc = kill_slot(build, slot);
    } else if (rc == HNY_MISSING) {
        rc = HNY_OK;
    }
    return rc ? rc : hny__staging_add(build, rowid);
}

int hny_build_remove(hny_build *build, int64_t rowid) {
    uint32_t slot;
    int rc = note_touched(build, rowid);
    if (!rc) rc = find(build, rowid, &slot);
    if (rc) return rc == HNY_MISSING ? HNY_OK : rc;
    rc = kill_slot(build, slot);
    return rc ? rc : hny__build_map_rowid(build, rowid, HNY__NONE);
}
