/*
** Parses the definition of one column; contract in definition.h.
*/
#include "schema/definition.h"

#include <string.h>

#include "sqlite_api.h"
#include "values/refuse.h"

int hx_refuse_column(const char *argument, const char *why, char **error) {
    const hx_span text = {argument, strlen(argument)};
    return hx_refuse(error, SQLITE_ERROR, "hannoy: '%.*s' is not a valid column: %s",
                     hx_span_shown(text), argument, why);
}

/* ------------------------------------------------------------------------------------- types -- */

typedef struct vector_name {
    const char *name, *type;
} vector_name;

static const vector_name vector_names[] = {
    {"float", "float32"}, {"float32", "float32"}, {"f32", "float32"}, {"float16", "float16"},
    {"f16", "float16"},   {"half", "float16"},    {"int8", "int8"},   {"i8", "int8"},
    {"bit", "bit"},       {"binary", "bit"},
};

/* sqlite-vec reads float, f32, int8, i8 and bit as the beginnings of words: float64[3] is float. */
static const char *vector_type_by_beginning(hx_token word) {
    static const vector_name beginnings[] = {
        {"float", "float32"}, {"f32", "float32"}, {"int8", "int8"}, {"i8", "int8"}, {"bit", "bit"}};
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
        const size_t length = strlen(beginnings[i].name);
        if (!word.quoted && word.text.length > length &&
            sqlite3_strnicmp(word.text.begin, beginnings[i].name, (int)length) == 0) {
            return beginnings[i].type;
        }
    }
    return NULL;
}

static const char *vector_type(hx_token word) {
    for (size_t i = 0; i < sizeof vector_names / sizeof vector_names[0]; i++) {
        if (hx_token_is(word, vector_names[i].name)) {
            return vector_names[i].type;
        }
    }
    return vector_type_by_beginning(word);
}

static bool span_contains(hx_span text, const char *word) {
    const size_t length = strlen(word);
    for (size_t i = 0; i + length <= text.length; i++) {
        if (sqlite3_strnicmp(text.begin + i, word, (int)length) == 0) {
            return true;
        }
    }
    return false;
}

/* SQLite's rules, in its order. */
static const char *affinity_of(hx_span declared) {
    static const struct {
        const char *part, *affinity;
    } rules[] = {
        {"INT", "INTEGER"}, {"CHAR", "TEXT"}, {"CLOB", "TEXT"}, {"TEXT", "TEXT"},
        {"BLOB", "BLOB"},   {"REAL", "REAL"}, {"FLOA", "REAL"}, {"DOUB", "REAL"},
    };
    if (declared.length == 0) {
        return "BLOB";
    }
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (span_contains(declared, rules[i].part)) {
            return rules[i].affinity;
        }
    }
    return "NUMERIC";
}

/* Words that end a type. */
static bool begins_constraint(hx_token word, const char *rest) {
    static const char *const words[] = {
        "primary", "partition",     "not",        "null",      "unique", "default",
        "collate", "check",         "references", "generated", "as",     "constraint",
        "indexed", "autoincrement", "asc",        "desc",      "index",
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (hx_token_is(word, words[i])) {
            return true;
        }
    }
    return hx_token_is_sign(hx_token_peek(rest), '=');
}

/* VARCHAR (20), DECIMAL(10, 2), UNSIGNED BIG INT */
static int parse_type(const char *argument, const char **at, hx_definition *out, char **error) {
    const char *end = NULL;
    for (;;) {
        const char *next = *at;
        const hx_token word = hx_token_next(&next);
        if (!hx_token_is_word(word) || begins_constraint(word, next)) {
            break;
        }
        if (!word.quoted && word.text.begin[0] >= '0' && word.text.begin[0] <= '9') {
            return hx_refuse_column(argument, "expected a type, as in lang TEXT", error);
        }
        if (!end) {
            out->declared.begin = word.text.begin;
        }
        *at = end = next;
    }
    if (end && hx_token_is_sign(hx_token_peek(*at), '(')) {
        if (!hx_skip_parentheses(at)) {
            return hx_refuse_column(argument, "the parenthesis after the type is not closed",
                                    error);
        }
        end = *at;
    }
    if (end) {
        out->declared.length = (size_t)(end - out->declared.begin);
    }
    out->affinity = affinity_of(out->declared);
    return SQLITE_OK;
}

/* "[384]", after the word for the type. */
static int parse_dim(const char *argument, const char **at, hx_definition *out, char **error) {
    const char *type = out->declared.begin;
    const hx_token word = hx_token_next(&type);
    hx_token_next(at); /* the bracket */
    out->dim = hx_token_next(at);
    const hx_token close = hx_token_next(at);
    out->vector = vector_type(word);
    if (!out->vector || type != out->declared.begin + out->declared.length) {
        return hx_refuse_column(
            argument, "a vector is of type float, float16, int8 or bit, as in float[384]", error);
    }
    if (!hx_token_is_sign(close, ']') || !hx_token_is_word(out->dim)) {
        return hx_refuse_column(argument, "a vector is written like float[384]", error);
    }
    return out->kept ? hx_refuse_column(argument, "a vector is written without +", error)
                     : SQLITE_OK;
}

/* ------------------------------------------------------------------------------- constraints -- */

static int parse_primary_key(const char *argument, const char **at, hx_definition *out,
                             char **error) {
    if (!hx_token_is(hx_token_next(at), "key")) {
        return hx_refuse_column(argument, "PRIMARY is followed by KEY", error);
    }
    out->primary = true;
    for (;;) {
        const char *next = *at;
        const hx_token word = hx_token_next(&next);
        if (hx_token_is(word, "autoincrement")) {
            out->autoincrement = true;
        } else if (!hx_token_is(word, "asc") && !hx_token_is(word, "desc")) {
            return SQLITE_OK;
        }
        *at = next;
    }
}

static int parse_partition_key(const char *argument, const char **at, hx_definition *out,
                               char **error) {
    out->partition = true;
    return hx_token_is(hx_token_next(at), "key")
               ? SQLITE_OK
               : hx_refuse_column(argument, "PARTITION is followed by KEY", error);
}

static int parse_not_null(const char *argument, const char **at, hx_definition *out, char **error) {
    out->not_null = true;
    return hx_token_is(hx_token_next(at), "null")
               ? SQLITE_OK
               : hx_refuse_column(argument, "NOT is followed by NULL", error);
}

static int parse_collation(const char *argument, const char **at, hx_definition *out,
                           char **error) {
    const hx_token name = hx_token_next(at);
    char *const plain = hx_token_unquoted(name);
    if (!plain) {
        return SQLITE_NOMEM;
    }
    const bool binary = sqlite3_stricmp(plain, "BINARY") == 0;
    out->collation = sqlite3_stricmp(plain, "NOCASE") == 0  ? "NOCASE"
                     : sqlite3_stricmp(plain, "RTRIM") == 0 ? "RTRIM"
                                                            : NULL;
    sqlite3_free(plain);
    return binary || out->collation
               ? SQLITE_OK
               : hx_refuse_column(argument, "expected one of the collations BINARY, NOCASE, RTRIM",
                                  error);
}

/* The end of a number such as -1.5e-3, or NULL. */
static const char *number_end(const char *at) {
    at += *at == '-' || *at == '+';
    while (*at == ' ' || (*at >= '\t' && *at <= '\r')) {
        at++;
    }
    if (at[0] == '0' && (at[1] == 'x' || at[1] == 'X')) {
        const size_t digits = strspn(at + 2, "0123456789abcdefABCDEF");
        return digits ? at + 2 + digits : NULL;
    }
    const char *const begin = at;
    at += strspn(at, "0123456789");
    if (*at == '.') {
        at++;
        at += strspn(at, "0123456789");
    }
    if (at == begin || (at == begin + 1 && *begin == '.')) {
        return NULL;
    }
    if (*at == 'e' || *at == 'E') {
        const char *digits = at + 1;
        digits += *digits == '-' || *digits == '+';
        const size_t count = strspn(digits, "0123456789");
        at = count ? digits + count : at;
    }
    return at;
}

/* A number, a text, a BLOB, a word or an expression in parentheses. */
static int parse_default(const char *argument, const char **at, hx_definition *out, char **error) {
    const hx_token first = hx_token_peek(*at);
    const char *const begin = first.text.begin;
    const char *end = number_end(begin);
    if (end) {
        *at = end;
    } else if (hx_token_is_sign(first, '(')) {
        if (!hx_skip_parentheses(at)) {
            return hx_refuse_column(argument, "the parenthesis after DEFAULT is not closed", error);
        }
    } else if (hx_token_is_word(first)) {
        hx_token_next(at);
        if (hx_token_is(first, "x") && **at == '\'') {
            hx_token_next(at);
        }
    } else {
        return hx_refuse_column(argument, "DEFAULT is followed by a value", error);
    }
    out->value = (hx_span){begin, (size_t)(*at - begin)};
    return SQLITE_OK;
}

/* "=cosine" or "=0.99", after the name of an option. */
static int parse_assignment(const char *argument, hx_token name, const char **at,
                            hx_definition *out, char **error) {
    hx_token_next(at); /* the = */
    const hx_token value = hx_token_next(at);
    if (hx_token_is_word(value) && **at == '.') {
        ++*at;
        *at += strspn(*at, "0123456789");
    }
    if (!hx_token_is_word(value) || out->assigned == HX_MAX_ASSIGNMENTS) {
        return hx_refuse_column(argument, "an option is written like distance_metric=cosine",
                                error);
    }
    const bool metric = hx_token_is(name, "distance_metric") || hx_token_is(name, "distance");
    out->assignments[out->assigned++] =
        (hx_assignment){metric ? (hx_span){"metric", 6} : name.text,
                        {value.text.begin, (size_t)(*at - value.text.begin)}};
    return SQLITE_OK;
}

static int parse_index(const char *argument, const char **at, hx_definition *out, char **error) {
    const bool by = hx_token_is(hx_token_next(at), "by");
    const hx_token name = hx_token_next(at);
    if (!by || !hx_token_is_word(name) || name.quoted) {
        return hx_refuse_column(argument, "INDEXED BY is followed by a name", error);
    }
    if (hx_token_is_sign(hx_token_peek(*at), '(') && !hx_skip_parentheses(at)) {
        return hx_refuse_column(argument, "the parenthesis after INDEXED BY is not closed", error);
    }
    out->index = (hx_span){name.text.begin, (size_t)(*at - name.text.begin)};
    return SQLITE_OK;
}

/* ON DELETE SET NULL, MATCH FULL, NOT DEFERRABLE, INITIALLY DEFERRED */
static void skip_reference(const char **at) {
    hx_token_name(at); /* the table */
    if (hx_token_is_sign(hx_token_peek(*at), '(')) {
        hx_skip_parentheses(at);
    }
    for (;;) {
        const char *next = *at;
        hx_token word = hx_token_next(&next);
        if (hx_token_is(word, "on")) {
            hx_token_next(&next); /* DELETE or UPDATE */
            word = hx_token_next(&next);
            if (hx_token_is(word, "set") || hx_token_is(word, "no")) {
                hx_token_next(&next);
            }
        } else if (hx_token_is(word, "match") || hx_token_is(word, "initially")) {
            hx_token_next(&next);
        } else if (hx_token_is(word, "not")) {
            if (!hx_token_is(hx_token_next(&next), "deferrable")) {
                return;
            }
        } else if (!hx_token_is(word, "deferrable")) {
            return;
        }
        *at = next;
    }
}

/* Constraints that sqlite-vec passes over, and so do we.  *taken: it was one of them. */
static int pass_over(const char *argument, hx_token word, const char **at, hx_definition *out,
                     bool *taken, char **error) {
    static const char *const names[] = {"REFERENCES", "CHECK", "UNIQUE", "INDEX"};
    const char *name = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        name = hx_token_is(word, names[i]) ? names[i] : name;
    }
    *taken = name != NULL;
    if (!name) {
        return SQLITE_OK;
    }
    out->ignored = name;
    if (hx_token_is(word, "references")) {
        skip_reference(at);
    }
    if (hx_token_is(word, "check") &&
        !(hx_token_is_sign(hx_token_peek(*at), '(') && hx_skip_parentheses(at))) {
        return hx_refuse_column(argument, "CHECK is followed by an expression in parentheses",
                                error);
    }
    return SQLITE_OK;
}

/* -------------------------------------------------------------------------------- definition -- */

static int refuse_column_constraint(const char *argument, const hx_definition *d, char **error) {
    return d->vector
               ? hx_refuse_column(argument,
                                  "after float[384], only distance_metric=… and other options, "
                                  "INDEXED BY … and NOT NULL are allowed",
                                  error)
               : hx_refuse_column(argument,
                                  "after the type, only PRIMARY KEY, PARTITION KEY, NOT NULL, "
                                  "DEFAULT …, COLLATE … and UNIQUE are allowed",
                                  error);
}

int hx_refuse_ignored(const char *argument, const char *name, char **error) {
    const hx_definition plain = {.vector = NULL};
    return strcmp(name, "UNIQUE") == 0
               ? hx_refuse_column(argument, "only the PRIMARY KEY can be UNIQUE", error)
               : refuse_column_constraint(argument, &plain, error);
}

static int parse_constraint(const char *argument, hx_token word, const char **at,
                            hx_definition *out, char **error) {
    if (hx_token_is(word, "not")) {
        return parse_not_null(argument, at, out, error);
    }
    if (out->vector) {
        if (hx_token_is_word(word) && hx_token_is_sign(hx_token_peek(*at), '=')) {
            return parse_assignment(argument, word, at, out, error);
        }
        return hx_token_is(word, "indexed") ? parse_index(argument, at, out, error)
                                            : refuse_column_constraint(argument, out, error);
    }
    if (hx_token_is(word, "primary")) {
        return parse_primary_key(argument, at, out, error);
    }
    if (hx_token_is(word, "partition")) {
        return parse_partition_key(argument, at, out, error);
    }
    if (hx_token_is(word, "default")) {
        return parse_default(argument, at, out, error);
    }
    if (hx_token_is(word, "collate")) {
        return parse_collation(argument, at, out, error);
    }
    if (hx_token_is(word, "constraint")) {
        hx_token_name(at);
        return SQLITE_OK;
    }
    bool taken;
    const int rc = pass_over(argument, word, at, out, &taken, error);
    if (rc || taken) {
        return rc;
    }
    return hx_token_is(word, "null") ? SQLITE_OK : refuse_column_constraint(argument, out, error);
}

static int check_definition(const char *argument, const hx_definition *d, char **error) {
    if (d->kept && d->primary) {
        return hx_refuse_column(argument, "a primary key is written without +", error);
    }
    if (d->kept && d->partition) {
        return hx_refuse_column(argument, "a partition key is written without +", error);
    }
    if (d->autoincrement && strcmp(d->affinity, "INTEGER") != 0) {
        return hx_refuse_column(argument, "AUTOINCREMENT is only allowed on an INTEGER PRIMARY KEY",
                                error);
    }
    return SQLITE_OK;
}

int hx_definition_parse(const char *argument, hx_definition *out, char **error) {
    const char *at = argument;
    *error = NULL;
    *out = (hx_definition){.name = hx_token_name(&at)};
    out->kept = hx_token_is_sign(out->name, '+');
    if (out->kept) {
        out->name = hx_token_name(&at);
    }
    if (!hx_token_is_word(out->name)) {
        return hx_refuse_column(argument, "expected a column name", error);
    }
    int rc = parse_type(argument, &at, out, error);
    if (rc == SQLITE_OK && out->declared.length && hx_token_is_sign(hx_token_peek(at), '[')) {
        rc = parse_dim(argument, &at, out, error);
    }
    while (rc == SQLITE_OK) {
        const hx_token word = hx_token_next(&at);
        if (word.text.length == 0) {
            return check_definition(argument, out, error);
        }
        rc = parse_constraint(argument, word, &at, out, error);
    }
    return rc;
}

/* ----------------------------------------------------------------------------------- DEFAULT -- */

/*
** The functions that a default may call.  The expression is part of our own statements, which may
** call functions that SQLite forbids in a schema that is not trusted; these are harmless.
*/
static bool is_harmless(hx_token name) {
    static const char *const names[] = {
        "abs",     "char",  "coalesce", "date",       "datetime",    "format",    "hex",
        "ifnull",  "iif",   "json",     "json_array", "json_object", "julianday", "length",
        "lower",   "max",   "min",      "nullif",     "printf",      "random",    "randomblob",
        "replace", "round", "strftime", "substr",     "substring",   "time",      "trim",
        "ltrim",   "rtrim", "typeof",   "unixepoch",  "upper",       "zeroblob",  "in",
        "and",     "or",    "not",      "cast",       "as",          "when",      "then",
        "else",    "case",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (hx_token_is(name, names[i])) {
            return true;
        }
    }
    return false;
}

static int check_expression(const char *argument, hx_span value, char **error) {
    const char *at = value.begin;
    while (at < value.begin + value.length) {
        const hx_token word = hx_token_next(&at);
        const bool call = hx_token_is_word(word) && hx_token_is_sign(hx_token_peek(at), '(');
        if (hx_token_is(word, "select") || hx_token_is(word, "values") ||
            (call && !is_harmless(word))) {
            return hx_refuse_column(
                argument,
                "a DEFAULT may call SQLite's own functions of values, dates and "
                "random numbers only, and no SELECT",
                error);
        }
    }
    return SQLITE_OK;
}

/* SQLite takes a word for a text, but for these. */
static bool is_constant(hx_token word) {
    return hx_token_is(word, "current_time") || hx_token_is(word, "current_date") ||
           hx_token_is(word, "current_timestamp") || hx_token_is(word, "true") ||
           hx_token_is(word, "false");
}

int hx_default_expression(const char *argument, hx_span value, char **out, char **error) {
    const char *at = value.begin;
    const hx_token first = hx_token_next(&at);
    const bool whole = at == value.begin + value.length;
    *out = NULL;
    *error = NULL;
    if (hx_token_is(first, "null")) {
        return SQLITE_OK;
    }
    if (hx_token_is_sign(first, '(')) {
        const int rc = check_expression(argument, value, error);
        if (rc) {
            return rc;
        }
    } else if (whole && hx_token_is_word(first) && !is_constant(first) &&
               !number_end(value.begin)) {
        char *const text = hx_token_unquoted(first);
        *out = text ? sqlite3_mprintf("%Q", text) : NULL;
        sqlite3_free(text);
        return *out ? SQLITE_OK : SQLITE_NOMEM;
    }
    *out = sqlite3_mprintf("%.*s", (int)value.length, value.begin);
    return *out ? SQLITE_OK : SQLITE_NOMEM;
}
