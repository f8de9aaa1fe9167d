/* Interface to row_operations.c: statements that change rows, on the database and on the model. */
#ifndef SQL_TESTS_ROW_OPERATIONS_H
#define SQL_TESTS_ROW_OPERATIONS_H

#include "model.h"

void row_insert(world *w, connection *c);
void row_insert_many(world *w, connection *c);
void row_insert_automatic(world *w, connection *c);
void row_update(world *w, connection *c);
void row_move(world *w, connection *c);
void row_delete(world *w, connection *c);
void row_bad_input(world *w, connection *c);

#endif
