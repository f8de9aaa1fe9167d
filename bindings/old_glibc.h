/*
** stat, its like and pthread_atfork as glibc before 2.33 exports them.  Without this, the link takes
** a copy of them from a library that zig compiles on the way, whose debug information names the
** folder of the build: two builds would differ.
*/
#ifndef HANNOY_OLD_GLIBC_H
#define HANNOY_OLD_GLIBC_H

/* It must stand before the first header, and some files ask for it after this one. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/stat.h>

#ifdef __x86_64__
#define STAT_VERSION 1
#else
#define STAT_VERSION 0
#endif

int __xstat(int version, const char *path, struct stat *status);
int __lxstat(int version, const char *path, struct stat *status);
int __fxstat(int version, int fd, struct stat *status);
int __fxstatat(int version, int fd, const char *path, struct stat *status, int flags);
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso);

#define stat(path, status)               __xstat(STAT_VERSION, path, status)
#define lstat(path, status)              __lxstat(STAT_VERSION, path, status)
#define fstat(fd, status)                __fxstat(STAT_VERSION, fd, status)
#define fstatat(fd, path, status, flags) __fxstatat(STAT_VERSION, fd, path, status, flags)
/* The library stays loaded, so that its handlers need no owner to be removed with. */
#define pthread_atfork(prepare, parent, child) __register_atfork(prepare, parent, child, NULL)

#endif
