/* Interface between build.c (changes in), publish.c (the graph, and out) and sweep.c. */
#ifndef HNY_BUILD_H
#define HNY_BUILD_H

#include "base/memory.h"
#include "build/insert.h"
#include "build/staging.h"
#include "read/reader.h"
#include "sidecar/free_ids.h"
#include "sidecar/records.h"

/* Where a rowid will be found; HNY__NONE: nowhere. */
typedef struct hny__rowid_slot {
    int64_t rowid;
    uint32_t slot;
} hny__rowid_slot;

/* Rows whose vector stays as it is, and whose attributes do not. */
typedef struct hny__attribute_updates {
    uint32_t *slots;
    hny_attribute *attributes; /* of all of a row together, in the order of the slots */
    size_t count, slots_capacity, cells_capacity;
} hny__attribute_updates;

struct hny_build {
    hny_sidecar *sidecar;
    hny__env *env; /* a reference */
    int lock;      /* file descriptor of the builder's lock; -1: none needed */
    uint32_t table;
    hny_options options;
    unsigned threads;
    int flags;
    hny_interrupt interrupt;

    hny_reader *reader; /* of the state built upon */
    int append;         /* new rows get slots at the end, so that they can wait for their links */
    int has_base;       /* else the build starts over, in a space of its own */
    hny__table_record base;
    uint32_t old_space;       /* left behind by starting over; 0: none */
    hny__table_record record; /* what will be published */
    hny__geometry geometry;
    hny__encoder encoder;

    hny__free_ids slots, uppers;
    roaring_bitmap_t *deleted_slots; /* slots that lost their row */
    hny__staging stage;
    uint32_t ordinals; /* the number of the next row that comes */
    hny__new_node *new_nodes;
    size_t new_nodes_count, new_nodes_capacity;
    hny__rowid_slot *moves; /* without a base they are written before the graph is made */
    size_t moves_count, moves_capacity;
    hny__attribute_updates attribute_updates;
    int64_t *touched; /* kept only with a base */
    size_t touched_count, touched_capacity;
    uint64_t changes, expected;
};

/* Pins the state built upon again, after a write let it go. */
int hny__build_pin(hny_build *build);

/* Notes a slot whose node is to be linked; its level and its row above are drawn later. */
int hny__build_add_node(hny_build *build, hny__new_node new_node);

/* So many rows may wait for their links in a table of this size. */
uint32_t hny__unlinked_limit(uint64_t live);

/* Notes where a rowid will be found; HNY__NONE: nowhere. */
int hny__build_map_rowid(hny_build *build, int64_t rowid, uint32_t slot);

/*
** There will be no more: sorts them, and where the build starts over writes them, in transactions of bounded
** size, since nobody can see its space.
*/
int hny__build_sort_rowids(hny_build *build);

/* Those that are not written yet. */
int hny__build_write_rowids(const hny_build *build, hny__txn *txn);

/* Gives a build that starts over its space. */
int hny__build_prepare(hny_build *build);

/* Deletes everything in a space, in transactions of bounded size. */
int hny__delete_space(hny__env *env, uint32_t space);

#endif
