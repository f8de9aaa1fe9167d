/*
** What the mutator's files share: a sidecar as bytes, and where everything lies in it.
**
**     mutator.c         whole files, and the choice of a mutation
**     mutated_file.c    bytes, pages, entries
**     mutated_pages.c   fields of LMDB's pages
**     mutated_values.c  our values
**     mutated_rows.c    digests and checks made anew from a row up to the table record
*/
#ifndef SQL_TESTS_MUTATED_FILE_H
#define SQL_TESTS_MUTATED_FILE_H

#include "mutator.h"

#define PAGE      4096u
#define PAGE_HEAD 16u
#define NODE_HEAD 8u
#define BRANCH    1u
#define LEAF      2u
#define OVERFLOW  4u

#define COUNT(array) (sizeof(array) / sizeof *(array))

void *must(void *memory);

/* Little-endian numbers of up to 8 bytes; 0, or nothing, beyond the end. */
uint64_t load(const image *file, size_t offset, size_t size);
void store(image *file, size_t offset, size_t size, uint64_t value);

/* Another number: one that code forgets to think of, or a neighbour. */
void change_number(image *file, size_t offset, size_t size, rng *r);

typedef struct field {
    const char *name;
    uint16_t offset, size;
} field;

typedef struct entry {
    size_t node;              /* offset */
    size_t data;              /* offset of the value */
    size_t size;              /* of the value */
    const unsigned char *key; /* in a copy of the file */
    size_t key_size;
    bool big;
} entry;

typedef struct list {
    entry *items;
    size_t count, capacity;
} list;

typedef struct page_list {
    size_t *items;
    size_t count, capacity;
} page_list;

/* The file as it was, and where everything lies in it. */
typedef struct map {
    image whole;
    uint64_t meta; /* offset of the newest meta page */
    uint64_t last_page;
    list entries, free_entries;
    page_list branches, leaves;
} map;

map map_of(const image *file);
void map_free(map *m);

/* Any entry, of the free list at times; NULL: there is none. */
const entry *any_entry(const map *m, rng *r);

enum {
    FILE_RECORD,
    TABLE,
    BOUNDARY,
    CODES,
    RESIDUALS,
    LINKS,
    UPPER,
    DELETED,
    FREE_SLOTS,
    FREE_UPPERS,
    ROWIDS,
    ATTRIBUTES,
    COPIES
};

int kind_of(const entry *e);
uint64_t seed_of(const entry *e);
uint32_t number_of(const entry *e);

/* Any entry of a kind; NULL: there is none. */
const entry *entry_of_kind(const map *m, uint32_t kind, rng *r);

/* The entry of this key in another map; NULL: there is none. */
const entry *same_entry(const map *m, const entry *e);

/* A row of codes with its rowid: its bytes, and the distance to the next. */
typedef struct code_rows {
    size_t bytes, pitch, count;
} code_rows;

#define ROWS_OFFSET 48

/* The rows of a block of codes, by the first block of its space. */
bool rows_of(const map *m, const entry *e, code_rows *out);

/* Makes the digest of a value anew, or of codes those of all its rows. */
void seal(image *file, const map *m, const entry *e);

bool change_lmdb(image *file, const map *m, rng *r, char *what, size_t size);
bool change_ours(image *file, const map *m, bool sealed, rng *r, char *what, size_t size);

/* Another vector, rowid or attribute in a row, with all that confirms it. */
bool forge_row(image *file, const map *m, rng *r, char *what, size_t size);

/* A node of the map of rowids, or a boundary, with all that confirms it. */
bool forge_value(image *file, const map *m, rng *r, char *what, size_t size);

/* Numbers anywhere in a value. */
void change_any(image *file, const entry *e, rng *r);

/* A value as it was at another moment, with its digest, and with `all` what is above it. */
bool take_back(image *file, const map *m, const image *other, bool all, rng *r, char *what,
               size_t size);

#endif
