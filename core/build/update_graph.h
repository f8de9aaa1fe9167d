/*
** Interface to update_graph.c: the graph as a build publishes it.
**
** Links the new rows and those that earlier builds appended unlinked, after removing deleted nodes
** if there are many.  Or leaves the graph as it is, if the new rows are few.
*/
#ifndef HNY_UPDATE_GRAPH_H
#define HNY_UPDATE_GRAPH_H

#include "build/copies.h"
#include "build/workers.h"

typedef struct hny__graph_update {
    hny_build *build;
    bool changed; /* else there is no graph: its blocks stay as published */
    hny__graph graph;
    hny__worker_pool pool;
    hny__copies copies;
    roaring_bitmap_t *freed_slots, *freed_uppers; /* by this build */
} hny__graph_update;

/* After hny__staging_flush.  Sets the graph's part of build->record. */
int hny__update_graph(hny__graph_update *update, hny_build *build);

/* Also after a failed update. */
void hny__graph_update_free(hny__graph_update *update);

#endif
