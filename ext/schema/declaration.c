/*
** Columns of a table, from the arguments of CREATE VIRTUAL TABLE; contract in declaration.h.
*/
#include "schema/declaration.h"

#include <string.h>

#include "hannoy.h"
#include "sqlite_api.h"
#include "values/refuse.h"

/* ------------------------------------------------------------------------------------ tokens -- */

/* A word of a definition: a name, a number, or one character that stands for itself. */
typedef struct token {
    const char *begin;
    int length; /* 0: the end */
    bool quoted;
} token;

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || (unsigned char)c >= 0x80;
}

/* The length of a quoted name with both its quotes; 0: it does not end. */
static int quoted_length(const char *text, char end) {
    for (int i = 1; text[i]; i++) {
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

/* `named`: where a name is expected, brackets quote one. */
static token next_token(const char **at, bool named) {
    while (is_blank(**at)) {
        ++*at;
    }
    token t = {*at, 0, false};
    const char c = t.begin[0];
    if (!c) {
        return t;
    }
    if (c == '"' || c == '`' || c == '\'' || (named && c == '[')) {
        t.length = quoted_length(t.begin, c == '[' ? ']' : c);
        t.quoted = t.length > 0;
    } else {
        while (is_word(t.begin[t.length])) {
            t.length++;
        }
    }
    if (t.length == 0) {
        t.length = 1;
    }
    *at += t.length;
    return t;
}

static bool token_is(token t, const char *word) {
    return !t.quoted && t.length == (int)strlen(word) &&
           sqlite3_strnicmp(t.begin, word, t.length) == 0;
}

/* The name without its quotes, for sqlite3_free(); NULL: out of memory. */
static char *token_name(token t) {
    char *const name = sqlite3_mprintf("%.*s", t.length, t.begin);
    if (!name || !t.quoted) {
        return name;
    }
    const char end = name[0] == '[' ? ']' : name[0];
    int length = 0;
    for (int i = 1; i < t.length - 1; i++) {
        name[length++] = name[i];
        if (name[i] == end) {
            i++; /* doubled */
        }
    }
    name[length] = '\0';
    return name;
}

/* ------------------------------------------------------------------------------------ errors -- */

/* For "%.*s": what is shown of an argument. */
#define SHOWN 60

static int refuse_definition(char **error, const char *argument, const char *why) {
    return hx_refuse(error, SQLITE_ERROR, "hannoy: '%.*s' is not a valid column: %s", SHOWN,
                     argument, why);
}

/* ----------------------------------------------------------------------------------- parsing -- */

typedef struct type_name {
    const char *name, *type;
} type_name;

static const type_name column_types[] = {
    {"text", "TEXT"},    {"integer", "INTEGER"}, {"int", "INTEGER"}, {"bigint", "INTEGER"},
    {"real", "REAL"},    {"float", "REAL"},      {"double", "REAL"}, {"boolean", "NUMERIC"},
    {"bool", "NUMERIC"}, {"numeric", "NUMERIC"}, {"blob", "BLOB"},
};

static const type_name vectors[] = {
    {"float", "float32"}, {"float32", "float32"}, {"f32", "float32"}, {"float16", "float16"},
    {"f16", "float16"},   {"int8", "int8"},       {"i8", "int8"},     {"bit", "bit"},
};

static const char *find_type(const type_name *list, size_t count, token t) {
    for (size_t i = 0; i < count; i++) {
        if (token_is(t, list[i].name)) {
            return list[i].type;
        }
    }
    return NULL;
}

#define FIND(list, token) find_type(list, sizeof(list) / sizeof(list)[0], token)

static const char *const hidden_names[] = {"query", "k", "ef", "distance", "item", "exact"};

const char *hx_hidden_name(hx_hidden which) {
    return hidden_names[which];
}

/* The state of hx_columns_parse. */
typedef struct parser {
    const char *table;
    hx_columns *columns;
    hx_arguments *options;
    char *spare; /* room for the options that a vector column stands for */
    char **error;
} parser;

static bool name_exists(const hx_columns *columns, const char *name) {
    for (int i = 0; i < columns->count; i++) {
        if (sqlite3_stricmp(columns->at[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool name_is_reserved(const char *name) {
    for (int i = 0; i < HX_COMMAND; i++) {
        if (sqlite3_stricmp(name, hidden_names[i]) == 0) {
            return true;
        }
    }
    return sqlite3_stricmp(name, "rowid") == 0;
}

static int check_name(const parser *p, const char *name) {
    if (name[0] == '\0') {
        return hx_refuse(p->error, SQLITE_ERROR, "hannoy: a column has no name; give it one");
    }
    if (name_is_reserved(name)) {
        return hx_refuse(
            p->error, SQLITE_ERROR,
            "hannoy: a column cannot be called '%s', which every hannoy table has; choose "
            "another name",
            name);
    }
    if (sqlite3_stricmp(name, p->table) == 0) {
        return hx_refuse(
            p->error, SQLITE_ERROR,
            "hannoy: a column cannot be called '%s' like the table, whose commands are "
            "written to a column of that name; choose another name",
            name);
    }
    if (name_exists(p->columns, name)) {
        return hx_refuse(p->error, SQLITE_ERROR,
                         "hannoy: there are two columns '%s'; choose another name", name);
    }
    return SQLITE_OK;
}

/* There is room for it: no more columns than arguments, and one. */
static int append_column(const parser *p, char *name, hx_role role, const char *type) {
    hx_columns *const columns = p->columns;
    int rc = name ? check_name(p, name) : SQLITE_NOMEM;
    int place = 0;
    if (role == HX_ROLE_VECTOR) {
        place = columns->vectors;
    }
    if (role == HX_ROLE_FILTER) {
        place = columns->attributes++;
    }
    if (role == HX_ROLE_KEPT) {
        place = columns->kept++;
    }
    if (rc == SQLITE_OK && columns->attributes > HNY_MAX_ATTRIBUTES) {
        rc = hx_refuse(
            p->error, SQLITE_ERROR,
            "hannoy: a table has at most %d columns to filter by; write + before those that "
            "are only kept, as in +%s",
            HNY_MAX_ATTRIBUTES, name);
    }
    if (rc) {
        sqlite3_free(name);
        return rc;
    }
    if (role == HX_ROLE_VECTOR) {
        columns->vector[columns->vectors++] = columns->count;
    }
    if (role == HX_ROLE_ROWID || role == HX_ROLE_KEY) {
        columns->key = columns->count;
    }
    columns->at[columns->count++] = (hx_column){name, role, type, place, -1};
    return SQLITE_OK;
}

static void add_option(parser *p, const char *name, const char *value, int length) {
    const int bytes = (int)strlen(name) + 1 + length;
    sqlite3_snprintf(bytes + 1, p->spare, "%s=%.*s", name, length, value);
    p->options->at[p->options->count++] = p->spare;
    p->spare += bytes + 1;
}

/* `float` is a column of numbers, `float[384]` a vector. */
static bool is_dimension(const char *rest) {
    return next_token(&rest, false).begin[0] == '[';
}

/* Behind the type: "[384] distance_metric=cosine". */
static int parse_vector_column(parser *p, const char *argument, token name, const char *type,
                               const char *rest) {
    if (p->columns->vectors) {
        return hx_refuse(
            p->error, SQLITE_ERROR,
            "hannoy: '%.*s' is a second vector; a table has one, so make another table "
            "for it",
            SHOWN, argument);
    }
    next_token(&rest, false); /* the bracket */
    const token dim = next_token(&rest, false);
    const token close = next_token(&rest, false);
    if (close.begin[0] != ']' || !is_word(dim.begin[0])) {
        return refuse_definition(p->error, argument, "a vector is written like float[384]");
    }
    add_option(p, "dim", dim.begin, dim.length);
    add_option(p, "type", type, (int)strlen(type));
    const char *const standard = strcmp(type, "bit") == 0 ? "hamming" : "euclidean";
    token word = next_token(&rest, false);
    token metric = {standard, (int)strlen(standard), false};
    if (token_is(word, "distance_metric") && next_token(&rest, false).begin[0] == '=') {
        metric = next_token(&rest, false);
        word = next_token(&rest, false);
    }
    if (word.length || !is_word(metric.begin[0])) {
        return refuse_definition(p->error, argument,
                                 "after float[384], only distance_metric=… is allowed");
    }
    add_option(p, "metric", metric.begin, metric.length);
    return append_column(p, token_name(name), HX_ROLE_VECTOR, "");
}

/* Behind the type: nothing, PRIMARY KEY or PARTITION KEY. */
static int parse_role(const parser *p, const char *argument, const char *type, const char *rest,
                      hx_role *role) {
    const token first = next_token(&rest, false);
    if (!first.length) {
        return SQLITE_OK;
    }
    const bool primary = token_is(first, "primary"), partition = token_is(first, "partition");
    const token second = next_token(&rest, false);
    if ((!primary && !partition) || !token_is(second, "key") || next_token(&rest, false).length) {
        return refuse_definition(p->error, argument,
                                 "after the type, only PRIMARY KEY or PARTITION KEY is allowed");
    }
    if (partition) {
        return SQLITE_OK;
    }
    if (p->columns->key >= 0) {
        return hx_refuse(p->error, SQLITE_ERROR,
                         "hannoy: '%.*s' is a second primary key; a table has one", SHOWN,
                         argument);
    }
    if (strcmp(type, "INTEGER") != 0 && strcmp(type, "TEXT") != 0) {
        return refuse_definition(p->error, argument, "a primary key is an INTEGER or a TEXT");
    }
    *role = type[0] == 'I' ? HX_ROLE_ROWID : HX_ROLE_KEY;
    return SQLITE_OK;
}

static int unknown_type(const parser *p, const char *argument, token type) {
    if (!type.length) {
        return refuse_definition(p->error, argument,
                                 "it has no type; write one, as in lang TEXT, or an option as "
                                 "name=value");
    }
    return refuse_definition(
        p->error, argument,
        "the types are TEXT, INTEGER, REAL, BOOLEAN, NUMERIC and BLOB, and of a "
        "vector float, float16, int8 and bit, as in float[384]");
}

static int parse_definition(parser *p, const char *argument) {
    const char *at = argument;
    token name = next_token(&at, true);
    const bool kept = token_is(name, "+");
    if (kept) {
        name = next_token(&at, true);
    }
    if (!name.quoted && (!name.length || !is_word(name.begin[0]))) {
        return refuse_definition(p->error, argument, "expected a column name");
    }
    const token word = next_token(&at, false);
    const char *const vector = is_dimension(at) ? FIND(vectors, word) : NULL;
    if (vector && !kept) {
        return parse_vector_column(p, argument, name, vector, at);
    }
    const char *const type = FIND(column_types, word);
    if (!type) {
        return unknown_type(p, argument, word);
    }
    hx_role role = kept ? HX_ROLE_KEPT : HX_ROLE_FILTER;
    const int rc = parse_role(p, argument, type, at, &role);
    if (rc) {
        return rc;
    }
    if (kept && role != HX_ROLE_KEPT) {
        return refuse_definition(p->error, argument, "a primary key is written without +");
    }
    return append_column(p, token_name(name), role, type);
}

/* ----------------------------------------------------------------------------- all arguments -- */

/* name=value, with a name that stands alone. */
static bool is_option(const char *argument) {
    const token name = next_token(&argument, false);
    return name.length && !name.quoted && is_word(name.begin[0]) &&
           next_token(&argument, false).begin[0] == '=';
}

static bool is_option_of(const char *argument, const char *name) {
    return is_option(argument) && token_is(next_token(&argument, false), name);
}

/* A table without a declared vector: the key, the vector, the others. */
static int place_vector(const parser *p) {
    hx_columns *const columns = p->columns;
    const int rc = append_column(p, sqlite3_mprintf("vector"), HX_ROLE_VECTOR, "");
    if (rc) {
        return rc;
    }
    hx_column sorted[3] = {{0}};
    const int last = columns->count - 1;
    int first = 0;
    if (columns->key >= 0) {
        sorted[first++] = columns->at[columns->key];
    }
    sorted[first++] = columns->at[last];
    int to = last;
    for (int i = last - 1; i >= 0; i--) {
        if (i != columns->key) {
            columns->at[to--] = columns->at[i];
        }
    }
    memcpy(columns->at, sorted, (size_t)first * sizeof *sorted);
    columns->vector[0] = first - 1;
    if (columns->key >= 0) {
        columns->key = 0;
    }
    return SQLITE_OK;
}

/* sqlite-vec's chunk_size says how it stores things; there is nothing like it here. */
static void drop_chunk_size(const parser *p) {
    hx_arguments *const options = p->options;
    int count = 0;
    for (int i = 0; i < options->count; i++) {
        if (!is_option_of(options->at[i], "chunk_size")) {
            options->at[count++] = options->at[i];
        }
    }
    options->count = count;
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

/* ------------------------------------------------------------------------------------ source -- */

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
    const token name = next_token(&at, true);
    const token end = next_token(&at, true);
    if (*out) {
        return hx_refuse(p->error, SQLITE_ERROR, "hannoy: '%.*s' is given more than once", SHOWN,
                         argument);
    }
    if (end.length || !name.length || (!name.quoted && !is_word(name.begin[0]))) {
        return hx_refuse(
            p->error, SQLITE_ERROR,
            "hannoy: '%.*s' is not understood; write the name of a table or column, in "
            "quotes if it has other characters than letters, digits and _",
            SHOWN, argument);
    }
    *out = token_name(name);
    return *out ? SQLITE_OK : SQLITE_NOMEM;
}

static int check_source(const parser *p) {
    const hx_source *const source = &p->columns->source;
    if (!source->table && (source->rowid || source->vector)) {
        return hx_refuse(p->error, SQLITE_ERROR,
                         "hannoy: content_rowid and vector are of a table that the rows are "
                         "in; name it too, as in content=docs");
    }
    if (source->table && !source->vector) {
        return hx_refuse(p->error, SQLITE_ERROR,
                         "hannoy: which column of %s has the vectors is not said; give vector=NAME",
                         source->table);
    }
    if (source->table && hx_columns_text_key(p->columns)) {
        return hx_refuse(
            p->error, SQLITE_ERROR,
            "hannoy: a table over %s has the rowids of %s, and no other key; leave out "
            "%s TEXT PRIMARY KEY",
            source->table, source->table, p->columns->at[p->columns->key].name);
    }
    return SQLITE_OK;
}

static int parse_argument(parser *p, const char *argument) {
    char **const source = is_option(argument) ? source_option(p, argument) : NULL;
    if (source) {
        return parse_source(p, argument, source);
    }
    if (!is_option(argument)) {
        return parse_definition(p, argument);
    }
    p->options->at[p->options->count++] = argument;
    return SQLITE_OK;
}

static int parse_all(parser *p, int argc, const char *const *argv) {
    int rc = SQLITE_OK;
    for (int i = 0; i < argc && rc == SQLITE_OK; i++) {
        rc = parse_argument(p, argv[i]);
    }
    if (rc == SQLITE_OK && p->columns->vectors == 0) {
        rc = place_vector(p);
    } else {
        drop_chunk_size(p);
    }
    if (rc == SQLITE_OK) {
        rc = check_source(p);
    }
    number_stored(p->columns);
    return rc;
}

/* The three options of a vector column are no longer than its definition and their names. */
static size_t room_for(int argc, const char *const *argv) {
    size_t longest = 0;
    for (int i = 0; i < argc; i++) {
        if (strlen(argv[i]) > longest) {
            longest = strlen(argv[i]);
        }
    }
    return (size_t)(argc + 3) * sizeof *argv + longest + sizeof "dim=type=float32metric=euclidean" +
           3;
}

int hx_columns_parse(int argc, const char *const *argv, const char *table, hx_columns *out,
                     hx_arguments *options, char **error) {
    *error = NULL;
    *out = HX_NO_COLUMNS;
    out->at = sqlite3_malloc64((size_t)(argc + 1) * sizeof *out->at);
    *options = (hx_arguments){sqlite3_malloc64(room_for(argc, argv)), 0};
    parser p = {table, out, options, (char *)(options->at + argc + 3), error};
    const int rc = out->at && options->at ? parse_all(&p, argc, argv) : SQLITE_NOMEM;
    if (rc == SQLITE_OK) {
        return rc;
    }
    hx_columns_free(out);
    sqlite3_free(options->at);
    *options = (hx_arguments){NULL, 0};
    return rc;
}

void hx_columns_free(hx_columns *columns) {
    for (int i = 0; i < columns->count; i++) {
        sqlite3_free(columns->at[i].name);
    }
    sqlite3_free(columns->at);
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

char *hx_columns_declaration(const hx_columns *columns, const char *table) {
    sqlite3_str *const text = sqlite3_str_new(NULL);
    sqlite3_str_appendall(text, "CREATE TABLE x(");
    for (int i = 0; i < columns->count; i++) {
        sqlite3_str_appendf(text, "\"%w\" %s, ", columns->at[i].name, columns->at[i].type);
    }
    for (int i = 0; i < HX_COMMAND; i++) {
        sqlite3_str_appendf(text, "%s HIDDEN, ", hidden_names[i]);
    }
    sqlite3_str_appendf(text, "\"%w\" HIDDEN)", table);
    return sqlite3_str_finish(text);
}
