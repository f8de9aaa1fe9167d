/*
** Interface to log_pack.c: old changes, many in one row of v_log.
**
** A log row whose `id` is a BLOB is a pack.  It stands for the changes up to its own number; `id`
** holds them in order, the oldest first, each as (id, chain) in two little-endian integers of 64
** bits.  `seq` and `chain` of the row are those of the last one, so a pack is a boundary like any
** other row.
**
** A connection's first search counts the log (hx_log_whole), which keeps a quarter as many changes
** as there are rows.  At 818,650 rows that read 1,150 pages, 105 ms on a disk of 13,000 pages a
** second.  Of packs it reads 12 pages: the length of a BLOB is known without its bytes.
**
** Changes are packed once all indexes hold them, in groups of HX_PACK_CHANGES that end at multiples
** of it.  Copies of a database that pack the same changes have equal rows.
*/
#ifndef HX_LOG_PACK_H
#define HX_LOG_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "hannoy.h"
#include "sqlite_api.h"

typedef struct hx_shadow hx_shadow;

#define HX_PACK_CHANGES 4096

typedef struct hx_change {
    int64_t id, chain;
} hx_change;

/* The changes of a row, until its statement is stepped or reset. */
typedef struct hx_pack {
    int64_t first; /* the number of the first one */
    size_t count;
    const void *changes; /* NULL: `only` is the one change */
    hx_change only;
} hx_pack;

/*
** Of a row (seq, id, chain), packed or not.  A pack that somebody has damaged has no changes.
** SQLITE_OK or SQLITE_NOMEM.
*/
int hx_pack_read(sqlite3_stmt *row, hx_pack *out);

hx_change hx_pack_at(const hx_pack *pack, size_t i);

/*
** Packs what can be packed of the changes after `trimmed` and up to `built`.  Returns an SQLite
** code and leaves its sentence in the table (error.h).
*/
int hx_pack_log(hx_shadow *shadow, int64_t trimmed, int64_t built);

#endif
