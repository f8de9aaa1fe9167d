/* What the runner asks of POSIX, by functions of Windows; see posix.h. */
#include "posix.h"

#include <string.h>
#include <windows.h>

#include "../run.h"

static int compare_names(const void *a, const void *b) {
    const struct dirent *const x = *(struct dirent *const *)a, *const y =
                                                                   *(struct dirent *const *)b;
    return strcmp(x->d_name, y->d_name);
}

int scandir(const char *path, struct dirent ***out, void *filter, void *order) {
    char pattern[MAX_PATH + 16];
    WIN32_FIND_DATAA entry;
    int count = 0;
    (void)filter;
    (void)order;
    snprintf(pattern, sizeof pattern, "%s\\*", path);
    const HANDLE search = FindFirstFileA(pattern, &entry);
    *out = NULL;
    if (search == INVALID_HANDLE_VALUE) {
        return -1;
    }
    do {
        *out = realloc(*out, ((size_t)count + 1) * sizeof **out);
        if (!*out) {
            abort();
        }
        (*out)[count] = run_alloc(sizeof ***out);
        snprintf((*out)[count++]->d_name, sizeof(*out)[0]->d_name, "%s", entry.cFileName);
    } while (FindNextFileA(search, &entry));
    FindClose(search);
    qsort(*out, (size_t)count, sizeof **out, compare_names);
    return count;
}

int nftw(const char *path, int (*visit)(const char *, const struct stat *, int, struct FTW *),
         int descriptors, int flags) {
    struct dirent **entries;
    char below[2 * MAX_PATH];
    const int count = scandir(path, &entries, NULL, NULL);
    for (int i = 0; i < count; i++) {
        snprintf(below, sizeof below, "%s/%s", path, entries[i]->d_name);
        const DWORD attributes = GetFileAttributesA(below);
        if (!(attributes & FILE_ATTRIBUTE_DIRECTORY)) {
            visit(below, NULL, FTW_F, NULL);
        } else if (entries[i]->d_name[0] != '.') {
            nftw(below, visit, descriptors, flags);
        }
        free(entries[i]);
    }
    free(entries);
    return 0;
}

char *realpath(const char *path, char *out) {
    (void)out;
    return _fullpath(NULL, path, 0);
}

ssize_t getline(char **line, size_t *capacity, FILE *f) {
    size_t length = 0;
    int byte;
    while ((byte = fgetc(f)) != EOF) {
        if (length + 2 > *capacity) {
            *capacity = 2 * *capacity + 256;
            *line = realloc(*line, *capacity);
            if (!*line) {
                abort();
            }
        }
        (*line)[length++] = (char)byte;
        (*line)[length] = 0;
        if (byte == '\n') {
            break;
        }
    }
    return length ? (ssize_t)length : -1;
}

void *memmem(const void *bytes, size_t size, const void *what, size_t length) {
    const char *at = bytes, *const end = at + size;
    while (length && (size_t)(end - at) >= length) {
        at = memchr(at, *(const char *)what, (size_t)(end - at) - length + 1);
        if (!at || memcmp(at, what, length) == 0) {
            return (char *)(uintptr_t)at;
        }
        at++;
    }
    return NULL;
}

int symlink(const char *target, const char *path) {
    return CopyFileA(target, path, TRUE) ? 0 : -1;
}

int link(const char *target, const char *path) {
    return CreateHardLinkA(path, target, NULL) ? 0 : -1;
}

int mkfifo(const char *path, int mode) {
    (void)path;
    (void)mode;
    return -1;
}

int setenv(const char *name, const char *value, int replaces) {
    (void)replaces;
    return SetEnvironmentVariableA(name, value) && _putenv_s(name, value) == 0 ? 0 : -1;
}

int unsetenv(const char *name) {
    (void)SetEnvironmentVariableA(name, NULL);
    return _putenv_s(name, "") == 0 ? 0 : -1;
}

/* The parent ends a file's process. */
unsigned alarm(unsigned seconds) {
    (void)seconds;
    return 0;
}

#undef rename
int posix_rename(const char *from, const char *to) {
    return MoveFileExA(from, to, MOVEFILE_REPLACE_EXISTING) ? 0 : -1;
}
