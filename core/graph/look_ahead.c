/* Asking for pages ahead of a search; the contract is in look_ahead.h. */
#include "graph/look_ahead.h"

#include "sidecar/rowid_map.h"

/* Calls for each neighbour of a node that no step of this search has visited. */
static void each_unvisited(hny__beam *beam, hny__family family, uint32_t node,
                           void (*call)(hny__beam *beam, uint32_t neighbour)) {
    const hny__view *const view = beam->view;
    const uint32_t rows = hny__view_rows(view, family);
    const uint8_t *const marks = hny__view_marks(view, family);
    uint32_t buffer[HNY__MAX_LINKS], count;
    const uint32_t *const links =
        beam->source.links(beam->source.arg, family, node, buffer, &count);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t next = HNY__NODE(links[i]);
        if (next < rows && marks[next] != view->epoch) {
            call(beam, next);
        }
    }
}

static void ask_for_slot(hny__beam *beam, uint32_t slot) {
    hny__asks_add(beam->asks, HNY__CODES, slot);
    if (beam->asks_attributes) {
        hny__asks_add(beam->asks, HNY__ATTRIBUTES, slot);
    }
}

static void ask_for_upper(hny__beam *beam, uint32_t row) {
    hny__asks_add(beam->asks, HNY__UPPER, row);
}

static void ask_for_owner(hny__beam *beam, uint32_t row) {
    uint32_t owner, down;
    uint8_t level;
    if (!beam->source.upper(beam->source.arg, row, &owner, &down, &level)) {
        ask_for_slot(beam, owner);
    }
}

void hny__look_ahead(hny__beam *beam, hny__family family, const uint32_t *nodes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        hny__asks_add(beam->asks, family, nodes[i]);
    }
    hny__asks_send(beam->asks);
    if (family == HNY__UPPER) {
        for (size_t i = 0; i < count; i++) {
            each_unvisited(beam, family, nodes[i], ask_for_upper);
        }
        hny__asks_send(beam->asks);
    }
    for (size_t i = 0; i < count; i++) {
        each_unvisited(beam, family, nodes[i], family == HNY__UPPER ? ask_for_owner : ask_for_slot);
    }
    hny__asks_send(beam->asks);
}

/* The map of rowids has leaves that are found by the rowids, which lie beside the codes. */
static void ask_for_leaf(const hny__beam *beam, uint32_t slot) {
    hny__view *const view = beam->view;
    const int64_t rowid = hny__view_rowid(view, slot);
    uint32_t leaf;
    if (!view->status && !hny__rowid_map_leaf(view, rowid, &leaf)) {
        hny__asks_add(beam->asks, HNY__ROWIDS, leaf);
    }
}

void hny__look_ahead_hits(const hny__beam *beam, size_t limit) {
    hny__found found;
    size_t position = 0;
    while (position < limit && hny__beam_next(beam, &position, &found)) {
        hny__asks_add(beam->asks, HNY__CODES, found.node);
        hny__asks_add(beam->asks, HNY__RESIDUALS, found.node);
        hny__asks_add(beam->asks, HNY__ATTRIBUTES, found.node);
        if (beam->view->table.copies) {
            hny__asks_add(beam->asks, HNY__COPIES, found.node);
        }
    }
    hny__asks_send(beam->asks);
    position = 0;
    while (position < limit && hny__beam_next(beam, &position, &found)) {
        ask_for_leaf(beam, found.node);
    }
    hny__asks_send(beam->asks);
}
