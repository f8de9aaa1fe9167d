/*
** Interface to damage.c: a database with two hannoy tables, and what can happen to its sidecar.
*/
#ifndef SQL_TESTS_DAMAGE_H
#define SQL_TESTS_DAMAGE_H

#include "oracle.h"

#define PAGE   4096
#define ROWS   70
#define ABSURD 7 /* values that a field of a meta page may get */
#define BLOCKS 20

typedef struct pair {
    shape s[2];
} pair;

extern const pair usual;
extern const char *const names[2]; /* d: with the default linear_below */
extern rowset expected[2];
extern rng r;
extern long *pages; /* of an undamaged sidecar; shared with the children */

const char *sidecar(void);
const char *lock_file(void);
void put(sqlite3 *db, const char *name, shape s, int64_t id, rowset *content);
void change(sqlite3 *db, const pair *with, int64_t first, int count, rowset content[2]);
void build(sqlite3 *db);
void close_or_fail(sqlite3 *db);
void prepare(void);
void reload(sqlite3 *db);
void prepare_other(const pair *with);
void deleted(int with_lock);
void lock_deleted(int unused);
void emptied(int by_rename);
void older(int unused);
void another(int unused);
void text_file(int unused);
void zero_file(int unused);
void folder(int with_file);
void fifo(int unused);
void symbolic_link(int which);
void lock_garbage(int bytes);
void moved(int unused);
void lock_folder(int unused);
void cut(int bytes);
void meta_zeros(int which);
void meta_ones(int which);
void meta_noise(int which);
void meta_version(int which);
void meta_map_size(int which);
void meta_free_root(int which);
void meta_main_root(int which);
void meta_last_page(int which);
void meta_transaction(int which);
void meta_flags(int which);
void meta_page_size(int which);
void meta_depth(int which);
void block_byte(int which);
void own_record(int byte);

#endif
