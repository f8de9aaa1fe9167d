/* Interface to garbage.c: deleting what nothing refers to any more. */
#ifndef HNY_GARBAGE_H
#define HNY_GARBAGE_H

#include "sidecar/records.h"

/* Deletes all keys of a space, in transactions of bounded size. */
int hny__delete_space(hny__env *env, uint32_t space);

/* The same of the keys of one kind. */
int hny__delete_kind(hny__env *env, uint32_t space, hny__kind kind);

#endif
