/*
** Interface to token.c: the words of an argument of CREATE VIRTUAL TABLE.
**
** SQLite hands the arguments over as they are written, with comments and line breaks.
*/
#ifndef HX_TOKEN_H
#define HX_TOKEN_H

#include <stdbool.h>

#include "values/span.h"

/* A name, a number, a quoted text, or one character that stands for itself. */
typedef struct hx_token {
    hx_span text; /* with its quotes; length 0: the end */
    bool quoted;
} hx_token;

/*
** A copy with every comment replaced by a blank, for sqlite3_free(); NULL: out of memory.  SQLite
** lets no argument pass in which a quote is not closed.
*/
char *hx_without_comments(const char *argument);

/* The next token of a text without comments; *at moves behind it. */
hx_token hx_token_next(const char **at);

/* The same where a name is expected, which brackets may quote. */
hx_token hx_token_name(const char **at);

/* Looks at the next token without taking it. */
hx_token hx_token_peek(const char *at);

/* Whether it is this unquoted word, in any letter case. */
bool hx_token_is(hx_token token, const char *word);

/* Whether it can be a name or a number: quoted, or of letters, digits, _ and $. */
bool hx_token_is_word(hx_token token);

/* Whether it is this one character. */
bool hx_token_is_sign(hx_token token, char sign);

/* Moves *at behind the ')' that closes the '(' at *at; false: there is none. */
bool hx_skip_parentheses(const char **at);

/* The token without its quotes, for sqlite3_free(); NULL: out of memory. */
char *hx_token_unquoted(hx_token token);

#endif
