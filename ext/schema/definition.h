/*
** Interface to definition.c: the definition of one column, as text.
**
**     [+] name [type] [constraint]…
**
** The type is any that SQLite accepts, with its affinity; or float[N], float16[N], int8[N] or
** bit[N], with their synonyms, for a vector.  Constraints are, in any order:
**
**     PRIMARY KEY [ASC | DESC] [AUTOINCREMENT], PARTITION KEY, NOT NULL, NULL, DEFAULT value,
**     COLLATE BINARY | NOCASE | RTRIM,
**     UNIQUE, CHECK (…), REFERENCES … and INDEX, which sqlite-vec passes over,
**     and of a vector name=value, which is an option of its own (options.h) or distance_metric=… or
**     distance=… for its metric, and INDEXED BY name(…)
*/
#ifndef HX_DEFINITION_H
#define HX_DEFINITION_H

#include "schema/token.h"

#define HX_MAX_ASSIGNMENTS 16

/* name=value */
typedef struct hx_assignment {
    hx_span name, value;
} hx_assignment;

typedef struct hx_definition {
    hx_token name;
    bool kept;            /* written with a + */
    hx_span declared;     /* the type as written; empty: none */
    const char *affinity; /* TEXT, INTEGER, REAL, NUMERIC or BLOB; a constant */
    const char *vector;   /* type of the vector, a constant; NULL: it is none */
    hx_token dim;         /* of a vector */
    hx_assignment assignments[HX_MAX_ASSIGNMENTS]; /* the same */
    int assigned;
    bool primary, autoincrement, partition, not_null;
    const char *ignored;   /* a constraint that is not enforced, a constant; NULL: none */
    const char *collation; /* NOCASE or RTRIM, a constant; NULL: BINARY */
    hx_span value;         /* of DEFAULT, an expression; empty: none */
    hx_span index;         /* INDEXED BY: "name(…)"; empty: none */
} hx_definition;

/*
** Parses an argument without comments.  SQLITE_OK, or SQLITE_ERROR or SQLITE_NOMEM as in refuse.h.
*/
int hx_definition_parse(const char *argument, hx_definition *out, char **error);

/* "hannoy: '…' is not a valid column: …" */
int hx_refuse_column(const char *argument, const char *why, char **error);

/* The same of a constraint that is not enforced: `ignored` of a definition. */
int hx_refuse_ignored(const char *argument, const char *name, char **error);

/*
** The default of a column as an SQL expression that depends on nothing but its text and the clock,
** for sqlite3_free().  SQLITE_OK with *out NULL for DEFAULT NULL; else as above.
*/
int hx_default_expression(const char *argument, hx_span value, char **out, char **error);

#endif
