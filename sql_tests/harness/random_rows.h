/*
** Random schemas and values for differential.c: a hannoy table `v`, the plain table `p` with the
** same rows, and a table `t` with a column of each affinity to compare them with.
*/
#ifndef SQL_TESTS_RANDOM_ROWS_H
#define SQL_TESTS_RANDOM_ROWS_H

#include "common.h"

enum { NUMERIC_COLUMN, TEXT_COLUMN, BLOB_COLUMN };
enum { BY_BINARY, BY_NOCASE, BY_RTRIM };

typedef struct column {
    char name[16];
    const char *type;
    int affinity;
    int collation;
    bool kept; /* only stored, with a + */
} column;

#define MAX_COLUMNS 6

/* Whether the rows are in v's own content, and what names them. */
enum { NO_KEY, INTEGER_KEY, TEXT_KEY, USERS_TABLE, ROW_KINDS };

typedef struct schema {
    rng *r;
    int kind;
    int dim;
    const char *metric;
    int rows; /* rowids are 1 to this, some missing */
    column columns[MAX_COLUMNS];
    int count;
} schema;

/* Creates and fills the tables in a fresh database. */
void schema_create(schema *s, rng *r, sqlite3 *db);

/* An SQL literal of any type; static buffers, eight in turn. */
const char *random_value(rng *r);

/* An SQL literal of a vector for this table, now and then a far one. */
const char *random_vector(const schema *s);

/* The name of the column that holds the key; NULL: none. */
const char *schema_key(const schema *s);

#endif
