/* Interface to stage.c: new rows, from when they are taken in until they are written in their slots. */
#ifndef HNY_STAGING_H
#define HNY_STAGING_H

#include "base/external_sort.h"
#include "build/reorder.h"
#include "hannoy.h"

/* Rows in memory; a transaction's worth. */
typedef struct hny__staging {
    uint8_t *codes, *residual;
    hny_attribute *attributes;
    int64_t *rowids;
    uint32_t *ordinals, *link_orders; /* as of a birth */
    hny__place *places;               /* sorted, once the rows are arranged, */
    uint32_t *slots;                  /* and the slot of each, ascending too */
    size_t count, room;
    hny__reorder *reorder; /* made of the first rows that were arranged; NULL: there is none */
    hny__sort spill;       /* of rows that are in memory no more and have no slot yet */
    int spilling;          /* is there a file for them?  0: not asked yet, -1: no */
} hny__staging;

/* Makes a build's stage, for the codes and attributes that it has now; what was staged is gone. */
int hny__staging_open(hny_build *build);
void hny__staging_close(hny_build *build);

/* Takes in the row whose codes and attributes lie behind the staged ones already. */
int hny__staging_add(hny_build *build, int64_t rowid);

/* Writes all rows that were taken in, and closes the stage. */
int hny__staging_flush(hny_build *build);

#endif
