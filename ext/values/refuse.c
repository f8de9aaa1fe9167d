/*
** Makes sentences about bad input; contract in refuse.h.
*/
#include "values/refuse.h"

#include <stdarg.h>
#include <stddef.h>

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
