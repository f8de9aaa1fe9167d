#include "base/os.h"

#include <errno.h>
#include <stdlib.h>

size_t hny__os_variable_bytes(const char *name, size_t otherwise) {
    const char *const text = getenv(name);
    char *end;
    if (!text || *text < '0' || *text > '9') return otherwise;
    errno = 0;
    const unsigned long long bytes = strtoull(text, &end, 10);
    return errno || *end ? otherwise : (size_t)bytes;
}
