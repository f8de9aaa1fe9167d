/*
** Failures on order. This file defines malloc, pwrite and their like, which the dynamic linker then
** finds before libc's, for the extension and the libraries under it as well (link with -rdynamic).
** Each looks at who called: only what the extension, LMDB, CRoaring or SQLite ask for is counted
** and, when its turn comes, fails.
**
** It is a header with code in it, for fault.c alone: as an object in the helpers' archive it would
** give its malloc to every program.
*/
#ifndef SQL_TESTS_INJECT_H
#define SQL_TESTS_INJECT_H

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define VISIBLE __attribute__((visibility("default")))
#define CALLER  ((uintptr_t)__builtin_return_address(0))

typedef enum fault {
    NO_FAULT,
    SQLITE_MEMORY,  /* SQLite's allocator, for itself and for the extension's sqlite3_malloc */
    MEMORY,         /* malloc and its like, called by the extension or LMDB */
    ROARING_MEMORY, /* called by CRoaring */
    THREAD,         /* pthread_create */
    OPEN,           /* open, mmap: EMFILE, ENOMEM */
    WRITE,          /* pwrite, writev, ftruncate …, called by the extension or LMDB: ENOSPC */
    SHORT_WRITE,    /* half of the bytes are written */
    READ,           /* pread, read: EIO */
    SYNC,           /* fsync, fdatasync, msync: EIO */
    LOCK,           /* fcntl: ENOLCK */
    DATABASE_WRITE, /* any write, ftruncate or sync of SQLite's: EIO */
    FAULTS
} fault;

static const char *const fault_name[FAULTS] = {"none",    "SQLite's memory",
                                               "memory",  "CRoaring's memory",
                                               "threads", "open",
                                               "write",   "short write",
                                               "read",    "sync",
                                               "lock",    "database write"};

/* ---------------------------------------------------------------------------------- counting -- */

enum { EXTENSION, LMDB, ROARING, SQLITE, LIBRARIES };

static struct { uintptr_t from, to; } library[LIBRARIES];

static fault armed;
static long nth;
static bool all_after;
static atomic_long seen;
static atomic_bool fired;

/*
** The nth of this kind from now on fails, and with `persistent` all that follow it. nth 0: only
** counts.
*/
static void inject_arm(fault kind, long number, bool persistent) {
    nth = number;
    all_after = persistent;
    seen = 0;
    fired = false;
    armed = kind;
}

static void inject_disarm(void) {
    armed = NO_FAULT;
}

/* Since it was armed. */
static long inject_seen(void) {
    return seen;
}

static bool inject_fired(void) {
    return fired;
}

static bool called_by(uintptr_t caller, int which) {
    return caller >= library[which].from && caller < library[which].to;
}

static bool turn(void) {
    const long number = atomic_fetch_add(&seen, 1) + 1;
    if (nth == 0 || number < nth || (number > nth && !all_after)) {
        return false;
    }
    fired = true;
    return true;
}

static bool fails(fault kind, uintptr_t caller) {
    if (armed != kind) {
        return false;
    }
    if (kind == ROARING_MEMORY) {
        return called_by(caller, ROARING) && turn();
    }
    return (called_by(caller, EXTENSION) || called_by(caller, LMDB)) && turn();
}

static bool database_fails(uintptr_t caller) {
    return armed == DATABASE_WRITE && called_by(caller, SQLITE) && turn();
}

static int note_library(struct dl_phdr_info *info, size_t size, void *extension) {
    const char *const names[LIBRARIES] = {extension, "liblmdb", "libroaring", "libsqlite3"};
    (void)size;
    for (int which = 0; which < LIBRARIES; which++) {
        if (!info->dlpi_name || !strstr(info->dlpi_name, names[which])) {
            continue;
        }
        uintptr_t from = UINTPTR_MAX, to = 0;
        for (int i = 0; i < info->dlpi_phnum; i++) {
            if (info->dlpi_phdr[i].p_type != PT_LOAD) {
                continue;
            }
            const uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            const uintptr_t end = begin + info->dlpi_phdr[i].p_memsz;
            if (begin < from) {
                from = begin;
            }
            if (end > to) {
                to = end;
            }
        }
        library[which].from = from;
        library[which].to = to;
    }
    return 0;
}

/* After the extension is loaded: finds out where the libraries lie. */
static void inject_locate(const char *extension) {
    dl_iterate_phdr(note_library, (void *)(uintptr_t)extension);
}

/* --------------------------------------------------------------------------- SQLite's memory -- */

static sqlite3_mem_methods real_memory;

static void *sqlite_malloc(int size) {
    if (armed == SQLITE_MEMORY && turn()) {
        return NULL;
    }
    return real_memory.xMalloc(size);
}

static void *sqlite_realloc(void *old, int size) {
    if (armed == SQLITE_MEMORY && turn()) {
        return NULL;
    }
    return real_memory.xRealloc(old, size);
}

/* Before SQLite's first use: puts the counting allocator under it. */
static void inject_install(void) {
    sqlite3_mem_methods wrapped;
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory);
    wrapped = real_memory;
    wrapped.xMalloc = sqlite_malloc;
    wrapped.xRealloc = sqlite_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &wrapped);
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0); /* else most small ones would never be counted */
}

/* ------------------------------------------------------------------------------------ memory -- */

#ifndef __SANITIZE_THREAD__

#ifdef __SANITIZE_ADDRESS__
#define REAL(name)                __interceptor_##name
#define REAL_ALIGNED(align, size) __interceptor_aligned_alloc(align, size)
void *__interceptor_aligned_alloc(size_t align, size_t size);
#else
#define REAL(name)                __libc_##name
#define REAL_ALIGNED(align, size) __libc_memalign(align, size)
void *__libc_memalign(size_t align, size_t size);
#endif

/* What the dynamic linker keeps is known to LeakSanitizer by its own malloc, which ours hides. */
#ifdef __SANITIZE_ADDRESS__
VISIBLE const char *__lsan_default_options(void);
VISIBLE const char *__lsan_default_options(void) {
    return "print_suppressions=0";
}

VISIBLE const char *__lsan_default_suppressions(void);
VISIBLE const char *__lsan_default_suppressions(void) {
    return "leak:ld-linux\nleak:add_to_global_resize\n";
}
#endif

void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t count, size_t size);
void *REAL(realloc)(void *old, size_t size);

static bool no_memory(uintptr_t caller) {
    if (!fails(MEMORY, caller) && !fails(ROARING_MEMORY, caller)) {
        return false;
    }
    errno = ENOMEM;
    return true;
}

VISIBLE void *malloc(size_t size) {
    return no_memory(CALLER) ? NULL : REAL(malloc)(size);
}

VISIBLE void *calloc(size_t count, size_t size) {
    return no_memory(CALLER) ? NULL : REAL(calloc)(count, size);
}

VISIBLE void *realloc(void *old, size_t size) {
    return no_memory(CALLER) ? NULL : REAL(realloc)(old, size);
}

VISIBLE void *aligned_alloc(size_t align, size_t size) {
    return no_memory(CALLER) ? NULL : REAL_ALIGNED(align, size);
}

VISIBLE int posix_memalign(void **out, size_t align, size_t size) {
    if (no_memory(CALLER)) {
        return ENOMEM;
    }
    *out = REAL_ALIGNED(align, size);
    return *out ? 0 : ENOMEM;
}

#endif

/* ------------------------------------------------------------------------------------- files -- */

static int failed(int code) {
    errno = code;
    return -1;
}

/* 0: write all; 1: write half; -1: fail, as a byte that does not fit any more. */
static int write_fate(uintptr_t caller, size_t count) {
    if (fails(WRITE, caller)) {
        return failed(ENOSPC);
    }
    if (database_fails(caller)) {
        return failed(EIO);
    }
    if (!fails(SHORT_WRITE, caller)) {
        return 0;
    }
    return count > 1 ? 1 : failed(ENOSPC);
}

VISIBLE ssize_t write(int fd, const void *bytes, size_t count) {
    const int fate = write_fate(CALLER, count);
    return fate < 0 ? -1 : syscall(SYS_write, fd, bytes, fate ? count / 2 : count);
}

VISIBLE ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    const int fate = write_fate(CALLER, count);
    return fate < 0 ? -1 : syscall(SYS_pwrite64, fd, bytes, fate ? count / 2 : count, at);
}

VISIBLE ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) {
    const int fate = write_fate(CALLER, count);
    return fate < 0 ? -1 : syscall(SYS_pwrite64, fd, bytes, fate ? count / 2 : count, at);
}

static ssize_t write_vector(int fate, int fd, const struct iovec *parts, int count) {
    if (fate < 0) {
        return -1;
    }
    if (fate && count > 1) {
        count /= 2;
    }
    return syscall(SYS_writev, fd, parts, count);
}

VISIBLE ssize_t writev(int fd, const struct iovec *parts, int count) {
    return write_vector(write_fate(CALLER, 2), fd, parts, count);
}

VISIBLE ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
    const int fate = write_fate(CALLER, 2);
    if (fate < 0) {
        return -1;
    }
    return syscall(SYS_pwritev, fd, parts, fate && count > 1 ? count / 2 : count, at, 0);
}

VISIBLE ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at) {
    const int fate = write_fate(CALLER, 2);
    if (fate < 0) {
        return -1;
    }
    return syscall(SYS_pwritev, fd, parts, fate && count > 1 ? count / 2 : count, at, 0);
}

static int cut_file(uintptr_t caller, int fd, off_t size) {
    if (fails(WRITE, caller)) {
        return failed(ENOSPC);
    }
    if (database_fails(caller)) {
        return failed(EIO);
    }
    return (int)syscall(SYS_ftruncate, fd, size);
}

VISIBLE int ftruncate(int fd, off_t size) {
    return cut_file(CALLER, fd, size);
}

VISIBLE int ftruncate64(int fd, off_t size) {
    return cut_file(CALLER, fd, size);
}

static int allocate_file(uintptr_t caller, int fd, off_t at, off_t size) {
    if (fails(WRITE, caller)) {
        return ENOSPC;
    }
    return syscall(SYS_fallocate, fd, 0, at, size) ? errno : 0;
}

VISIBLE int posix_fallocate(int fd, off_t at, off_t size) {
    return allocate_file(CALLER, fd, at, size);
}

VISIBLE int posix_fallocate64(int fd, off_t at, off_t size) {
    return allocate_file(CALLER, fd, at, size);
}

static ssize_t read_at(uintptr_t caller, int fd, void *bytes, size_t count, off_t at) {
    if (fails(READ, caller)) {
        return failed(EIO);
    }
    return syscall(SYS_pread64, fd, bytes, count, at);
}

VISIBLE ssize_t pread(int fd, void *bytes, size_t count, off_t at) {
    return read_at(CALLER, fd, bytes, count, at);
}

VISIBLE ssize_t pread64(int fd, void *bytes, size_t count, off_t at) {
    return read_at(CALLER, fd, bytes, count, at);
}

VISIBLE ssize_t read(int fd, void *bytes, size_t count) {
    if (fails(READ, CALLER)) {
        return failed(EIO);
    }
    return syscall(SYS_read, fd, bytes, count);
}

static int sync_file(uintptr_t caller, long number, int fd) {
    if (fails(SYNC, caller) || database_fails(caller)) {
        return failed(EIO);
    }
    return (int)syscall(number, fd);
}

VISIBLE int fsync(int fd) {
    return sync_file(CALLER, SYS_fsync, fd);
}

VISIBLE int fdatasync(int fd) {
    return sync_file(CALLER, SYS_fdatasync, fd);
}

VISIBLE int msync(void *at, size_t size, int flags) {
    if (fails(SYNC, CALLER)) {
        return failed(EIO);
    }
    return (int)syscall(SYS_msync, at, size, flags);
}

static int open_file(uintptr_t caller, int dir, const char *path, int flags, va_list list) {
    const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
    if (fails(OPEN, caller)) {
        return failed(EMFILE);
    }
    return (int)syscall(SYS_openat, dir, path, flags, mode);
}

#define DEFINE_OPEN(name)                                                                          \
    VISIBLE int name(const char *path, int flags, ...) {                                           \
        va_list list;                                                                              \
        va_start(list, flags);                                                                     \
        const int fd = open_file(CALLER, AT_FDCWD, path, flags, list);                             \
        va_end(list);                                                                              \
        return fd;                                                                                 \
    }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)

#define DEFINE_OPENAT(name)                                                                        \
    VISIBLE int name(int dir, const char *path, int flags, ...) {                                  \
        va_list list;                                                                              \
        va_start(list, flags);                                                                     \
        const int fd = open_file(CALLER, dir, path, flags, list);                                  \
        va_end(list);                                                                              \
        return fd;                                                                                 \
    }
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

static void *map_file(uintptr_t caller, void *at, size_t size, int protect, int flags, int fd,
                      off_t offset) {
    if (fails(OPEN, caller)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, size, protect, flags, fd, offset);
}

VISIBLE void *mmap(void *at, size_t size, int protect, int flags, int fd, off_t offset) {
    return map_file(CALLER, at, size, protect, flags, fd, offset);
}

VISIBLE void *mmap64(void *at, size_t size, int protect, int flags, int fd, off_t offset) {
    return map_file(CALLER, at, size, protect, flags, fd, offset);
}

static int control_file(uintptr_t caller, int fd, int command, va_list list) {
    const long argument = va_arg(list, long);
    const bool locks = command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK ||
                       command == F_OFD_SETLKW;
    if (locks && fails(LOCK, caller)) {
        return failed(ENOLCK);
    }
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

#define DEFINE_FCNTL(name)                                                                         \
    VISIBLE int name(int fd, int command, ...) {                                                   \
        va_list list;                                                                              \
        va_start(list, command);                                                                   \
        const int rc = control_file(CALLER, fd, command, list);                                    \
        va_end(list);                                                                              \
        return rc;                                                                                 \
    }
DEFINE_FCNTL(fcntl)
DEFINE_FCNTL(fcntl64)

/* ----------------------------------------------------------------------------------- threads -- */

typedef int create_thread(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

VISIBLE int pthread_create(pthread_t *out, const pthread_attr_t *attributes, void *(*run)(void *),
                           void *data) {
    static create_thread *real;
    if (!real) {
        real = (create_thread *)dlsym(RTLD_NEXT, "pthread_create");
    }
    return fails(THREAD, CALLER) ? EAGAIN : real(out, attributes, run, data);
}

#endif
