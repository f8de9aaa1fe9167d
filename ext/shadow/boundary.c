/* Digests that name the states of a table; the contract is in boundary.h. */
#include "shadow/boundary.h"

#include <xxhash.h>

#include "shadow/shadow.h"

/* Integers are digested as little-endian bytes, so that all machines agree. */
static void put_le(unsigned char *out, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) {
        out[i] = (unsigned char)(value >> (8 * i));
    }
}

uint64_t hx_boundary_digest_word(uint64_t word, uint64_t digest) {
    unsigned char bytes[8];
    put_le(bytes, word, 8);
    return XXH64(bytes, sizeof bytes, digest);
}

/* Of a table with one vector the number of attributes is digested where there are any. */
hny_boundary hx_boundary_start(const hx_shadow *shadow) {
    const hx_columns *const columns = &shadow->columns;
    uint64_t digest = 0;
    for (int i = 0; i < columns->vectors; i++) {
        const hny_shape shape = shadow->config.vectors[i].options.shape;
        unsigned char bytes[7];
        put_le(bytes, shape.dim, 4);
        bytes[4] = shape.metric;
        bytes[5] = shape.type;
        bytes[6] = (unsigned char)columns->attributes;
        digest = XXH64(bytes, columns->attributes || columns->vectors > 1 ? 7 : 6, digest);
    }
    return (hny_boundary){0, (int64_t)digest};
}

/* In a table with several vectors a byte before each says whether the row has it. */
static uint64_t digest_vectors(const hx_shadow *shadow, const void *const *vectors,
                               uint64_t digest) {
    for (int i = 0; i < shadow->columns.vectors; i++) {
        const unsigned char present = vectors[i] != NULL;
        if (shadow->columns.vectors > 1) {
            digest = XXH64(&present, 1, digest);
        }
        if (present) {
            digest = XXH64(vectors[i], shadow->vector_bytes[i], digest);
        }
    }
    return digest;
}

hny_boundary hx_boundary_next(const hx_shadow *shadow, hny_boundary tip, int64_t id,
                              const void *const *vectors, const hny_attribute *attributes) {
    unsigned char bytes[17];
    put_le(bytes, (uint64_t)tip.chain, 8);
    put_le(bytes + 8, (uint64_t)id, 8);
    bytes[16] = vectors != NULL;
    uint64_t digest = XXH64(bytes, sizeof bytes, 0);
    if (vectors) {
        digest = digest_vectors(shadow, vectors, digest);
    }
    for (int i = 0; vectors && i < shadow->columns.attributes; i++) {
        put_le(bytes, attributes[i].word, 8);
        put_le(bytes + 8, attributes[i].detail, 8);
        digest = XXH64(bytes, 16, digest);
    }
    return (hny_boundary){tip.seq + 1, (int64_t)digest};
}
