/*
** Options of CREATE VIRTUAL TABLE and settings of a table; contract in options.h.
*/
#include "schema/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "sqlite_api.h"
#include "values/refuse.h"
#include "values/span.h"

/* ------------------------------------------------------------------------------- the options -- */

/* Flags of an option. */
enum {
    REQUIRED = 1,
    CHANGEABLE = 2,
    FRACTION = 4, /* of 1, in ten-thousandths */
    SHARED = 8,   /* of the table, not of one vector */
    AUTO = 16,    /* or the word auto, HX_AUTO */
    INNER = 32,   /* of the stored text alone, where it is not 0; no user names it */
    UNAIMS = 64   /* ends the aim of calibrated queries */
};

#define MAX_COUNT 2147483647 /* the maximum rows of a table */

typedef struct option {
    const char *name;
    const hx_name
        *choices;  /* a named value, stored as uint8_t; NULL: a number, stored as uint32_t */
    size_t offset; /* in hx_options */
    int flags;
    uint32_t min, max; /* of a number */
    uint32_t standard; /* the default, unless REQUIRED */
} option;

/* In the order of every list that users see. */
static const option options_known[] = {
    {"dim", NULL, offsetof(hx_options, shape.dim), REQUIRED, 1, HNY_MAX_DIM, 0},
    {"metric", hx_metrics, offsetof(hx_options, shape.metric), REQUIRED | CHANGEABLE | UNAIMS, 0, 0,
     0},
    {"type", hx_types, offsetof(hx_options, shape.type), 0, 0, 0, HNY_FLOAT32},
    {"codes", hx_codes, offsetof(hx_options, codes), CHANGEABLE, 0, 0, 0},
    {"m", NULL, offsetof(hx_options, m), CHANGEABLE, 4, 63, 16},
    {"ef_construction", NULL, offsetof(hx_options, ef_construction), CHANGEABLE, 4, 4096, 128},
    {"ef", NULL, offsetof(hx_options, ef), CHANGEABLE, 0, 100000, 0},
    {"recall", NULL, offsetof(hx_options, recall), CHANGEABLE | FRACTION | UNAIMS, 5000, 9999,
     9500},
    {"autobuild", NULL, offsetof(hx_options, autobuild), CHANGEABLE | SHARED, 0, MAX_COUNT, 1000},
    {"threads", NULL, offsetof(hx_options, threads), CHANGEABLE | SHARED, 0, 256, 0},
    {"linear_below", NULL, offsetof(hx_options, linear_below), CHANGEABLE | SHARED, 0, MAX_COUNT,
     1000},
    {"log_keep", NULL, offsetof(hx_options, log_keep), CHANGEABLE | SHARED | AUTO, 0, MAX_COUNT,
     HX_AUTO},
    {"background", NULL, offsetof(hx_options, background), CHANGEABLE | SHARED | AUTO, 0, 1,
     HX_AUTO},
    {"sidecar", hx_places, offsetof(hx_options, sidecar), SHARED, 0, 0, HX_PLACE_AUTO},
    {"aim_recall", NULL, offsetof(hx_options, aim_recall), INNER | FRACTION, 0, 9999, 0},
    {"aim_ef", NULL, offsetof(hx_options, aim_ef), INNER, 0, 100000, 0},
};

enum { OPTION_COUNT = sizeof options_known / sizeof options_known[0] };

static void set_option(hx_options *options, const option *which, uint32_t value) {
    char *const field = (char *)options + which->offset;
    if (which->choices) {
        *(uint8_t *)field = (uint8_t)value;
    } else {
        memcpy(field, &value, sizeof value);
    }
}

static uint32_t get_option(const hx_options *options, const option *which) {
    const char *const field = (const char *)options + which->offset;
    uint32_t value;
    if (which->choices) {
        return *(const uint8_t *)field;
    }
    memcpy(&value, field, sizeof value);
    return value;
}

/* ------------------------------------------------------------------------------------- lists -- */

/* "dim, metric, …": the options that have all these flags; for sqlite3_free(), NULL if no memory */
static char *list_options(int flags) {
    sqlite3_str *list = sqlite3_str_new(NULL);
    for (int i = 0; i < OPTION_COUNT; i++) {
        if ((options_known[i].flags & (flags | INNER)) != flags) {
            continue;
        }
        if (sqlite3_str_length(list)) {
            sqlite3_str_appendall(list, ", ");
        }
        sqlite3_str_appendall(list, options_known[i].name);
    }
    return sqlite3_str_finish(list);
}

/* ------------------------------------------------------------------------------------- spans -- */

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static hx_span trim(hx_span text) {
    for (; text.length && is_space(text.begin[0]); text.length--) {
        text.begin++;
    }
    while (text.length && is_space(text.begin[text.length - 1])) {
        text.length--;
    }
    return text;
}

static hx_span unquote(hx_span text) {
    const char quote = text.length >= 2 ? text.begin[0] : '\0';
    if ((quote == '\'' || quote == '"') && text.begin[text.length - 1] == quote) {
        return (hx_span){text.begin + 1, text.length - 2};
    }
    return text;
}

static bool span_is(hx_span text, const char *name) {
    return text.length == strlen(name) && !sqlite3_strnicmp(text.begin, name, (int)text.length);
}

/* ----------------------------------------------------------------------------------- parsing -- */

/* `hidden`: of these flags it has none. */
static const option *find_option(hx_span name, int hidden) {
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (!(options_known[i].flags & hidden) && span_is(name, options_known[i].name)) {
            return &options_known[i];
        }
    }
    return NULL;
}

/*
** Reads a whole number, which hosts may write as 200.0.  One that no int64_t holds becomes one
** outside every option's range.
*/
static bool read_whole(hx_span text, int64_t *out) {
    const bool negative = text.length && text.begin[0] == '-';
    size_t i = negative || (text.length && text.begin[0] == '+');
    const size_t first = i;
    int64_t value = 0;
    for (; i < text.length && text.begin[i] >= '0' && text.begin[i] <= '9'; i++) {
        if (value <= UINT32_MAX) {
            value = value * 10 + (text.begin[i] - '0');
        }
    }
    if (i == first) {
        return false;
    }
    if (i + 1 < text.length && text.begin[i] == '.') {
        i++;
        while (i < text.length && text.begin[i] == '0') {
            i++;
        }
    }
    *out = negative ? -value : value;
    return i == text.length;
}

static int parse_number(const option *which, hx_span text, uint32_t *out, char **error) {
    const char *const word = which->flags & AUTO ? ", or auto" : "";
    int64_t value;
    if (which->flags & AUTO && span_is(text, "auto")) {
        *out = HX_AUTO;
        return SQLITE_OK;
    }
    if (!read_whole(text, &value)) {
        return hx_refuse(error, SQLITE_ERROR,
                         "hannoy: %s must be a whole number between %u and %u%s, not '%.*s'",
                         which->name, which->min, which->max, word, hx_span_shown(text),
                         text.begin);
    }
    if (value < which->min || value > which->max) {
        return hx_refuse(error, SQLITE_ERROR, "hannoy: %s must be between %u and %u%s, not %.*s",
                         which->name, which->min, which->max, word, hx_span_shown(text),
                         text.begin);
    }
    *out = (uint32_t)value;
    return SQLITE_OK;
}

/* Reads digits, with at most four significant ones after the point. */
static bool read_fraction(hx_span text, uint32_t *out) {
    const char *const point = memchr(text.begin, '.', text.length);
    const size_t whole = point ? (size_t)(point - text.begin) : text.length;
    uint32_t value = 0;
    for (size_t i = 0, digits = 0; digits < whole + 4; i++) {
        if (i == whole && point) {
            continue;
        }
        const char c = i < text.length ? text.begin[i] : '0';
        if (c < '0' || c > '9' || value > UINT32_MAX / 100) {
            return false;
        }
        value = value * 10 + (uint32_t)(c - '0');
        digits++;
    }
    for (size_t i = whole + 5; i < text.length; i++) {
        if (text.begin[i] < '0' || text.begin[i] > '9') {
            return false;
        }
    }
    *out = value;
    return text.length > (point != NULL);
}

static int parse_fraction(const option *which, hx_span text, uint32_t *out, char **error) {
    if (read_fraction(text, out) && *out >= which->min && *out <= which->max) {
        return SQLITE_OK;
    }
    return hx_refuse(error, SQLITE_ERROR, "hannoy: %s must be between %g and %g, not '%.*s'",
                     which->name, which->min / HX_RECALL_UNIT, which->max / HX_RECALL_UNIT,
                     hx_span_shown(text), text.begin);
}

static int parse_choice(const option *which, hx_span text, uint32_t *out, char **error) {
    *out = hx_name_value(which->choices, text);
    if (*out) {
        return SQLITE_OK;
    }
    return hx_refuse_listing(error, SQLITE_ERROR, hx_name_list(which->choices),
                             "hannoy: unknown %s '%.*s'; expected one of ", which->name,
                             hx_span_shown(text), text.begin);
}

/* Splits name=value, the value without its quotes. */
static bool split_option(hx_span text, hx_span *name, hx_span *value) {
    const char *const equals = memchr(text.begin, '=', text.length);
    if (!equals) {
        return false;
    }
    const size_t left = (size_t)(equals - text.begin);
    *name = trim((hx_span){text.begin, left});
    *value = unquote(trim((hx_span){equals + 1, text.length - left - 1}));
    return name->length > 0;
}

static int parse_value(const option *which, hx_span text, uint32_t *out, char **error) {
    if (text.length == 0) {
        return hx_refuse(error, SQLITE_ERROR, "hannoy: %s has no value; write %s=…", which->name,
                         which->name);
    }
    if (which->choices) {
        return parse_choice(which, text, out, error);
    }
    return which->flags & FRACTION ? parse_fraction(which, text, out, error)
                                   : parse_number(which, text, out, error);
}

/* Parses one option into *out; `seen` has a bit for each option parsed so far. */
static int parse_option(hx_span argument, int hidden, hx_options *out, uint32_t *seen,
                        char **error) {
    hx_span name, text;
    uint32_t value;
    argument = trim(argument);
    if (!split_option(argument, &name, &text)) {
        return hx_refuse_listing(
            error, SQLITE_ERROR, list_options(0),
            "hannoy: '%.*s' is not understood; write name=value, where the options are ",
            hx_span_shown(argument), argument.begin);
    }
    const option *const which = find_option(name, hidden);
    if (!which) {
        return hx_refuse_listing(error, SQLITE_ERROR, list_options(0),
                                 "hannoy: unknown option '%.*s'; the options are ",
                                 hx_span_shown(name), name.begin);
    }
    const uint32_t bit = UINT32_C(1) << (which - options_known);
    if (*seen & bit) {
        return hx_refuse(error, SQLITE_ERROR, "hannoy: %s is given more than once", which->name);
    }
    const int rc = parse_value(which, text, &value, error);
    if (rc != SQLITE_OK) {
        return rc;
    }
    set_option(out, which, value);
    *seen |= bit;
    return SQLITE_OK;
}

static hx_options default_options(void) {
    hx_options options = {.m = 0};
    for (int i = 0; i < OPTION_COUNT; i++) {
        set_option(&options, &options_known[i], options_known[i].standard);
    }
    return options;
}

/*
** Short vectors are compared unquantised: one takes at most four cache lines, and 8 bits a number
** are too coarse for vectors of two or three numbers, such as coordinates.  In long vectors the
** errors of 4-bit codes cancel out.
*/
#define SHORT_DIM 64
#define LONG_DIM  192

static void choose_codes(hx_options *options) {
    const hny_shape shape = options->shape;
    const bool is_float = shape.type == HNY_FLOAT32 || shape.type == HNY_FLOAT16;
    const bool is_dot =
        shape.metric == HNY_COSINE || shape.metric == HNY_EUCLIDEAN || shape.metric == HNY_DOT;
    if (options->codes) {
        return;
    }
    if (shape.dim < SHORT_DIM) {
        options->codes = HNY_CODES_FLOAT32;
    } else if (shape.dim >= LONG_DIM && is_float && is_dot) {
        options->codes = HNY_CODES_INT4;
    } else {
        options->codes = HNY_CODES_INT8;
    }
}

/* Checks that all required options were given. */
static int check_complete(uint32_t seen, char **error) {
    for (int i = 0; i < OPTION_COUNT; i++) {
        const option *const which = &options_known[i];
        if (!(which->flags & REQUIRED) || (seen & UINT32_C(1) << i)) {
            continue;
        }
        if (!which->choices) {
            return hx_refuse(error, SQLITE_ERROR,
                             "hannoy: %s is missing; give %s=N, N between %u and %u", which->name,
                             which->name, which->min, which->max);
        }
        return hx_refuse_listing(error, SQLITE_ERROR, hx_name_list(which->choices),
                                 "hannoy: %s is missing; give %s= one of ", which->name,
                                 which->name);
    }
    return SQLITE_OK;
}

int hx_options_parse(int argc, const char *const *argv, hx_options *out, char **error) {
    hx_options options = default_options();
    uint32_t seen = 0;
    int rc = SQLITE_OK;
    *error = NULL;
    for (int i = 0; rc == SQLITE_OK && i < argc; i++) {
        rc = parse_option((hx_span){argv[i], strlen(argv[i])}, INNER, &options, &seen, error);
    }
    if (rc == SQLITE_OK) {
        rc = check_complete(seen, error);
    }
    if (rc == SQLITE_OK) {
        choose_codes(&options);
    }
    if (rc == SQLITE_OK) {
        *out = options;
    }
    return rc;
}

/* --------------------------------------------------------------------------- stored and back -- */

char *hx_options_text(const hx_options *options) {
    sqlite3_str *text = sqlite3_str_new(NULL);
    for (int i = 0; i < OPTION_COUNT; i++) {
        const option *const which = &options_known[i];
        const uint32_t value = get_option(options, which);
        if (which->flags & INNER && value == 0) {
            continue;
        }
        sqlite3_str_appendf(text, "%s%s=", i ? ", " : "", which->name);
        if (which->choices) {
            sqlite3_str_appendall(text, hx_name_of(which->choices, (uint8_t)value));
        } else if (which->flags & FRACTION) {
            sqlite3_str_appendf(text, "%g", value / HX_RECALL_UNIT);
        } else if (which->flags & AUTO && value == HX_AUTO) {
            sqlite3_str_appendall(text, "auto");
        } else {
            sqlite3_str_appendf(text, "%u", value);
        }
    }
    return sqlite3_str_finish(text);
}

/* Turns a sentence about an option into one about the stored configuration. */
static int blame_storage(int rc, char **error) {
    return rc == SQLITE_ERROR
               ? hx_refuse_of(error, SQLITE_CORRUPT_VTAB, "the table's stored options are damaged")
               : rc;
}

int hx_options_from_text(const char *text, hx_options *out, char **error) {
    hx_options options = default_options();
    uint32_t seen = 0;
    int rc = SQLITE_OK;
    *error = NULL;
    if (!text) {
        text = "";
    }
    for (bool more = true; rc == SQLITE_OK && more;) {
        const size_t length = strcspn(text, ",");
        rc = parse_option((hx_span){text, length}, 0, &options, &seen, error);
        more = text[length] == ',';
        text += length + more;
    }
    if (rc == SQLITE_OK) {
        rc = check_complete(seen, error);
    }
    if (rc == SQLITE_OK) {
        choose_codes(&options);
    }
    if (rc == SQLITE_OK) {
        *out = options;
    }
    return blame_storage(rc, error);
}

/* ---------------------------------------------------------------------------------- settings -- */

int hx_setting_parse(const char *text, hx_options *options, const char **key, int64_t *value,
                     char **error) {
    const hx_span setting = trim((hx_span){text, strlen(text)});
    hx_span name, right;
    uint32_t parsed;
    *error = NULL;
    if (!split_option(setting, &name, &right)) {
        return hx_refuse_listing(
            error, SQLITE_ERROR, list_options(CHANGEABLE),
            "hannoy: '%.*s' is not understood; write name=value, where the settings are ",
            hx_span_shown(setting), setting.begin);
    }
    const option *const which = find_option(name, INNER);
    if (!which) {
        return hx_refuse_listing(error, SQLITE_ERROR, list_options(CHANGEABLE),
                                 "hannoy: unknown setting '%.*s'; the settings are ",
                                 hx_span_shown(name), name.begin);
    }
    if (!(which->flags & CHANGEABLE)) {
        return hx_refuse_listing(error, SQLITE_ERROR, list_options(CHANGEABLE),
                                 "hannoy: %s is fixed when the table is created; the settings are ",
                                 which->name);
    }
    const int rc = parse_value(which, right, &parsed, error);
    if (rc != SQLITE_OK) {
        return rc;
    }
    set_option(options, which, parsed);
    if (which->flags & UNAIMS) {
        options->aim_recall = options->aim_ef = 0;
    }
    *key = which->name;
    *value = parsed;
    return SQLITE_OK;
}

/* The option that an argument, or its name alone, is. */
static const option *option_in(const char *argument) {
    return find_option(trim((hx_span){argument, strcspn(argument, "=")}), INNER);
}

bool hx_option_is_shared(const char *argument) {
    const option *const which = option_in(argument);
    return which && which->flags & SHARED;
}

bool hx_option_is_fixed(const char *argument) {
    const option *const which = option_in(argument);
    return which && !(which->flags & CHANGEABLE);
}

/* ------------------------------------------------------------------------------------ effort -- */

/* An aim is of the 10 nearest. */
#define AIM_K 10

double hx_options_recall(const hx_options *options) {
    const bool aims = options->aim_recall > options->recall;
    return (aims ? options->aim_recall : options->recall) / HX_RECALL_UNIT;
}

/* For each further neighbour two candidates more, as for tables without curves. */
int64_t hx_options_ef(const hx_options *options, int64_t k) {
    if (options->ef || !options->aim_ef) {
        return options->ef;
    }
    return options->aim_ef + (k > AIM_K ? 2 * (k - AIM_K) : 0);
}
