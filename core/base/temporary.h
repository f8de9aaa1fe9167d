/* Interface to temporary.c: files that nobody else knows of. */
#ifndef HNY_TEMPORARY_H
#define HNY_TEMPORARY_H

/*
** Makes one and returns its descriptor: beside a file, or where that is NULL in the folder for such
** files.  *path is the caller's to unlink() and free().  Negative: HNY_IO or HNY_NOMEM.
*/
int hny__temporary_file(const char *beside, char **path);

#endif
