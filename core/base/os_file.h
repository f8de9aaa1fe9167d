/*
** Interface to os_file_posix.c and os_file_windows.c: files, the system's error codes, environment
** variables.
**
** Paths are UTF-8 on every system.  Functions return HNY_OK, HNY_IO, HNY_FULL or HNY_NOMEM unless
** they say otherwise.
*/
#ifndef HNY_OS_FILE_H
#define HNY_OS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An open file: a descriptor of POSIX or a handle of Windows.  It is not inherited by programs. */
typedef intptr_t hny__os_file;

#define HNY__OS_NO_FILE ((hny__os_file)-1)

/* Two files are one if device and number are equal. */
typedef struct hny__os_info {
    uint64_t device, number;
    uint64_t bytes;
    uint64_t names; /* 0: it was removed */
} hny__os_info;

static inline bool hny__os_is_same_file(const hny__os_info *a, const hny__os_info *b) {
    return a->device == b->device && a->number == b->number;
}

/* The status of an errno value, or on Windows of a code of GetLastError(); HNY_OK for 0. */
int hny__os_status(int error);

/* -------------------------------------------------------------------------------- open files -- */

int hny__os_file_info(hny__os_file file, hny__os_info *info);

/* Reads at an offset.  The number of bytes, fewer than asked for at the file's end; or HNY_IO. */
int64_t hny__os_file_read(hny__os_file file, void *to, size_t bytes, uint64_t offset);

/* Writes all of them. */
int hny__os_file_write(hny__os_file file, const void *from, size_t bytes, uint64_t offset);

int hny__os_file_resize(hny__os_file file, uint64_t bytes);

/* Makes what was written durable. */
int hny__os_file_sync(hny__os_file file);

/* Takes room on the disk for the first `bytes`, which become zeros where there was nothing. */
int hny__os_file_allocate(hny__os_file file, uint64_t bytes);

void hny__os_file_close(hny__os_file file);

/*
** Locks of a file, which belong to what hny__place_open has opened and not to the process.  They
** exclude each other, not reading and writing.  HNY_BUSY: another one has it.
*/
#define HNY__OS_LOCKS 2
int hny__os_file_lock(hny__os_file file, unsigned number, bool shared);

/* Has another one that was opened this lock?  On Windows false, since only a try could tell. */
bool hny__os_file_is_locked(hny__os_file file, unsigned number);

/* Gives up all locks, those that a child of a fork has inherited as well. */
void hny__os_file_unlock(hny__os_file file);

/* ------------------------------------------------------------------------------------- paths -- */

/* May this user write the file? */
bool hny__os_is_writable(const char *path);

/* HNY_MISSING: there is none.  On Windows HNY_IO while it is open anywhere. */
int hny__os_remove(const char *path);

/* Removes an empty folder. */
int hny__os_remove_folder(const char *path);

/* Replaces a file at the new path.  On Windows HNY_IO while either is open anywhere. */
int hny__os_rename(const char *from, const char *to);

/* Can a file that is open be replaced by hny__os_rename? */
bool hny__os_replaces_open_files(void);

/* The last name of a path. */
const char *hny__os_name(const char *path);

/* --------------------------------------------------------------------------- temporary files -- */

/*
** Creates a file that no other process finds, and that is gone when it is closed: beside the file
** `beside`, or for NULL in the folder for temporary files.
*/
int hny__os_scratch_file(const char *beside, hny__os_file *file);

/*
** Creates an empty file in the folder for temporary files.  The caller removes *path and frees it.
*/
int hny__os_temporary_file(char **path);

/* --------------------------------------------------------------------- environment variables -- */

/* A copy, for the caller to free.  NULL: it is not set, or out of memory. */
char *hny__os_variable(const char *name);

/* The number of bytes that a variable gives; `otherwise` if it is not set or not a number. */
size_t hny__os_variable_bytes(const char *name, size_t otherwise);

#endif
