/* Digests that name the states of a table; the contract is in boundary.h. */
#include "shadow/boundary.h"

#include <xxhash.h>

#include "shadow/shadow.h"

/* Integers are digested as little-endian bytes, so that all machines agree. */
static void put_le(unsigned char *out, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) out[i] = (unsigned char)(value >> (8 * i));
}

hny_boundary hx_boundary_start(hny_shape shape, int attributes) {
    unsigned char bytes[7];
    put_le(bytes, shape.dim, 4);
    bytes[4] = shape.metric;
    bytes[5] = shape.type;
    bytes[6] = (unsigned char)attributes;
    return (hny_boundary){0, (int64_t)XXH64(bytes, attributes ? 7 : 6, 0)};
}

hny_boundary hx_boundary_next(const hx_shadow *shadow, hny_boundary tip, int64_t id,
                              const void *vector, const hny_attribute *attributes) {
    unsigned char bytes[17];
    put_le(bytes, (uint64_t)tip.chain, 8);
    put_le(bytes + 8, (uint64_t)id, 8);
    bytes[16] = vector != NULL;
    uint64_t digest = XXH64(bytes, sizeof bytes, 0);
    if (vector) digest = XXH64(vector, shadow->vector_bytes, digest);
    for (int i = 0; vector && i < shadow->columns.attributes; i++) {
        put_le(bytes, attributes[i].word, 8);
        put_le(bytes + 8, attributes[i].detail, 8);
        digest = XXH64(bytes, 16, digest);
    }
    return (hny_boundary){tip.seq + 1, (int64_t)digest};
}
