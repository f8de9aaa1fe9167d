/* Mutations of sidecar files; the contract is in mutator.h. */
#include "mutated_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const mutation_name[MUTATIONS] = {
    "one bit",     "some bytes",   "LMDB field", "LMDB fields",  "our value",
    "our values",  "stale digest", "forged row", "forged value", "taken back",
    "forged back", "cut",          "extended",   "mixed"};

/* ------------------------------------------------------------------------------- whole files -- */

static void cut(image *file, rng *r) {
    const size_t pages = file->size / PAGE;
    file->size = rng_below(r, (uint32_t)pages) * (size_t)PAGE;
    if (rng_chance(r, 0.3)) {
        file->size += rng_below(r, PAGE);
    }
}

static void extend(image *file, rng *r) {
    const size_t more = 1 + rng_below(r, 8 * PAGE);
    file->bytes = must(realloc(file->bytes, file->size + more));
    for (size_t i = 0; i < more; i++) {
        file->bytes[file->size + i] = (unsigned char)(more % 2 ? rng_next(r) : 0);
    }
    file->size += more;
}

/* Some pages, or all from one on, as they were at the other moment; the meta pages stay or go. */
static void mix(image *file, const image *other, rng *r) {
    const size_t pages = (file->size < other->size ? file->size : other->size) / PAGE;
    const double share = rng_chance(r, 0.5) ? 0.5 : 2.0 / (double)pages;
    const size_t from = rng_chance(r, 0.3) ? rng_below(r, (uint32_t)pages) : 0;
    const bool metas = rng_chance(r, 0.3);
    for (size_t page = metas ? 0 : 2; page < pages; page++) {
        if (from ? page < from : !rng_chance(r, share)) {
            continue;
        }
        memcpy(file->bytes + page * PAGE, other->bytes + page * PAGE, PAGE);
    }
}

static void change_bytes(image *file, rng *r) {
    for (uint32_t i = 1 + rng_below(r, 60); i > 0; i--) {
        file->bytes[rng_below(r, (uint32_t)file->size)] = (unsigned char)rng_next(r);
    }
}

static bool change_one(image *file, const map *m, const image *other, mutation how, rng *r,
                       char *what, size_t size) {
    switch (how) {
    case FORGED_ROW:
        return forge_row(file, m, r, what, size);
    case FORGED_VALUE:
        return forge_value(file, m, r, what, size);
    case TAKEN_BACK:
    case FORGED_BACK:
        return take_back(file, m, other, how == FORGED_BACK, r, what, size);
    case LMDB_FIELD:
    case LMDB_FIELDS:
        return change_lmdb(file, m, r, what, size);
    default:
        return change_ours(file, m, how != STALE_DIGEST, r, what, size);
    }
}

static bool change_several(image *file, const map *m, const image *other, mutation how, rng *r,
                           char *what, size_t size) {
    const bool several = how == LMDB_FIELDS || how == OUR_VALUES || how == TAKEN_BACK;
    bool done = false;
    for (uint32_t i = several ? 2 + rng_below(r, 2) : 1; i > 0; i--) {
        done |= change_one(file, m, other, how, r, what, size);
    }
    return done;
}

bool mutate(image *file, const image *other, mutation how, rng *r, char *what, size_t what_size) {
    bool done = true;
    snprintf(what, what_size, "%s", mutation_name[how]);
    if (how == ONE_BIT) {
        const uint32_t byte = rng_below(r, (uint32_t)file->size);
        file->bytes[byte] ^= (unsigned char)(1 << rng_below(r, 8));
        snprintf(what, what_size, "bit of byte %u of page %u", byte % PAGE, byte / PAGE);
    } else if (how == SOME_BYTES) {
        change_bytes(file, r);
    } else if (how == CUT) {
        cut(file, r);
    } else if (how == EXTENDED) {
        extend(file, r);
    } else if (how == MIXED) {
        mix(file, other, r);
    } else {
        map m = map_of(file);
        done = change_several(file, &m, other, how, r, what, what_size);
        map_free(&m);
    }
    return done;
}
