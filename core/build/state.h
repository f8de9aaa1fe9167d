/*
** Interface to state.c: a build in progress, and what its parts share.
**
** build.c opens a build and takes changes in, staging.c writes the codes of new rows,
** update_graph.c links them, publish.c makes the result the newest state, garbage.c removes what
** is left behind, erase.c overwrites what deleted rows have left, shrink.c gives space back.
*/
#ifndef HNY_STATE_H
#define HNY_STATE_H

#include "base/disk.h"
#include "base/external_sort.h"
#include "base/size_signal.h"
#include "build/reorder.h"
#include "graph/new_node.h"
#include "read/reader.h"
#include "sidecar/free_ids.h"
#include "sidecar/records.h"

/* Rows that keep their vector and get other attributes. */
typedef struct hny__attribute_updates {
    uint32_t *slots;
    hny_attribute *attributes; /* all of a row together, in the order of `slots` */
    size_t count, slots_capacity, attributes_capacity;
} hny__attribute_updates;

/*
** The attributes of a build whose base has those of another set: rows that stay in their slots get
** new ones, in a space of their own, since the blocks of the base are laid out for the old ones.
*/
typedef struct hny__refit {
    bool needed;
    hny_attribute *attributes; /* by slot of the base */
    roaring_bitmap_t *slots;   /* that have theirs */
} hny__refit;

/* A row that gets another slot, which is free: no state has a row in both. */
typedef struct hny__row_move {
    uint32_t from, to;
} hny__row_move;

/* New rows whose codes are in memory, or in a temporary file, and not in the sidecar yet. */
typedef struct hny__staging {
    uint8_t *codes, *residuals;
    hny_attribute *attributes;
    int64_t *rowids;
    uint32_t *ordinals, *link_orders; /* see hny__new_node */
    hny__place *places;               /* in locality order, once the rows are reordered */
    uint32_t *slots;                  /* of each place, ascending */
    size_t count, capacity;           /* rows */
    hny__reorder *reorder;            /* made from the first rows that were reordered; NULL: none */
    hny__sort sort;                   /* rows that were moved out of memory */
    enum { HNY__SPILL_UNKNOWN, HNY__SPILL_OPEN, HNY__SPILL_IMPOSSIBLE } spill; /* state of `sort` */
} hny__staging;

struct hny_build {
    hny_sidecar *sidecar; /* a reference */
    hny__env *env;        /* a reference */
    hny__lock lock;       /* the builder's */
    hny__lock link_lock;  /* the linker's */
    uint64_t reserve_bytes;
    hny__os_file reserve; /* takes so much room on the disk; HNY__OS_NO_FILE: none */
    hny__size_signal size_signal;
    uint32_t table;
    hny_options options;
    unsigned threads;
    int flags;
    uint32_t link; /* rows that were appended are linked, at most; 0: all */
    hny_interrupt interrupt;

    hny_reader *reader;           /* of the base, the state that the build starts from */
    bool has_base;                /* else the build starts over, in a space of its own */
    bool appends;                 /* new rows get slots at the end and may stay unlinked */
    hny__table_record base;       /* if has_base */
    uint32_t old_space;           /* to be deleted after the build started over; 0: none */
    uint32_t old_attribute_space; /* to be deleted if it was replaced; 0: none */
    hny__table_record record;     /* to be published */
    hny__geometry geometry;
    hny__encoder encoder;

    hny__free_ids slots, uppers;
    roaring_bitmap_t *deleted_slots; /* slots whose row was removed or replaced */
    hny__staging staging;
    uint32_t ordinals; /* the ordinal of the next row */
    hny__new_node *new_nodes;
    size_t new_nodes_count, new_nodes_capacity;
    hny__row_ref *row_refs; /* changes of the map of rowids; slot HNY__NONE: removed */
    size_t row_refs_count, row_refs_capacity;
    hny__row_move *moves; /* ascending by both slots (row_moves.h) */
    size_t moves_count, moves_capacity;
    hny__attribute_updates attribute_updates;
    hny__refit refit;
    bool erase_pages; /* something is to be overwritten by hny_build_erase */
    int64_t *touched; /* rowids; only with a base */
    size_t touched_count, touched_capacity;
    uint64_t changes, expected; /* for progress figures */
};

/* Pins the base again after a write ended its transaction.  HNY_OK also if there is no base. */
int hny__build_pin(hny_build *build);

/* Returns rc.  HNY_CORRUPT marks the file as damaged, so that the next build replaces it. */
int hny__build_note(const hny_build *build, int rc);

/*
** Assigns a build that starts over its space, and one that refits a space for attributes.  To be
** called before the first write.
*/
int hny__build_assign_space(hny_build *build);

static inline bool hny__build_needs_attribute_space(const hny_build *build) {
    return build->refit.needed && build->record.attributes && !build->record.attribute_space;
}

/*
** Under the builder's lock: removes what hny_build_shrink left in a process that was killed.  Only
** a process that has the lock writes such a file.
*/
void hny__shrink_clean(const hny_build *build);

/* Removes the rows of the base that a build which refits was not given. */
int hny__build_drop_left_over(hny_build *build);

/*
** Ends the pin of the base before a write.  A build that only links keeps it: others write
** meanwhile, and its threads share pointers into the pages of that state.
*/
static inline void hny__build_unpin(hny_build *build) {
    if (!(build->flags & HNY_BUILD_LINK)) {
        hny_reader_end(build->reader);
    }
}

/* Whose progress it is: what the linker does is told apart from other builds. */
static inline hny__lock_kind hny__build_kind(const hny_build *build) {
    return build->flags & HNY_BUILD_LINK ? HNY__LOCK_LINKER : HNY__LOCK_BUILDER;
}

/*
** The phase in which a build writes what it has made, with the builder's lock: the linker's is over
** soon then.
*/
#define HNY__PHASE_PUBLISHING "publishing"

/* The phase in which the linker copies rows to free slots, which takes no longer. */
#define HNY__PHASE_MOVING "moving"

static inline void hny__build_progress(const hny_build *build, const char *phase, uint64_t done,
                                       uint64_t total) {
    hny__env_set_progress(build->env, hny__build_kind(build), build->table, phase, done, total);
}

/* Is it certain that new rows stay unlinked? */
static inline bool hny__build_defers(const hny_build *build) {
    return build->appends && build->flags & HNY_BUILD_DEFER;
}

/*
** Takes the linker's lock: whatever changes links, or deletes a graph, holds it.  HNY_BUSY: a
** linker reads the graph.
*/
int hny__build_take_graph(hny_build *build);

/* Takes the builder's lock, for a build that was opened without it.  HNY_BUSY: a build runs. */
int hny__build_take(hny_build *build);

/*
** The same, waiting for builds of others, which append only, or make this one useless.  HNY_BUSY:
** another file is in the place of this one.
*/
int hny__build_await(hny_build *build);

/* Takes the room that others must be able to write when the build has ended, and gives it back. */
int hny__build_reserve(hny_build *build);
void hny__build_release(hny_build *build);

/* Queues a slot for linking; its level and upper row are drawn later. */
int hny__build_add_node(hny_build *build, hny__new_node node);

/* Notes where a row will be found, with its check. */
int hny__build_map_row(hny_build *build, hny__row_ref ref);

/*
** Sorts what was noted, once nothing is added any more.  A build that starts over also writes it,
** in transactions of bounded size, since no reader sees its space.
*/
int hny__build_sort_rowids(hny_build *build);

/* Writes what was noted and not written yet to the map of a record. */
int hny__build_write_rowids(const hny_build *build, hny__txn *txn, hny__table_record *record);

/*
** How many rows of a table of this size may be unlinked.  A thirty-second of it, so that a table
** that grows by small builds writes each link some ten times; and no more than a search can scan
** in 0.1 to 0.2 milliseconds.
*/
static inline uint32_t hny__unlinked_limit(uint64_t live) {
    const uint64_t max = 16384;
    return (uint32_t)(live / 32 < max ? live / 32 : max);
}

#endif
