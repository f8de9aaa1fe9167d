/*
** Lists of name=value; contract in arguments.h.
*/
#include "schema/arguments.h"

#include <stdarg.h>
#include <stddef.h>

#include "schema/token.h"
#include "sqlite_api.h"

int hx_arguments_add(hx_arguments *arguments, const char *format, ...) {
    char **const wider =
        sqlite3_realloc64(arguments->items, ((size_t)arguments->count + 1) * sizeof *wider);
    if (!wider) {
        return SQLITE_NOMEM;
    }
    arguments->items = wider;
    va_list values;
    va_start(values, format);
    char *const text = sqlite3_vmprintf(format, values);
    va_end(values);
    if (!text) {
        return SQLITE_NOMEM;
    }
    wider[arguments->count++] = text;
    return SQLITE_OK;
}

bool hx_arguments_have(const hx_arguments *arguments, const char *argument) {
    const hx_token name = hx_token_next(&argument);
    for (int i = 0; i < arguments->count; i++) {
        const char *item = arguments->items[i];
        const hx_token other = hx_token_next(&item);
        if (name.text.length == other.text.length &&
            sqlite3_strnicmp(name.text.begin, other.text.begin, (int)name.text.length) == 0) {
            return true;
        }
    }
    return false;
}

void hx_arguments_free(hx_arguments *arguments) {
    for (int i = 0; i < arguments->count; i++) {
        sqlite3_free(arguments->items[i]);
    }
    sqlite3_free(arguments->items);
    *arguments = (hx_arguments){NULL, 0};
}
