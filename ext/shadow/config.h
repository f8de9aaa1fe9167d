/*
** Interface to config.c: the shadow table v_config, one row a key:
**
**   format    1; a table of another format is refused
**   options   all options in one text (options.h)
**   table     the table's number in the sidecar
**   trim      "seq chain digest": the boundary up to which the log was trimmed, and a digest of
**             `options` and `table`.  Connections read this row to learn that the others changed.
*/
#ifndef HX_CONFIG_H
#define HX_CONFIG_H

#include <stdbool.h>

#include "schema/options.h"

typedef struct hx_shadow hx_shadow;

/* The configuration as a connection read it. */
typedef struct hx_config {
    hx_options options; /* until `loaded`, those of the CREATE statement */
    uint32_t number;    /* in the sidecar; 1 or more once `loaded` */
    int64_t digest;     /* of the rows that were loaded */
    unsigned identity;  /* incremented when `number` or the metric changes */
    bool loaded;
} hx_config;

/* All functions return an SQLite code and leave its sentence in the table (error.h). */

/* Writes the first configuration of a new table.  *number: the one that it gets. */
int hx_config_create(hx_shadow *shadow, uint32_t *number);

/* Reads the trim point.  Reads shadow->config again if the stored one differs. */
int hx_config_read(hx_shadow *shadow, hny_boundary *trim);

int hx_config_write_trim(hx_shadow *shadow, hny_boundary trim);
int hx_config_write_options(hx_shadow *shadow, const hx_options *options);

#endif
