/*
** Giving free pages back: LMDB's file never becomes shorter, so the records are copied to a new
** one, which takes its place.  Other connections notice that, as when users replace the file.
*/
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/os_file.h"
#include "build/state.h"
#include "sidecar/lock.h"

#define BYTES_PER_WRITE ((size_t)16 << 20)
#define FEW_PAGES       16 /* not worth a new file */

/* A copy of all records to another file. */
typedef struct record_copy {
    hny__txn *from;
    uint64_t next; /* the first key that is not copied */
    uint64_t reached;
    bool done; /* as the last attempt at a write leaves both */
} record_copy;

static int copy_records(void *arg, hny__txn *to) {
    record_copy *const copy = arg;
    size_t bytes = 0;
    copy->reached = copy->next;
    copy->done = false;
    while (bytes < BYTES_PER_WRITE) {
        hny__key found;
        hny__value value;
        const hny__key key = hny__key_of_number(copy->reached);
        int rc = hny__seek(copy->from, &key, &found, &value);
        if (rc == HNY_MISSING) {
            copy->done = true;
            return HNY_OK;
        }
        if (!rc) {
            rc = hny__put(to, &found, value.data, value.size);
        }
        if (rc) {
            return rc;
        }
        bytes += value.size;
        copy->reached = hny__key_number(&found) + 1;
    }
    return HNY_OK;
}

static int copy_all(const hny_build *build, hny__env *to) {
    record_copy copy = {.from = NULL};
    int rc = hny__env_begin_read(build->env, &copy.from);
    const bool begun = !rc;
    while (!rc && !copy.done) {
        rc = hny__env_write(to, copy_records, &copy);
        copy.next = copy.reached;
        if (!rc && hny__interrupted(build->interrupt)) {
            rc = HNY_INTERRUPT;
        }
    }
    if (begun) {
        hny__env_end_read(copy.from);
    }
    hny__txn_free(copy.from);
    return rc;
}

static void remove_lock(const char *path) {
    char *const lock = hny__lockfile_name(path);
    if (lock) {
        (void)hny__os_remove(lock);
    }
    free(lock);
}

static void remove_files(const char *path) {
    remove_lock(path);
    (void)hny__os_remove(path);
}

/* The caller frees it; NULL: out of memory. */
static char *path_of_copy(const hny_build *build) {
    static const char ending[] = "-new";
    const char *const path = hny_sidecar_path(build->sidecar);
    const size_t length = strlen(path);
    char *const copy = malloc(length + sizeof ending);
    if (copy) {
        memcpy(copy, path, length);
        memcpy(copy + length, ending, sizeof ending);
    }
    return copy;
}

void hny__shrink_clean(const hny_build *build) {
    char *const copy = hny_sidecar_path(build->sidecar) ? path_of_copy(build) : NULL;
    if (copy) {
        remove_files(copy);
    }
    free(copy);
}

static int copy_to_file(const hny_build *build, const char *path) {
    hny__env *env;
    int rc = hny__env_open(path, hny_sidecar_path(build->sidecar), true, &env);
    if (rc) {
        return rc;
    }
    rc = copy_all(build, env);
    hny__env_unref(env);
    return rc;
}

/*
** Once the copy is in its place, another process may lock it and make a copy of its own: from then
** on nothing of this one's is there to be removed.
*/
static int replace_file(const hny_build *build) {
    char *const copy = path_of_copy(build);
    if (!copy) {
        return HNY_NOMEM;
    }
    int rc = copy_to_file(build, copy);
    remove_lock(copy);
    if (!rc) {
        rc = hny__os_rename(copy, hny_sidecar_path(build->sidecar));
    }
    if (rc) {
        (void)hny__os_remove(copy);
    }
    free(copy);
    return rc;
}

int hny_build_shrink(hny_build *build, bool all) {
    uint64_t pages, used;
    if (!hny_sidecar_path(build->sidecar) || !hny__os_replaces_open_files()) {
        return HNY_OK;
    }
    hny_reader_end(build->reader);
    const int rc = hny__env_pages(build->env, &pages, &used);
    if (rc || pages < used || pages - used < FEW_PAGES || (!all && used > pages / 2)) {
        return rc;
    }
    hny__build_progress(build, "shrinking", 0, 0);
    return hny__build_note(build, replace_file(build));
}
