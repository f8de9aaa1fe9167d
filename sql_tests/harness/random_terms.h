/*
** Random conditions of a search, and the state of the statement that they are written for
** (random_sql.h).
*/
#ifndef SQL_TESTS_RANDOM_TERMS_H
#define SQL_TESTS_RANDOM_TERMS_H

#include "random_sql.h"

enum { HANNOY, PLAIN_SQL, SIDES };

/* The state of random_pair. */
typedef struct writer {
    const schema *s;
    rng *r;
    sqlite3_str *out[SIDES];
    pair *pair;
} writer;

bool writer_chance(const writer *w, double probability);
int writer_below(const writer *w, int n);

/* A literal as it is, or as a parameter; static buffers, eight in turn. */
const char *writer_literal(writer *w, const char *literal);

/*
** A condition on a row of v, in which @N is the alias of the table and @D the distance.  `inner`:
** SQLite tells a search of it, so that k counts rows that pass.
*/
typedef struct term {
    char text[400];
    bool inner;
} term;

/* `outer`: columns of t can be had before the search begins; `counted`: there is a k. */
term random_term(writer *w, bool outer, bool counted);

#endif
