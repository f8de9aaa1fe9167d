/*
** Interface to insert.c: linking new nodes.
**
** This is INSERT (algorithm 1) of Malkov & Yashunin 2018, arXiv 1603.09320.  Departures from the
** paper:
**
**   1. All nodes of a build are inserted together, by several threads: the highest level first, and
**      the nodes of a level in locality order (reorder.h).  A thread that inserts a node may or may
**      not find one that another thread inserts meanwhile.
**   2. Levels are drawn with the paper's distribution (a level of l or more has probability m^-l),
**      from a generator that is seeded by the table and the row's ordinal.  So a build is
**      repeatable, and tables of the same rows under other codes differ by their codes alone.
**   3. The searches and the selection rank by codes (graph/beam_search.h,
**      graph/select_neighbors.h), both ends of a link by the same rank.  The searches are classic
**      ones with ef_construction; the distance-adaptive stop is for queries.
**   4. The own list of a new node is not filled up with pruned candidates; the links that later
**      nodes add do that.  Filled, lists are longer by a tenth and a build takes 5 to 15 % more
**      distances, for the same recall at the same cost of a query (WordNet and GloVe vectors).
**   5. A list may grow by some slack before it is pruned (mutable_graph.h), which makes adding a
**      link cost a tenth of what pruning at each link would.
**   6. Level 0 is linked first and the top level last, so that a thread which finds the node on
**      some level finds it complete on all levels below.  In the paper's order, a node that was
**      found on an upper level before its list on level 0 was set lost the links that it was given
**      meanwhile.
**   7. A node joins the spanning tree of level 0 (mutable_graph.h) before others can link to it.
**   8. Deleted nodes become neighbours only where a search finds no others.
**   9. Levels above 0 are one plane of rows (mutable_graph.h).
**  10. A node whose codes a node of the graph has is not linked: it becomes its copy (copies.h).
**  11. Some of the new nodes are linked last: before that they are the queries of a calibration
**      (calibrate.h).
*/
#ifndef HNY_INSERT_H
#define HNY_INSERT_H

#include "build/workers.h"
#include "graph/new_node.h"

/* The level of a row. */
uint32_t hny__insert_draw_level(uint32_t table, uint32_t ordinal, uint32_t m);

/* Links all nodes, whose levels and upper rows are set; sorts them.  Calibrates if it is due. */
int hny__insert_all(hny__worker_pool *pool, hny__new_node *nodes, uint32_t count);

#endif
