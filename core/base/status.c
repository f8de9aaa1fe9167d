#include "hannoy.h"

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
