/*
** Interface to erase.c: overwriting what deleted rows have left (HNY_BUILD_ERASE).
**
** Searches walk through a deleted node until a consolidation removes it, so it needs a code.  It
** gets that of a live row near it, whose slot is noted in the place of the rowid.  When this row
** is deleted in turn, the node gets another one's.  With zeros it would be far from its neighbours,
** and no search would come by it.
**
** The pages that held the codes before are free then, and overwritten by hny_build_erase.
*/
#ifndef HNY_ERASE_H
#define HNY_ERASE_H

#include "build/update_graph.h"

/* A slot that is overwritten. */
typedef struct hny__erased_slot {
    uint32_t slot;
    uint32_t source; /* the slot whose code it gets; HNY__NONE: zeros */
} hny__erased_slot;

typedef struct hny__erasure {
    hny__erased_slot *slots; /* ascending */
    size_t count, capacity;
    bool all; /* the base was not erased: also rows of builds that failed */
} hny__erasure;

/*
** What a publication overwrites, after the graph was updated; nothing without HNY_BUILD_ERASE.
** Sets build->record.erased and build->erase_pages.  `erasure` is all zero.
*/
int hny__erasure_plan(hny__erasure *erasure, hny__graph_update *update);
void hny__erasure_free(hny__erasure *erasure);

/* Overwrites them. */
int hny__erasure_write(const hny__erasure *erasure, const hny_build *build, hny__txn *txn);

/* Notes that the table's state has something to erase, if the table has one. */
int hny__erase_mark(const hny_build *build, hny__txn *txn);

#endif
