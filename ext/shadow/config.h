/*
** Interface to config.c: the shadow table v_config, in which a table keeps what it is.
**
**   format    1; a table of another format is refused
**   options   all options in one text (options.h)
**   table     the number under which the sidecar knows this table
**   trim      "seq chain digest": the boundary up to which the log was trimmed, and a digest of
**             options and table, so that one small read tells each connection that they changed
*/
#ifndef HX_CONFIG_H
#define HX_CONFIG_H

#include <stdbool.h>

#include "schema/options.h"

typedef struct hx_shadow hx_shadow;

/* What a connection knows of it. */
typedef struct hx_config {
    hx_options options; /* of the CREATE statement until `loaded` */
    uint32_t number;    /* in the sidecar; 1 or more once `loaded` */
    int64_t digest;     /* of what was loaded */
    unsigned identity;  /* counts the times that `number` or the metric became another one */
    bool loaded;
} hx_config;

/* All functions return an SQLite code and leave its sentence in the table (error.h). */

/* Writes the first configuration of a new table, which gets this number. */
int hx_config_create(hx_shadow *shadow, uint32_t *number);

/* Reads the trim point, and shadow->config again where it is not what is stored. */
int hx_config_read(hx_shadow *shadow, hny_boundary *trim);

int hx_config_write_trim(hx_shadow *shadow, hny_boundary trim);
int hx_config_write_options(hx_shadow *shadow, const hx_options *options);

#endif
