/*
** Interface to declaration.c: the columns that a table shows and the options of its vectors, from
** the arguments of CREATE VIRTUAL TABLE.
**
** An argument name=value is an option (options.h).  PRIMARY KEY(id) names the key.  Any other
** argument defines a column (definition.h), whose role follows from its type and constraints:
**
**     lang TEXT                    a filter column: searches can be restricted by its value
**     tenant TEXT PARTITION KEY    the same
**     +body TEXT                   stored only
**     id INTEGER PRIMARY KEY       another name of the rowid
**     id TEXT PRIMARY KEY          a key of another type; the rowid is internal then
**     embedding float[384]         a vector; there may be several
**
** embedding.dim=384 is an option of a vector, and declares it unless it is declared already.  In a
** table with several vectors an option without such a name is one of all that have none of their
** own.
**
** With content=docs the rows are those of an existing table.  Then content_rowid= names its INTEGER
** PRIMARY KEY, and the columns are its own; vector= names that of the vector, if there is one
** vector and it is called otherwise here.
**
** Without a column for the vector there is one called `vector`, after the key and before the
** others, and dim= and metric= are options.  A table that declares its vectors, as sqlite-vec does,
** shows its key first, or without a key a column `rowid`; the metric is euclidean by default, and
** hamming for bits.
**
** A hidden column whose name is taken is called hannoy_k instead of k, and so on.
*/
#ifndef HX_DECLARATION_H
#define HX_DECLARATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/options.h"

#define HX_MAX_VECTORS 16 /* of a table */

typedef enum hx_role {
    HX_ROLE_VECTOR,
    HX_ROLE_ROWID,  /* id INTEGER PRIMARY KEY */
    HX_ROLE_KEY,    /* id TEXT PRIMARY KEY */
    HX_ROLE_FILTER, /* its values are the attributes of a row */
    HX_ROLE_KEPT
} hx_role;

typedef struct hx_column {
    char *name;
    hx_role role;
    const char *type;      /* affinity: TEXT, INTEGER, REAL, NUMERIC or BLOB; a constant */
    char *declared;        /* the type as hosts see it */
    const char *collation; /* BINARY, NOCASE or RTRIM; a constant */
    char *value;           /* of DEFAULT, an SQL expression; NULL: none */
    bool not_null;         /* enforced on INSERT and UPDATE */
    int place;             /* among those of its role */
    int stored;            /* among those that are stored beside the vectors; -1: it is not */
} hx_column;

/* The hidden columns follow the visible ones, in this order. */
typedef enum hx_hidden {
    HX_QUERY,
    HX_K,
    HX_EF,
    HX_DISTANCE,
    HX_ITEM,
    HX_EXACT,
    HX_COMMAND, /* named like the table, if the name is free */
    HX_HIDDEN_COUNT
} hx_hidden;

/* The table that has the rows. */
typedef struct hx_source {
    char *table;  /* NULL: the shadow table v_content */
    char *rowid;  /* NULL: rowid */
    char *vector; /* the column; NULL: those that are declared */
} hx_source;

typedef struct hx_columns {
    hx_source source;
    hx_column *at; /* the visible columns, in order */
    int count;
    int vectors; /* how many are vectors, and which ones: */
    int vector[HX_MAX_VECTORS];
    int key;                       /* index of the key of either kind; -1: none */
    int attributes, kept;          /* numbers of filter columns and of kept ones */
    bool autoincrement;            /* rowids are never used again */
    char *hidden[HX_HIDDEN_COUNT]; /* names of the hidden columns */
    char *notes; /* what became of clauses that are sqlite-vec's; NULL: there were none */
} hx_columns;

#define HX_NO_COLUMNS                                                                              \
    (hx_columns) {                                                                                 \
        .key = -1                                                                                  \
    }

/* The number under which SQLite knows a hidden column. */
static inline int hx_hidden_column(const hx_columns *columns, hx_hidden which) {
    return columns->count + (int)which;
}

/* The name of a vector, where sentences have to say which is meant; "" in a table with one. */
static inline const char *hx_columns_which(const hx_columns *columns, int vector) {
    return columns->vectors > 1 ? columns->at[columns->vector[vector]].name : "";
}

static inline bool hx_columns_text_key(const hx_columns *columns) {
    return columns->key >= 0 && columns->at[columns->key].role == HX_ROLE_KEY;
}

/*
** The column's name in the shadow table v_content: key, vector, v1, v2, …, c0, c1, … or x0, x1, …;
** returns `name`.
*/
#define HX_STORED_NAME 16
const char *hx_column_stored_name(const hx_column *column, char *name);

/* Whether the rows are in a table of the user's and not in v_content. */
static inline bool hx_columns_external(const hx_columns *columns) {
    return columns->source.table != NULL;
}

/* With content=: the column of that table that holds this vector. */
static inline const char *hx_columns_source(const hx_columns *columns, int vector) {
    return columns->source.vector ? columns->source.vector
                                  : columns->at[columns->vector[vector]].name;
}

/* Whether a shown column has this role.  -1, the rowid, is no column. */
static inline bool hx_column_is(const hx_columns *columns, int column, hx_role role) {
    return column >= 0 && column < columns->count && columns->at[column].role == role;
}

/* Whether a column is the rowid, under either name. */
static inline bool hx_column_is_rowid(const hx_columns *columns, int column) {
    return column == -1 || hx_column_is(columns, column, HX_ROLE_ROWID);
}

/* The name of a hidden column. */
static inline const char *hx_hidden_name(const hx_columns *columns, hx_hidden which) {
    return columns->hidden[which];
}

/*
** Parses the module's arguments, without the first three, of a table of this name.  `options` has
** space for HX_MAX_VECTORS; those of out->vectors are written.  SQLITE_OK; or SQLITE_ERROR or
** SQLITE_NOMEM as in refuse.h, with nothing to free.
*/
int hx_columns_parse(int argc, const char *const *argv, const char *table, hx_columns *out,
                     hx_options *options, char **error);
void hx_columns_free(hx_columns *columns);

/* The CREATE TABLE statement for sqlite3_declare_vtab, for sqlite3_free(); NULL: out of memory. */
char *hx_columns_declaration(const hx_columns *columns);

#endif
