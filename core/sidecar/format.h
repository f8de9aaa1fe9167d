/*
** Interface to format.c: the layout of the sidecar, which is described at the top of format.c.
** Only these two files know an offset.
*/
#ifndef HNY_FORMAT_H
#define HNY_FORMAT_H

#include <stdbool.h>
#include <string.h>

#include "vector/quantizer.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the sidecar is little-endian, and so must the host be"
#endif

#define HNY__FORMAT    9u
#define HNY__NONE      UINT32_MAX
#define HNY__MAX_SLOTS (1u << 30)

/* Points of a curve of recall by ef, and the unit of recall there. */
#define HNY__CURVE         14
#define HNY__CROWD_CLASSES 4
#define HNY__RECALL_UNIT   10000

/*
** A link word: the neighbour, and whether the link is an edge of the spanning tree
** (mutable_graph.h).
*/
#define HNY__TREE       (1u << 31)
#define HNY__NODE(link) ((link) & ~HNY__TREE)
_Static_assert(HNY__MAX_SLOTS <= HNY__TREE, "a slot and the flag share a word");

/*
** Links of a node: m above level 0, 2m on it.  In memory a build lets lists grow beyond that: each
** overflow prunes capacity + slack candidates at once, which makes adding a link cost a tenth of
** what pruning at each would; a slack of 5 to 12 is alike.
*/
#define HNY__MAX_M      63
#define HNY__LINK_SLACK 8
#define HNY__MAX_LINKS  (2 * HNY__MAX_M + HNY__LINK_SLACK)
_Static_assert(2 * HNY__MAX_M <= UINT8_MAX, "counts of links are stored in a byte");

/*
** A word of a ring of rows that share a node: the next row, and whether the row is a copy, which
** has no links.  0: the row is in no ring.
*/
#define HNY__COPY            (1u << 31)
#define HNY__NEXT_COPY(word) (((word) & ~HNY__COPY) - 1)
_Static_assert(HNY__MAX_SLOTS < HNY__COPY, "a slot plus 1 and the flag share a word");

static inline uint32_t hny__count_tree_links(const uint32_t *links, uint32_t count) {
    uint32_t trees = 0;
    for (uint32_t i = 0; i < count; i++) {
        trees += links[i] >> 31;
    }
    return trees;
}

typedef enum hny__kind {
    HNY__KIND_FILE = 0,
    HNY__KIND_TABLE = 1,
    HNY__KIND_BOUNDARY = 2,
    HNY__KIND_CODES = 3,
    HNY__KIND_RESIDUALS = 4,
    HNY__KIND_LINKS = 5,
    HNY__KIND_UPPER = 6,
    HNY__KIND_DELETED = 7,
    HNY__KIND_FREE_SLOTS = 8,
    HNY__KIND_FREE_UPPER = 9,
    HNY__KIND_ROWIDS = 10,
    HNY__KIND_ATTRIBUTES = 11,
    HNY__KIND_COPIES = 12,
} hny__kind;

/* -------------------------------------------------------------------------------------- keys -- */

#define HNY__KEY_BYTES 8

typedef struct hny__key {
    uint8_t bytes[HNY__KEY_BYTES];
} hny__key;

hny__key hny__key_make(uint32_t space, hny__kind kind, uint32_t number);

/* A key as a number: keys sort by it. */
uint64_t hny__key_number(const hny__key *key);
hny__key hny__key_of_number(uint64_t number);

/* Parses a key.  False if it is of no known kind. */
bool hny__key_parse(const hny__key *key, uint32_t *space, hny__kind *kind, uint32_t *number);

/* ----------------------------------------------------------------------------------- records -- */

/* For values that begin with a digest of the rest, seeded with the key: all but codes. */
void hny__digest_write(void *value, size_t size, const hny__key *key);
bool hny__digest_ok(const void *value, size_t size, const hny__key *key);

typedef struct hny__file_record {
    uint64_t digest;
    char magic[16];
    uint32_t format;
    uint32_t next_space; /* spaces from here on were never used */
} hny__file_record;

void hny__file_record_init(hny__file_record *record);

/* HNY_OK, HNY_VERSION or HNY_CORRUPT. */
int hny__file_record_read(const void *value, size_t size, hny__file_record *out);

/* Recall of the 10 nearest and of the 100 nearest, in HNY__RECALL_UNIT. */
typedef struct hny__curves {
    uint16_t classic[2][HNY__CURVE];                      /* by ef */
    uint16_t adaptive[2][HNY__CROWD_CLASSES][HNY__CURVE]; /* by stretch, of classes of queries */
    uint32_t crowding[2][HNY__CROWD_CLASSES - 1];         /* the limits of the classes */
} hny__curves;

/* The state of a table at its newest boundary; format.c tells the members. */
typedef struct hny__table_record {
    uint64_t digest;
    uint32_t dim;
    uint8_t metric;
    uint8_t type;
    uint8_t codes;
    uint8_t attributes;
    uint32_t m;
    uint32_t space;
    uint32_t slots;
    uint32_t uppers;
    uint32_t live;
    uint32_t deleted;
    uint32_t free_slots;
    uint32_t free_uppers;
    uint32_t entry_slot;
    uint32_t entry_upper;
    uint32_t entry_level;
    uint32_t first_boundary;
    uint32_t boundaries;
    uint32_t attribute_space;
    uint64_t touched;
    uint32_t calibrated;
    hny__curves curves;
    uint32_t unlinked;
    uint32_t rowid_root;
    uint32_t rowid_check;
    uint32_t rowid_height;
    uint32_t rowid_nodes;
    uint32_t rowid_free;
    uint32_t attribute_set;
    uint64_t boundary_digest;
    uint32_t copies;
    uint32_t erased;
} hny__table_record;

/* An empty table: no slots, no graph, no rowids. */
#define HNY__EMPTY_TABLE                                                                           \
    .entry_slot = HNY__NONE, .entry_upper = HNY__NONE, .rowid_root = HNY__NONE,                    \
    .rowid_free = HNY__NONE

/* The number of slots in the graph; those from here on are scanned. */
static inline uint32_t hny__linked(const hny__table_record *table) {
    return table->slots - table->unlinked;
}

/* The space of a table's blocks of this kind. */
static inline uint32_t hny__space_of(const hny__table_record *table, hny__kind kind) {
    return kind == HNY__KIND_ATTRIBUTES && table->attribute_space ? table->attribute_space
                                                                  : table->space;
}

/* HNY_OK, or HNY_CORRUPT if the record contradicts itself. */
int hny__table_record_check(const hny__table_record *record);
int hny__table_record_read(const void *value, size_t size, const hny__key *key,
                           hny__table_record *out);

/*
** A boundary with the rowids touched since the one before, and the digest of that one's value.  The
** caller frees *value.
*/
int hny__boundary_encode(const hny_boundary *boundary, const int64_t *ids, size_t count,
                         uint64_t older_digest, const hny__key *key, void **value, size_t *size);

/*
** ids NULL: only the boundary and the digests.  Else the caller frees *ids.  *digest is of this
** value, *older_digest as it was encoded.
*/
int hny__boundary_decode(const void *value, size_t size, const hny__key *key,
                         hny_boundary *boundary, uint64_t *digest, uint64_t *older_digest,
                         int64_t **ids, size_t *count);

/* A chunk of free numbers: the low 16 bits of each, ascending. */
#define HNY__CHUNK_IDS   65536u
#define HNY__CHUNK_BYTES (16 + HNY__CHUNK_IDS / 8)

/* Writes all but the digest; returns the size. */
size_t hny__chunk_encode(const uint16_t *ids, uint32_t count, uint8_t *value);
int hny__chunk_decode(const void *value, size_t size, const hny__key *key, uint16_t *ids,
                      uint32_t *count);

/* ------------------------------------------------------------------------------------ blocks -- */

/* Bytes of a block of links, upper rows, deleted bits or copies: a page without its header. */
#define HNY__SMALL_BLOCK (4096 - 16)
_Static_assert(HNY__SMALL_BLOCK >= 8 + 8 * HNY__MAX_M + 10 + 3, "a block has space for a row");

/* The families of blocks of a table. */
typedef enum hny__family {
    HNY__CODES,
    HNY__RESIDUALS,
    HNY__LINKS,
    HNY__UPPER,
    HNY__DELETED,
    HNY__ATTRIBUTES,
    HNY__ROWIDS,
    HNY__COPIES,
    HNY__FAMILIES
} hny__family;

typedef struct hny__layout {
    hny__kind kind;
    uint32_t bytes;         /* of a block */
    uint32_t per_block;     /* rows, or deleted bits, in it; 0: there are no such blocks */
    uint32_t row_bytes;     /* of a code, of attributes or of links */
    uint32_t pitch;         /* from one row to the next */
    uint32_t capacity;      /* links that a row has space for */
    uint32_t rows_offset;   /* of the first row */
    uint32_t owners_offset; /* upper rows only */
    uint32_t downs_offset;  /* upper rows only */
    uint64_t inverse;       /* ceil(2^64 / per_block): a division as a multiplication */
} hny__layout;

typedef struct hny__geometry {
    hny__quantizer quantizer;
    hny__layout layout[HNY__FAMILIES];
} hny__geometry;

/* From the dim, metric, type, codes, attributes and m of a table. */
void hny__geometry_init(hny__geometry *geometry, const hny__table_record *table);

/* Blocks of `rows` rows. */
uint32_t hny__layout_blocks(const hny__layout *layout, uint32_t rows);

/* The block of a row.  Exact for every 32-bit row, since per_block is below 2^16. */
static inline uint32_t hny__layout_block(const hny__layout *layout, uint32_t row) {
    if (layout->per_block == 1) {
        return row;
    }
    return (uint32_t)(((unsigned __int128)layout->inverse * row) >> 64);
}

static inline const uint8_t *hny__row_at(const hny__layout *layout, const uint8_t *block,
                                         uint32_t index) {
    return block + layout->rows_offset + (size_t)index * layout->pitch;
}

/* The rowid in a row of codes. */
static inline int64_t hny__rowid_of(const hny__layout *layout, const uint8_t *row) {
    int64_t rowid;
    memcpy(&rowid, row + layout->row_bytes, 8);
    return rowid;
}

static inline const uint32_t *hny__links_at(const hny__layout *layout, const uint8_t *block,
                                            uint32_t index) {
    return (const uint32_t *)(const void *)hny__row_at(layout, block, index);
}

/* The counts of a links or upper block are its bytes 8, 9, …; upper levels follow them. */
static inline uint8_t hny__count_at(const uint8_t *block, uint32_t index) {
    return block[8 + index];
}

static inline uint8_t hny__level_at(const hny__layout *layout, const uint8_t *block,
                                    uint32_t index) {
    return block[8 + layout->per_block + index];
}

static inline uint32_t hny__word_at(const uint8_t *block, uint32_t offset, uint32_t index) {
    uint32_t word;
    memcpy(&word, block + offset + (size_t)index * 4, 4);
    return word;
}

static inline uint32_t hny__owner_at(const hny__layout *layout, const uint8_t *block,
                                     uint32_t index) {
    return hny__word_at(block, layout->owners_offset, index);
}

static inline uint32_t hny__down_at(const hny__layout *layout, const uint8_t *block,
                                    uint32_t index) {
    return hny__word_at(block, layout->downs_offset, index);
}

static inline bool hny__deleted_at(const uint8_t *block, uint32_t index) {
    return block[8 + index / 8] >> (index % 8) & 1;
}

/* Where a row is, and a check of it: an entry of the map of rowids, or of an inner node of that. */
typedef struct hny__row_ref {
    int64_t rowid;
    uint32_t slot;
    uint32_t check;
} hny__row_ref;

/* A node of the map of rowids, which is a block. */
#define HNY__ROWID_ENTRIES    ((HNY__SMALL_BLOCK - 16) / 16)
#define HNY__ROWID_FREE_LEVEL 255 /* of a node that is not in use */
typedef struct hny__rowid_node {
    uint64_t digest;
    uint8_t level;
    uint8_t zero;
    uint16_t count;
    uint32_t next_free;
    hny__row_ref entries[HNY__ROWID_ENTRIES];
} hny__rowid_node;
_Static_assert(sizeof(hny__rowid_node) == HNY__SMALL_BLOCK, "a node is a block");

/* The parts of a slot's row.  NULL or unused: the table has no such family. */
typedef struct hny__row_parts {
    const uint8_t *code; /* in a sealed block */
    const uint8_t *residual;
    const hny_attribute *attributes;
} hny__row_parts;

/* The check of a row: of all its parts, and its rowid. */
uint32_t hny__row_check(const hny__geometry *geometry, uint32_t slot, const hny__row_parts *row);

/* A hash of a row's code and residual code, which is the same in every slot. */
uint64_t hny__codes_hash(const hny__geometry *geometry, const uint8_t *code,
                         const uint8_t *residual);

/* Is the digest of a row of codes right for this slot? */
bool hny__row_ok(const hny__layout *layout, uint32_t space, uint32_t slot, const uint8_t *row);

/* Is the digest of a block right, or of codes those of all its rows? */
bool hny__block_ok(const hny__layout *layout, const uint8_t *block, size_t size,
                   const hny__key *key);

/* Writes the digest, or digests, into a block before it is stored. */
void hny__block_seal(const hny__layout *layout, uint8_t *block, const hny__key *key);

/* Write into a block.  hny__row_put is for codes, residual codes and attributes. */
void hny__row_put(const hny__layout *layout, uint8_t *block, uint32_t index, const void *row);
void hny__rowid_put(const hny__layout *layout, uint8_t *block, uint32_t index, int64_t rowid);
void hny__links_put(const hny__layout *layout, uint8_t *block, uint32_t index,
                    const uint32_t *links, uint32_t count);
void hny__upper_put(const hny__layout *layout, uint8_t *block, uint32_t index, uint8_t level,
                    uint32_t owner, uint32_t down);
void hny__deleted_put(uint8_t *block, uint32_t index, bool deleted);

#endif
