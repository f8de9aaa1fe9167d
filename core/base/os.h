/* Interface to os.c: environment variables and temporary files. */
#ifndef HNY_OS_H
#define HNY_OS_H

#include <stddef.h>

/* The number of bytes that a variable gives; `otherwise` if it is not set or not a number. */
size_t hny__os_variable_bytes(const char *name, size_t otherwise);

/*
** Creates a temporary file and returns its descriptor: beside the file `beside`, or for NULL in
** the folder for temporary files.  The caller unlinks *path and frees it.  Negative: HNY_IO,
** HNY_FULL or HNY_NOMEM.
*/
int hny__temporary_file(const char *beside, char **path);

/*
** Creates a folder for this user alone in the folder for temporary files.  The caller removes *path
** and frees it.  HNY_OK, HNY_IO, HNY_FULL or HNY_NOMEM.
*/
int hny__temporary_directory(char **path);

#endif
