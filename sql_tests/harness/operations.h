/*
** What property.c does to a database: each operation runs one statement, or moves one file, and
** tells the model what must have come of it.
*/
#ifndef SQL_TESTS_OPERATIONS_H
#define SQL_TESTS_OPERATIONS_H

#include "model.h"

/* One at random, by how often a writer or a long reader does it. */
void operation_run(world *w, connection *c);

/* These do nothing where they make no sense: no transaction, no free place for a table. */
void operation_end(world *w, connection *c);
void operation_rollback(world *w, connection *c);
void operation_create(world *w, connection *c);

/* A small change. */
void operation_write(world *w, connection *c);

/* Rows enough for levels, tombstones and consolidation. */
void operation_fill(world *w, connection *c);

#endif
