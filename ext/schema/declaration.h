/*
** Interface to declaration.c: the columns that a table shows, from the arguments of CREATE VIRTUAL
** TABLE.
**
** An argument name=value is an option (options.h).  Any other defines a column:
**
**     lang TEXT                    a filter column: a search can be restricted by its value
**     +body TEXT                   a column that is only kept
**     id INTEGER PRIMARY KEY       another name of the rowid
**     id TEXT PRIMARY KEY          a key of the user's; the rowid is an inner number then
**     embedding float[384]         the vector, as sqlite-vec spells it: float, float32, float16, int8
**                                  or bit; distance_metric=cosine may follow.  Without a metric it is
**                                  euclidean, and hamming for bits
**     tenant TEXT PARTITION KEY    to us a filter column
**
** With content=docs the rows are those of a table that is already there.  Then vector= names its
** column of vectors, content_rowid= its INTEGER PRIMARY KEY, and the columns are its own.
**
** Without a column for the vector there is one called `vector`, and dim= and metric= are options.
** It stands behind the key and before the others; a vector that is declared stands where it is.
**
** A value gets the affinity of its column's type when it is stored, as in any table: TEXT, INTEGER
** (or INT, BIGINT), REAL (FLOAT, DOUBLE), BOOLEAN and NUMERIC, BLOB.
*/
#ifndef HX_DECLARATION_H
#define HX_DECLARATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
    const char *type; /* TEXT, INTEGER, REAL, NUMERIC or BLOB; a constant */
    int place;        /* among those of its role */
    int stored;       /* among those that are stored beside the vector; -1: it is not */
} hx_column;

/* Behind the columns that are shown, hidden. */
typedef enum hx_hidden {
    HX_QUERY,
    HX_K,
    HX_EF,
    HX_DISTANCE,
    HX_ITEM,
    HX_EXACT,
    HX_COMMAND, /* named like the table */
    HX_HIDDEN_COUNT
} hx_hidden;

/* A table that the rows are in. */
typedef struct hx_source {
    char *table;  /* NULL: the shadow table v_content */
    char *rowid;  /* NULL: by that name */
    char *vector; /* the column */
} hx_source;

typedef struct hx_columns {
    hx_source source;
    hx_column *at; /* those that are shown, in order */
    int count;
    int vectors; /* how many are vectors, and which ones: */
    int vector[HX_MAX_VECTORS];
    int key;              /* which one is the key, either way; -1: none */
    int attributes, kept; /* how many there are of these roles */
} hx_columns;

#define HX_NO_COLUMNS                                                                              \
    (hx_columns) {                                                                                 \
        .key = -1                                                                                  \
    }

/* The number under which SQLite knows a hidden column. */
static inline int hx_hidden_column(const hx_columns *columns, hx_hidden which) {
    return columns->count + (int)which;
}

static inline bool hx_columns_text_key(const hx_columns *columns) {
    return columns->key >= 0 && columns->at[columns->key].role == HX_ROLE_KEY;
}

/*
** What the shadow table v_content calls it: `key`, `vector`, v1, v2, …, c0, c1, … or x0, x1, …;
** returns `name`.
*/
#define HX_STORED_NAME 16
const char *hx_column_stored_name(const hx_column *column, char *name);

/* Are the rows in another table than v_content? */
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

/* Arguments that are options, those that a declared vector stands for among them. */
typedef struct hx_arguments {
    const char **at; /* for sqlite3_free() */
    int count;
} hx_arguments;

/*
** The module's arguments after its first three, of a table of this name, into columns and options.
** SQLITE_OK; or SQLITE_ERROR with *error a sentence for sqlite3_free(), or SQLITE_NOMEM: then there
** is nothing to free.
*/
int hx_columns_parse(int argc, const char *const *argv, const char *table, hx_columns *out,
                     hx_arguments *options, char **error);
void hx_columns_free(hx_columns *columns);

/* The CREATE TABLE statement for sqlite3_declare_vtab, for sqlite3_free(); NULL: out of memory. */
char *hx_columns_declaration(const hx_columns *columns, const char *table);

/* The name of a hidden column but the last. */
const char *hx_hidden_name(hx_hidden which);

#endif
