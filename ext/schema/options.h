/*
** Interface to options.c: the options of CREATE VIRTUAL TABLE … USING hannoy(…), their text in the
** table's configuration, and the settings among them that can be changed later.
**
** An option is written name=value.  Blanks around both are ignored, names and named values are read
** in any letter case, and a value may be in single or double quotes.  Names, ranges and defaults
** are one table in options.c.
**
** Functions that take `error` return SQLITE_OK and leave it NULL, or an SQLite code with *error a
** sentence for sqlite3_free() (NULL only with SQLITE_NOMEM); then their results are unchanged.
*/
#ifndef HX_OPTIONS_H
#define HX_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hannoy.h"
#include "values/names.h"

#define HX_RECALL_UNIT 10000.0
#define HX_AUTO        UINT32_MAX

typedef struct hx_options {
    hny_shape shape;          /* dim and type are fixed for the table's life */
    uint8_t codes;            /* hny_codes: the vectors that the graph search compares */
    uint32_t m;               /* links of a node above level 0 */
    uint32_t ef_construction; /* candidates considered for a new node */
    uint32_t ef;              /* minimum of a search's candidates; 0: derived from `recall` */
    uint32_t recall;          /* target of a search without an ef, in units of HX_RECALL_UNIT */
    uint32_t autobuild;       /* a COMMIT builds from this many log rows on; 0: never */
    uint32_t threads;         /* of a build; 0: one a core */
    uint32_t linear_below;    /* a table of fewer rows is scanned exactly */
    uint32_t log_keep;        /* changes that the log keeps; HX_AUTO: in proportion to the table */
    uint32_t background;      /* a thread links the rows that a COMMIT appends; HX_AUTO */
    uint8_t sidecar;          /* hx_place: where the index is */
    uint32_t aim_recall;      /* of calibrated queries (change/calibration.h); 0: not calibrated */
    uint32_t aim_ef;          /* where no recall suffices for them; else 0 */
} hx_options;

/* Parses the module's arguments, without the first three.  SQLITE_ERROR on bad input. */
int hx_options_parse(int argc, const char *const *argv, hx_options *out, char **error);

/*
** Writes all options as one line, `dim=768, metric=cosine, …`, for the shadow table v_config, and
** reads them back.  hx_options_text returns text for sqlite3_free(), or NULL if out of memory.
** Text read back may have been edited, or be NULL, and gets the same checks as the arguments do:
** SQLITE_CORRUPT_VTAB when it fails one.  A missing option, one that an older version did not know,
** has its default.
*/
char *hx_options_text(const hx_options *options);
int hx_options_from_text(const char *text, hx_options *out, char **error);

/*
** Parses a command such as 'ef=200' and sets one of the options that can be changed: metric, codes,
** m, ef_construction, ef, recall, autobuild, threads, linear_below, log_keep and background.  *key
** is its listed name, a constant, and *value its new value.  SQLITE_ERROR on bad input.
*/
int hx_setting_parse(const char *text, hx_options *options, const char **key, int64_t *value,
                     char **error);

/* Of name=value or a name: is it an option of the table and not of one of its vectors? */
bool hx_option_is_shared(const char *argument);

/* Is it fixed when the table is created? */
bool hx_option_is_fixed(const char *argument);

/* The recall that searches without an ef aim at, by the table's own rows: 0.5 to 0.9999. */
double hx_options_recall(const hx_options *options);

/* The ef of a search for the k nearest that names none; 0: it goes by the recall. */
int64_t hx_options_ef(const hx_options *options, int64_t k);

#endif
