/*
** Interface to arguments.c: lists of name=value, as options.h takes them.
*/
#ifndef HX_ARGUMENTS_H
#define HX_ARGUMENTS_H

#include <stdbool.h>

typedef struct hx_arguments {
    char **items;
    int count;
} hx_arguments;

/* Appends name=value; the format is sqlite3_mprintf's.  SQLITE_OK or SQLITE_NOMEM. */
int hx_arguments_add(hx_arguments *arguments, const char *format, ...);

/* Whether the list has an option of the name with which `argument` begins. */
bool hx_arguments_have(const hx_arguments *arguments, const char *argument);

void hx_arguments_free(hx_arguments *arguments);

#endif
