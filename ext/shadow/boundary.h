/*
** Interface to boundary.c: a boundary names one state of a table by (seq, chain).
**
** `seq` is the number of the newest log row.  `chain` is a digest of every change since the table
** was empty.  A number alone does not name a state: after a rollback or a restored backup the
** same numbers come again with other rows.  Nodes that replay the same statements agree on both.
*/
#ifndef HX_BOUNDARY_H
#define HX_BOUNDARY_H

#include <stdbool.h>

#include "hannoy.h"

typedef struct hx_shadow hx_shadow;

static inline bool hx_boundary_equal(hny_boundary a, hny_boundary b) {
    return a.seq == b.seq && a.chain == b.chain;
}

/* Digests a number, as the chain does, to the same result on every machine. */
uint64_t hx_boundary_digest_word(uint64_t word, uint64_t digest);

/* The boundary of an empty table: 0, and a digest of the shapes and the number of attributes. */
hny_boundary hx_boundary_start(const hx_shadow *shadow);

/*
** The boundary after row `id` got these vectors and attributes, or was deleted (NULL).  A vector
** that the row lacks is NULL.
*/
hny_boundary hx_boundary_next(const hx_shadow *shadow, hny_boundary tip, int64_t id,
                              const void *const *vectors, const hny_attribute *attributes);

#endif
