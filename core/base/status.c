/* Statuses and their sentences. */
#include "base/status.h"

const char *hny_strerror(int status) {
    switch (status) {
#define STATUS_TEXT(name, code, text)                                                              \
    case code:                                                                                     \
        return text;
        HNY_STATUS_MAP(STATUS_TEXT)
#undef STATUS_TEXT
    default:
        return "unknown error";
    }
}

bool hny__status_replaces(int status) {
    return status == HNY_CORRUPT || status == HNY_BROKEN || status == HNY_VERSION;
}
