/*
** Columns of a table, from the arguments of CREATE VIRTUAL TABLE; contract in declaration.h.
*/
#include "schema/declaration.h"

#include <string.h>

#include "hannoy.h"
#include "schema/arguments.h"
#include "schema/definition.h"
#include "schema/token.h"
#include "schema/vec0_index.h"
#include "sqlite_api.h"
#include "values/refuse.h"

/* The state of hx_columns_parse. */
typedef struct parser {
    const char *table;
    char **argv; /* the arguments without their comments */
    int argc;
    char *key; /* that PRIMARY KEY(…) names; NULL: there is none */
    bool declares_vector;
    bool is_vec0;                     /* vectors are declared as sqlite-vec does */
    const char *ignored, *ignored_in; /* a constraint that is not enforced, and its argument */
    hx_columns *columns;
    const char *metrics[HX_MAX_VECTORS];  /* the default by type; NULL: it must be given */
    hx_arguments written;                 /* options of the table */
    hx_arguments own[HX_MAX_VECTORS];     /* options of a vector */
    hx_arguments implied[HX_MAX_VECTORS]; /* options that an INDEXED BY stands for */
    sqlite3_str *notes;
    char **error;
} parser;

/* For "%.*s" of an argument. */
static int argument_shown(const char *argument) {
    return hx_span_shown((hx_span){argument, strlen(argument)});
}

/* ----------------------------------------------------------------------------------- options -- */

/* name=value, with a name that stands alone. */
static bool is_option(const char *argument) {
    const hx_token name = hx_token_next(&argument);
    return hx_token_is_word(name) && !name.quoted &&
           hx_token_is_sign(hx_token_next(&argument), '=');
}

static bool is_option_of(const char *argument, const char *name) {
    return is_option(argument) && hx_token_is(hx_token_next(&argument), name);
}

/* ----------------------------------------------------------------------------------- columns -- */

/* The column of this name; NULL: there is none. */
static const hx_column *find_column(const hx_columns *columns, const char *name) {
    for (int i = 0; i < columns->count; i++) {
        if (sqlite3_stricmp(columns->at[i].name, name) == 0) {
            return &columns->at[i];
        }
    }
    return NULL;
}

static bool is_rowid_name(const char *name) {
    return sqlite3_stricmp(name, "rowid") == 0 || sqlite3_stricmp(name, "oid") == 0 ||
           sqlite3_stricmp(name, "_rowid_") == 0;
}

static int check_name(const parser *p, const char *name, hx_role role) {
    if (name[0] == '\0') {
        return hx_refuse(p->error, SQLITE_ERROR, "hannoy: a column has no name; give it one");
    }
    if (is_rowid_name(name) && role != HX_ROLE_ROWID) {
        return hx_refuse(p->error, SQLITE_ERROR,
                         "hannoy: a column called '%s' must be an INTEGER PRIMARY KEY; choose "
                         "another name",
                         name);
    }
    if (find_column(p->columns, name)) {
        return hx_refuse(p->error, SQLITE_ERROR,
                         "hannoy: there are two columns '%s'; choose another name", name);
    }
    return SQLITE_OK;
}

static void free_column(hx_column *column) {
    sqlite3_free(column->name);
    sqlite3_free(column->declared);
    sqlite3_free(column->value);
}

static int check_column(const parser *p, const hx_column *column) {
    if (!column->name || !column->declared) {
        return SQLITE_NOMEM;
    }
    const int rc = check_name(p, column->name, column->role);
    if (rc) {
        return rc;
    }
    if (column->role == HX_ROLE_FILTER && p->columns->attributes == HNY_MAX_ATTRIBUTES) {
        return hx_refuse(p->error, SQLITE_ERROR,
                         "hannoy: a table has at most %d columns to filter by; write + before "
                         "those that are only kept, as in +%s",
                         HNY_MAX_ATTRIBUTES, column->name);
    }
    if (column->role == HX_ROLE_VECTOR && p->columns->vectors == HX_MAX_VECTORS) {
        return hx_refuse(p->error, SQLITE_ERROR,
                         "hannoy: '%s' is one vector too many; a table has at most %d",
                         column->name, HX_MAX_VECTORS);
    }
    return SQLITE_OK;
}

/* Takes over what the column points to.  There are at most two columns more than arguments. */
static int append_column(const parser *p, hx_column column) {
    hx_columns *const columns = p->columns;
    const int rc = check_column(p, &column);
    if (rc) {
        free_column(&column);
        return rc;
    }
    column.stored = -1;
    if (column.role == HX_ROLE_FILTER) {
        column.place = columns->attributes++;
    }
    if (column.role == HX_ROLE_KEPT) {
        column.place = columns->kept++;
    }
    if (column.role == HX_ROLE_VECTOR) {
        column.place = columns->vectors;
        columns->vector[columns->vectors++] = columns->count;
    }
    if (column.role == HX_ROLE_ROWID || column.role == HX_ROLE_KEY) {
        columns->key = columns->count;
    }
    columns->at[columns->count++] = column;
    return SQLITE_OK;
}

static int append_vector(const parser *p, char *name) {
    return append_column(p, (hx_column){.name = name,
                                        .role = HX_ROLE_VECTOR,
                                        .type = "BLOB",
                                        .declared = sqlite3_mprintf("BLOB"),
                                        .collation = "BINARY"});
}

static int append_rowid(const parser *p) {
    return append_column(p, (hx_column){.name = sqlite3_mprintf("rowid"),
                                        .role = HX_ROLE_ROWID,
                                        .type = "INTEGER",
                                        .declared = sqlite3_mprintf("INTEGER"),
                                        .collation = "BINARY"});
}

/* ------------------------------------------------------------------------------- definitions -- */

/* The options of the vector that was appended last. */
static int add_vector_options(parser *p, const hx_definition *d) {
    hx_arguments *const own = &p->own[p->columns->vectors - 1];
    int rc = hx_arguments_add(own, "dim=%.*s", (int)d->dim.text.length, d->dim.text.begin);
    if (rc == SQLITE_OK) {
        rc = hx_arguments_add(own, "type=%s", d->vector);
    }
    for (int i = 0; i < d->assigned && rc == SQLITE_OK; i++) {
        const hx_span name = d->assignments[i].name, value = d->assignments[i].value;
        rc = hx_arguments_add(own, "%.*s=%.*s", (int)name.length, name.begin, (int)value.length,
                              value.begin);
    }
    if (rc == SQLITE_OK && d->index.length) {
        rc = hx_index_clause(d->index, &p->implied[p->columns->vectors - 1], p->notes, p->error);
    }
    return rc;
}

static int define_vector(parser *p, const hx_definition *d) {
    const int vector = p->columns->vectors;
    const int rc = append_vector(p, hx_token_unquoted(d->name));
    if (rc) {
        return rc;
    }
    p->is_vec0 = true;
    p->metrics[vector] = strcmp(d->vector, "bit") == 0 ? "hamming" : "euclidean";
    return add_vector_options(p, d);
}

static bool is_key(const parser *p, const hx_definition *d, const char *name) {
    return d->primary || (p->key && sqlite3_stricmp(p->key, name) == 0);
}

static hx_role role_of(const hx_definition *d, bool key) {
    if (key) {
        return strcmp(d->affinity, "INTEGER") == 0 ? HX_ROLE_ROWID : HX_ROLE_KEY;
    }
    return d->kept ? HX_ROLE_KEPT : HX_ROLE_FILTER;
}

/* SQLite finds the affinity of a declared type by itself, but for those that only we know. */
static char *declared_type(const hx_definition *d) {
    return sqlite3_mprintf("%.*s", (int)d->declared.length,
                           d->declared.length ? d->declared.begin : "");
}

/* A table that is declared as sqlite-vec does may have it. */
static void ignore_constraint(parser *p, const char *argument, const char *name, const char *of) {
    hx_note(p->notes, "%s of %s is not enforced", name, of);
    p->ignored = name;
    p->ignored_in = argument;
}

static int define_column(parser *p, const char *argument, const hx_definition *d) {
    char *const name = hx_token_unquoted(d->name);
    const bool key = name && is_key(p, d, name);
    hx_column column = {.name = name,
                        .role = role_of(d, key),
                        .type = d->affinity,
                        .declared = declared_type(d),
                        .collation = d->collation ? d->collation : "BINARY",
                        .not_null = d->not_null};
    int rc = SQLITE_OK;
    if (key && p->columns->key >= 0) {
        rc = hx_refuse(p->error, SQLITE_ERROR,
                       "hannoy: '%.*s' is a second primary key; a table has one",
                       argument_shown(argument), argument);
    }
    if (rc == SQLITE_OK && d->value.length) {
        rc = hx_default_expression(argument, d->value, &column.value, p->error);
    }
    p->columns->autoincrement |= d->autoincrement;
    if (d->ignored && !(key && strcmp(d->ignored, "UNIQUE") == 0)) {
        ignore_constraint(p, argument, d->ignored, name ? name : "");
    }
    if (rc == SQLITE_OK) {
        return append_column(p, column);
    }
    free_column(&column);
    return rc;
}

static int parse_definition(parser *p, const char *argument) {
    hx_definition d;
    const int rc = hx_definition_parse(argument, &d, p->error);
    if (rc) {
        return rc;
    }
    return d.vector ? define_vector(p, &d) : define_column(p, argument, &d);
}

/* ------------------------------------------------------------------------------- NAME.option -- */

static bool is_vector_option(const char *argument) {
    return hx_token_is_word(hx_token_name(&argument)) &&
           hx_token_is_sign(hx_token_next(&argument), '.') && is_option(argument);
}

static int parse_vector_option(parser *p, const char *argument) {
    const char *option = argument;
    char *const name = hx_token_unquoted(hx_token_name(&option));
    hx_token_next(&option); /* the point */
    const hx_column *const column = name ? find_column(p->columns, name) : NULL;
    const int vector = column ? column->place : p->columns->vectors;
    int rc = SQLITE_OK;
    if (column && column->role != HX_ROLE_VECTOR) {
        rc = hx_refuse_column(argument, "only a vector has options", p->error);
    }
    if (column || !name) {
        sqlite3_free(name);
    } else {
        rc = append_vector(p, name);
    }
    if (!name) {
        return SQLITE_NOMEM;
    }
    return rc ? rc : hx_arguments_add(&p->own[vector], "%s", option);
}

/* PRIMARY KEY(id), perhaps with a name before it. */
static bool is_table_key(const char *argument, const char **name) {
    hx_token word = hx_token_next(&argument);
    if (hx_token_is(word, "constraint")) {
        hx_token_name(&argument);
        word = hx_token_next(&argument);
    }
    if (!hx_token_is(word, "primary") || !hx_token_is(hx_token_next(&argument), "key") ||
        !hx_token_is_sign(hx_token_next(&argument), '(')) {
        return false;
    }
    *name = argument;
    return true;
}

/* UNIQUE(…), CHECK(…) or FOREIGN KEY(…) …, perhaps with a name before it. */
static bool is_table_constraint(const char *argument, hx_token *word) {
    *word = hx_token_next(&argument);
    if (hx_token_is(*word, "constraint")) {
        hx_token_name(&argument);
        *word = hx_token_next(&argument);
    }
    if (hx_token_is(*word, "foreign") && !hx_token_is(hx_token_next(&argument), "key")) {
        return false;
    }
    return (hx_token_is(*word, "unique") || hx_token_is(*word, "check") ||
            hx_token_is(*word, "foreign")) &&
           hx_token_is_sign(hx_token_next(&argument), '(');
}

static int parse_table_key(parser *p, const char *argument, const char *at) {
    const hx_token name = hx_token_name(&at);
    const bool closed = hx_token_is_sign(hx_token_next(&at), ')');
    if (p->key || !closed || !hx_token_is_word(name) || hx_token_peek(at).text.length) {
        return hx_refuse(p->error, SQLITE_ERROR,
                         "hannoy: '%.*s' is not understood; a table has one primary key, of one "
                         "column",
                         argument_shown(argument), argument);
    }
    p->key = hx_token_unquoted(name);
    return p->key ? SQLITE_OK : SQLITE_NOMEM;
}

/* -------------------------------------------------------------------------------- the source -- */

/* The member for content=, content_rowid= or vector=; NULL: another option. */
static char **source_option(const parser *p, const char *argument) {
    hx_source *const source = &p->columns->source;
    if (is_option_of(argument, "content")) {
        return &source->table;
    }
    if (is_option_of(argument, "content_rowid")) {
        return &source->rowid;
    }
    return is_option_of(argument, "vector") ? &source->vector : NULL;
}

static int parse_source(const parser *p, const char *argument, char **out) {
    const char *at = strchr(argument, '=') + 1;
    const hx_token name = hx_token_name(&at);
    if (*out) {
        return hx_refuse(p->error, SQLITE_ERROR, "hannoy: '%.*s' is given more than once",
                         argument_shown(argument), argument);
    }
    if (!hx_token_is_word(name) || hx_token_name(&at).text.length) {
        return hx_refuse(p->error, SQLITE_ERROR,
                         "hannoy: '%.*s' is not understood; write the name of a table or column, "
                         "in quotes if it has other characters than letters, digits and _",
                         argument_shown(argument), argument);
    }
    *out = hx_token_unquoted(name);
    return *out ? SQLITE_OK : SQLITE_NOMEM;
}

static int check_source(const parser *p) {
    const hx_columns *const columns = p->columns;
    const hx_source *const source = &columns->source;
    if (!source->table && (source->rowid || source->vector)) {
        return hx_refuse(p->error, SQLITE_ERROR,
                         "hannoy: content_rowid and vector are of a table that the rows are in; "
                         "name it too, as in content=docs");
    }
    if (source->vector && columns->vectors > 1) {
        return hx_refuse(p->error, SQLITE_ERROR,
                         "hannoy: vector=%s does not say which; several vectors are called as "
                         "the columns of %s that hold them are",
                         source->vector, source->table);
    }
    if (source->table && !source->vector && !p->declares_vector) {
        return hx_refuse(p->error, SQLITE_ERROR,
                         "hannoy: which column of %s has the vectors is not said; give vector=NAME",
                         source->table);
    }
    if (source->table && hx_columns_text_key(columns)) {
        return hx_refuse(p->error, SQLITE_ERROR,
                         "hannoy: a table over %s has the rowids of %s, and no other key; leave "
                         "out %s %s PRIMARY KEY",
                         source->table, source->table, columns->at[columns->key].name,
                         columns->at[columns->key].declared);
    }
    return SQLITE_OK;
}

/* The user's table keeps its own constraints and defaults. */
static void drop_constraints(hx_columns *columns) {
    columns->autoincrement = false;
    for (int i = 0; i < columns->count; i++) {
        columns->at[i].not_null = false;
        sqlite3_free(columns->at[i].value);
        columns->at[i].value = NULL;
    }
}

/* ----------------------------------------------------------------------------- all arguments -- */

static int parse_option_argument(parser *p, const char *argument) {
    char **const source = source_option(p, argument);
    if (source) {
        return parse_source(p, argument, source);
    }
    if (is_option_of(argument, "chunk_size")) {
        hx_note(p->notes, "chunk_size is ignored");
        return SQLITE_OK;
    }
    if (is_option_of(argument, "distance_metric") || is_option_of(argument, "distance")) {
        return hx_arguments_add(&p->written, "metric%s", strchr(argument, '='));
    }
    return hx_arguments_add(&p->written, "%s", argument);
}

/* PRIMARY KEY(id) first: it may follow the column. */
static int parse_arguments(parser *p) {
    const char *name;
    hx_token word;
    int rc = SQLITE_OK;
    for (int i = 0; i < p->argc && rc == SQLITE_OK; i++) {
        if (is_table_key(p->argv[i], &name)) {
            rc = parse_table_key(p, p->argv[i], name);
        }
    }
    for (int i = 0; i < p->argc && rc == SQLITE_OK; i++) {
        if (is_vector_option(p->argv[i])) {
            rc = parse_vector_option(p, p->argv[i]);
        } else if (is_option(p->argv[i])) {
            rc = parse_option_argument(p, p->argv[i]);
        } else if (is_table_constraint(p->argv[i], &word)) {
            ignore_constraint(p, p->argv[i],
                              hx_token_is(word, "unique")    ? "UNIQUE"
                              : hx_token_is(word, "foreign") ? "FOREIGN KEY"
                                                             : "CHECK",
                              "the table");
        } else if (!is_table_key(p->argv[i], &name)) {
            rc = parse_definition(p, p->argv[i]);
        }
    }
    return rc;
}

static void move_column(hx_columns *columns, int from, int to) {
    const hx_column moved = columns->at[from];
    memmove(columns->at + to + 1, columns->at + to, (size_t)(from - to) * sizeof moved);
    columns->at[to] = moved;
    for (int i = 0; i < columns->count; i++) {
        if (columns->at[i].role == HX_ROLE_VECTOR) {
            columns->vector[columns->at[i].place] = i;
        }
        if (columns->at[i].role == HX_ROLE_ROWID || columns->at[i].role == HX_ROLE_KEY) {
            columns->key = i;
        }
    }
}

/* The key first, then a vector that is not declared. */
static int place_columns(parser *p) {
    hx_columns *const columns = p->columns;
    int rc = SQLITE_OK;
    p->declares_vector = columns->vectors > 0;
    if (p->ignored && !p->is_vec0) {
        return hx_refuse_ignored(p->ignored_in, p->ignored, p->error);
    }
    if (columns->key < 0 && p->key) {
        return hx_refuse(p->error, SQLITE_ERROR, "hannoy: there is no column %s to be the key",
                         p->key);
    }
    if (columns->key < 0 && p->is_vec0) {
        rc = append_rowid(p);
    }
    if (rc == SQLITE_OK && columns->key >= 0) {
        move_column(columns, columns->key, 0);
    }
    if (rc == SQLITE_OK && !p->declares_vector) {
        rc = append_vector(p, sqlite3_mprintf("vector"));
        if (rc == SQLITE_OK) {
            move_column(columns, columns->vector[0], columns->key >= 0);
        }
    }
    return rc;
}

static void number_stored(hx_columns *columns) {
    int stored = 0;
    for (int i = 0; i < columns->count; i++) {
        const hx_role role = columns->at[i].role;
        if (role != HX_ROLE_VECTOR && role != HX_ROLE_ROWID) {
            columns->at[i].stored = stored++;
        }
    }
}

/* Whether a hidden column cannot have this name. */
static bool hidden_name_taken(const hx_columns *columns, const char *name) {
    bool taken = find_column(columns, name) || is_rowid_name(name);
    for (int i = 0; i < HX_HIDDEN_COUNT; i++) {
        taken |= columns->hidden[i] && sqlite3_stricmp(columns->hidden[i], name) == 0;
    }
    return taken;
}

static int name_hidden(const parser *p) {
    const char *const names[HX_HIDDEN_COUNT] = {"query", "k",     "ef",    "distance",
                                                "item",  "exact", p->table};
    hx_columns *const columns = p->columns;
    for (int i = 0; i < HX_HIDDEN_COUNT; i++) {
        char *name = sqlite3_mprintf("%s", names[i]);
        if (name && hidden_name_taken(columns, name)) {
            sqlite3_free(name);
            name = sqlite3_mprintf("hannoy_%s", i == HX_COMMAND ? "command" : names[i]);
        }
        while (name && hidden_name_taken(columns, name)) {
            char *const longer = sqlite3_mprintf("%s_", name);
            sqlite3_free(name);
            name = longer;
        }
        if (!name) {
            return SQLITE_NOMEM;
        }
        columns->hidden[i] = name;
    }
    return SQLITE_OK;
}

/* An option that is written goes before one that INDEXED BY stands for. */
static int add_implied(const parser *p, int vector, hx_arguments *all) {
    const hx_arguments *const implied = &p->implied[vector];
    for (int i = 0; i < implied->count; i++) {
        if (hx_arguments_have(all, implied->items[i])) {
            hx_note(p->notes, "%s is overridden", implied->items[i]);
            continue;
        }
        const int rc = hx_arguments_add(all, "%s", implied->items[i]);
        if (rc) {
            return rc;
        }
    }
    return SQLITE_OK;
}

/* Of several vectors each has its own options, and the table those that it shares. */
static int check_own(const parser *p, int vector) {
    const hx_arguments *const own = &p->own[vector];
    for (int i = 0; i < own->count; i++) {
        if (hx_option_is_shared(own->items[i])) {
            return hx_refuse(p->error, SQLITE_ERROR,
                             "hannoy: '%s' is of the table and not of one vector; give it alone",
                             own->items[i]);
        }
    }
    return SQLITE_OK;
}

static int check_written(const parser *p) {
    for (int i = 0; i < p->written.count; i++) {
        if (hx_option_is_fixed(p->written.items[i])) {
            return hx_refuse(p->error, SQLITE_ERROR,
                             "hannoy: '%s' does not say of which vector; write NAME.%s",
                             p->written.items[i], p->written.items[i]);
        }
    }
    return SQLITE_OK;
}

/* All options of a vector: its own, those of the table, those that INDEXED BY stands for. */
static int collect_options(const parser *p, int vector, hx_arguments *all) {
    const hx_arguments *const own = &p->own[vector], *const written = &p->written;
    const bool several = p->columns->vectors > 1;
    int rc = several ? check_own(p, vector) : SQLITE_OK;
    for (int i = 0; i < own->count && rc == SQLITE_OK; i++) {
        rc = hx_arguments_add(all, "%s", own->items[i]);
    }
    for (int i = 0; i < written->count && rc == SQLITE_OK; i++) {
        if (!several || !hx_arguments_have(own, written->items[i])) {
            rc = hx_arguments_add(all, "%s", written->items[i]);
        }
    }
    if (rc == SQLITE_OK) {
        rc = add_implied(p, vector, all);
    }
    if (rc == SQLITE_OK && p->metrics[vector] && !hx_arguments_have(all, "metric")) {
        rc = hx_arguments_add(all, "metric=%s", p->metrics[vector]);
    }
    return rc;
}

static int parse_options(const parser *p, hx_options *options) {
    int rc = p->columns->vectors > 1 ? check_written(p) : SQLITE_OK;
    for (int i = 0; i < p->columns->vectors && rc == SQLITE_OK; i++) {
        const char *const which = hx_columns_which(p->columns, i);
        hx_arguments all = {NULL, 0};
        rc = collect_options(p, i, &all);
        if (rc == SQLITE_OK) {
            rc = hx_options_parse(all.count, (const char *const *)all.items, &options[i], p->error);
        }
        hx_arguments_free(&all);
        if (rc == SQLITE_ERROR && which[0]) {
            rc = hx_refuse_of(p->error, rc, which);
        }
    }
    return rc;
}

static int take_notes(parser *p) {
    const int rc = sqlite3_str_errcode(p->notes);
    if (rc == SQLITE_OK && sqlite3_str_length(p->notes)) {
        p->columns->notes = sqlite3_mprintf("%s", sqlite3_str_value(p->notes));
        return p->columns->notes ? SQLITE_OK : SQLITE_NOMEM;
    }
    return rc;
}

static int parse_all(parser *p, hx_options *options) {
    int rc = parse_arguments(p);
    if (rc == SQLITE_OK) {
        rc = place_columns(p);
    }
    if (rc == SQLITE_OK) {
        rc = check_source(p);
    }
    if (rc == SQLITE_OK) {
        rc = name_hidden(p);
    }
    if (rc) {
        return rc;
    }
    if (hx_columns_external(p->columns)) {
        drop_constraints(p->columns);
    }
    number_stored(p->columns);
    rc = parse_options(p, options);
    return rc ? rc : take_notes(p);
}

/* The arguments without their comments. */
static int copy_arguments(parser *p, int argc, const char *const *argv) {
    p->argv = sqlite3_malloc64((size_t)(argc + 1) * sizeof *p->argv);
    if (!p->argv) {
        return SQLITE_NOMEM;
    }
    for (int i = 0; i < argc; i++) {
        char *const copy = hx_without_comments(argv[i]);
        if (!copy) {
            return SQLITE_NOMEM;
        }
        p->argv[p->argc++] = copy;
    }
    return SQLITE_OK;
}

static void free_parser(parser *p) {
    for (int i = 0; i < p->argc; i++) {
        sqlite3_free(p->argv[i]);
    }
    sqlite3_free(p->argv);
    sqlite3_free(p->key);
    hx_arguments_free(&p->written);
    for (int i = 0; i < HX_MAX_VECTORS; i++) {
        hx_arguments_free(&p->own[i]);
        hx_arguments_free(&p->implied[i]);
    }
    sqlite3_free(sqlite3_str_finish(p->notes));
}

int hx_columns_parse(int argc, const char *const *argv, const char *table, hx_columns *out,
                     hx_options *options, char **error) {
    enum { OWN_COLUMNS = 2 }; /* vector and rowid, where they are not declared */
    parser p = {.table = table, .columns = out, .notes = sqlite3_str_new(NULL), .error = error};
    *error = NULL;
    *out = HX_NO_COLUMNS;
    out->at = sqlite3_malloc64((size_t)(argc + OWN_COLUMNS) * sizeof *out->at);
    int rc = out->at ? copy_arguments(&p, argc, argv) : SQLITE_NOMEM;
    if (rc == SQLITE_OK) {
        rc = parse_all(&p, options);
    }
    free_parser(&p);
    if (rc) {
        hx_columns_free(out);
    }
    return rc;
}

void hx_columns_free(hx_columns *columns) {
    for (int i = 0; i < columns->count; i++) {
        free_column(&columns->at[i]);
    }
    for (int i = 0; i < HX_HIDDEN_COUNT; i++) {
        sqlite3_free(columns->hidden[i]);
    }
    sqlite3_free(columns->at);
    sqlite3_free(columns->notes);
    sqlite3_free(columns->source.table);
    sqlite3_free(columns->source.rowid);
    sqlite3_free(columns->source.vector);
    *columns = HX_NO_COLUMNS;
}

/* ------------------------------------------------------------------------------------- names -- */

const char *hx_column_stored_name(const hx_column *column, char *name) {
    if (column->role == HX_ROLE_KEY) {
        return "key";
    }
    if (column->role == HX_ROLE_VECTOR && column->place == 0) {
        return "vector";
    }
    const char letter = column->role == HX_ROLE_VECTOR   ? 'v'
                        : column->role == HX_ROLE_FILTER ? 'c'
                                                         : 'x';
    return sqlite3_snprintf(HX_STORED_NAME, name, "%c%d", letter, column->place);
}

/*
** A PRIMARY KEY of any other type than INTEGER makes SQLite keep an index of the virtual table, and
** PRAGMA integrity_check then reports a second reference to one of the database's pages (3.40).
*/
static void declare_column(const hx_column *column, sqlite3_str *text) {
    const bool rowid = column->role == HX_ROLE_ROWID;
    sqlite3_str_appendf(text, "\"%w\" %s", column->name,
                        rowid ? "INTEGER PRIMARY KEY" : column->declared);
    if (strcmp(column->collation, "BINARY") != 0) {
        sqlite3_str_appendf(text, " COLLATE %s", column->collation);
    }
    if (column->not_null || column->role == HX_ROLE_KEY) {
        sqlite3_str_appendall(text, " NOT NULL");
    }
    sqlite3_str_appendall(text, ", ");
}

char *hx_columns_declaration(const hx_columns *columns) {
    static const char *const types[HX_HIDDEN_COUNT] = {
        [HX_K] = "INTEGER", [HX_EF] = "INTEGER", [HX_DISTANCE] = "REAL", [HX_EXACT] = "INTEGER"};
    sqlite3_str *const text = sqlite3_str_new(NULL);
    sqlite3_str_appendall(text, "CREATE TABLE x(");
    for (int i = 0; i < columns->count; i++) {
        declare_column(&columns->at[i], text);
    }
    for (int i = 0; i < HX_HIDDEN_COUNT; i++) {
        sqlite3_str_appendf(text, "\"%w\" %s HIDDEN%s", columns->hidden[i],
                            types[i] ? types[i] : "", i + 1 < HX_HIDDEN_COUNT ? ", " : ")");
    }
    return sqlite3_str_finish(text);
}
