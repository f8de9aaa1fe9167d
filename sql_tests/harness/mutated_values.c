/* Our values: records, codes, links, copies, with their digests made anew or not. */
#include "mutated_file.h"

#include <stdio.h>
#include <string.h>

static const field table_fields[] = {{"dim", 8, 4},
                                     {"metric", 12, 1},
                                     {"type", 13, 1},
                                     {"codes", 14, 1},
                                     {"attributes", 15, 1},
                                     {"m", 16, 4},
                                     {"space", 20, 4},
                                     {"slots", 24, 4},
                                     {"uppers", 28, 4},
                                     {"live", 32, 4},
                                     {"deleted", 36, 4},
                                     {"free slots", 40, 4},
                                     {"free uppers", 44, 4},
                                     {"entry slot", 48, 4},
                                     {"entry upper", 52, 4},
                                     {"entry level", 56, 4},
                                     {"first boundary", 60, 4},
                                     {"boundaries", 64, 4},
                                     {"touched", 72, 8},
                                     {"calibrated", 80, 4},
                                     {"curve", 84, 2},
                                     {"crowding", 364, 4},
                                     {"unlinked", 388, 4},
                                     {"copies", 424, 4},
                                     {"attribute space", 68, 4},
                                     {"root", 392, 4},
                                     {"root's check", 396, 4},
                                     {"height", 400, 4},
                                     {"nodes", 404, 4},
                                     {"free node", 408, 4},
                                     {"attribute set", 412, 4},
                                     {"newest boundary", 416, 8},
                                     {"erased", 428, 4}};

/* Any number in the record; slots is then made the sum that it must be. */
static void change_table(image *file, const entry *e, rng *r, char *what, size_t size) {
    const field f = table_fields[rng_below(r, COUNT(table_fields))];
    const size_t at = e->data;
    snprintf(what, size, "table record, %s", f.name);
    change_number(file, at + f.offset, f.size, r);
    if (f.offset >= 24 && f.offset <= 40 && f.offset != 28 && rng_chance(r, 0.8)) {
        store(file, at + 24, 4,
              load(file, at + 32, 4) + load(file, at + 36, 4) + load(file, at + 40, 4));
    }
    if (f.offset == 84 && rng_chance(r, 0.5)) {
        memset(file->bytes + at + 84, (int)rng_next(r), 112);
    }
    if (rng_chance(r, 0.2)) {
        change_number(file, at + 8 + 4 * rng_below(r, (uint32_t)(e->size - 8) / 4), 4, r);
    }
}

/* Links of level 0 or of upper rows, in any way that could mislead a search or a build. */
static void change_links(image *file, const entry *e, rng *r, char *what, size_t size) {
    unsigned char *const bytes = file->bytes + e->data;
    const size_t words = e->size / 4;
    const uint32_t way = rng_below(r, 6);
    snprintf(what, size, "links or upper rows, way %u", way);
    switch (way) {
    case 0: /* every count */
        memset(bytes + 8, (int)rng_below(r, 130), 8 + rng_below(r, 24));
        break;
    case 1: /* edges of the tree */
        for (size_t i = 24; i < words; i++) {
            if (rng_chance(r, 0.7)) {
                bytes[4 * i + 3] |= 0x80;
            }
        }
        break;
    case 2: /* no edges */
        for (size_t i = 24; i < words; i++) {
            bytes[4 * i + 3] &= 0x7f;
        }
        break;
    case 3: { /* all to one */
        const uint32_t node = rng_below(r, 300) | (rng_chance(r, 0.5) ? 1u << 31 : 0);
        for (size_t i = 32; i < words; i++) {
            memcpy(bytes + 4 * i, &node, 4);
        }
        break;
    }
    case 4: /* anywhere within small tables */
        for (size_t i = 32; i < words; i++) {
            const uint32_t node = rng_below(r, 300) | (rng_chance(r, 0.3) ? 1u << 31 : 0);
            memcpy(bytes + 4 * i, &node, 4);
        }
        break;
    default:
        for (uint32_t i = 1 + rng_below(r, 4); i > 0; i--) {
            change_number(file, e->data + 8 + rng_below(r, (uint32_t)e->size - 12), 4, r);
        }
    }
}

static bool change_codes(image *file, const map *m, const entry *e, rng *r) {
    static const int64_t odd[] = {0, -1, 1, INT64_MAX, INT64_MIN, 1000000000000};
    code_rows rows;
    if (!rows_of(m, e, &rows)) {
        return false;
    }
    const size_t at = e->data + ROWS_OFFSET + rows.pitch * rng_below(r, (uint32_t)rows.count);
    const size_t rowid = at + rows.bytes - 8;
    switch (rng_below(r, 5)) {
    case 0:
        store(file, rowid, 8, (uint64_t)odd[rng_below(r, COUNT(odd))]);
        break;
    case 1:
        store(file, rowid, 8, rng_below(r, 600));
        break;
    case 2: { /* a rowid twice */
        const size_t twin = e->data + ROWS_OFFSET + rows.pitch * rng_below(r, (uint32_t)rows.count);
        store(file, rowid, 8, load(file, twin + rows.bytes - 8, 8));
        break;
    }
    case 3: { /* what may be a scale or an error */
        static const uint32_t floats[] = {0x7fc00000, 0x7f800000, 0xff800000, 0xbf800000,
                                          0,          0x7f7fffff, 1};
        if (rows.bytes < 20) {
            return false;
        }
        store(file, rowid - 4 * (1 + rng_below(r, 3)), 4, floats[rng_below(r, COUNT(floats))]);
        break;
    }
    default:
        for (size_t i = 0; i + 8 < rows.bytes; i++) {
            file->bytes[at + i] = (unsigned char)rng_next(r);
        }
    }
    return true;
}

void change_any(image *file, const entry *e, rng *r) {
    const size_t skip = e->size > 8 ? 8 : 0;
    const uint32_t count = rng_chance(r, 0.2) ? 40 : 1 + rng_below(r, 4);
    for (uint32_t i = 0; i < count; i++) {
        const size_t width = (size_t)1 << rng_below(r, 4);
        const size_t left = e->size - skip;
        if (left < width) {
            continue;
        }
        const size_t near = rng_chance(r, 0.5) && left > 128 ? 128 : left;
        change_number(file, e->data + skip + rng_below(r, (uint32_t)(near - width + 1)), width, r);
    }
}

/* The words of rings: of the first slots, since tables are small. */
static void change_copies(image *file, const entry *e, rng *r, char *what, size_t size) {
    const size_t words = e->size / 4 < 400 ? e->size / 4 : 400;
    const uint32_t way = rng_below(r, 6), one = 1 + rng_below(r, 300);
    snprintf(what, size, "copies, way %u", way);
    for (size_t i = 2; i < words; i++) {
        unsigned char *const at = file->bytes + e->data + 4 * i;
        uint32_t word;
        memcpy(&word, at, 4);
        const uint32_t flag = word & 1u << 31;
        switch (way) {
        case 0: /* all lead to one */
            word = one | flag;
            break;
        case 1: /* all lead to others */
            word = (1 + rng_below(r, 300)) | flag;
            break;
        case 2: /* every row is a copy, or none is */
            word = one % 2 ? word | 1u << 31 : word & ~(1u << 31);
            break;
        case 3: /* no rings */
            word = rng_chance(r, 0.5) ? word : 0;
            break;
        case 4: /* one more ring */
            word = i - 2 == one ? (one + 1) % 300 + 1 : i - 3 == one ? (one + 1) | 1u << 31 : word;
            break;
        default: /* some words anywhere */
            word = rng_chance(r, 0.2) ? (uint32_t)rng_next(r) : word;
        }
        memcpy(at, &word, 4);
    }
}

const entry *entry_of_kind(const map *m, uint32_t kind, rng *r) {
    const entry *found = NULL;
    uint32_t count = 0;
    for (size_t i = 0; i < m->entries.count; i++) {
        if (kind_of(&m->entries.items[i]) != (int)kind) {
            continue;
        }
        if (rng_below(r, ++count) == 0) {
            found = &m->entries.items[i];
        }
    }
    return found;
}

/* Kinds are drawn first, or a table record would hardly ever be. */
static const entry *our_entry(const map *m, rng *r) {
    return entry_of_kind(m, rng_chance(r, 0.25) ? TABLE : rng_below(r, COPIES + 1), r);
}

bool change_ours(image *file, const map *m, bool sealed, rng *r, char *what, size_t size) {
    const entry *const e = our_entry(m, r);
    if (!e) {
        return false;
    }
    const int kind = kind_of(e);
    snprintf(what, size, "value of kind %d", kind);
    if (kind == TABLE && e->size >= 200) {
        change_table(file, e, r, what, size);
    } else if (kind == CODES && rng_chance(r, 0.8)) {
        if (!change_codes(file, m, e, r)) {
            return false;
        }
    } else if ((kind == LINKS || kind == UPPER) && rng_chance(r, 0.8)) {
        change_links(file, e, r, what, size);
    } else if (kind == COPIES && rng_chance(r, 0.9)) {
        change_copies(file, e, r, what, size);
    } else {
        change_any(file, e, r);
    }
    if (sealed) {
        seal(file, m, e);
    }
    return true;
}
