#include "query/vector_cache.h"

#include <string.h>

#include "shadow/log.h"
#include "sqlite_api.h"

/* Of vectors, in each connection and table. */
#define KEEP_BYTES ((size_t)32 << 20)

#define MOST_PLACES 65536
#define WAYS        16 /* with 4 a tenth of the reads missed what had room for all, with 16 a hundredth */
#define CHUNK       64 /* places */

static size_t set_of(const hx_vector_cache *recent, int64_t id) {
    const uint64_t mixed = (uint64_t)id * 0x9e3779b97f4a7c15u; /* 2^64 / the golden ratio */
    return (size_t)((mixed >> 32) % recent->sets);
}

static unsigned char *vector_at(const hx_vector_cache *recent, size_t place) {
    return recent->chunks[place / CHUNK] + place % CHUNK * recent->width;
}

#define NOWHERE SIZE_MAX

static size_t find(const hx_vector_cache *recent, size_t set, int64_t id) {
    for (size_t place = set * WAYS; place < set * WAYS + recent->used[set]; place++) {
        if (recent->ids[place] == id) return place;
    }
    return NOWHERE;
}

static unsigned bit_of(size_t place) {
    return 1u << place % WAYS;
}

const void *hx_vector_cache_find(const hx_vector_cache *recent, int64_t id) {
    if (recent->sets == 0) return NULL;
    const size_t place = find(recent, set_of(recent, id), id);
    if (place == NOWHERE || !(recent->kept[place / WAYS] & bit_of(place))) return NULL;
    return vector_at(recent, place);
}

/* Asked for ahead, since it lies in memory that was not read for a while. */
void hx_vector_cache_ahead(const hx_vector_cache *recent, int64_t id) {
    const char *const vector = hx_vector_cache_find(recent, id);
    for (size_t at = 0; vector && at < recent->width; at += 64) {
        __builtin_prefetch(vector + at);
        __asm__ volatile(""); /* gcc 12 drops a function that does nothing else */
    }
}

/*
** The place of a new row in its set.  Once all are in use any will do, of rows that were only noted
** first: the oldest would be the very one that queries which come again in the same order ask for next.
*/
static size_t choose(hx_vector_cache *recent, size_t set) {
    if (recent->used[set] < WAYS) return set * WAYS + recent->used[set]++;
    recent->random = recent->random * 6364136223846793005u + 1442695040888963407u;
    const size_t first = (size_t)(recent->random >> 32) % WAYS;
    for (size_t i = 0; i < WAYS; i++) {
        const size_t place = set * WAYS + (first + i) % WAYS;
        if (!(recent->kept[set] & bit_of(place))) return place;
    }
    return set * WAYS + first;
}

/* A set lies within one chunk. */
static int reserve(hx_vector_cache *recent, size_t set) {
    unsigned char **const chunk = &recent->chunks[set * WAYS / CHUNK];
    if (!*chunk) *chunk = sqlite3_malloc64(CHUNK * recent->width);
    return *chunk != NULL;
}

void hx_vector_cache_put(hx_vector_cache *recent, int64_t id, const void *vector) {
    if (recent->sets == 0) return;
    const size_t set = set_of(recent, id);
    size_t place = find(recent, set, id);
    if (place == NOWHERE) {
        place = choose(recent, set);
        recent->ids[place] = id;
        recent->kept[set] = (unsigned short)(recent->kept[set] & ~bit_of(place));
    } else if (reserve(recent, set)) {
        memcpy(vector_at(recent, place), vector, recent->width);
        recent->kept[set] = (unsigned short)(recent->kept[set] | bit_of(place));
    }
}

static void make_room(hx_vector_cache *recent) {
    size_t places = KEEP_BYTES / recent->width;
    if (places > MOST_PLACES) places = MOST_PLACES;
    const size_t sets = places / WAYS;
    const size_t chunks = (sets * WAYS + CHUNK - 1) / CHUNK;
    if (sets == 0) return;
    recent->ids = sqlite3_malloc64(sets * WAYS * sizeof *recent->ids);
    recent->used = sqlite3_malloc64(sets);
    recent->kept = sqlite3_malloc64(sets * sizeof *recent->kept);
    recent->chunks = sqlite3_malloc64(chunks * sizeof *recent->chunks);
    if (!recent->ids || !recent->used || !recent->kept || !recent->chunks) {
        sqlite3_free(recent->chunks);
        recent->chunks = NULL;
        hx_vector_cache_free(recent);
        return;
    }
    memset(recent->chunks, 0, chunks * sizeof *recent->chunks);
    recent->sets = sets;
}

void hx_vector_cache_begin(hx_vector_cache *recent, hny_boundary base, size_t width) {
    if (recent->sets && recent->width == width && hx_boundary_equal(recent->base, base)) return;
    if (recent->sets && recent->width != width) hx_vector_cache_free(recent);
    recent->base = base;
    recent->width = width;
    if (!recent->sets) make_room(recent);
    if (!recent->sets) return;
    memset(recent->used, 0, recent->sets);
    memset(recent->kept, 0, recent->sets * sizeof *recent->kept);
}

void hx_vector_cache_free(hx_vector_cache *recent) {
    const size_t chunks = (recent->sets * WAYS + CHUNK - 1) / CHUNK;
    for (size_t i = 0; i < chunks; i++) sqlite3_free(recent->chunks[i]);
    sqlite3_free(recent->chunks);
    sqlite3_free(recent->ids);
    sqlite3_free(recent->used);
    sqlite3_free(recent->kept);
    memset(recent, 0, sizeof *recent);
}
