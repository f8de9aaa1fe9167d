/*
** Interface to table_ids.c: the numbers by which the sidecar knows the indexes of a schema, one for
** each vector of each hannoy table.
*/
#ifndef HX_TABLE_IDS_H
#define HX_TABLE_IDS_H

#include <stddef.h>
#include <stdint.h>

typedef struct hx_shadow hx_shadow;

/*
** The first of `count` numbers for a new table, one for each of its vectors: one more than the
** largest.  Nodes that replay the same statements agree on it.  Two tables may get the same
** number after a DROP that is rolled back; their boundaries differ, so neither uses the index of
** the other.
*/
int hx_table_ids_next(hx_shadow *shadow, int count, uint32_t *out);

/* The comment with them in the text of CREATE TABLE name_config; for sqlite3_free(). */
char *hx_table_ids_remark(uint32_t first, int count);

/* The numbers of all indexes in the schema of this table; *out is for sqlite3_free(). */
int hx_table_ids_all(hx_shadow *shadow, uint32_t **out, size_t *count);

#endif
