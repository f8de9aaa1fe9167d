/*
** Names of metrics, vector types, codes and places of sidecars; contract in names.h.
*/
#include "values/names.h"

#include <stdbool.h>
#include <string.h>

#include "sqlite_api.h"
#include "values/refuse.h"

const hx_name hx_metrics[] = {{"cosine", {NULL}, HNY_COSINE},
                              {"euclidean", {"l2"}, HNY_EUCLIDEAN},
                              {"manhattan", {"l1"}, HNY_MANHATTAN},
                              {"hamming", {NULL}, HNY_HAMMING},
                              {"dot", {"ip", "inner_product"}, HNY_DOT},
                              {NULL, {NULL}, 0}};

const hx_name hx_types[] = {{"float32", {NULL}, HNY_FLOAT32},
                            {"float16", {NULL}, HNY_FLOAT16},
                            {"int8", {NULL}, HNY_INT8},
                            {"bit", {NULL}, HNY_BIT},
                            {NULL, {NULL}, 0}};

const hx_name hx_codes[] = {
    {"int4", {NULL}, HNY_CODES_INT4},       {"int8", {NULL}, HNY_CODES_INT8},
    {"float16", {NULL}, HNY_CODES_FLOAT16}, {"float32", {NULL}, HNY_CODES_FLOAT32},
    {"bit", {NULL}, HNY_CODES_BIT},         {NULL, {NULL}, 0}};

const hx_name hx_places[] = {{"auto", {NULL}, HX_PLACE_AUTO},
                             {"beside", {NULL}, HX_PLACE_BESIDE},
                             {"private", {NULL}, HX_PLACE_PRIVATE},
                             {NULL, {NULL}, 0}};

static bool is_name(hx_span text, const char *name) {
    return name && text.length == strlen(name) &&
           sqlite3_strnicmp(text.begin, name, (int)text.length) == 0;
}

uint8_t hx_name_value(const hx_name *names, hx_span text) {
    while (names->name && !is_name(text, names->name) && !is_name(text, names->synonyms[0]) &&
           !is_name(text, names->synonyms[1])) {
        names++;
    }
    return names->value;
}

const char *hx_name_of(const hx_name *names, uint8_t value) {
    while (names->name && names->value != value) {
        names++;
    }
    return names->name;
}

char *hx_name_list(const hx_name *names) {
    sqlite3_str *const list = sqlite3_str_new(NULL);
    for (const hx_name *n = names; n->name; n++) {
        sqlite3_str_appendf(list, "%s%s", n == names ? "" : ", ", n->name);
        for (int i = 0; i < 2 && n->synonyms[i]; i++) {
            sqlite3_str_appendf(list, "%s%s", i ? " or " : " (or ", n->synonyms[i]);
        }
        sqlite3_str_appendall(list, n->synonyms[0] ? ")" : "");
    }
    return sqlite3_str_finish(list);
}

static int parse_name(const hx_name *names, const char *kind, hx_span name, const char *function,
                      uint8_t *out, char **error) {
    *error = NULL;
    *out = hx_name_value(names, name);
    if (*out) {
        return SQLITE_OK;
    }
    return hx_refuse_listing(error, SQLITE_ERROR, hx_name_list(names),
                             "hannoy: unknown %s '%.*s' in %s; expected one of ", kind,
                             hx_span_shown(name), name.begin, function);
}

int hx_metric_parse(hx_span name, const char *function, uint8_t *out, char **error) {
    return parse_name(hx_metrics, "metric", name, function, out, error);
}

int hx_type_parse(hx_span name, const char *function, uint8_t *out, char **error) {
    return parse_name(hx_types, "type", name, function, out, error);
}
