/*
** Opening a build and taking changes in.
**
** Codes of new rows are written to slots that nothing refers to yet, in transactions of bounded
** size, and become visible together when publish.c writes the table's record.  A build that fails
** leaves codes behind, which the next build overwrites.
*/
#include <stdlib.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "base/os_thread.h"
#include "base/status.h"
#include "build/staging.h"
#include "build/state.h"

#define REPORT_CHANGES 1024 /* changes between two polls of the interrupt */

/* ----------------------------------------------------------------------------------- opening -- */

/* Sets what the build would publish to an empty table of its options. */
static void start_from_nothing(hny_build *build) {
    const hny_shape shape = build->options.shape;
    hny__quantizer quantizer;
    hny__quantizer_init(&quantizer, shape, (hny_codes)build->options.codes);
    build->has_base = build->appends = build->refit.needed = false;
    build->ordinals = 0;
    build->record = (hny__table_record){.dim = shape.dim,
                                        .metric = shape.metric,
                                        .type = shape.type,
                                        .codes = (uint8_t)quantizer.codes,
                                        .attributes = (uint8_t)build->options.attributes,
                                        .attribute_set = build->options.attribute_set,
                                        .m = build->options.m,
                                        HNY__EMPTY_TABLE};
    hny__geometry_init(&build->geometry, &build->record);
}

/* The attributes of the base are of another set: all of them are replaced. */
static int start_refit(hny_build *build) {
    const size_t bytes =
        (size_t)build->base.slots * build->options.attributes * sizeof *build->refit.attributes;
    build->refit.needed = true;
    build->refit.slots = roaring_bitmap_create();
    build->refit.attributes = malloc(bytes + 1);
    build->record.attributes = (uint8_t)build->options.attributes;
    build->record.attribute_set = build->options.attribute_set;
    build->record.attribute_space = 0;
    return build->refit.slots && build->refit.attributes ? HNY_OK : HNY_NOMEM;
}

static void free_refit(hny__refit *refit) {
    free(refit->attributes);
    if (refit->slots) {
        roaring_bitmap_free(refit->slots);
    }
    *refit = (hny__refit){.needed = false};
}

/*
** Starts from the newest state of the table, if there is one of this shape.  Another m, or other
** codes, take effect when the index starts over.
*/
static int start_from_newest_state(hny_build *build) {
    int rc =
        hny_reader_new(build->sidecar, build->table, build->options.shape,
                       build->options.attributes, build->options.attribute_set, &build->reader);
    if (rc) {
        return rc;
    }
    start_from_nothing(build);
    rc = hny_reader_begin(build->reader);
    if (rc) {
        return rc == HNY_MISSING || rc == HNY_SHAPE ? HNY_OK : rc;
    }
    build->has_base = true;
    build->base = build->record = build->reader->view.table;
    build->old_space = build->base.space;
    build->old_attribute_space = build->base.attribute_space;
    build->ordinals = build->base.slots;
    if (!hny_reader_has_attributes(build->reader)) {
        rc = start_refit(build);
    }
    hny__geometry_init(&build->geometry, &build->record);
    return rc;
}

int hny__build_take(hny_build *build) {
    return hny__env_lock(build->env, hny_sidecar_path(build->sidecar), HNY__LOCK_BUILDER,
                         &build->lock);
}

#define LOCK_POLL_MS 2

int hny__build_await(hny_build *build) {
    const char *const path = hny_sidecar_path(build->sidecar);
    int rc;
    while ((rc = hny__build_take(build)) == HNY_BUSY) {
        if (hny__interrupted(build->interrupt)) {
            return HNY_INTERRUPT;
        }
        hny__os_sleep(LOCK_POLL_MS);
    }
    return !rc && hny__env_current(build->env, path) == HNY_MISSING ? HNY_BUSY : rc;
}

int hny__build_take_graph(hny_build *build) {
    return build->link_lock.held ? HNY_OK
                                 : hny__env_lock(build->env, hny_sidecar_path(build->sidecar),
                                                 HNY__LOCK_LINKER, &build->link_lock);
}

int hny__build_reserve(hny_build *build) {
    return hny__disk_hold(hny_sidecar_path(build->sidecar), build->reserve_bytes, &build->reserve);
}

void hny__build_release(hny_build *build) {
    if (build->reserve != HNY__OS_NO_FILE) {
        hny__os_file_close(build->reserve);
        build->reserve = HNY__OS_NO_FILE;
    }
}

static int lock_sidecar(hny_build *build) {
    const char *const path = hny_sidecar_path(build->sidecar);
    hny__env *env;
    int rc = hny__sidecar_env(build->sidecar, !(build->flags & HNY_BUILD_LINK), &env);
    if (!rc && hny__env_readonly(env)) {
        rc = HNY_IO;
    }
    if (!rc) {
        build->env = hny__env_ref(env);
    }
    if (!rc && !(build->flags & HNY_BUILD_LINK)) {
        rc = hny__build_take(build);
    }
    if (!rc && !(build->flags & HNY_BUILD_DEFER)) {
        rc = hny__build_take_graph(build);
    }
    if (rc) {
        return rc == HNY_MISSING ? HNY_BUSY : rc;
    }
    /* Between opening and locking, another builder may have replaced the file. */
    if (hny__env_current(env, path) == HNY_MISSING) {
        return HNY_BUSY;
    }
    hny__env_drop_dead_readers(env);
    hny__shrink_clean(build);
    return start_from_newest_state(build);
}

static void unlock_sidecar(hny_build *build) {
    free_refit(&build->refit);
    hny_reader_free(build->reader);
    build->reader = NULL;
    if (build->lock.held || build->link_lock.held) {
        hny__env_set_progress(build->env, hny__build_kind(build), 0, NULL, 0, 0);
    }
    hny__env_unlock(build->env, HNY__LOCK_BUILDER, &build->lock);
    hny__env_unlock(build->env, HNY__LOCK_LINKER, &build->link_lock);
    hny__env_unref(build->env);
    build->env = NULL;
}

int hny_build_open(hny_sidecar *sidecar, uint32_t table, const hny_options *options,
                   const hny_build_limits *limits, int flags, hny_build **out) {
    hny_build *const build = calloc(1, sizeof *build);
    if (!build) {
        return HNY_NOMEM;
    }
    build->sidecar = hny_sidecar_ref(sidecar);
    build->reserve = HNY__OS_NO_FILE;
    build->table = table;
    build->options = *options;
    build->threads = limits->threads;
    build->flags = flags;
    build->link = limits->link;
    build->interrupt = limits->interrupt;
    hny__size_signal_hold(&build->size_signal);
    build->deleted_slots = roaring_bitmap_create();
    int rc = build->deleted_slots ? HNY_OK : HNY_NOMEM;
    if (!rc) {
        rc = hny__free_ids_init(&build->slots, HNY__KIND_FREE_SLOTS);
    }
    if (!rc) {
        rc = hny__free_ids_init(&build->uppers, HNY__KIND_FREE_UPPER);
    }
    build->reserve_bytes = limits->reserve;
    if (!rc && !(flags & HNY_BUILD_LINK)) {
        rc = hny__build_reserve(build);
    }
    if (!rc) {
        rc = lock_sidecar(build);
    }
    if (hny__status_replaces(rc) && !(flags & HNY_BUILD_LINK)) {
        /* The environment is marked as damaged or broken now: the second attempt replaces it. */
        unlock_sidecar(build);
        rc = lock_sidecar(build);
    }
    if (!rc) {
        rc = hny__staging_open(build);
    }
    if (rc) {
        hny_build_close(build);
        return rc;
    }
    hny__build_progress(build, "reading", 0, 0);
    *out = build;
    return HNY_OK;
}

void hny_build_close(hny_build *build) {
    if (!build) {
        return;
    }
    unlock_sidecar(build);
    hny_sidecar_unref(build->sidecar);
    hny__free_ids_free(&build->slots);
    hny__free_ids_free(&build->uppers);
    if (build->deleted_slots) {
        roaring_bitmap_free(build->deleted_slots);
    }
    hny__staging_close(build);
    hny__build_release(build);
    hny__size_signal_release(&build->size_signal);
    free(build->new_nodes);
    free(build->row_refs);
    free(build->moves);
    free(build->attribute_updates.slots);
    free(build->attribute_updates.attributes);
    free(build->touched);
    free(build);
}

/* ---------------------------------------------------------------------------- before changes -- */

hny_reader *hny_build_reader(hny_build *build) {
    return build->has_base ? build->reader : NULL;
}

bool hny_build_outdated(const hny_build *build) {
    hny__quantizer quantizer;
    hny__quantizer_init(&quantizer, build->options.shape, (hny_codes)build->options.codes);
    return build->has_base &&
           (build->base.m != build->options.m || build->base.codes != quantizer.codes);
}

bool hny_build_refits(const hny_build *build) {
    return build->refit.needed;
}

uint32_t hny_build_vacant(const hny_build *build, uint32_t *rows) {
    *rows = build->record.live;
    return build->record.slots - build->record.live;
}

uint32_t hny_build_unlinked(const hny_build *build) {
    return build->has_base ? build->base.unlinked : 0;
}

bool hny_build_unerased(const hny_build *build) {
    const bool nodes = (build->flags & HNY_BUILD_CONSOLIDATE) && build->base.deleted;
    return (build->flags & HNY_BUILD_ERASE) && build->has_base && (!build->base.erased || nodes);
}

int hny_build_restart(hny_build *build) {
    const int taken = hny__build_take_graph(build);
    if (taken) {
        return taken;
    }
    hny_reader_end(build->reader);
    start_from_nothing(build);
    return hny__staging_open(build);
}

void hny_build_expect(hny_build *build, uint64_t changes) {
    build->expected = changes;
    const hny__table_record *const base = build->has_base ? &build->base : NULL;
    if (build->flags & HNY_BUILD_DEFER) {
        build->appends = true; /* row_moves.h: what becomes of free slots */
    } else {
        build->appends = build->flags & HNY_BUILD_APPEND && base && base->entry_slot != HNY__NONE &&
                         base->unlinked + changes <= hny__unlinked_limit(base->live);
    }
}

/* ----------------------------------------------------------------------------------- changes -- */

static int count_change(hny_build *build) {
    if (++build->changes % REPORT_CHANGES == 0) {
        hny__build_progress(build, "reading", build->changes, build->expected);
        if (hny__interrupted(build->interrupt)) {
            return HNY_INTERRUPT;
        }
    }
    return HNY_OK;
}

static int touch_rowid(hny_build *build, int64_t rowid) {
    if (!build->has_base) {
        return HNY_OK;
    }
    const int rc = hny__grow((void **)&build->touched, &build->touched_capacity,
                             build->touched_count, sizeof *build->touched);
    if (!rc) {
        build->touched[build->touched_count++] = rowid;
    }
    return rc;
}

static int note_change(hny_build *build, int64_t rowid) {
    const int rc = count_change(build);
    return rc ? rc : touch_rowid(build, rowid);
}

/* The slot of a rowid in the base; HNY_MISSING: it has none. */
static int find_base_slot(hny_build *build, int64_t rowid, uint32_t *slot) {
    const int rc = build->has_base ? hny__build_pin(build) : HNY_MISSING;
    return rc ? rc : hny__view_find(&build->reader->view, rowid, slot);
}

static int delete_slot(hny_build *build, uint32_t slot) {
    if (!roaring_bitmap_add_checked(build->deleted_slots, slot)) {
        return HNY_CORRUPT;
    }
    if (build->record.live == 0) {
        return HNY_CORRUPT;
    }
    build->record.live--;
    build->record.deleted++;
    return HNY_OK;
}

/* Does the slot of the base have these codes?  1, 0 or a status. */
static int test_base_codes(hny_build *build, uint32_t slot, const hny__staged_row *staged) {
    hny__view *const view = &build->reader->view;
    const hny__quantizer *const quantizer = &build->geometry.quantizer;
    const uint8_t *const code = hny__view_code(view, slot);
    const uint8_t *const residual = hny__view_residual(view, slot);
    if (!code || (quantizer->residual_bytes && !residual)) {
        return view->status;
    }
    const int rc = hny__view_confirm(view, slot, code);
    if (rc) {
        return rc;
    }
    return hny__view_has_codes(view, slot, staged->code, staged->residual);
}

/* For a row that stays in its slot: what the map of rowids has of it. */
static int map_attributes(hny_build *build, int64_t rowid, uint32_t slot,
                          const hny_attribute *attributes) {
    hny__view *const view = &build->reader->view;
    const uint8_t *const code = hny__view_code(view, slot);
    if (!code) {
        return view->status;
    }
    const hny__row_parts row = {code, hny__view_residual(view, slot),
                                build->record.attributes ? attributes : NULL};
    if (view->status) {
        return view->status;
    }
    const uint32_t check = hny__row_check(&build->geometry, slot, &row);
    return hny__build_map_row(build, (hny__row_ref){rowid, slot, check});
}

/* For a row that stays in its slot, of a base whose attributes are replaced. */
static int refit_row(hny_build *build, int64_t rowid, uint32_t slot,
                     const hny_attribute *attributes) {
    const size_t width = build->record.attributes;
    if (!roaring_bitmap_add_checked(build->refit.slots, slot)) {
        return HNY_CORRUPT;
    }
    if (width) {
        memcpy(build->refit.attributes + slot * width, attributes, width * sizeof *attributes);
    }
    return map_attributes(build, rowid, slot, attributes);
}

/* For a row that stays in its slot: notes its attributes if they differ. */
static int update_attributes(hny_build *build, int64_t rowid, uint32_t slot,
                             const hny_attribute *attributes) {
    hny__attribute_updates *const updates = &build->attribute_updates;
    const uint32_t width = build->record.attributes;
    const size_t bytes = width * sizeof *attributes;
    if (build->refit.needed) {
        return refit_row(build, rowid, slot, attributes);
    }
    if (!width) {
        return HNY_OK;
    }
    hny__view *const view = &build->reader->view;
    const hny_attribute *const old = hny__view_attributes(view, slot);
    if (!old) {
        return view->status;
    }
    if (memcmp(old, attributes, bytes) == 0) {
        return HNY_OK;
    }
    int rc = hny__grow((void **)&updates->slots, &updates->slots_capacity, updates->count,
                       sizeof *updates->slots);
    if (!rc) {
        rc = hny__grow((void **)&updates->attributes, &updates->attributes_capacity, updates->count,
                       bytes);
    }
    if (rc) {
        return rc;
    }
    memcpy(updates->attributes + updates->count * width, attributes, bytes);
    updates->slots[updates->count++] = slot;
    return map_attributes(build, rowid, slot, attributes);
}

/* Compares the row with the base.  1: it has it, in *slot; 0: it has another one; or a status. */
static int find_unchanged(hny_build *build, int64_t rowid, const hny__staged_row *staged,
                          uint32_t *slot) {
    const int rc = find_base_slot(build, rowid, slot);
    return rc ? rc : test_base_codes(build, *slot, staged);
}

static int put_row(hny_build *build, int64_t rowid, const void *vector,
                   const hny_attribute *attributes, bool touches) {
    const uint32_t width = build->record.attributes;
    const hny__staged_row staged = hny__staging_next(build);
    uint32_t slot;
    int rc = count_change(build);
    if (rc) {
        return rc;
    }
    hny__encode(&build->encoder, vector, staged.code, staged.residual);
    if (width) {
        memcpy(staged.attributes, attributes, width * sizeof *attributes);
    }
    const int unchanged = find_unchanged(build, rowid, &staged, &slot);
    if (unchanged < 0 && unchanged != HNY_MISSING) {
        return unchanged;
    }
    if (touches || unchanged != 1) {
        rc = touch_rowid(build, rowid);
    }
    if (!rc && unchanged == 1) {
        return update_attributes(build, rowid, slot, attributes);
    }
    if (!rc && unchanged == 0) {
        rc = delete_slot(build, slot);
    }
    return rc ? rc : hny__staging_add(build, rowid);
}

static int remove_row(hny_build *build, int64_t rowid) {
    uint32_t slot;
    int rc = note_change(build, rowid);
    if (!rc) {
        rc = find_base_slot(build, rowid, &slot);
    }
    if (rc) {
        return rc == HNY_MISSING ? HNY_OK : rc;
    }
    rc = delete_slot(build, slot);
    return rc ? rc : hny__build_map_row(build, (hny__row_ref){rowid, HNY__NONE, 0});
}

int hny_build_put(hny_build *build, int64_t rowid, const void *vector,
                  const hny_attribute *attributes) {
    return hny__build_note(build, put_row(build, rowid, vector, attributes, true));
}

int hny_build_keep(hny_build *build, int64_t rowid, const void *vector,
                   const hny_attribute *attributes) {
    return hny__build_note(build, put_row(build, rowid, vector, attributes, false));
}

int hny_build_remove(hny_build *build, int64_t rowid) {
    return hny__build_note(build, remove_row(build, rowid));
}

/* Is it a row of the base that this build has neither put nor removed? */
static bool is_left_over(hny_build *build, uint32_t slot) {
    return !roaring_bitmap_contains(build->refit.slots, slot) &&
           !roaring_bitmap_contains(build->deleted_slots, slot) &&
           !hny__view_deleted(&build->reader->view, slot);
}

int hny__build_drop_left_over(hny_build *build) {
    int rc = build->refit.needed ? hny__build_pin(build) : HNY_OK;
    for (uint32_t slot = 0; build->refit.needed && slot < build->base.slots && !rc; slot++) {
        if (is_left_over(build, slot)) {
            rc = remove_row(build, hny__view_rowid(&build->reader->view, slot));
        }
        if (!rc) {
            rc = build->reader->view.status;
        }
    }
    return rc;
}
