/*
** Random statements with a search in them, each in two spellings that mean the same: on the hannoy
** table `v`, and on the plain table `p` with hannoy_distance and a subquery for k.
**
** What docs/sql.md says of k is what the second spelling says: k counts the rows that pass the
** conditions that SQLite tells a search about, and all other conditions come after it.
*/
#ifndef SQL_TESTS_RANDOM_SQL_H
#define SQL_TESTS_RANDOM_SQL_H

#include "random_rows.h"

#define MAX_PARAMETERS 12

typedef struct pair {
    char *hannoy, *plain;             /* for sqlite3_free() */
    bool ordered;                     /* the order of the rows is told, too */
    bool writes;                      /* a statement that changes v, and p alike */
    char *parameters[MAX_PARAMETERS]; /* the values of :p0, :p1, …, as SQL literals */
    int count;
} pair;

pair random_pair(const schema *s);
void pair_free(pair *p);

#endif
