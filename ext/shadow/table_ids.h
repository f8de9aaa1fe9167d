/*
** Interface to catalogue.c: the numbers of all hannoy tables of a schema.
*/
#ifndef HX_TABLE_IDS_H
#define HX_TABLE_IDS_H

#include <stddef.h>
#include <stdint.h>

typedef struct hx_shadow hx_shadow;

/*
** The number for a new table: one more than the largest.  Nodes that replay the same statements
** agree on it; where two tables come to share one (one was dropped and the DROP rolled back), their
** chains differ, so each finds that the index is not its own.
*/
int hx_table_ids_next(hx_shadow *shadow, uint32_t *out);

/* Those of all hannoy tables in the schema of this one; *out is for sqlite3_free(). */
int hx_table_ids_all(hx_shadow *shadow, uint32_t **out, size_t *count);

#endif
