/*
** Interface to view.c: reading a table's blocks by pointer.
**
** A view is one committed state of one table.  Pointers into the map stay valid while the
** transaction id stays the same, so they are kept from one call to the next and resolved lazily,
** block by block: a small build must not cost every reader a walk over all blocks.  The digest of a
** block is checked when its pointer is resolved, that of a row of codes when the row is first looked at.
*/
#ifndef HNY_VIEW_H
#define HNY_VIEW_H

#include "sidecar/env.h"
#include "sidecar/format.h"
#include "simd/prefetch_line.h"

typedef struct hny__view {
    hny__env *env; /* borrowed; NULL: nothing was ever read */
    hny__txn *txn;
    size_t txn_id;  /* of the state that the pointers belong to */
    unsigned moves; /* of the map, before they were made */
    int pinned;     /* between begin and end */
    int status;     /* sticky: the first block that could not be had */
    int absent;     /* why this state has no such table, or 0 */
    uint32_t table_id;
    hny__table_record table;
    hny__geometry geometry;
    struct {
        const uint8_t **at; /* NULL: not resolved yet */
        uint32_t count, room;
    } blocks[HNY__FAMILIES];
    int borrowed;   /* the blocks are another view's */
    uint8_t *marks; /* see below; NULL: not made for this state */
    uint8_t *marks_kept;
    size_t marks_capacity;
    uint8_t epoch; /* of the last walk, above HNY__VERIFIED */
} hny__view;

/*
** Marks: a byte for each slot, then one for each upper row.  0: nobody looked at it yet; HNY__VERIFIED: its row of
** codes was digested; above that, the epoch of the walk that met it last (walk.c) as well.  A walk asks both
** of a node at once.
*/
#define HNY__VERIFIED 1

/*
** Pins the newest state of a table.  HNY_MISSING: the sidecar has no such table.  `fresh` is set
** where the state is not the one of the last begin.  On failure nothing is pinned.
*/
int hny__view_begin(hny__view *view, hny__env *env, uint32_t table, int *fresh);

/* Sees to it that a pinned view has marks.  HNY_OK or HNY_NOMEM. */
int hny__view_make_marks(hny__view *view);

/*
** A view to be shared by all workers of a build, of the newest state as the one that is about to be
** published: with this record.  It is never pinned itself.  HNY_OK or HNY_NOMEM.
*/
int hny__view_share(hny__view *view, hny__env *env, const hny__table_record *record);

/*
** Pins the newest state as that view has it.  A block that one worker has resolved, and digested, all
** have: they look at the same state, from the first phase of a build to the last.
*/
int hny__view_begin_as(hny__view *view, const hny__view *shared);

void hny__view_end(hny__view *view);

/* Lets go of the environment, whose reference the caller owns. */
void hny__view_free(hny__view *view);

/* A block, or NULL with view->status set. */
const uint8_t *hny__view_resolve(hny__view *view, hny__family family, uint32_t number);

/* The same if it was resolved before, or NULL.  Any of several workers may have done that. */
static inline const uint8_t *hny__view_known(const hny__view *view, hny__family family,
                                             uint32_t number) {
    if (number >= view->blocks[family].count) {
        return NULL;
    }
    return __atomic_load_n(&view->blocks[family].at[number], __ATOMIC_RELAXED);
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

/* The rows of a family that a state has. */
static inline uint32_t hny__view_rows(const hny__view *view, hny__family family) {
    if (family == HNY__UPPER) {
        return view->table.uppers;
    }
    return family == HNY__LINKS ? hny__linked(&view->table) : view->table.slots;
}

/* Digests a slot's row of codes, which lies there.  The row, or NULL with view->status set. */
const uint8_t *hny__view_verify(hny__view *view, uint32_t slot, const uint8_t *row);

/* The same unless that was done before. */
static inline const uint8_t *hny__view_verified(hny__view *view, uint32_t slot,
                                                const uint8_t *row) {
    return view->marks && view->marks[slot] ? row : hny__view_verify(view, slot, row);
}

/* A slot's code, or NULL. */
static inline const uint8_t *hny__view_code(hny__view *view, uint32_t slot) {
    const uint8_t *const row = hny__view_vector(view, HNY__CODES, slot);
    return row ? hny__view_verified(view, slot, row) : NULL;
}

/* Its fine code, or NULL: also where there are none. */
static inline const uint8_t *hny__view_residual(hny__view *view, uint32_t slot) {
    return view->geometry.quantizer.residual_bytes ? hny__view_vector(view, HNY__RESIDUALS, slot)
                                                   : NULL;
}

/* Its attributes, or NULL. */
static inline const hny_attribute *hny__view_attributes(hny__view *view, uint32_t slot) {
    return (const hny_attribute *)(const void *)hny__view_vector(view, HNY__ATTRIBUTES, slot);
}

/* Asks for a slot's rowid, if its block is known. */
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

/* A slot's rowid; 0 with view->status set where it cannot be had. */
int64_t hny__view_rowid(hny__view *view, uint32_t slot);

/* Is the slot a deleted node or free? */
int hny__view_deleted(hny__view *view, uint32_t slot);

/*
** Copies the neighbours of a slot (family HNY__LINKS) or an upper row (HNY__UPPER), as link words,
** to `links`, which has room for the family's capacity.  Returns their number; 0 with view->status
** set where a count or a link is out of bounds.
*/
uint32_t hny__view_links(hny__view *view, hny__family family, uint32_t row, uint32_t *links);

/* The same where they are, and links not checked; NULL with *count 0 where they cannot be had. */
const uint32_t *hny__view_list(hny__view *view, hny__family family, uint32_t row, uint32_t *count);

/* Asks for the links of a row, if their block is known. */
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

/* What an upper row says of itself.  0 where it can be had. */
int hny__view_upper(hny__view *view, uint32_t row, uint32_t *owner, uint32_t *down, uint8_t *level);

/* HNY_OK and the slot of a rowid, or HNY_MISSING, or a failure. */
int hny__view_find(hny__view *view, int64_t rowid, uint32_t *slot);

#endif
