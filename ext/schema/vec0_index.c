/*
** Maps INDEXED BY clauses to options; contract in vec0_index.h.
*/
#include "schema/vec0_index.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "schema/token.h"
#include "values/refuse.h"

void hx_note(sqlite3_str *notes, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (sqlite3_str_length(notes)) {
        sqlite3_str_appendall(notes, "; ");
    }
    sqlite3_str_vappendf(notes, format, arguments);
    va_end(arguments);
}

/* One parameter of a clause. */
typedef struct parameter {
    const char *index; /* name of the index */
    hx_token name, value;
} parameter;

/* Sets an option for a parameter, and notes it. */
static int map_option(const parameter *p, hx_arguments *options, sqlite3_str *notes,
                      const char *option, const char *value) {
    hx_note(notes, "%s=%s for %.*s=%.*s", option, value, (int)p->name.text.length,
            p->name.text.begin, (int)p->value.text.length, p->value.text.begin);
    return hx_arguments_add(options, "%s=%s", option, value);
}

static int map_number(const parameter *p, hx_arguments *options, sqlite3_str *notes,
                      const char *option, long min, long max) {
    char text[24];
    long number = strtol(p->value.text.begin, NULL, 10);
    if (strcmp(option, "m") == 0) {
        number /= 2;
    }
    number = number < min ? min : number > max ? max : number;
    sqlite3_snprintf(sizeof text, text, "%lld", (sqlite3_int64)number);
    return map_option(p, options, notes, option, text);
}

static int ignore_parameter(const parameter *p, sqlite3_str *notes) {
    hx_note(notes, "%.*s is ignored", (int)p->name.text.length, p->name.text.begin);
    return SQLITE_OK;
}

static int map_quantizer(const parameter *p, hx_arguments *options, sqlite3_str *notes) {
    if (hx_token_is(p->value, "bit") || hx_token_is(p->value, "binary")) {
        return map_option(p, options, notes, "codes", "bit");
    }
    if (hx_token_is(p->value, "int8")) {
        return map_option(p, options, notes, "codes", "int8");
    }
    return ignore_parameter(p, notes);
}

static int map_parameter(const parameter *p, hx_arguments *options, sqlite3_str *notes) {
    if (strcmp(p->index, "hnsw") == 0) {
        return hx_arguments_add(options, "%.*s=%.*s", (int)p->name.text.length, p->name.text.begin,
                                (int)p->value.text.length, p->value.text.begin);
    }
    if (hx_token_is(p->name, "quantizer") || hx_token_is(p->name, "neighbor_quantizer")) {
        return map_quantizer(p, options, notes);
    }
    if (hx_token_is(p->name, "n_neighbors")) {
        return map_number(p, options, notes, "m", 4, 63);
    }
    const bool lists = hx_token_is(p->name, "search_list_size");
    int rc = SQLITE_OK;
    if (lists || hx_token_is(p->name, "search_list_size_search")) {
        rc = map_number(p, options, notes, "ef", 0, 100000);
    }
    if (rc == SQLITE_OK && (lists || hx_token_is(p->name, "search_list_size_insert"))) {
        return map_number(p, options, notes, "ef_construction", 4, 4096);
    }
    return rc || hx_token_is(p->name, "search_list_size_search") ? rc : ignore_parameter(p, notes);
}

static int refuse_clause(hx_span clause, char **error) {
    return hx_refuse(error, SQLITE_ERROR,
                     "hannoy: INDEXED BY %.*s is not understood; parameters are written as in "
                     "diskann(n_neighbors=72)",
                     hx_span_shown(clause), clause.begin);
}

/* "(name=value, …)" */
static int map_parameters(hx_span clause, const char *at, const char *index, hx_arguments *options,
                          sqlite3_str *notes, char **error) {
    hx_token_next(&at); /* the parenthesis */
    if (hx_token_is_sign(hx_token_peek(at), ')')) {
        return SQLITE_OK;
    }
    for (;;) {
        parameter p = {.index = index, .name = hx_token_next(&at)};
        const bool assigned = hx_token_is_sign(hx_token_next(&at), '=');
        p.value = hx_token_next(&at);
        const hx_token end = hx_token_next(&at);
        const bool last = hx_token_is_sign(end, ')');
        if (!assigned || !hx_token_is_word(p.name) || !hx_token_is_word(p.value) ||
            (!last && !hx_token_is_sign(end, ','))) {
            return refuse_clause(clause, error);
        }
        const int rc = map_parameter(&p, options, notes);
        if (rc || last) {
            return rc;
        }
    }
}

int hx_index_clause(hx_span clause, hx_arguments *options, sqlite3_str *notes, char **error) {
    static const char *const names[] = {"flat", "rescore", "ivf", "diskann", "hnsw"};
    const char *at = clause.begin;
    const hx_token name = hx_token_next(&at);
    const char *index = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (hx_token_is(name, names[i])) {
            index = names[i];
        }
    }
    if (!index) {
        return hx_refuse(error, SQLITE_ERROR,
                         "hannoy: unknown index '%.*s' in INDEXED BY; expected one of flat, "
                         "rescore, ivf, diskann, hnsw",
                         hx_span_shown(name.text), name.text.begin);
    }
    if (strcmp(index, "flat") == 0) {
        hx_note(notes, "linear_below=2147483647 for flat(): searches are exact");
        return hx_arguments_add(options, "linear_below=2147483647");
    }
    return at < clause.begin + clause.length
               ? map_parameters(clause, at, index, options, notes, error)
               : SQLITE_OK;
}
