/*
** Interface to refuse.c: sentences about bad input.
**
** Formats are those of sqlite3_mprintf.  *error becomes the sentence, for sqlite3_free(), or NULL
** when there is no memory for it.  Each function returns the code that its caller is to return.
*/
#ifndef HX_REFUSE_H
#define HX_REFUSE_H

/* Returns `code`, or SQLITE_NOMEM. */
int hx_refuse(char **error, int code, const char *format, ...);

/* The same for a sentence that ends with a list, which is freed; NULL means out of memory. */
int hx_refuse_listing(char **error, int code, char *list, const char *format, ...);

/* Turns the sentence "hannoy: …" into "hannoy: PREFIX: …".  Returns as above. */
int hx_refuse_of(char **error, int code, const char *prefix);

#endif
