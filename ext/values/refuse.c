/*
** Makes sentences about bad input; contract in refuse.h.
*/
#include "values/refuse.h"

#include <assert.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "sqlite_api.h"

int hx_refuse(char **error, int code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    *error = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    return *error ? code : SQLITE_NOMEM;
}

int hx_refuse_listing(char **error, int code, char *list, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *const sentence = list ? sqlite3_vmprintf(format, arguments) : NULL;
    va_end(arguments);
    *error = sentence ? sqlite3_mprintf("%s%s", sentence, list) : NULL;
    sqlite3_free(sentence);
    sqlite3_free(list);
    return *error ? code : SQLITE_NOMEM;
}

int hx_refuse_of(char **error, int code, const char *prefix) {
    char *const inner = *error;
    static const char start[] = "hannoy: ";
    assert(!strncmp(inner, start, sizeof start - 1));
    const int rc = hx_refuse(error, code, "hannoy: %s: %s", prefix, inner + sizeof start - 1);
    sqlite3_free(inner);
    return rc;
}
