/*
** The sidecar, byte by byte.
**
** It is one LMDB file without sub-databases; LMDB's own layout is not repeated here.  All numbers
** are little-endian but those in keys, which are big-endian so that they sort.
**
** Keys are 8 bytes: a space (3 bytes), a kind (1) and a number (4).  Space 0 is the file's own: the
** file record (kind 0, number 0) and one record for each table (kind 1, number = the table's).
** Every other space holds the blocks of one table.  A table that starts over takes a new space and
** leaves the old one to readers of older states until it is swept; a space that no table record
** names is debris.  A rowid's key (kind 10) is 16 bytes: the 8 bytes with number 0, then the rowid
** with its sign bit turned over; its value is the row's slot, 4 bytes.
**
** Every other value but a block of codes begins with 8 bytes of XXH3-64 over the rest of it, seeded with the
** key's first eight bytes, so that a block in another's place does not pass for it either.  Of codes each
** row has a digest, since a walk meets two or three of a block: to digest all of a block for them took two
** fifths of a process's first query of 810,000 rows.
**
** A slot is a row's place, a number from 0 up.  Rows of a block kind are numbered through all its
** blocks: row r is number r % n of block r / n.  A block has n * 4096 - 16 bytes, which LMDB keeps
** in whole pages with nothing left over.
**
**   kind 2, boundary  seq (8), chain (8), ids (8), then the ids ascending: the first as a zigzag
**                     varint, the others as varints of the difference to the one before.
**   kind 3, codes     48 zero bytes, so that codes begin on a cache line (LMDB's page header has 16
**                     bytes and a value begins behind it), then n rows: a code, its rowid (8), the low
**                     4 bytes of XXH3-64 over both, seeded with a key's eight bytes whose number is the
**                     slot, and zeros to a multiple of 4, or of a cache line where that is near.  A
**                     row is a slot.  A code that is the vector is what code.h has for it.  One of
**                     int8: dim numbers, zeros to a multiple of 4, then as float32 what a step is
**                     worth (under cosine the inverse of the numbers' length), the square of the
**                     coded vector's length (0 under cosine), and how far the vector may be from
**                     it, in the metric's norm.  One of 4 bits: the first half of
**                     the numbers, of an odd dim the larger one, in the low halves of bytes and the rest
**                     in the high ones, -7 .. 7 in two's complement, zeros to a multiple of 4, then
**                     the same three.  One of float16: what code.h has for a float16
**                     vector, then that last float.  One of bits: what code.h has for hamming.
**   kind 4, fine      40 zero bytes, then n codes: dim numbers, zeros to a multiple of 4, then as
**                     float32 what a step is worth, and how far the vector may be from the fine
**                     code.  With codes of int8 a number stands for 254 c + f steps, c being the
**                     one in the code and f this one; with 4 bits for c steps of the code and f of
**                     these; with bits for f.  Only beside codes of int8, 4 bits and bits that are
**                     not the vector itself.
**   kind 5, links     n counts (1 byte), then n rows of 2m links (4 bytes), the count first of them
**                     in use, the rest zero.  A row is a slot; a link is the slot of a neighbour on
**                     level 0, with bit 31 set where the link is an edge of the spanning tree.
**                     The last slots may not be linked yet (`unlinked` in the table's record): they have
**                     no rows here.
**   kind 6, upper     n counts, n levels (1 byte each), n owners, n down links (4 bytes each), then
**                     n rows of m links.  A row is one node on one level above 0: the slot that owns
**                     it, its own row one level below (on level 1: HNY__NONE), and the rows of its
**                     neighbours on the same level.  An unused row has level 0.
**   kind 7, dead      one bit a slot: deleted or free.
**   kind 8, 9, free   the free slots, and the free upper rows, of the 65536 that begin at number *
**                     65536: a roaring bitmap of the low 16 bits, in its portable form.  None where
**                     there are none.
**   kind 11, attributes    40 zero bytes, then n rows, each of all the attributes of a slot: for each of them a
**                     word and a detail (8 each).  The detail's lowest byte is what it is: 0 NULL, 1 an
**                     integer, which the word is; 2 a real, which the word is, and which is no
**                     integer; 3 a text and 4 a BLOB, the word being its first 8 bytes as a big-endian
**                     number, and the detail's other 7 bytes the low ones of XXH64 over it.  Only in
**                     tables with attributes.
*/
#include "sidecar/format.h"

#include <stdlib.h>

#include "base/align.h"
#include "simd/kernel.h"

static const char magic[16] = "hannoy sidecar";

/* ------------------------------------------------------------------------------------ keys -- */

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
    hny__key key = {.size = HNY__KEY_BYTES};
    put_be(key.bytes, (uint64_t)space << 40 | (uint64_t)kind << 32 | number, 8);
    return key;
}

hny__key hny__key_rowid(uint32_t space, int64_t rowid) {
    hny__key key = hny__key_make(space, HNY__KIND_ROWID, 0);
    put_be(key.bytes + 8, (uint64_t)rowid ^ (uint64_t)1 << 63, 8);
    key.size = HNY__ROWID_KEY_BYTES;
    return key;
}

int hny__key_parse(const void *bytes, size_t size, uint32_t *space, hny__kind *kind,
                   uint32_t *number, int64_t *rowid) {
    if (size != HNY__KEY_BYTES && size != HNY__ROWID_KEY_BYTES) {
        return 0;
    }
    const uint64_t head = get_be(bytes, 8);
    *space = (uint32_t)(head >> 40);
    *kind = (hny__kind)(head >> 32 & 0xff);
    *number = (uint32_t)head;
    if ((*kind == HNY__KIND_ROWID) != (size == HNY__ROWID_KEY_BYTES)) {
        return 0;
    }
    if (*kind == HNY__KIND_ROWID) {
        *rowid = (int64_t)(get_be((const uint8_t *)bytes + 8, 8) ^ (uint64_t)1 << 63);
    }
    return *kind <= HNY__KIND_ATTRIBUTES;
}

/* --------------------------------------------------------------------------------- digests -- */

static uint64_t seed_of(const hny__key *key) {
    return get_be(key->bytes, 8);
}

static uint64_t digest_of(const void *value, size_t size, const hny__key *key) {
    return hny__kernels_get()->digest((const uint8_t *)value + 8, size - 8, seed_of(key));
}

void hny__digest_write(void *value, size_t size, const hny__key *key) {
    const uint64_t digest = digest_of(value, size, key);
    memcpy(value, &digest, 8);
}

int hny__digest_ok(const void *value, size_t size, const hny__key *key) {
    uint64_t digest;
    if (size < 8) {
        return 0;
    }
    memcpy(&digest, value, 8);
    return digest == digest_of(value, size, key);
}

/* --------------------------------------------------------------------------------- records -- */

void hny__file_record_init(hny__file_record *record) {
    memset(record, 0, sizeof *record);
    memcpy(record->magic, magic, sizeof magic);
    record->format = HNY__FORMAT;
    record->next_space = 1;
}

int hny__file_record_read(const void *value, size_t size, hny__file_record *out) {
    const hny__key key = hny__key_make(0, HNY__KIND_FILE, 0);
    /* Another version may have another length and another digest; its head says what it is. */
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

int hny__table_record_read(const void *value, size_t size, const hny__key *key,
                           hny__table_record *out) {
    if (size != sizeof *out || !hny__digest_ok(value, size, key)) {
        return HNY_CORRUPT;
    }
    memcpy(out, value, sizeof *out);
    const hny__table_record *t = out;
    if (t->dim < 1 || t->dim > HNY_MAX_DIM || t->metric < HNY_COSINE || t->metric > HNY_HAMMING ||
        t->type < HNY_FLOAT32 || t->type > HNY_BIT || t->codes < HNY_CODES_INT8 ||
        t->codes > HNY_CODES_INT4 || t->m < 4 || t->m > HNY__MAX_M ||
        t->attributes > HNY_MAX_ATTRIBUTES) {
        return HNY_CORRUPT;
    }
    if (t->space == 0 || t->slots > HNY__MAX_SLOTS || t->uppers > HNY__MAX_SLOTS ||
        (uint64_t)t->live + t->deleted + t->free_slots != t->slots || t->free_uppers > t->uppers ||
        t->unlinked > t->live + t->deleted) {
        return HNY_CORRUPT;
    }
    if (t->live + t->deleted == 0) {
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

/* ------------------------------------------------------------------------------ boundaries -- */

#define BOUNDARY_HEAD 32 /* digest, seq, chain, ids */
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

int hny__boundary_encode(const hny_boundary *at, const int64_t *ids, size_t count,
                         const hny__key *key, void **value, size_t *size) {
    uint8_t *const bytes = malloc(BOUNDARY_HEAD + count * VARINT_BYTES);
    if (!bytes) {
        return HNY_NOMEM;
    }
    const uint64_t ids64 = count;
    memcpy(bytes + 8, &at->seq, 8);
    memcpy(bytes + 16, &at->chain, 8);
    memcpy(bytes + 24, &ids64, 8);
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

int hny__boundary_decode(const void *value, size_t size, const hny__key *key, hny_boundary *at,
                         int64_t **ids, size_t *count) {
    const uint8_t *in = value;
    const uint8_t *const end = in + size;
    uint64_t ids64;
    if (size < BOUNDARY_HEAD || !hny__digest_ok(value, size, key)) {
        return HNY_CORRUPT;
    }
    memcpy(&at->seq, in + 8, 8);
    memcpy(&at->chain, in + 16, 8);
    if (!ids) {
        return HNY_OK;
    }

    memcpy(&ids64, in + 24, 8);
    if (ids64 > size - BOUNDARY_HEAD) {
        return HNY_CORRUPT;
    }
    int64_t *const list = malloc((ids64 + 1) * sizeof *list);
    if (!list) {
        return HNY_NOMEM;
    }
    uint64_t id = 0;
    in += BOUNDARY_HEAD;
    for (uint64_t i = 0; i < ids64; i++) {
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
    *count = ids64;
    return HNY_OK;
}

/* ---------------------------------------------------------------------------------- blocks -- */

#define PAGE           4096u
#define PAGE_HEAD      16u
#define CODES_AT       48u
#define MAX_CODE_PAGES 12u
#define LINE           64u
#define ROWID_BYTES    8u
#define ROW_DIGEST     4u

static uint32_t block_bytes(uint32_t pages) {
    return pages * PAGE - PAGE_HEAD;
}

static void layout_finish(hny__layout *layout) {
    layout->inverse = UINT64_MAX / layout->per_block + 1;
}

/*
** Blocks of vectors have as few pages as waste little: a changed row has all of its block written.  Of 1 to
** 12 pages the first within 2 % of the best is taken; a vector too large for that has a block to itself.
*/
static void layout_vectors(hny__layout *layout, hny__kind kind, uint32_t stride, uint32_t row) {
    const uint32_t first = (CODES_AT + row + PAGE_HEAD + PAGE - 1) / PAGE;
    const uint32_t last = first > MAX_CODE_PAGES ? first : MAX_CODE_PAGES;
    double best = 0, taken = 0;
    for (uint32_t pages = first; pages <= last; pages++) {
        const double use = (block_bytes(pages) - CODES_AT) / row * (double)row / (pages * PAGE);
        if (use > best) {
            best = use;
        }
    }
    for (uint32_t pages = first; taken < best * 0.98; pages++) {
        layout->bytes = block_bytes(pages);
        layout->per_block = (layout->bytes - CODES_AT) / row;
        taken = layout->per_block * (double)row / (pages * PAGE);
    }
    layout->kind = kind;
    layout->row_bytes = stride;
    layout->pitch = row;
    layout->at = CODES_AT;
    layout_finish(layout);
}

/* On cache lines of its own a row takes a line less, if that adds little to what there is to read. */
static void layout_codes(hny__layout *layout, uint32_t stride) {
    const uint32_t row = hny__align4(stride + ROWID_BYTES + ROW_DIGEST),
                   lines = (row + LINE - 1) / LINE * LINE;
    layout_vectors(layout, HNY__KIND_CODES, stride, lines - row <= row / 24 ? lines : row);
}

/* Small blocks: an insert changes some 33 nodes, each in a block of its own (PERFORMANCE). */
static void layout_links(hny__layout *layout, uint32_t links) {
    layout->kind = HNY__KIND_LINKS;
    layout->bytes = HNY__SMALL_BLOCK;
    layout->row_bytes = layout->pitch = links * 4;
    layout->capacity = links;
    layout->per_block = (layout->bytes - 8 - 3) / (layout->row_bytes + 1);
    layout->at = hny__align4(8 + layout->per_block);
    layout_finish(layout);
}

static void layout_upper(hny__layout *layout, uint32_t links) {
    layout->kind = HNY__KIND_UPPER;
    layout->bytes = HNY__SMALL_BLOCK;
    layout->row_bytes = layout->pitch = links * 4;
    layout->capacity = links;
    layout->per_block = (layout->bytes - 8 - 3) / (layout->row_bytes + 10);
    layout->at_owner = hny__align4(8 + 2 * layout->per_block);
    layout->at_down = layout->at_owner + 4 * layout->per_block;
    layout->at = layout->at_down + 4 * layout->per_block;
    layout_finish(layout);
}

static void layout_dead(hny__layout *layout) {
    layout->kind = HNY__KIND_DELETED;
    layout->bytes = HNY__SMALL_BLOCK;
    layout->per_block = (layout->bytes - 8) * 8;
    layout->at = 8;
    layout_finish(layout);
}

void hny__geometry_init(hny__geometry *geometry, const hny__table_record *table) {
    const hny_shape shape = {table->dim, table->metric, table->type};
    hny__quantizer *const quantizer = &geometry->quantizer;
    memset(geometry, 0, sizeof *geometry);
    hny__quantizer_init(quantizer, shape, (hny_codes)table->codes);
    layout_codes(&geometry->layout[HNY__CODES], quantizer->format.row_bytes);
    if (quantizer->residual_bytes) {
        layout_vectors(&geometry->layout[HNY__RESIDUALS], HNY__KIND_RESIDUALS,
                       quantizer->residual_bytes, quantizer->residual_bytes);
    }
    layout_links(&geometry->layout[HNY__LINKS], 2 * table->m);
    layout_upper(&geometry->layout[HNY__UPPER], table->m);
    layout_dead(&geometry->layout[HNY__DELETED]);
    if (table->attributes) {
        const uint32_t row = table->attributes * (uint32_t)sizeof(hny_attribute);
        layout_vectors(&geometry->layout[HNY__ATTRIBUTES], HNY__KIND_ATTRIBUTES, row, row);
    }
}

uint32_t hny__layout_blocks(const hny__layout *layout, uint32_t rows) {
    return rows == 0 || layout->per_block == 0 ? 0 : hny__layout_block(layout, rows - 1) + 1;
}

void hny__code_put(const hny__layout *layout, uint8_t *block, uint32_t index, const void *code) {
    memcpy(block + layout->at + (size_t)index * layout->pitch, code, layout->row_bytes);
}

void hny__rowid_put(const hny__layout *layout, uint8_t *block, uint32_t index, int64_t rowid) {
    memcpy(block + layout->at + (size_t)index * layout->pitch + layout->row_bytes, &rowid, 8);
}

/* --------------------------------------------------------------------------- digests of blocks -- */

/* Bytes of a row that its digest is of, and behind which it lies. */
static uint32_t digested(const hny__layout *layout) {
    return layout->row_bytes + ROWID_BYTES;
}

static uint32_t row_digest(const hny__layout *layout, uint64_t seed, const uint8_t *row) {
    return (uint32_t)hny__kernels_get()->digest(row, digested(layout), seed);
}

static int row_holds(const hny__layout *layout, uint64_t seed, const uint8_t *row) {
    uint32_t digest;
    memcpy(&digest, row + digested(layout), ROW_DIGEST);
    return digest == row_digest(layout, seed, row);
}

int hny__row_ok(const hny__layout *layout, uint32_t space, uint32_t slot, const uint8_t *row) {
    return row_holds(layout, (uint64_t)space << 40 | (uint64_t)HNY__KIND_CODES << 32 | slot, row);
}

/* What the digest of a block's first row is seeded with; the others' follow it. */
static uint64_t first_seed(const hny__layout *layout, const hny__key *key) {
    const uint64_t seed = seed_of(key), number = seed & UINT32_MAX;
    return seed - number + number * layout->per_block;
}

int hny__block_ok(const hny__layout *layout, const uint8_t *block, size_t size,
                  const hny__key *key) {
    if (size != layout->bytes) {
        return 0;
    }
    if (layout->kind != HNY__KIND_CODES) {
        return hny__digest_ok(block, size, key);
    }
    const uint64_t seed = first_seed(layout, key);
    for (uint32_t i = 0; i < layout->per_block; i++) {
        if (!row_holds(layout, seed + i, hny__row_at(layout, block, i))) {
            return 0;
        }
    }
    return 1;
}

void hny__block_seal(const hny__layout *layout, uint8_t *block, const hny__key *key) {
    if (layout->kind != HNY__KIND_CODES) {
        hny__digest_write(block, layout->bytes, key);
        return;
    }
    const uint64_t seed = first_seed(layout, key);
    for (uint32_t i = 0; i < layout->per_block; i++) {
        uint8_t *const row = block + layout->at + (size_t)i * layout->pitch;
        const uint32_t digest = row_digest(layout, seed + i, row);
        memcpy(row + digested(layout), &digest, ROW_DIGEST);
    }
}

/* ------------------------------------------------------------------- what is written into them -- */

void hny__links_put(const hny__layout *layout, uint8_t *block, uint32_t index,
                    const uint32_t *links, uint32_t count) {
    uint8_t *const at = block + layout->at + (size_t)index * layout->row_bytes;
    block[8 + index] = (uint8_t)count;
    memset(at, 0, layout->row_bytes);
    if (count) {
        memcpy(at, links, count * 4);
    }
}

void hny__upper_put(const hny__layout *layout, uint8_t *block, uint32_t index, uint8_t level,
                    uint32_t owner, uint32_t down) {
    block[8 + layout->per_block + index] = level;
    memcpy(block + layout->at_owner + (size_t)index * 4, &owner, 4);
    memcpy(block + layout->at_down + (size_t)index * 4, &down, 4);
}

void hny__deleted_put(uint8_t *block, uint32_t index, int dead) {
    const uint8_t bit = (uint8_t)(1u << (index % 8));
    uint8_t *const byte = &block[8 + index / 8];
    *byte = (uint8_t)(dead ? *byte | bit : *byte & ~bit);
}
