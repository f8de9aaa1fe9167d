/* Statuses: their sentences, and those of the operating system's errors. */
#include "base/status.h"

#include <errno.h>

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

int hny__errno_status(int error) {
    switch (error) {
    case 0:
        return HNY_OK;
    case ENOMEM:
        return HNY_NOMEM;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return HNY_FULL;
    default:
        return HNY_IO;
    }
}

bool hny__status_replaces(int status) {
    return status == HNY_CORRUPT || status == HNY_BROKEN || status == HNY_VERSION;
}
