/*
** Interface to view.c: the pinned state of a table.
**
** A view is one committed state of one table.  Pointers into the map stay valid while the
** transaction id stays the same, so they are kept between calls and resolved lazily, block by
** block: after a small build a reader must not resolve all blocks again.  The digest of a block is
** checked when its pointer is resolved, that of a row of codes when the row is first read.
*/
#ifndef HNY_VIEW_H
#define HNY_VIEW_H

#include <stdbool.h>

#include "sidecar/env.h"
#include "sidecar/format.h"
#include "simd/prefetch_line.h"

typedef struct hny__view {
    hny__env *env; /* the caller's; NULL: nothing was read yet */
    hny__txn *txn;
    size_t txn_id; /* of the state that the pointers belong to */
    bool pinned;   /* between begin and end */
    int status;    /* sticky: why the first block could not be read */
    int absent;    /* why this state has no such table, or 0 */
    uint32_t table_id;
    hny__table_record table;
    bool foreign_attributes; /* set by a reader that knows another set of attributes */
    hny__geometry geometry;
    struct {
        const uint8_t **data; /* NULL: not resolved yet */
        uint32_t count, capacity;
    } blocks[HNY__FAMILIES];
    bool borrowed;       /* the blocks are another view's */
    uint8_t *marks;      /* see below; NULL: not made for this state */
    uint8_t *marks_kept; /* their memory, kept for the next state */
    size_t marks_capacity;
    uint8_t epoch;       /* of the last search, above HNY__VERIFIED */
    uint64_t *confirmed; /* a bit for each slot whose row the map has; NULL: not made yet */
} hny__view;

/*
** Marks: a byte for each slot, then one for each upper row.  0: unchecked; HNY__VERIFIED: the
** digest of its row of codes was checked; above that: checked, and the epoch of the search that
** visited it last (beam_search.c).  A search needs both facts of a node at once.
*/
#define HNY__VERIFIED 1

/*
** Pins the newest state of a table.  HNY_MISSING: the sidecar has no such table.  *fresh tells
** whether the state is another one than at the last begin.  On failure nothing is pinned.
*/
int hny__view_begin(hny__view *view, hny__env *env, uint32_t table, bool *fresh);

/* The marks of a family's nodes, of level 0 or above it. */
static inline uint8_t *hny__view_marks(const hny__view *view, hny__family family) {
    return view->marks + (family == HNY__UPPER ? view->table.slots : 0);
}

/* Makes the marks of a pinned view, if it has none.  HNY_OK or HNY_NOMEM. */
int hny__view_make_marks(hny__view *view);

/*
** Makes a view for all workers of a build to share: the newest state with this record, which is
** about to be published.  It is never pinned itself.  HNY_OK or HNY_NOMEM.
*/
int hny__view_share(hny__view *view, hny__env *env, const hny__table_record *record);

/*
** Pins the newest state, with the record and the blocks of a shared view.  A block that one worker
** has resolved and checked is resolved for all: they read the same state during the whole build.
*/
int hny__view_begin_as(hny__view *view, const hny__view *shared);

void hny__view_end(hny__view *view);

/* Frees what a view has.  The reference to the environment is the caller's. */
void hny__view_free(hny__view *view);

/* Resolves a block.  NULL: failed, and view->status is set. */
const uint8_t *hny__view_resolve(hny__view *view, hny__family family, uint32_t number);

/* A block that was resolved before, by any worker; else NULL. */
static inline const uint8_t *hny__view_known(const hny__view *view, hny__family family,
                                             uint32_t number) {
    if (number >= view->blocks[family].count) {
        return NULL;
    }
    return __atomic_load_n(&view->blocks[family].data[number], __ATOMIC_RELAXED);
}

static inline const uint8_t *hny__view_block(hny__view *view, hny__family family, uint32_t number) {
    const uint8_t *const block = hny__view_known(view, family, number);
    return block ? block : hny__view_resolve(view, family, number);
}

static inline const uint8_t *hny__view_vector(hny__view *view, hny__family family, uint32_t slot) {
    const hny__layout *const layout = &view->geometry.layout[family];
    const uint32_t number = hny__layout_block(layout, slot);
    const uint8_t *const block = hny__view_block(view, family, number);
    return block ? hny__row_at(layout, block, slot - number * layout->per_block) : NULL;
}

/* The number of rows of a family in this state. */
static inline uint32_t hny__view_rows(const hny__view *view, hny__family family) {
    if (family == HNY__UPPER) {
        return view->table.uppers;
    }
    if (family == HNY__ROWIDS) {
        return view->table.rowid_nodes;
    }
    if (family == HNY__COPIES && !view->table.copies) {
        return 0;
    }
    return family == HNY__LINKS || family == HNY__COPIES ? hny__linked(&view->table)
                                                         : view->table.slots;
}

/* Checks the digest of a slot's row of codes.  Returns the row, or NULL with view->status set. */
const uint8_t *hny__view_verify(hny__view *view, uint32_t slot, const uint8_t *row);

/* The same, if it was not checked before. */
static inline const uint8_t *hny__view_verified(hny__view *view, uint32_t slot,
                                                const uint8_t *row) {
    return view->marks && slot < view->table.slots && view->marks[slot]
               ? row
               : hny__view_verify(view, slot, row);
}

/* A slot's code, or NULL with view->status set. */
static inline const uint8_t *hny__view_code(hny__view *view, uint32_t slot) {
    const uint8_t *const row = hny__view_vector(view, HNY__CODES, slot);
    return row ? hny__view_verified(view, slot, row) : NULL;
}

/* Its residual code, or NULL: also if the table has none. */
static inline const uint8_t *hny__view_residual(hny__view *view, uint32_t slot) {
    return view->geometry.quantizer.residual_bytes ? hny__view_vector(view, HNY__RESIDUALS, slot)
                                                   : NULL;
}

/*
** Has a slot these codes?  `residual` is not looked at if the table has none.  Also false with
** view->status set: failed.
*/
bool hny__view_has_codes(hny__view *view, uint32_t slot, const uint8_t *code,
                         const uint8_t *residual);

/* Have two slots the same ones? */
bool hny__view_same_codes(hny__view *view, uint32_t a, uint32_t b);

/* Its attributes, or NULL: also if the table has none. */
static inline const hny_attribute *hny__view_attributes(hny__view *view, uint32_t slot) {
    if (!view->table.attributes) {
        return NULL;
    }
    return (const hny_attribute *)(const void *)hny__view_vector(view, HNY__ATTRIBUTES, slot);
}

/* Prefetches a slot's rowid, if its block is resolved. */
static inline void hny__view_prefetch_rowid(const hny__view *view, uint32_t slot) {
    const hny__layout *const layout = &view->geometry.layout[HNY__CODES];
    const uint32_t number = hny__layout_block(layout, slot);
    const uint8_t *const block = hny__view_known(view, HNY__CODES, number);
    if (!block) {
        return;
    }
    hny__prefetch_line(hny__row_at(layout, block, slot - number * layout->per_block) +
                       layout->row_bytes);
}

/* A slot's rowid.  0 with view->status set: failed. */
int64_t hny__view_rowid(hny__view *view, uint32_t slot);

/* Is the slot a deleted node or free?  Also true with view->status set: failed. */
bool hny__view_deleted(hny__view *view, uint32_t slot);

/*
** Copies the link words of a slot (family HNY__LINKS) or an upper row (HNY__UPPER) to `links`,
** which has space for the layout's capacity.  Returns their number; 0 with view->status set if the
** count or a link is out of bounds.
*/
uint32_t hny__view_links(hny__view *view, hny__family family, uint32_t row, uint32_t *links);

/* The same without copying or checking the links.  NULL with *count 0: failed. */
const uint32_t *hny__view_list(hny__view *view, hny__family family, uint32_t row, uint32_t *count);

/* Prefetches the links of a row, if their block is resolved. */
static inline void hny__view_prefetch_links(const hny__view *view, hny__family family,
                                            uint32_t row) {
    const hny__layout *const layout = &view->geometry.layout[family];
    const uint32_t number = hny__layout_block(layout, row);
    const uint8_t *const block = hny__view_known(view, family, number);
    if (!block) {
        return;
    }
    const uint32_t index = row - number * layout->per_block;
    const uint8_t *const links = (const uint8_t *)hny__links_at(layout, block, index);
    hny__prefetch_line(&block[8 + index]);
    hny__prefetch_lines(links, layout->row_bytes);
}

/* The word of a slot's ring (HNY__COPY).  0 also with view->status set: failed. */
uint32_t hny__view_copy_word(hny__view *view, uint32_t slot);

/*
** The next row of a slot's ring: the slot itself if it is in none.  HNY__NONE with view->status
** set: failed.
*/
uint32_t hny__view_next_copy(hny__view *view, uint32_t slot);

/* Reads an upper row.  HNY_OK or view->status. */
int hny__view_upper(hny__view *view, uint32_t row, uint32_t *owner, uint32_t *down, uint8_t *level);

/* The slot of a rowid.  HNY_MISSING: there is none. */
int hny__view_find(hny__view *view, int64_t rowid, uint32_t *slot);

/*
** Has the map of rowids the row of this slot, as it is?  `code` is the slot's, verified.  To be
** asked before a row is returned: else a damaged sidecar could return deleted rows, older versions
** and rows twice.  HNY_OK, or a failure, which is the view's status.
*/
int hny__view_confirm(hny__view *view, uint32_t slot, const uint8_t *code);

/* Prefetches what confirming a slot reads, if its code's rowid is in the cache. */
void hny__view_prefetch_confirm(const hny__view *view, uint32_t slot);

/* Notes a failure.  The first one stays the view's status. */
void hny__view_fail(hny__view *view, int status);

#endif
