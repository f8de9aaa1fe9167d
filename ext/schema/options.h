/*
** Interface to options.c: what CREATE VIRTUAL TABLE … USING hannoy(…) was given, how that is kept
** in the table's configuration, and which of it may be changed later.
**
** An option is written name=value.  Blanks around either are fine, names and named values are read
** in any letter case, and a value may stand in single or double quotes.  Names, ranges and defaults
** are one table in options.c.
**
** Functions that take `error` return SQLITE_OK and leave it NULL, or an SQLite code with *error a
** sentence for sqlite3_free() (NULL only with SQLITE_NOMEM); then their results are unchanged.
*/
#ifndef HX_OPTIONS_H
#define HX_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "hannoy.h"

#define HX_RECALL_UNIT 10000.0

typedef struct hx_options {
    hny_shape shape;          /* dim and type are fixed for the table's life */
    uint8_t codes;            /* hny_codes: what the graph is walked on */
    uint32_t m;               /* links of a node above level 0 */
    uint32_t ef_construction; /* candidates considered for a new node */
    uint32_t ef;           /* candidates a search keeps, at least; 0: as many as `recall` takes */
    uint32_t recall;       /* what a search without an ef is to reach, of HX_RECALL_UNIT */
    uint32_t autobuild;    /* a COMMIT builds once the log has this many changes; 0: never */
    uint32_t threads;      /* of a build; 0: one a core */
    uint32_t linear_below; /* a table of fewer rows is scanned exactly, not walked */
} hx_options;

/* The arguments of the module after its first three, as SQLite hands them over.  SQLITE_ERROR. */
int hx_options_parse(int argc, const char *const *argv, hx_options *out, char **error);

/*
** All options in one line of text, `dim=768, metric=cosine, …`, for the shadow table v_config, and
** back.  hx_options_text returns NULL if out of memory, else text for sqlite3_free().  What comes
** back may have been edited by anyone, or be NULL, and goes through the same checks as the
** arguments do: SQLITE_CORRUPT_VTAB where it fails one.  An option that the text lacks because an
** older version wrote it has its default.
*/
char *hx_options_text(const hx_options *options);
int hx_options_from_text(const char *text, hx_options *out, char **error);

/*
** A command such as 'ef=200': sets one of the options that a table may change: metric, codes, m,
** ef_construction, ef, recall, autobuild, threads and linear_below.  *key is its name as it is listed,
** a constant, and *value what it was set to.  SQLITE_ERROR.
*/
int hx_setting_parse(const char *text, hx_options *options, const char **key, int64_t *value,
                     char **error);

/*
** A metric or a type by the name or synonym that CREATE VIRTUAL TABLE takes, in any letter case, as
** an argument of the SQL function `function`.  SQLITE_ERROR.
*/
int hx_metric_parse(const char *name, size_t length, const char *function, uint8_t *out,
                    char **error);
int hx_type_parse(const char *name, size_t length, const char *function, uint8_t *out,
                  char **error);

/* The names under which users know a metric and a type.  Never NULL for a valid one. */
const char *hx_metric_name(uint8_t metric);
const char *hx_type_name(uint8_t type);
const char *hx_codes_name(uint8_t codes);

#endif
