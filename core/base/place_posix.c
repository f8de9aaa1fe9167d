/* What is at the paths of a sidecar and its lock file, on POSIX; the contract is in place.h. */
#define _GNU_SOURCE /* O_PATH, AT_EMPTY_PATH */
#include "base/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "base/temporary_name_posix.h"

static int path_status(int error) {
    switch (error) {
    case ENOENT:
        return HNY_MISSING;
    case ENAMETOOLONG:
        return HNY_NAME;
    case ELOOP:
        return HNY_LINK; /* O_NOFOLLOW */
    default:
        return hny__os_status(error);
    }
}

static int kind_status(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFREG:
        return HNY_OK;
    case S_IFLNK:
        return HNY_LINK;
    case S_IFDIR:
        return HNY_FOLDER;
    case S_IFIFO:
        return HNY_PIPE;
    case S_IFSOCK:
        return HNY_SOCKET;
    default:
        return HNY_DEVICE;
    }
}

static hny__os_info info_of_stat(const struct stat *st) {
    return (hny__os_info){(uint64_t)st->st_dev, (uint64_t)st->st_ino, (uint64_t)st->st_size,
                          (uint64_t)st->st_nlink};
}

int hny__place_look(const char *path, hny__os_info *info) {
    struct stat st;
    if (lstat(path, &st)) {
        return path_status(errno);
    }
    *info = info_of_stat(&st);
    return kind_status(st.st_mode);
}

/* Looks before it opens: to open some devices has effects.  Then at what was opened. */
static int open_regular(const char *path, int flags, hny__os_file *file, hny__os_info *info) {
    struct stat st;
    *file = HNY__OS_NO_FILE;
    int rc = hny__place_look(path, info);
    if (rc) {
        return rc;
    }
    const int opened = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (opened < 0) {
        return path_status(errno);
    }
    rc = fstat(opened, &st) ? HNY_IO : kind_status(st.st_mode);
    if (rc) {
        close(opened);
        return rc;
    }
    *info = info_of_stat(&st);
    *file = opened;
    return HNY_OK;
}

int hny__place_open(const char *path, bool writes, hny__os_file *file) {
    hny__os_info info;
    return open_regular(path, writes ? O_RDWR : O_RDONLY, file, &info);
}

int hny__place_hold(const char *path, hny__os_file *file, hny__os_info *info) {
#ifdef O_PATH
    return open_regular(path, O_PATH, file, info);
#else
    *file = HNY__OS_NO_FILE;
    return hny__place_look(path, info);
#endif
}

int hny__place_create(const char *path, hny__os_file *file) {
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    *file = fd < 0 ? HNY__OS_NO_FILE : fd;
    if (fd >= 0) {
        return HNY_OK;
    }
    if (errno == ENOENT) { /* there is no such folder */
        return HNY_IO;
    }
    return errno == EEXIST ? HNY_BUSY : path_status(errno);
}

/* -------------------------------------------------------------------------- mode and owner -- */

/* A name of a file that is open or held. */
typedef struct descriptor_path {
    char text[32];
} descriptor_path;

static descriptor_path path_of_descriptor(int fd) {
    descriptor_path path;
    snprintf(path.text, sizeof path.text, "/proc/self/fd/%d", fd);
    return path;
}

/* fchown() and fchmod() refuse files that are only held. */
static bool set_owner(int fd, uid_t user, gid_t group) {
#ifdef AT_EMPTY_PATH
    return fchownat(fd, "", user, group, AT_EMPTY_PATH) == 0;
#else
    return fchown(fd, user, group) == 0;
#endif
}

static bool set_mode(int fd, mode_t mode) {
    const descriptor_path path = path_of_descriptor(fd);
    return fchmod(fd, mode) == 0 || (errno == EBADF && chmod(path.text, mode) == 0);
}

void hny__place_own(hny__os_file file, const char *model) {
    const int fd = (int)file;
    struct stat is, wanted;
    if (!model || fstat(fd, &is) || stat(model, &wanted) || !S_ISREG(wanted.st_mode)) {
        return;
    }
    const uid_t user = geteuid() == 0 ? wanted.st_uid : is.st_uid;
    mode_t mode = (wanted.st_mode & 0666) | S_IWUSR | S_IRUSR;
    if (is.st_nlink != 1 || (geteuid() != 0 && geteuid() != is.st_uid)) {
        return;
    }
    if ((is.st_uid != user || is.st_gid != wanted.st_gid) && !set_owner(fd, user, wanted.st_gid)) {
        mode = (mode & ~(mode_t)S_IRWXG) | ((mode & S_IRWXO) << 3);
    }
    if ((is.st_mode & 07777) != mode) {
        (void)set_mode(fd, mode);
    }
}

/* ---------------------------------------------------------------------------- links for LMDB -- */

static char *folder_of(const char *path) {
    const char *const end = strrchr(path, '/');
    if (!end) {
        return strdup(".");
    }
    return end == path ? strdup("/") : strndup(path, (size_t)(end - path));
}

bool hny__place_is_ours(const char *path) {
    struct stat st;
    char *const folder = folder_of(path);
    const bool known = folder && stat(folder, &st) == 0;
    free(folder);
    return known && (st.st_uid == 0 || st.st_uid == geteuid()) &&
           !(st.st_mode & (S_IWGRP | S_IWOTH));
}

static const char link_name[] = "/s", lock_name[] = "/s-lock";

/* Makes FOLDER/NAME a link to a file that is held. */
static bool make_link(const char *folder, const char *name, int fd) {
    char path[4096];
    const descriptor_path target = path_of_descriptor(fd);
    const int length = snprintf(path, sizeof path, "%s%s", folder, name);
    return length > 0 && length < (int)sizeof path && symlink(target.text, path) == 0;
}

static void remove_link(const char *folder, const char *name) {
    char path[4096];
    const int length = snprintf(path, sizeof path, "%s%s", folder, name);
    if (length > 0 && length < (int)sizeof path) {
        (void)unlink(path);
    }
}

static void remove_folder(const char *folder) {
    remove_link(folder, link_name);
    remove_link(folder, lock_name);
    (void)rmdir(folder);
}

static int make_private_folder(char **path) {
    *path = hny__temporary_name(NULL);
    if (!*path) {
        return HNY_NOMEM;
    }
    if (mkdtemp(*path)) {
        return HNY_OK;
    }
    const int rc = hny__os_status(errno);
    free(*path);
    return rc;
}

int hny__place_link(hny__os_file data, hny__os_file lock, char **path) {
    char *folder;
    *path = NULL;
    const int rc = data < 0 ? HNY_IO : make_private_folder(&folder);
    if (rc) {
        return rc;
    }
    const size_t length = strlen(folder);
    if (make_link(folder, link_name, (int)data) &&
        (lock < 0 || make_link(folder, lock_name, (int)lock))) {
        *path = malloc(length + sizeof link_name);
    }
    if (*path) {
        memcpy(*path, folder, length);
        memcpy(*path + length, link_name, sizeof link_name);
    } else {
        remove_folder(folder);
    }
    free(folder);
    return *path ? HNY_OK : HNY_IO;
}

void hny__place_unlink(char *path) {
    if (path) {
        path[strlen(path) + 1 - sizeof link_name] = 0;
        remove_folder(path);
        free(path);
    }
}
