/* Names of temporary files, as templates. */
#include "base/temporary_name_posix.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The folder that SQLite would use. */
static const char *temporary_folder(void) {
    const char *const candidates[] = {getenv("SQLITE_TMPDIR"), getenv("TMPDIR"), "/var/tmp",
                                      "/usr/tmp", "/tmp"};
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        if (candidates[i] && access(candidates[i], W_OK | X_OK) == 0) {
            return candidates[i];
        }
    }
    return ".";
}

char *hny__temporary_name(const char *beside) {
    const char *const first = beside ? beside : temporary_folder();
    const char *const rest = beside ? "-XXXXXX" : "/hannoy-XXXXXX";
    const size_t size = strlen(first), more = strlen(rest) + 1;
    char *const name = malloc(size + more);
    if (name) {
        memcpy(name, first, size);
        memcpy(name + size, rest, more);
    }
    return name;
}
