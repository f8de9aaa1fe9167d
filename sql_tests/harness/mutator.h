/*
** Mutations of sidecar files, by LMDB's format and ours: one bit; a field of a page header, a node,
** an overflow page, the free list or a meta page; one of our values, with its digest made anew; a
** row, a node of the map of rowids or a boundary that all digests confirm; a value of another
** moment; truncation, extension, and a mixture of the pages of two moments.
**
** Nothing of the engine's is used: LMDB's layout is repeated here, and rows of codes are found by
** their digests.
*/
#ifndef SQL_TESTS_MUTATOR_H
#define SQL_TESTS_MUTATOR_H

#include "common.h"

typedef enum mutation {
    ONE_BIT,
    SOME_BYTES,
    LMDB_FIELD,
    LMDB_FIELDS, /* up to three */
    OUR_VALUE,   /* with its digest made anew */
    OUR_VALUES,
    STALE_DIGEST, /* of ours, without its digest made anew */
    FORGED_ROW,   /* a row of codes, and all digests and checks up to the table record made anew */
    FORGED_VALUE, /* the same of a node of the map of rowids, or a boundary */
    TAKEN_BACK,   /* a value as it was at another moment */
    FORGED_BACK,  /* with all digests and checks above it */
    CUT,
    EXTENDED,
    MIXED, /* with pages of another moment */
    MUTATIONS
} mutation;

extern const char *const mutation_name[MUTATIONS];

typedef struct image {
    unsigned char *bytes;
    size_t size;
} image;

image image_read(const char *path);
void image_write(const image *file, const char *path);
void image_free(image *file);

/*
** Mutates a sidecar; `other` is one of another moment, for MIXED.  What was done is written to
** `what`.  False if the file has nothing of the kind that was to be mutated.
*/
bool mutate(image *file, const image *other, mutation how, rng *r, char *what, size_t what_size);

#endif
