/*
** Interface to names.c: the names under which users know metrics, vector types, codes and
** places of sidecars.
*/
#ifndef HX_NAMES_H
#define HX_NAMES_H

#include <stdint.h>

#include "hannoy.h"
#include "values/span.h"

typedef struct hx_name {
    const char *name;
    const char *synonyms[2]; /* the first ones, then NULL */
    uint8_t value;           /* not 0 */
} hx_name;

/* Where the index of a table is. */
typedef enum hx_place {
    HX_PLACE_AUTO = 1, /* private for a database that is encrypted */
    HX_PLACE_BESIDE,   /* in the sidecar of the database */
    HX_PLACE_PRIVATE   /* in a file without a name, of one connection */
} hx_place;

/* Each list ends with an entry whose name is NULL and whose value is 0. */
extern const hx_name hx_metrics[];
extern const hx_name hx_types[];
extern const hx_name hx_codes[];
extern const hx_name hx_places[];

/* The value of a name or synonym, in any letter case; 0: there is none of that name. */
uint8_t hx_name_value(const hx_name *names, hx_span text);

/* The name of a value; NULL: the list lacks it. */
const char *hx_name_of(const hx_name *names, uint8_t value);

/* "cosine, euclidean (or l2), …" for sqlite3_free(); NULL: out of memory. */
char *hx_name_list(const hx_name *names);

/* Never NULL for a valid value. */
static inline const char *hx_metric_name(uint8_t metric) {
    return hx_name_of(hx_metrics, metric);
}

static inline const char *hx_type_name(uint8_t type) {
    return hx_name_of(hx_types, type);
}

static inline const char *hx_codes_name(uint8_t codes) {
    return hx_name_of(hx_codes, codes);
}

/*
** A metric or a type by its name, as an argument of the SQL function `function`.  SQLITE_OK with
** *error NULL, or SQLITE_ERROR or SQLITE_NOMEM as in refuse.h.
*/
int hx_metric_parse(hx_span name, const char *function, uint8_t *out, char **error);
int hx_type_parse(hx_span name, const char *function, uint8_t *out, char **error);

#endif
