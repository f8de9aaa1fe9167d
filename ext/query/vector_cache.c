/* Set-associative cache of vectors by rowid.  The contract is in vector_cache.h. */
#include "query/vector_cache.h"

#include <stdbool.h>
#include <string.h>

#include "shadow/log.h"
#include "sqlite_api.h"

/* Of vectors, for each connection and table. */
#define CACHE_BYTES ((size_t)32 << 20)

#define MAX_PLACES 65536
/*
** With 4 ways a tenth of the reads missed a cache that had room for all rows, with 16 a hundredth.
*/
#define WAYS  16
#define CHUNK 64 /* places */

static size_t set_of_id(const hx_vector_cache *cache, int64_t id) {
    const uint64_t mixed = (uint64_t)id * 0x9e3779b97f4a7c15u; /* 2^64 / the golden ratio */
    return (size_t)((mixed >> 32) % cache->sets);
}

static unsigned char *vector_at_place(const hx_vector_cache *cache, size_t place) {
    return cache->chunks[place / CHUNK] + place % CHUNK * cache->width;
}

#define NO_PLACE SIZE_MAX

static size_t find_place(const hx_vector_cache *cache, size_t set, int64_t id) {
    for (size_t place = set * WAYS; place < set * WAYS + cache->used[set]; place++) {
        if (cache->ids[place] == id) {
            return place;
        }
    }
    return NO_PLACE;
}

static unsigned bit_of_place(size_t place) {
    return 1u << place % WAYS;
}

const void *hx_vector_cache_find(const hx_vector_cache *cache, int64_t id) {
    if (cache->sets == 0) {
        return NULL;
    }
    const size_t place = find_place(cache, set_of_id(cache, id), id);
    if (place == NO_PLACE || !(cache->kept[place / WAYS] & bit_of_place(place))) {
        return NULL;
    }
    return vector_at_place(cache, place);
}

void hx_vector_cache_prefetch(const hx_vector_cache *cache, int64_t id) {
    const char *const vector = hx_vector_cache_find(cache, id);
    for (size_t offset = 0; vector && offset < cache->width; offset += 64) {
        __builtin_prefetch(vector + offset);
        __asm__ volatile(""); /* gcc 12 drops a function that does nothing else */
    }
}

/*
** The place for a new row in its set.  A full set replaces a random row, one without a kept vector
** first.  Replacing the oldest row was tried: queries that repeat in the same order then always
** miss.
*/
static size_t choose_place(hx_vector_cache *cache, size_t set) {
    if (cache->used[set] < WAYS) {
        return set * WAYS + cache->used[set]++;
    }
    cache->random = cache->random * 6364136223846793005u + 1442695040888963407u;
    const size_t first = (size_t)(cache->random >> 32) % WAYS;
    for (size_t i = 0; i < WAYS; i++) {
        const size_t place = set * WAYS + (first + i) % WAYS;
        if (!(cache->kept[set] & bit_of_place(place))) {
            return place;
        }
    }
    return set * WAYS + first;
}

/* Allocates the chunk of a set; a set lies within one chunk. */
static bool reserve_chunk(hx_vector_cache *cache, size_t set) {
    unsigned char **const chunk = &cache->chunks[set * WAYS / CHUNK];
    if (!*chunk) {
        *chunk = sqlite3_malloc64(CHUNK * cache->width);
    }
    return *chunk != NULL;
}

void hx_vector_cache_put(hx_vector_cache *cache, int64_t id, const void *vector) {
    if (cache->sets == 0) {
        return;
    }
    const size_t set = set_of_id(cache, id);
    size_t place = find_place(cache, set, id);
    if (place == NO_PLACE) {
        place = choose_place(cache, set);
        cache->ids[place] = id;
        cache->kept[set] = (unsigned short)(cache->kept[set] & ~bit_of_place(place));
    } else if (reserve_chunk(cache, set)) {
        memcpy(vector_at_place(cache, place), vector, cache->width);
        cache->kept[set] = (unsigned short)(cache->kept[set] | bit_of_place(place));
    }
}

static void allocate_sets(hx_vector_cache *cache) {
    size_t places = CACHE_BYTES / cache->width;
    if (places > MAX_PLACES) {
        places = MAX_PLACES;
    }
    const size_t sets = places / WAYS;
    const size_t chunks = (sets * WAYS + CHUNK - 1) / CHUNK;
    if (sets == 0) {
        return;
    }
    cache->ids = sqlite3_malloc64(sets * WAYS * sizeof *cache->ids);
    cache->used = sqlite3_malloc64(sets);
    cache->kept = sqlite3_malloc64(sets * sizeof *cache->kept);
    cache->chunks = sqlite3_malloc64(chunks * sizeof *cache->chunks);
    if (!cache->ids || !cache->used || !cache->kept || !cache->chunks) {
        sqlite3_free(cache->chunks);
        cache->chunks = NULL;
        hx_vector_cache_free(cache);
        return;
    }
    memset(cache->chunks, 0, chunks * sizeof *cache->chunks);
    cache->sets = sets;
}

void hx_vector_cache_begin(hx_vector_cache *cache, hny_boundary base, size_t width) {
    if (cache->sets && cache->width == width && hx_boundary_equal(cache->base, base)) {
        return;
    }
    if (cache->sets && cache->width != width) {
        hx_vector_cache_free(cache);
    }
    cache->base = base;
    cache->width = width;
    if (!cache->sets) {
        allocate_sets(cache);
    }
    if (!cache->sets) {
        return;
    }
    memset(cache->used, 0, cache->sets);
    memset(cache->kept, 0, cache->sets * sizeof *cache->kept);
}

void hx_vector_cache_free(hx_vector_cache *cache) {
    const size_t chunks = (cache->sets * WAYS + CHUNK - 1) / CHUNK;
    for (size_t i = 0; i < chunks; i++) {
        sqlite3_free(cache->chunks[i]);
    }
    sqlite3_free(cache->chunks);
    sqlite3_free(cache->ids);
    sqlite3_free(cache->used);
    sqlite3_free(cache->kept);
    memset(cache, 0, sizeof *cache);
}
