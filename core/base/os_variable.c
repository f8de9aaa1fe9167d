/* Numbers in environment variables; the contract is in os_file.h. */
#include <errno.h>
#include <stdlib.h>

#include "base/os_file.h"

size_t hny__os_variable_bytes(const char *name, size_t otherwise) {
    char *const text = hny__os_variable(name), *end;
    if (!text || *text < '0' || *text > '9') {
        free(text);
        return otherwise;
    }
    errno = 0;
    const unsigned long long bytes = strtoull(text, &end, 10);
    const size_t number = errno || *end ? otherwise : (size_t)bytes;
    free(text);
    return number;
}
