/*
** Splits an argument of CREATE VIRTUAL TABLE into words; contract in token.h.
*/
#include "schema/token.h"

#include <string.h>

#include "sqlite_api.h"

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || (unsigned char)c >= 0x80;
}

static bool is_quote(char c) {
    return c == '"' || c == '`' || c == '\'';
}

/* The length of a quoted text with both its quotes; 0: it does not end. */
static size_t quoted_length(const char *text, char end) {
    for (size_t i = 1; text[i]; i++) {
        if (text[i] != end) {
            continue;
        }
        if (end == ']' || text[i + 1] != end) {
            return i + 1;
        }
        i++;
    }
    return 0;
}

/* The length of a comment; 0: there is none at this place. */
static size_t comment_length(const char *text) {
    if (text[0] == '-' && text[1] == '-') {
        return strcspn(text, "\n");
    }
    if (text[0] != '/' || text[1] != '*') {
        return 0;
    }
    const char *const end = strstr(text + 2, "*/");
    return end ? (size_t)(end - text) + 2 : strlen(text);
}

/* The bytes at `from` that are copied as they are: a quoted text or one character. */
static size_t piece_length(const char *from, char before) {
    const bool brackets = *from == '[' && (!before || before == '+' || before == '=');
    if (!is_quote(*from) && !brackets) {
        return 1;
    }
    const size_t length = quoted_length(from, brackets ? ']' : *from);
    return length ? length : strlen(from);
}

char *hx_without_comments(const char *argument) {
    char *const copy = sqlite3_malloc64(strlen(argument) + 1);
    char before = '\0'; /* the last character that is not blank */
    size_t length = 0;
    if (!copy) {
        return NULL;
    }
    for (const char *from = argument; *from;) {
        const size_t comment = comment_length(from);
        if (comment) {
            copy[length++] = ' ';
            from += comment;
            continue;
        }
        const size_t piece = piece_length(from, before);
        memcpy(copy + length, from, piece);
        if (!is_blank(*from)) {
            before = *from;
        }
        length += piece;
        from += piece;
    }
    copy[length] = '\0';
    return copy;
}

static hx_token take_token(const char **at, bool named) {
    while (is_blank(**at)) {
        ++*at;
    }
    hx_token token = {{*at, 0}, false};
    const char *const begin = *at;
    if (!*begin) {
        return token;
    }
    if (is_quote(*begin) || (named && *begin == '[')) {
        token.text.length = quoted_length(begin, *begin == '[' ? ']' : *begin);
        token.quoted = token.text.length > 0;
    } else {
        while (is_word_char(begin[token.text.length])) {
            token.text.length++;
        }
    }
    if (token.text.length == 0) {
        token.text.length = 1;
    }
    *at += token.text.length;
    return token;
}

hx_token hx_token_next(const char **at) {
    return take_token(at, false);
}

hx_token hx_token_name(const char **at) {
    return take_token(at, true);
}

hx_token hx_token_peek(const char *at) {
    return take_token(&at, false);
}

bool hx_token_is(hx_token token, const char *word) {
    return !token.quoted && token.text.length == strlen(word) &&
           sqlite3_strnicmp(token.text.begin, word, (int)token.text.length) == 0;
}

bool hx_token_is_word(hx_token token) {
    return token.quoted || (token.text.length > 0 && is_word_char(token.text.begin[0]));
}

bool hx_token_is_sign(hx_token token, char sign) {
    return !token.quoted && token.text.length == 1 && token.text.begin[0] == sign;
}

bool hx_skip_parentheses(const char **at) {
    int depth = 0;
    for (;;) {
        const hx_token token = hx_token_next(at);
        depth += hx_token_is_sign(token, '(') - hx_token_is_sign(token, ')');
        if (depth == 0 || token.text.length == 0) {
            return depth == 0;
        }
    }
}

char *hx_token_unquoted(hx_token token) {
    char *const name = sqlite3_mprintf("%.*s", (int)token.text.length, token.text.begin);
    if (!name || !token.quoted) {
        return name;
    }
    const char end = name[0] == '[' ? ']' : name[0];
    size_t length = 0;
    for (size_t i = 1; i < token.text.length - 1; i++) {
        name[length++] = name[i];
        if (name[i] == end) {
            i++; /* doubled */
        }
    }
    name[length] = '\0';
    return name;
}
