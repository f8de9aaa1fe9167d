/* Interface to stage.c: new rows, from when they are taken in until they are written in their slots. */
#ifndef HNY_STAGE_H
#define HNY_STAGE_H

#include "base/external_sort.h"
#include "build/reorder.h"
#include "hannoy.h"

/* Rows in memory; a transaction's worth. */
typedef struct hny__stage {
    uint8_t *codes, *fine;
    hny_cell *cells;
    int64_t *rowids;
    uint32_t *arrivals, *turns; /* as of a birth */
    hny__place *places;         /* sorted, once the rows are arranged, */
    uint32_t *slots;            /* and the slot of each, ascending too */
    size_t count, room;
    hny__arranger *arranger; /* made of the first rows that were arranged; NULL: there is none */
    hny__spill spill;        /* of rows that are in memory no more and have no slot yet */
    int spills;              /* is there a file for them?  0: not asked yet, -1: no */
} hny__stage;

/* Makes a build's stage, for the codes and cells that it has now; what was staged is gone. */
int hny__stage_open(hny_build *build);
void hny__stage_close(hny_build *build);

/* Takes in the row whose codes and cells lie behind the staged ones already. */
int hny__stage_take(hny_build *build, int64_t rowid);

/* Writes all rows that were taken in, and closes the stage. */
int hny__stage_flush(hny_build *build);

#endif
