/*
** Interface to alter.c: the commands 'add lang TEXT' and 'drop lang', which change the columns
** beside the vectors of a table that exists.
**
** The declaration, the stored rows and the number of the set of attributes (config.h) change in the
** user's transaction; the sidecar does not.  An index that was built before has the attributes of
** another set: searches test the rows that it finds, and the next build gives it the new ones
** without linking any row again.
*/
#ifndef HX_ALTER_H
#define HX_ALTER_H

typedef struct hx_writer hx_writer;

/* Within xUpdate.  An SQLite code, with its sentence in the table. */
int hx_alter_add(hx_writer *writer, const char *definition);
int hx_alter_drop(hx_writer *writer, const char *name);

#endif
