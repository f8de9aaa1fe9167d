/*
** Interface to config.c: the shadow table v_config, one row a key:
**
**   format    1, or 2 once the log has packs (log_pack.h); a table of another format is refused
**   options   all options in one text (options.h)
**   table     the table's number in the sidecar
**   options.1, table.1, …   the same of the second vector and the others
**   attributes  a number that changes with the filter columns; without it 0
**   trim      "seq chain digest": the boundary up to which the log was trimmed, and a digest of
**             all `options` and `table`.  Connections read this row to learn that the others
**             changed.
**   built     the number of the newest change that all indexes had when the log was last trimmed
*/
#ifndef HX_CONFIG_H
#define HX_CONFIG_H

#include <stdbool.h>

#include "schema/declaration.h"
#include "schema/options.h"

typedef struct hx_shadow hx_shadow;

/* What each vector of a table has for itself.  Options of the table are the same in all. */
typedef struct hx_vector_config {
    hx_options options; /* until the configuration is loaded, those of the CREATE statement */
    uint32_t number;    /* of its index in the sidecar; 1 or more once loaded */
    unsigned identity;  /* incremented when `number`, the metric or the attributes change */
} hx_vector_config;

/* The configuration as a connection read it. */
typedef struct hx_config {
    hx_vector_config vectors[HX_MAX_VECTORS];
    uint32_t attribute_set; /* hny_options */
    int64_t digest;         /* of the rows that were loaded */
    bool loaded;
} hx_config;

/* All functions return an SQLite code and leave its sentence in the table (error.h). */

/* Writes the first configuration of a new table, whose indexes are numbered from `number` on. */
int hx_config_create(hx_shadow *shadow, uint32_t number);

/* Reads the trim point.  Reads shadow->config again if the stored one differs. */
int hx_config_read(hx_shadow *shadow, hny_boundary *trim);

int hx_config_write_trim(hx_shadow *shadow, hny_boundary trim);

/* *out is 0 where no number was written. */
int hx_config_read_built(hx_shadow *shadow, int64_t *out);
int hx_config_write_built(hx_shadow *shadow, int64_t seq);

/* Does the log have packs, or did it have some?  Noted before the first one. */
int hx_config_read_packed(hx_shadow *shadow, bool *out);
int hx_config_note_packs(hx_shadow *shadow);

/* `options`: of each vector. */
int hx_config_write_options(hx_shadow *shadow, const hx_options *options);

/* The filter columns are others from now on. */
int hx_config_change_attributes(hx_shadow *shadow);

#endif
