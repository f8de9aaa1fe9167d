/* Interface to temporary_name_posix.c: names of temporary files, for the other files of POSIX. */
#ifndef HNY_TEMPORARY_NAME_POSIX_H
#define HNY_TEMPORARY_NAME_POSIX_H

/*
** A template for mkostemp() and mkdtemp(): beside the file `beside`, or for NULL in the folder for
** temporary files.  The caller frees it.  NULL: out of memory.
*/
char *hny__temporary_name(const char *beside);

#endif
