/* Environment variables and temporary files. */
#define _GNU_SOURCE /* mkostemp */
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"

size_t hny__os_variable_bytes(const char *name, size_t otherwise) {
    const char *const text = getenv(name);
    char *end;
    if (!text || *text < '0' || *text > '9') {
        return otherwise;
    }
    errno = 0;
    const unsigned long long bytes = strtoull(text, &end, 10);
    return errno || *end ? otherwise : (size_t)bytes;
}

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

/* A template for mkostemp() and mkdtemp(). */
static char *temporary_name(const char *beside) {
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

int hny__temporary_file(const char *beside, char **path) {
    *path = temporary_name(beside);
    if (!*path) {
        return HNY_NOMEM;
    }
    const int fd = mkostemp(*path, O_CLOEXEC);
    if (fd >= 0) {
        return fd;
    }
    const int rc = hny__errno_status(errno);
    free(*path);
    *path = NULL;
    return rc;
}

int hny__temporary_directory(char **path) {
    *path = temporary_name(NULL);
    if (!*path) {
        return HNY_NOMEM;
    }
    if (mkdtemp(*path)) {
        return HNY_OK;
    }
    const int rc = hny__errno_status(errno);
    free(*path);
    *path = NULL;
    return rc;
}
