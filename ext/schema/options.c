#include "schema/options.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3

/* ------------------------------------------------------------------------------- the options -- */

typedef struct choice {
    const char *name;
    const char *synonym; /* or NULL */
    uint8_t value;
} choice;

static const choice metrics[] = {{"cosine", NULL, HNY_COSINE},
                                 {"euclidean", "l2", HNY_EUCLIDEAN},
                                 {"manhattan", "l1", HNY_MANHATTAN},
                                 {"hamming", NULL, HNY_HAMMING},
                                 {NULL, NULL, 0}};

static const choice types[] = {{"float32", NULL, HNY_FLOAT32},
                               {"float16", NULL, HNY_FLOAT16},
                               {"int8", NULL, HNY_INT8},
                               {"bit", NULL, HNY_BIT},
                               {NULL, NULL, 0}};

static const choice codes[] = {
    {"int4", NULL, HNY_CODES_INT4},       {"int8", NULL, HNY_CODES_INT8},
    {"float16", NULL, HNY_CODES_FLOAT16}, {"float32", NULL, HNY_CODES_FLOAT32},
    {"bit", NULL, HNY_CODES_BIT},         {NULL, NULL, 0}};

/* What an option may be, beyond having a value. */
enum { REQUIRED = 1, CHANGEABLE = 2, FRACTION = 4 /* of 1, in ten-thousandths */ };

#define MAX_COUNT 2147483647 /* as many rows as a table holds */

typedef struct option {
    const char *name;
    const choice *choices; /* of a named value, which is a uint8_t; NULL: a number, a uint32_t */
    size_t offset;         /* in hx_options */
    int flags;
    uint32_t least, most; /* of a number */
    uint32_t standard;    /* the default, unless REQUIRED */
} option;

/* In the order of every list that users see. */
static const option options_known[] = {
    {"dim", NULL, offsetof(hx_options, shape.dim), REQUIRED, 1, HNY_MAX_DIM, 0},
    {"metric", metrics, offsetof(hx_options, shape.metric), REQUIRED | CHANGEABLE, 0, 0, 0},
    {"type", types, offsetof(hx_options, shape.type), 0, 0, 0, HNY_FLOAT32},
    {"codes", codes, offsetof(hx_options, codes), CHANGEABLE, 0, 0, 0},
    {"m", NULL, offsetof(hx_options, m), CHANGEABLE, 4, 63, 16},
    {"ef_construction", NULL, offsetof(hx_options, ef_construction), CHANGEABLE, 4, 4096, 128},
    {"ef", NULL, offsetof(hx_options, ef), CHANGEABLE, 0, 100000, 0},
    {"recall", NULL, offsetof(hx_options, recall), CHANGEABLE | FRACTION, 5000, 9999, 9500},
    {"autobuild", NULL, offsetof(hx_options, autobuild), CHANGEABLE, 0, MAX_COUNT, 1000},
    {"threads", NULL, offsetof(hx_options, threads), CHANGEABLE, 0, 256, 0},
    {"linear_below", NULL, offsetof(hx_options, linear_below), CHANGEABLE, 0, MAX_COUNT, 1000},
};

enum { OPTION_COUNT = sizeof options_known / sizeof options_known[0] };

static void set_option(hx_options *options, const option *which, uint32_t value) {
    char *const field = (char *)options + which->offset;
    if (which->choices)
        *(uint8_t *)field = (uint8_t)value;
    else
        memcpy(field, &value, sizeof value);
}

static uint32_t get_option(const hx_options *options, const option *which) {
    const char *const field = (const char *)options + which->offset;
    uint32_t value;
    if (which->choices) return *(const uint8_t *)field;
    memcpy(&value, field, sizeof value);
    return value;
}

static const char *choice_name(const choice *choices, uint8_t value) {
    while (choices->name && choices->value != value) choices++;
    return choices->name;
}

const char *hx_metric_name(uint8_t metric) {
    return choice_name(metrics, metric);
}

const char *hx_type_name(uint8_t type) {
    return choice_name(types, type);
}

const char *hx_codes_name(uint8_t value) {
    return choice_name(codes, value);
}

/* ----------------------------------------------------------------------------------- errors -- */

/* Stores the sentence and returns the code to return. */
static int refuse(char **error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    *error = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    return *error ? SQLITE_ERROR : SQLITE_NOMEM;
}

/* The same for a sentence that ends with a list; the list is freed, NULL stands for no memory. */
static int refuse_listing(char **error, char *list, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *const sentence = list ? sqlite3_vmprintf(format, arguments) : NULL;
    va_end(arguments);
    *error = sentence ? sqlite3_mprintf("%s%s", sentence, list) : NULL;
    sqlite3_free(sentence);
    sqlite3_free(list);
    return *error ? SQLITE_ERROR : SQLITE_NOMEM;
}

/* "dim, metric, …": the options that have all these flags; for sqlite3_free(), NULL if no memory */
static char *list_options(int flags) {
    sqlite3_str *list = sqlite3_str_new(NULL);
    for (int i = 0; i < OPTION_COUNT; i++) {
        if ((options_known[i].flags & flags) != flags) continue;
        if (sqlite3_str_length(list)) sqlite3_str_appendall(list, ", ");
        sqlite3_str_appendall(list, options_known[i].name);
    }
    return sqlite3_str_finish(list);
}

/* "cosine, euclidean (or l2), …"; for sqlite3_free(), NULL if no memory */
static char *list_choices(const choice *choices) {
    sqlite3_str *list = sqlite3_str_new(NULL);
    for (const choice *c = choices; c->name; c++) {
        sqlite3_str_appendf(list, "%s%s", c == choices ? "" : ", ", c->name);
        if (c->synonym) sqlite3_str_appendf(list, " (or %s)", c->synonym);
    }
    return sqlite3_str_finish(list);
}

/* ------------------------------------------------------------------------------------- spans -- */

/* A piece of somebody's string. */
typedef struct span {
    const char *begin;
    size_t length;
} span;

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static span trim(span text) {
    for (; text.length && is_blank(text.begin[0]); text.length--) text.begin++;
    while (text.length && is_blank(text.begin[text.length - 1])) text.length--;
    return text;
}

static span unquote(span text) {
    const char quote = text.length >= 2 ? text.begin[0] : '\0';
    if ((quote == '\'' || quote == '"') && text.begin[text.length - 1] == quote)
        return (span){text.begin + 1, text.length - 2};
    return text;
}

static bool span_is(span text, const char *name) {
    return text.length == strlen(name) && !sqlite3_strnicmp(text.begin, name, (int)text.length);
}

/* For "%.*s": what of a span is shown, some 40 bytes of whole UTF-8 characters. */
static int shown(span text) {
    if (text.length <= 40) return (int)text.length;
    size_t length = 40;
    while (length > 0 && ((unsigned char)text.begin[length] & 0xc0) == 0x80) length--;
    return (int)length;
}

/* ---------------------------------------------------------------------------------- parsing -- */

static const option *find_option(span name) {
    for (int i = 0; i < OPTION_COUNT; i++)
        if (span_is(name, options_known[i].name)) return &options_known[i];
    return NULL;
}

/* A whole number; what no int64_t holds becomes one that is in no option's range. */
static bool read_number(span text, int64_t *out) {
    const bool negative = text.length && text.begin[0] == '-';
    size_t i = negative || (text.length && text.begin[0] == '+');
    if (i == text.length) return false;
    int64_t value = 0;
    for (; i < text.length; i++) {
        if (text.begin[i] < '0' || text.begin[i] > '9') return false;
        if (value <= UINT32_MAX) value = value * 10 + (text.begin[i] - '0');
    }
    *out = negative ? -value : value;
    return true;
}

static int parse_number(const option *which, span text, uint32_t *out, char **error) {
    int64_t value;
    if (!read_number(text, &value))
        return refuse(error, "hannoy: %s must be a whole number between %u and %u, not '%.*s'",
                      which->name, which->least, which->most, shown(text), text.begin);
    if (value < which->least || value > which->most)
        return refuse(error, "hannoy: %s must be between %u and %u, not %.*s", which->name,
                      which->least, which->most, shown(text), text.begin);
    *out = (uint32_t)value;
    return SQLITE_OK;
}

/* Digits, and behind a point up to four that count. */
static bool read_fraction(span text, uint32_t *out) {
    const char *const point = memchr(text.begin, '.', text.length);
    const size_t whole = point ? (size_t)(point - text.begin) : text.length;
    uint32_t value = 0;
    for (size_t i = 0, digits = 0; digits < whole + 4; i++) {
        if (i == whole && point) continue;
        const char c = i < text.length ? text.begin[i] : '0';
        if (c < '0' || c > '9' || value > UINT32_MAX / 100) return false;
        value = value * 10 + (uint32_t)(c - '0');
        digits++;
    }
    for (size_t i = whole + 5; i < text.length; i++) {
        if (text.begin[i] < '0' || text.begin[i] > '9') return false;
    }
    *out = value;
    return text.length > (point != NULL);
}

static int parse_fraction(const option *which, span text, uint32_t *out, char **error) {
    if (read_fraction(text, out) && *out >= which->least && *out <= which->most) return SQLITE_OK;
    return refuse(error, "hannoy: %s must be between %g and %g, not '%.*s'", which->name,
                  which->least / HX_RECALL_UNIT, which->most / HX_RECALL_UNIT, shown(text),
                  text.begin);
}

/* 0: none is named so. */
static uint8_t find_choice(const choice *choices, span name) {
    for (; choices->name; choices++)
        if (span_is(name, choices->name) || (choices->synonym && span_is(name, choices->synonym)))
            break;
    return choices->value;
}

static int parse_choice(const option *which, span text, uint32_t *out, char **error) {
    *out = find_choice(which->choices, text);
    if (*out) return SQLITE_OK;
    return refuse_listing(error, list_choices(which->choices),
                          "hannoy: unknown %s '%.*s'; known are ", which->name, shown(text),
                          text.begin);
}

/* The two sides of name=value, the value without its quotes. */
static bool split(span text, span *name, span *value) {
    const char *const equals = memchr(text.begin, '=', text.length);
    if (!equals) return false;
    const size_t left = (size_t)(equals - text.begin);
    *name = trim((span){text.begin, left});
    *value = unquote(trim((span){equals + 1, text.length - left - 1}));
    return name->length > 0;
}

static int parse_value(const option *which, span text, uint32_t *out, char **error) {
    if (text.length == 0)
        return refuse(error, "hannoy: %s has no value; write %s=…", which->name, which->name);
    if (which->choices) return parse_choice(which, text, out, error);
    return which->flags & FRACTION ? parse_fraction(which, text, out, error)
                                   : parse_number(which, text, out, error);
}

/* One argument into *out; `seen` has a bit for each option met so far. */
static int parse_argument(span argument, hx_options *out, uint32_t *seen, char **error) {
    span name, text;
    uint32_t value;
    argument = trim(argument);
    if (!split(argument, &name, &text))
        return refuse_listing(
            error, list_options(0),
            "hannoy: '%.*s' is not understood; write name=value, where the options are ",
            shown(argument), argument.begin);
    const option *const which = find_option(name);
    if (!which)
        return refuse_listing(error, list_options(0),
                              "hannoy: unknown option '%.*s'; the options are ", shown(name),
                              name.begin);
    const uint32_t bit = UINT32_C(1) << (which - options_known);
    if (*seen & bit) return refuse(error, "hannoy: %s is given twice; give it once", which->name);
    const int rc = parse_value(which, text, &value, error);
    if (rc != SQLITE_OK) return rc;
    set_option(out, which, value);
    *seen |= bit;
    return SQLITE_OK;
}

static hx_options standard_options(void) {
    hx_options options = {.m = 0};
    for (int i = 0; i < OPTION_COUNT; i++)
        set_option(&options, &options_known[i], options_known[i].standard);
    return options;
}

/*
** Short vectors are walked on as they are: a cache line or four hold one anyway, and a byte a number
** is too coarse for what has two or three, such as places on a map.  In long ones the errors of 4 bits
** cancel out.
*/
#define SHORT_DIM 64
#define LONG_DIM  192

static void complete(hx_options *options) {
    const hny_shape shape = options->shape;
    const int is_float = shape.type == HNY_FLOAT32 || shape.type == HNY_FLOAT16;
    const int is_dot = shape.metric == HNY_COSINE || shape.metric == HNY_EUCLIDEAN;
    if (options->codes) return;
    if (shape.dim < SHORT_DIM)
        options->codes = HNY_CODES_FLOAT32;
    else if (shape.dim >= LONG_DIM && is_float && is_dot)
        options->codes = HNY_CODES_INT4;
    else
        options->codes = HNY_CODES_INT8;
}

/* Whatever must be given has been given. */
static int check_complete(uint32_t seen, char **error) {
    for (int i = 0; i < OPTION_COUNT; i++) {
        const option *const which = &options_known[i];
        if (!(which->flags & REQUIRED) || (seen & UINT32_C(1) << i)) continue;
        if (!which->choices)
            return refuse(error, "hannoy: %s is missing; give %s=N, N between %u and %u",
                          which->name, which->name, which->least, which->most);
        return refuse_listing(error, list_choices(which->choices),
                              "hannoy: %s is missing; give %s= one of ", which->name, which->name);
    }
    return SQLITE_OK;
}

int hx_options_parse(int argc, const char *const *argv, hx_options *out, char **error) {
    hx_options options = standard_options();
    uint32_t seen = 0;
    int rc = SQLITE_OK;
    *error = NULL;
    for (int i = 0; rc == SQLITE_OK && i < argc; i++)
        rc = parse_argument((span){argv[i], strlen(argv[i])}, &options, &seen, error);
    if (rc == SQLITE_OK) rc = check_complete(seen, error);
    if (rc == SQLITE_OK) complete(&options);
    if (rc == SQLITE_OK) *out = options;
    return rc;
}

/* --------------------------------------------------------------------------- stored and back -- */

char *hx_options_text(const hx_options *options) {
    sqlite3_str *text = sqlite3_str_new(NULL);
    for (int i = 0; i < OPTION_COUNT; i++) {
        const option *const which = &options_known[i];
        const uint32_t value = get_option(options, which);
        sqlite3_str_appendf(text, "%s%s=", i ? ", " : "", which->name);
        if (which->choices)
            sqlite3_str_appendall(text, choice_name(which->choices, (uint8_t)value));
        else if (which->flags & FRACTION)
            sqlite3_str_appendf(text, "%g", value / HX_RECALL_UNIT);
        else
            sqlite3_str_appendf(text, "%u", value);
    }
    return sqlite3_str_finish(text);
}

/* The sentence about a stored option becomes one about the table's configuration. */
static int blame_storage(int rc, char **error) {
    if (rc != SQLITE_ERROR) return rc;
    char *const inner = *error;
    static const char prefix[] = "hannoy: ";
    assert(!strncmp(inner, prefix, sizeof prefix - 1));
    const int refused = refuse(error, "hannoy: the table's stored options are damaged: %s",
                               inner + sizeof prefix - 1);
    sqlite3_free(inner);
    return refused == SQLITE_ERROR ? SQLITE_CORRUPT_VTAB : refused;
}

int hx_options_from_text(const char *text, hx_options *out, char **error) {
    hx_options options = standard_options();
    uint32_t seen = 0;
    int rc = SQLITE_OK;
    *error = NULL;
    if (!text) text = "";
    for (bool more = true; rc == SQLITE_OK && more;) {
        const size_t length = strcspn(text, ",");
        rc = parse_argument((span){text, length}, &options, &seen, error);
        more = text[length] == ',';
        text += length + more;
    }
    if (rc == SQLITE_OK) rc = check_complete(seen, error);
    if (rc == SQLITE_OK) complete(&options);
    if (rc == SQLITE_OK) *out = options;
    return blame_storage(rc, error);
}

/* ---------------------------------------------------------------------------------- settings -- */

int hx_setting_parse(const char *text, hx_options *options, const char **key, int64_t *value,
                     char **error) {
    const span setting = trim((span){text, strlen(text)});
    span name, right;
    uint32_t parsed;
    *error = NULL;
    if (!split(setting, &name, &right))
        return refuse_listing(
            error, list_options(CHANGEABLE),
            "hannoy: '%.*s' is not understood; write name=value, where the settings are ",
            shown(setting), setting.begin);
    const option *const which = find_option(name);
    if (!which)
        return refuse_listing(error, list_options(CHANGEABLE),
                              "hannoy: unknown setting '%.*s'; the settings are ", shown(name),
                              name.begin);
    if (!(which->flags & CHANGEABLE))
        return refuse_listing(error, list_options(CHANGEABLE),
                              "hannoy: %s is fixed when the table is created; the settings are ",
                              which->name);
    const int rc = parse_value(which, right, &parsed, error);
    if (rc != SQLITE_OK) return rc;
    set_option(options, which, parsed);
    *key = which->name;
    *value = parsed;
    return SQLITE_OK;
}

/* ------------------------------------------------------------------------ names in functions -- */

static int parse_named(const choice *choices, const char *kind, span name, const char *function,
                       uint8_t *out, char **error) {
    *error = NULL;
    *out = find_choice(choices, name);
    if (*out) return SQLITE_OK;
    return refuse_listing(error, list_choices(choices),
                          "hannoy: unknown %s '%.*s' in %s; known are ", kind, shown(name),
                          name.begin, function);
}

int hx_metric_parse(const char *name, size_t length, const char *function, uint8_t *out,
                    char **error) {
    return parse_named(metrics, "metric", (span){name, length}, function, out, error);
}

int hx_type_parse(const char *name, size_t length, const char *function, uint8_t *out,
                  char **error) {
    return parse_named(types, "type", (span){name, length}, function, out, error);
}
