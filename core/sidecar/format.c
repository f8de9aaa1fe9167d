/*
** The sidecar, byte by byte: keys, records and blocks.
**
** It is one LMDB file without sub-databases, each entry a key and a value.  LMDB's own layout is in
** pages.c.  All numbers are little-endian, except those in keys, which are big-endian so
** that they sort.  Sizes and offsets are in bytes.
**
** KEYS
**
**   offset  size  name    meaning
**   0       3     space   0: the file's own records; any other: the entries of one table
**   3       1     kind    what the value is, see below
**   4       4     number  of a table, a boundary or a block
**
**   kind  value             space  number       value begins with a digest
**   0     file record       0      0            yes
**   1     table record      0      the table's  yes
**   2     boundary          table  counted up   yes
**   3     codes             table  of a block   no: each row has one
**   4     residual codes    table  of a block   yes
**   5     links             table  of a block   yes
**   6     upper rows        table  of a block   yes
**   7     deleted bits      table  of a block   yes
**   8     free slots        table  of a chunk   yes
**   9     free upper rows   table  of a chunk   yes
**   10    node of rowids    table  of a node    yes
**   11    attributes        table  of a block   yes
**   12    copies            table  of a block   yes
**
** When a table starts over it takes a new space; readers of older states keep the old one until it
** is deleted.  A space that no table record names is garbage.
**
** DIGESTS
**
** The digest of a value is XXH3-64 over the bytes behind it, seeded with the key as a number, so
** that a block in another's place does not pass for it.  In a block of codes each row has a digest
** instead: a search reads two or three rows of a block, and digesting whole blocks took two fifths
** of a process's first query of 810,000 rows.
**
** An older value in a newer one's place has a right digest.  What decides which rows a search
** returns is therefore held by digests from the table record down: it has the check of the root of
** the map of rowids and the digest of the newest boundary, a node has the checks of its children,
** a leaf those of its rows, and a boundary the digest of the one before.  A check is the low 4
** bytes of a digest.  A row is returned only if the map has its rowid with its slot and check.
**
** FILE RECORD (32)
**
**   offset  size  name        meaning
**   0       8     digest
**   8       16    magic       "hannoy sidecar", zeros
**   24      4     format      HNY__FORMAT
**   28      4     next_space  spaces from here on were never used
**
** TABLE RECORD (432): hny__table_record
**
**   offset  size  name            meaning
**   0       8     digest
**   8       4     dim
**   12      1     metric          hny_metric
**   13      1     type            hny_type
**   14      1     codes           hny_codes
**   15      1     attributes      of a row
**   16      4     m
**   20      4     space           of the table's other entries
**   24      4     slots           allotted so far, with the free ones
**   28      4     uppers          upper rows allotted so far, with the free ones
**   32      4     live            slots that hold a row
**   36      4     deleted         slots of deleted nodes
**   40      4     free_slots      slots = live + deleted + free_slots
**   44      4     free_uppers
**   48      4     entry_slot      where searches begin; HNY__NONE: the graph is empty
**   52      4     entry_upper     its upper row on entry_level; HNY__NONE on level 0
**   56      4     entry_level     the top level
**   60      4     first_boundary  number of the oldest boundary that is kept
**   64      4     boundaries      how many are kept, numbered without a gap
**   68      4     attribute_space of the attributes; 0: that of the other entries
**   72      8     touched         rowids kept in these boundaries together
**   80      4     calibrated      live slots when `curves` was measured; 0: never
**   84      304   curves          hny__curves
**   388     4     unlinked        the last so many slots have no links yet
**   392     4     rowid_root      the root of the map of rowids; HNY__NONE: it is empty
**   396     4     rowid_check     of the root
**   400     4     rowid_height    levels of the map
**   404     4     rowid_nodes     allotted so far, with the free ones
**   408     4     rowid_free      the first free node; HNY__NONE: there is none
**   412     4     attribute_set   hny_options
**   416     8     boundary_digest of the newest boundary's value
**   424     4     copies          slots that are copies; 0: there are no blocks of kind 12
**   428     4     erased          1: no slot without a row has the code or attributes of a row that
**                                 was deleted, nor has a free page of the file; else 0
**
** BOUNDARY
**
**   offset  size  name    meaning
**   0       8     digest
**   8       8     seq     hny_boundary
**   16      8     chain
**   24      8     count   of rowids
**   32      8     older   the digest of the boundary before, as it was written first; 0: none
**   40      ...   rowids  touched since the boundary before, ascending: the first as a zigzag
**                         varint, each other as a varint of the difference to the one before
**
** For example boundary 1 of space 1: rowids 1, 300 and 301 were touched.  Its key, then its value:
**
**   00 00 01 02 00 00 00 01
**
**   5b ab a9 f2 24 12 5c 9b  05 00 00 00 00 00 00 00    digest, seq 5
**   18 36 6e ff fb 21 d4 4f  03 00 00 00 00 00 00 00    chain, 3 rowids
**   88 77 66 55 44 33 22 11                             the digest of the boundary before
**   02 ab 02 01                                         1, + 299, + 1
**
** BLOCKS
**
** A slot is the place of a row, a number from 0 up; an upper row is one node on one level above
** 0.  Row r of a kind is row r % n of block r / n, where n = per_block is the number of rows in a
** block.  A block has p * 4096 - 16 bytes, which LMDB stores in p whole pages; unused bytes are
** zero.  p is 1 for kinds 5, 6, 7, 10 and 12, and layout_rows chooses it for the others.
**
** Codes (kind 3), a row for each slot:
**
**   offset     size       name    meaning
**   0          48         (zeros) rows begin on a cache line, behind LMDB's 16-byte page header
**   48         n * pitch  rows
**
**   in a row   size       name    meaning
**   0          row_bytes  code
**   row_bytes  8          rowid
**              4          digest  low bytes of XXH3-64 over both, seeded with a key that has the
**                                 slot as its number
**              ...        (zeros) to a multiple of 4, or of a cache line if that adds little
**
** If the table is erased, a deleted node has the code of a live row near it, whose slot is in the
** place of the rowid; or if there is none, as in a free slot, zeros, with HNY__NONE as the slot.
**
** A code that is the vector is a row of row.h.  Other codes have their numbers, zeros to a
** multiple of 4, and a trailer:
**
**   codes    numbers                                     trailer (float32 each)
**   int8     an int8 each                                scale, square, error: hny__trailer
**   int4     4 bits each, -7 .. 7 in two's complement;   scale, square, error
**            the first half of them, for an odd dim the
**            larger one, in the low halves of bytes
**   float16  a row of row.h                              error
**   bit      a row of row.h for metric hamming           none
**
** Residual codes (kind 4), a row for each slot, if the codes are int8, int4 or bit and not exact.
** With c the number in the code and f the one here, a number stands for 254 c + f steps with int8,
** for c of the code's steps and f of these with int4, and for f steps with bit:
**
**   offset  size                         name     meaning
**   0       8                            digest
**   8       40                           (zeros)
**   48      n * (align4(dim) + 8)        rows     an int8 for each number, zeros to a multiple of
**                                                 4, the step and the error as float32
**
** Links (kind 5), a row for each slot but the last `unlinked`:
**
**   offset  size      name    meaning
**   0       8         digest
**   8       n         counts  of links in use
**   ...     n * 8m    links   2m of 4 bytes, at a multiple of 4: the slot of a neighbour on level
**                             0, with bit 31 set if the link is an edge of the spanning tree;
**                             unused links are zero
**
** Upper rows (kind 6):
**
**   offset  size      name    meaning
**   0       8         digest
**   8       n         counts  of links in use
**   ...     n         levels  0: the row is not in use
**   ...     n * 4     owners  the slot of the node; at a multiple of 4
**   ...     n * 4     downs   the node's upper row one level below; HNY__NONE on level 1
**   ...     n * 4m    links   m of 4 bytes: upper rows of neighbours on the level, bit 31 as above
**
** Deleted bits (kind 7), a bit for each slot, set if it is a deleted node or free:
**
**   offset  size  name    meaning
**   0       8     digest
**   8       ...   bits    bit i % 8 of byte i / 8
**
** Free slots and free upper rows (kinds 8, 9): chunk c has the numbers from 65536 c on; there is
** no entry for an empty chunk.
**
**   offset  size  name    meaning
**   0       8     digest
**   8       4     count   of numbers, at least 1
**   12      4     (zeros)
**   16      ...   set     of the low 16 bits: up to 4096 as 2 bytes each, ascending; more as 65536
**                         bits, bit i % 8 of byte i / 8
**
** Attributes (kind 11), a row for each slot, if the table has attributes:
**
**   offset  size                 name     meaning
**   0       8                    digest
**   8       40                   (zeros)
**   48      n * attributes * 16  rows     a word (8) and a detail (8) for each attribute
**
**   detail, lowest byte  word                                      detail, other 7 bytes
**   0  NULL              0                                         0
**   1  integer           the integer                               0
**   2  real              the real, which is not an integer         0
**   3  text              its first 8 bytes as a big-endian number  the low 7 bytes of its XXH64
**   4  BLOB              as of a text                              as of a text
**
** Copies (kind 12), a word for each slot but the last `unlinked`.  Rows whose code and residual
** code are equal share one node of the graph: they form a ring, in which one row has the node's
** links and the others, the copies, have none:
**
**   offset  size  name    meaning
**   0       8     digest
**   8       n * 4 words   0: the row is in no ring; else the slot of the next row of the ring, plus
**                         1, with bit 31 set if this row is a copy
**
** MAP OF ROWIDS
**
** A tree of nodes (kind 10), which are blocks of one page: hny__rowid_node.
**
**   offset  size  name       meaning
**   0       8     digest
**   8       1     level      0: a leaf; HNY__ROWID_FREE_LEVEL: the node is not in use
**   9       1     (zero)
**   10      2     count      of entries in use
**   12      4     next_free  only of nodes not in use: the next of them, or HNY__NONE
**   16      16 n  entries    ascending by rowid
**
**   in an entry  size  name   of a leaf                      of an inner node
**   0            8     rowid                                 not above any rowid of the child
**   8            4     slot   of the row                     the child, a node
**   12           4     check  the digest of the row of       the low 4 bytes of the child's digest
**                             codes; by exclusive or, the
**                             low 4 bytes of XXH3-64 over
**                             its residual code and over
**                             its attributes, seeded with
**                             a key that has the slot as
**                             its number and no space
*/
#include "sidecar/format.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/align.h"
#include "simd/kernel.h"

static const char magic[16] = "hannoy sidecar";

_Static_assert(sizeof(hny__file_record) == 32, "FILE RECORD above");
_Static_assert(sizeof(hny__table_record) == 432, "TABLE RECORD above");
_Static_assert(offsetof(hny__table_record, touched) == 72, "TABLE RECORD above");
_Static_assert(offsetof(hny__table_record, curves) == 84, "TABLE RECORD above");
_Static_assert(offsetof(hny__table_record, unlinked) == 388, "TABLE RECORD above");
_Static_assert(offsetof(hny__table_record, boundary_digest) == 416, "TABLE RECORD above");

/* -------------------------------------------------------------------------------------- keys -- */

static void put_be(uint8_t *out, uint64_t value, int bytes) {
    for (int i = bytes - 1; i >= 0; i--, value >>= 8) {
        out[i] = (uint8_t)value;
    }
}

static uint64_t get_be(const uint8_t *in, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) {
        value = value << 8 | in[i];
    }
    return value;
}

hny__key hny__key_make(uint32_t space, hny__kind kind, uint32_t number) {
    return hny__key_of_number((uint64_t)space << 40 | (uint64_t)kind << 32 | number);
}

hny__key hny__key_of_number(uint64_t number) {
    hny__key key;
    put_be(key.bytes, number, HNY__KEY_BYTES);
    return key;
}

uint64_t hny__key_number(const hny__key *key) {
    return get_be(key->bytes, HNY__KEY_BYTES);
}

bool hny__key_parse(const hny__key *key, uint32_t *space, hny__kind *kind, uint32_t *number) {
    const uint64_t all = hny__key_number(key);
    *space = (uint32_t)(all >> 40);
    *kind = (hny__kind)(all >> 32 & 0xff);
    *number = (uint32_t)all;
    return *kind <= HNY__KIND_COPIES;
}

/* ----------------------------------------------------------------------------------- digests -- */

static uint64_t value_digest(const void *value, size_t size, const hny__key *key) {
    return hny__kernels_get()->digest((const uint8_t *)value + 8, size - 8, hny__key_number(key));
}

void hny__digest_write(void *value, size_t size, const hny__key *key) {
    const uint64_t digest = value_digest(value, size, key);
    memcpy(value, &digest, 8);
}

bool hny__digest_ok(const void *value, size_t size, const hny__key *key) {
    uint64_t digest;
    if (size < 8) {
        return false;
    }
    memcpy(&digest, value, 8);
    return digest == value_digest(value, size, key);
}

/* ----------------------------------------------------------------------------------- records -- */

void hny__file_record_init(hny__file_record *record) {
    memset(record, 0, sizeof *record);
    memcpy(record->magic, magic, sizeof magic);
    record->format = HNY__FORMAT;
    record->next_space = 1;
}

int hny__file_record_read(const void *value, size_t size, hny__file_record *out) {
    const hny__key key = hny__key_make(0, HNY__KIND_FILE, 0);
    /*
    ** Another format may have another length and another digest; its first bytes say which it is.
    */
    if (size < offsetof(hny__file_record, next_space)) {
        return HNY_CORRUPT;
    }
    memset(out, 0, sizeof *out);
    memcpy(out, value, size < sizeof *out ? size : sizeof *out);
    if (memcmp(out->magic, magic, sizeof magic) != 0) {
        return HNY_CORRUPT;
    }
    if (out->format != HNY__FORMAT) {
        return HNY_VERSION;
    }
    if (size != sizeof *out || !hny__digest_ok(value, size, &key)) {
        return HNY_CORRUPT;
    }
    return HNY_OK;
}

#define MAX_ROWID_HEIGHT 8 /* five levels hold 2^30 rowids in half-full nodes */

int hny__table_record_read(const void *value, size_t size, const hny__key *key,
                           hny__table_record *out) {
    if (size != sizeof *out || !hny__digest_ok(value, size, key)) {
        return HNY_CORRUPT;
    }
    memcpy(out, value, sizeof *out);
    return hny__table_record_check(out);
}

int hny__table_record_check(const hny__table_record *t) {
    if (t->dim < 1 || t->dim > HNY_MAX_DIM || t->metric < HNY_COSINE || t->metric > HNY_DOT ||
        t->type < HNY_FLOAT32 || t->type > HNY_BIT || t->codes < HNY_CODES_INT8 ||
        t->codes > HNY_CODES_INT4 || t->m < 4 || t->m > HNY__MAX_M ||
        t->attributes > HNY_MAX_ATTRIBUTES) {
        return HNY_CORRUPT;
    }
    if (t->space == 0 || t->slots > HNY__MAX_SLOTS || t->uppers > HNY__MAX_SLOTS ||
        (uint64_t)t->live + t->deleted + t->free_slots != t->slots || t->free_uppers > t->uppers ||
        t->unlinked > t->live + t->deleted || t->copies > t->live + t->deleted - t->unlinked ||
        t->rowid_nodes > HNY__MAX_SLOTS || t->rowid_height > MAX_ROWID_HEIGHT) {
        return HNY_CORRUPT;
    }
    if (t->rowid_height ? t->rowid_root >= t->rowid_nodes : t->rowid_root != HNY__NONE) {
        return HNY_CORRUPT;
    }
    if (t->live + t->deleted == t->unlinked) {
        return t->entry_slot == HNY__NONE ? HNY_OK : HNY_CORRUPT;
    }
    if (t->entry_slot >= hny__linked(t) || t->entry_level > 63) {
        return HNY_CORRUPT;
    }
    if (t->entry_level == 0) {
        return t->entry_upper == HNY__NONE ? HNY_OK : HNY_CORRUPT;
    }
    return t->entry_upper < t->uppers ? HNY_OK : HNY_CORRUPT;
}

/* -------------------------------------------------------------------------------- boundaries -- */

#define BOUNDARY_HEAD 40 /* digest, seq, chain, count, older */
#define VARINT_BYTES  10

static uint8_t *put_varint(uint8_t *out, uint64_t value) {
    for (; value >= 128; value >>= 7) {
        *out++ = (uint8_t)(value | 128);
    }
    *out++ = (uint8_t)value;
    return out;
}

static const uint8_t *get_varint(const uint8_t *in, const uint8_t *end, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; in < end && shift < 64; shift += 7) {
        const uint8_t byte = *in++;
        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            return in;
        }
    }
    return NULL;
}

int hny__boundary_encode(const hny_boundary *boundary, const int64_t *ids, size_t count,
                         uint64_t older_digest, const hny__key *key, void **value, size_t *size) {
    uint8_t *const bytes = malloc(BOUNDARY_HEAD + count * VARINT_BYTES);
    if (!bytes) {
        return HNY_NOMEM;
    }
    const uint64_t count64 = count;
    memcpy(bytes + 8, &boundary->seq, 8);
    memcpy(bytes + 16, &boundary->chain, 8);
    memcpy(bytes + 24, &count64, 8);
    memcpy(bytes + 32, &older_digest, 8);
    uint8_t *out = bytes + BOUNDARY_HEAD;
    for (size_t i = 0; i < count; i++) {
        const uint64_t id = (uint64_t)ids[i];
        if (i > 0) {
            out = put_varint(out, id - (uint64_t)ids[i - 1]);
        } else {
            out = put_varint(out, id << 1 ^ (ids[0] < 0 ? UINT64_MAX : 0));
        }
    }
    *value = bytes;
    *size = (size_t)(out - bytes);
    hny__digest_write(bytes, *size, key);
    return HNY_OK;
}

int hny__boundary_decode(const void *value, size_t size, const hny__key *key,
                         hny_boundary *boundary, uint64_t *digest, uint64_t *older_digest,
                         int64_t **ids, size_t *count) {
    const uint8_t *in = value;
    const uint8_t *const end = in + size;
    uint64_t count64;
    if (size < BOUNDARY_HEAD || !hny__digest_ok(value, size, key)) {
        return HNY_CORRUPT;
    }
    memcpy(&boundary->seq, in + 8, 8);
    memcpy(&boundary->chain, in + 16, 8);
    memcpy(digest, in, 8);
    memcpy(older_digest, in + 32, 8);
    if (!ids) {
        return HNY_OK;
    }

    memcpy(&count64, in + 24, 8);
    if (count64 > size - BOUNDARY_HEAD) {
        return HNY_CORRUPT;
    }
    int64_t *const list = malloc((count64 + 1) * sizeof *list);
    if (!list) {
        return HNY_NOMEM;
    }
    uint64_t id = 0;
    in += BOUNDARY_HEAD;
    for (uint64_t i = 0; i < count64; i++) {
        uint64_t word;
        in = get_varint(in, end, &word);
        if (!in) {
            free(list);
            return HNY_CORRUPT;
        }
        id = i > 0 ? id + word : word >> 1 ^ (0 - (word & 1));
        list[i] = (int64_t)id;
    }
    *ids = list;
    *count = count64;
    return HNY_OK;
}

/* ------------------------------------------------------------------------------------ chunks -- */

#define CHUNK_HEAD     16 /* digest, count, zeros */
#define CHUNK_LIST_MAX 4096

size_t hny__chunk_encode(const uint16_t *ids, uint32_t count, uint8_t *value) {
    memset(value, 0, CHUNK_HEAD);
    memcpy(value + 8, &count, sizeof count);
    if (count <= CHUNK_LIST_MAX) {
        memcpy(value + CHUNK_HEAD, ids, count * sizeof *ids);
        return CHUNK_HEAD + count * sizeof *ids;
    }
    memset(value + CHUNK_HEAD, 0, HNY__CHUNK_IDS / 8);
    for (uint32_t i = 0; i < count; i++) {
        value[CHUNK_HEAD + ids[i] / 8] |= (uint8_t)(1u << (ids[i] % 8));
    }
    return HNY__CHUNK_BYTES;
}

static bool is_ascending(const uint16_t *ids, uint32_t count) {
    for (uint32_t i = 1; i < count; i++) {
        if (ids[i] <= ids[i - 1]) {
            return false;
        }
    }
    return true;
}

int hny__chunk_decode(const void *value, size_t size, const hny__key *key, uint16_t *ids,
                      uint32_t *count) {
    const uint8_t *const bytes = value;
    if (size < CHUNK_HEAD || !hny__digest_ok(value, size, key)) {
        return HNY_CORRUPT;
    }
    memcpy(count, bytes + 8, sizeof *count);
    if (*count <= CHUNK_LIST_MAX) {
        if (size != CHUNK_HEAD + *count * sizeof *ids) {
            return HNY_CORRUPT;
        }
        memcpy(ids, bytes + CHUNK_HEAD, *count * sizeof *ids);
        return is_ascending(ids, *count) ? HNY_OK : HNY_CORRUPT;
    }
    uint32_t found = 0;
    if (size != HNY__CHUNK_BYTES) {
        return HNY_CORRUPT;
    }
    for (uint32_t i = 0; i < HNY__CHUNK_IDS; i++) {
        if (bytes[CHUNK_HEAD + i / 8] >> (i % 8) & 1) {
            ids[found++] = (uint16_t)i;
        }
    }
    return found == *count ? HNY_OK : HNY_CORRUPT;
}

/* ------------------------------------------------------------------------------------ blocks -- */

#define PAGE        4096u
#define PAGE_HEAD   16u
#define ROWS_OFFSET 48u /* in blocks of codes, residual codes and attributes */
#define MIN_PAGES   2u
#define MAX_PAGES   12u
#define LINE        64u
#define ROWID_BYTES 8u
#define ROW_DIGEST  4u

static uint32_t block_bytes(uint32_t pages) {
    return pages * PAGE - PAGE_HEAD;
}

static void finish_layout(hny__layout *layout) {
    layout->inverse = UINT64_MAX / layout->per_block + 1;
}

/*
** Blocks are small, since a changed row causes its whole block to be written: of 2 to 12 pages the
** first number whose waste is within 2 % of the best.  A larger row has a block of its own.
**
** One page is too few: LMDB uses the memory of single pages again without clearing it, and writes
** what was in it into the gaps of its own pages, so that codes of deleted rows came back.
*/
static void layout_rows(hny__layout *layout, hny__kind kind, uint32_t row_bytes, uint32_t pitch) {
    const uint32_t needed = (ROWS_OFFSET + pitch + PAGE_HEAD + PAGE - 1) / PAGE;
    const uint32_t first = needed > MIN_PAGES ? needed : MIN_PAGES;
    const uint32_t last = first > MAX_PAGES ? first : MAX_PAGES;
    double best = 0, taken = 0;
    for (uint32_t pages = first; pages <= last; pages++) {
        const uint32_t rows = (block_bytes(pages) - ROWS_OFFSET) / pitch;
        const double use = rows * (double)pitch / (pages * PAGE);
        if (use > best) {
            best = use;
        }
    }
    for (uint32_t pages = first; taken < best * 0.98; pages++) {
        layout->bytes = block_bytes(pages);
        layout->per_block = (layout->bytes - ROWS_OFFSET) / pitch;
        taken = layout->per_block * (double)pitch / (pages * PAGE);
    }
    layout->kind = kind;
    layout->row_bytes = row_bytes;
    layout->pitch = pitch;
    layout->rows_offset = ROWS_OFFSET;
    finish_layout(layout);
}

/* A row that begins on a cache line spans one line less; that is worth a little padding. */
static void layout_codes(hny__layout *layout, uint32_t code_bytes) {
    const uint32_t bytes = hny__align4(code_bytes + ROWID_BYTES + ROW_DIGEST);
    const uint32_t lines = (bytes + LINE - 1) / LINE * LINE;
    layout_rows(layout, HNY__KIND_CODES, code_bytes, lines - bytes <= bytes / 24 ? lines : bytes);
}

/* Small blocks: an insert changes some 33 nodes, each in another block. */
static void layout_links(hny__layout *layout, uint32_t links) {
    layout->kind = HNY__KIND_LINKS;
    layout->bytes = HNY__SMALL_BLOCK;
    layout->row_bytes = layout->pitch = links * 4;
    layout->capacity = links;
    layout->per_block = (layout->bytes - 8 - 3) / (layout->row_bytes + 1);
    layout->rows_offset = hny__align4(8 + layout->per_block);
    finish_layout(layout);
}

static void layout_upper(hny__layout *layout, uint32_t links) {
    layout->kind = HNY__KIND_UPPER;
    layout->bytes = HNY__SMALL_BLOCK;
    layout->row_bytes = layout->pitch = links * 4;
    layout->capacity = links;
    layout->per_block = (layout->bytes - 8 - 3) / (layout->row_bytes + 10);
    layout->owners_offset = hny__align4(8 + 2 * layout->per_block);
    layout->downs_offset = layout->owners_offset + 4 * layout->per_block;
    layout->rows_offset = layout->downs_offset + 4 * layout->per_block;
    finish_layout(layout);
}

static void layout_deleted(hny__layout *layout) {
    layout->kind = HNY__KIND_DELETED;
    layout->bytes = HNY__SMALL_BLOCK;
    layout->per_block = (layout->bytes - 8) * 8;
    layout->rows_offset = 8;
    finish_layout(layout);
}

static void layout_copies(hny__layout *layout) {
    layout->kind = HNY__KIND_COPIES;
    layout->bytes = HNY__SMALL_BLOCK;
    layout->row_bytes = layout->pitch = 4;
    layout->per_block = (layout->bytes - 8) / layout->pitch;
    layout->rows_offset = 8;
    finish_layout(layout);
}

static void layout_rowids(hny__layout *layout) {
    layout->kind = HNY__KIND_ROWIDS;
    layout->bytes = sizeof(hny__rowid_node);
    layout->per_block = 1;
    finish_layout(layout);
}

void hny__geometry_init(hny__geometry *geometry, const hny__table_record *table) {
    const hny_shape shape = {table->dim, table->metric, table->type};
    hny__quantizer *const quantizer = &geometry->quantizer;
    memset(geometry, 0, sizeof *geometry);
    hny__quantizer_init(quantizer, shape, (hny_codes)table->codes);
    layout_codes(&geometry->layout[HNY__CODES], quantizer->format.row_bytes);
    if (quantizer->residual_bytes) {
        layout_rows(&geometry->layout[HNY__RESIDUALS], HNY__KIND_RESIDUALS,
                    quantizer->residual_bytes, quantizer->residual_bytes);
    }
    layout_links(&geometry->layout[HNY__LINKS], 2 * table->m);
    layout_upper(&geometry->layout[HNY__UPPER], table->m);
    layout_deleted(&geometry->layout[HNY__DELETED]);
    layout_rowids(&geometry->layout[HNY__ROWIDS]);
    layout_copies(&geometry->layout[HNY__COPIES]);
    if (table->attributes) {
        const uint32_t row = table->attributes * (uint32_t)sizeof(hny_attribute);
        layout_rows(&geometry->layout[HNY__ATTRIBUTES], HNY__KIND_ATTRIBUTES, row, row);
    }
}

uint32_t hny__layout_blocks(const hny__layout *layout, uint32_t rows) {
    return rows == 0 || layout->per_block == 0 ? 0 : hny__layout_block(layout, rows - 1) + 1;
}

void hny__row_put(const hny__layout *layout, uint8_t *block, uint32_t index, const void *row) {
    memcpy(block + layout->rows_offset + (size_t)index * layout->pitch, row, layout->row_bytes);
}

void hny__rowid_put(const hny__layout *layout, uint8_t *block, uint32_t index, int64_t rowid) {
    memcpy(block + layout->rows_offset + (size_t)index * layout->pitch + layout->row_bytes, &rowid,
           8);
}

/* ------------------------------------------------------------------------- digests of blocks -- */

/* Bytes of a row before its digest, which is of them. */
static uint32_t digested_bytes(const hny__layout *layout) {
    return layout->row_bytes + ROWID_BYTES;
}

static uint32_t row_digest(const hny__layout *layout, uint64_t seed, const uint8_t *row) {
    return (uint32_t)hny__kernels_get()->digest(row, digested_bytes(layout), seed);
}

static bool row_digest_ok(const hny__layout *layout, uint64_t seed, const uint8_t *row) {
    uint32_t digest;
    memcpy(&digest, row + digested_bytes(layout), ROW_DIGEST);
    return digest == row_digest(layout, seed, row);
}

/* 0 for a part that the table does not have. */
static uint32_t part_check(const hny__layout *layout, uint32_t slot, const void *part) {
    const uint64_t seed = (uint64_t)layout->kind << 32 | slot;
    return layout->per_block ? (uint32_t)hny__kernels_get()->digest(part, layout->row_bytes, seed)
                             : 0;
}

uint32_t hny__row_check(const hny__geometry *geometry, uint32_t slot, const hny__row_parts *row) {
    uint32_t digest;
    memcpy(&digest, row->code + digested_bytes(&geometry->layout[HNY__CODES]), ROW_DIGEST);
    return digest ^ part_check(&geometry->layout[HNY__RESIDUALS], slot, row->residual) ^
           part_check(&geometry->layout[HNY__ATTRIBUTES], slot, row->attributes);
}

uint64_t hny__codes_hash(const hny__geometry *geometry, const uint8_t *code,
                         const uint8_t *residual) {
    const hny__layout *const codes = &geometry->layout[HNY__CODES];
    const hny__layout *const residuals = &geometry->layout[HNY__RESIDUALS];
    const uint64_t hash = hny__kernels_get()->digest(code, codes->row_bytes, 0);
    return residuals->per_block ? hny__kernels_get()->digest(residual, residuals->row_bytes, hash)
                                : hash;
}

bool hny__row_ok(const hny__layout *layout, uint32_t space, uint32_t slot, const uint8_t *row) {
    return row_digest_ok(layout, (uint64_t)space << 40 | (uint64_t)HNY__KIND_CODES << 32 | slot,
                         row);
}

/* The seed of the digest of a block's first row; that of row i is larger by i. */
static uint64_t first_row_seed(const hny__layout *layout, const hny__key *key) {
    const uint64_t seed = hny__key_number(key), number = seed & UINT32_MAX;
    return seed - number + number * layout->per_block;
}

bool hny__block_ok(const hny__layout *layout, const uint8_t *block, size_t size,
                   const hny__key *key) {
    if (size != layout->bytes) {
        return false;
    }
    if (layout->kind != HNY__KIND_CODES) {
        return hny__digest_ok(block, size, key);
    }
    const uint64_t seed = first_row_seed(layout, key);
    for (uint32_t i = 0; i < layout->per_block; i++) {
        if (!row_digest_ok(layout, seed + i, hny__row_at(layout, block, i))) {
            return false;
        }
    }
    return true;
}

void hny__block_seal(const hny__layout *layout, uint8_t *block, const hny__key *key) {
    if (layout->kind != HNY__KIND_CODES) {
        hny__digest_write(block, layout->bytes, key);
        return;
    }
    const uint64_t seed = first_row_seed(layout, key);
    for (uint32_t i = 0; i < layout->per_block; i++) {
        uint8_t *const row = block + layout->rows_offset + (size_t)i * layout->pitch;
        const uint32_t digest = row_digest(layout, seed + i, row);
        memcpy(row + digested_bytes(layout), &digest, ROW_DIGEST);
    }
}

/* ----------------------------------------------------------------------- writing into blocks -- */

void hny__links_put(const hny__layout *layout, uint8_t *block, uint32_t index,
                    const uint32_t *links, uint32_t count) {
    uint8_t *const row = block + layout->rows_offset + (size_t)index * layout->pitch;
    block[8 + index] = (uint8_t)count;
    memset(row, 0, layout->row_bytes);
    if (count) {
        memcpy(row, links, count * 4);
    }
}

void hny__upper_put(const hny__layout *layout, uint8_t *block, uint32_t index, uint8_t level,
                    uint32_t owner, uint32_t down) {
    block[8 + layout->per_block + index] = level;
    memcpy(block + layout->owners_offset + (size_t)index * 4, &owner, 4);
    memcpy(block + layout->downs_offset + (size_t)index * 4, &down, 4);
}

void hny__deleted_put(uint8_t *block, uint32_t index, bool deleted) {
    const uint8_t bit = (uint8_t)(1u << (index % 8));
    uint8_t *const byte = &block[8 + index / 8];
    *byte = (uint8_t)(deleted ? *byte | bit : *byte & ~bit);
}
