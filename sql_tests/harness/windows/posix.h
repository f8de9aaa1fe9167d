/*
** What the runner's other files ask of POSIX, as Windows has it.  What it does not have fails, and
** tests of that are not for Windows: test_windows.sh lists them.
*/
#ifndef HANNOY_SQL_TESTS_POSIX_H
#define HANNOY_SQL_TESTS_POSIX_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>

struct FTW {
    int level;
};
#define FTW_F    1
#define FTW_PHYS 1
int nftw(const char *path, int (*visit)(const char *, const struct stat *, int, struct FTW *),
         int descriptors, int flags);

char *realpath(const char *path, char *out);
ssize_t getline(char **line, size_t *capacity, FILE *f);
void *memmem(const void *bytes, size_t size, const void *what, size_t length);
int symlink(const char *target, const char *path); /* a copy */
int link(const char *target, const char *path);
int mkfifo(const char *path, int mode);
int setenv(const char *name, const char *value, int replaces);
int unsetenv(const char *name);
unsigned alarm(unsigned seconds);
int posix_rename(const char *from, const char *to);
#define rename posix_rename

#define mkdir(path, mode) _mkdir(path)
int _mkdir(const char *path);

struct dirent {
    char d_name[260];
};
int scandir(const char *path, struct dirent ***out, void *filter, void *order);
#define alphasort NULL

struct sockaddr {
    int family;
};
struct sockaddr_un {
    int sun_family;
    char sun_path[108];
};
#define AF_UNIX                        1
#define SOCK_STREAM                    1
#define socket(family, type, protocol) (-1)
#define bind(file, address, bytes)     ((void)(address), -1)

struct rlimit {
    uint64_t rlim_cur, rlim_max;
};
typedef uint64_t rlim_t;
#define RLIM_INFINITY           UINT64_MAX
#define RLIMIT_FSIZE            1
#define SIGXFSZ                 25
#define getrlimit(which, limit) ((limit)->rlim_max = RLIM_INFINITY)
#define setrlimit(which, limit) ((void)(limit))

#endif
