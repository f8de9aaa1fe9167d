/* A handle on the sidecar of one database: the environment that is current for it. */
#include "sidecar/sidecar.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/os_file.h"
#include "base/status.h"

struct hny_sidecar {
    unsigned refs;
    char *database; /* NULL: private */
    char *path;
    hny__env *env;   /* NULL: not open */
    unsigned checks; /* of env, for reading */
    uint64_t swept;  /* the caller's, of env */
};

#define FULL_CHECK 64 /* one in so many checks includes the paths */

#define SUFFIX "-hannoy"

/* The longest name of a file is 255 bytes; some of them are added to a sidecar's. */
#define LONGEST_NAME 180

/*
** Databases of one name in different folders may have their sidecars in one folder, so the name
** there has a digest of the database's path.
*/
static char *sidecar_path(const char *database, const char *folder) {
    char *const variable = folder ? NULL : hny__os_variable("HANNOY_SIDECAR_DIR");
    const char *const set = folder ? folder : variable, *const name = hny__os_name(database);
    const uint64_t digest = XXH64(database, strlen(database), 0);
    const size_t size = strlen(database) + (set ? strlen(set) : 0) + sizeof SUFFIX + 32;
    char *const path = malloc(size);
    if (path && set && *set) {
        (void)snprintf(path, size, "%s/%.*s-%016" PRIx64 SUFFIX, set, LONGEST_NAME, name, digest);
    } else if (path) {
        (void)snprintf(path, size, "%s" SUFFIX, database);
    }
    free(variable);
    return path;
}

int hny_sidecar_new(const char *database, const char *folder, hny_sidecar **out) {
    hny_sidecar *const sidecar = calloc(1, sizeof *sidecar);
    if (!sidecar) {
        return HNY_NOMEM;
    }
    sidecar->refs = 1;
    if (database) {
        sidecar->database = strdup(database);
        sidecar->path = sidecar_path(database, folder);
        if (!sidecar->database || !sidecar->path) {
            hny_sidecar_unref(sidecar);
            return HNY_NOMEM;
        }
    }
    *out = sidecar;
    return HNY_OK;
}

int hny__sidecar_again(const hny_sidecar *sidecar, hny_sidecar **out) {
    hny_sidecar *const again = calloc(1, sizeof *again);
    if (!again) {
        return HNY_NOMEM;
    }
    again->refs = 1;
    if (!sidecar->path) {
        again->env = sidecar->env ? hny__env_ref(sidecar->env) : NULL;
        *out = again;
        return HNY_OK;
    }
    again->database = strdup(sidecar->database);
    again->path = strdup(sidecar->path);
    if (!again->database || !again->path) {
        hny_sidecar_unref(again);
        return HNY_NOMEM;
    }
    *out = again;
    return HNY_OK;
}

hny_sidecar *hny_sidecar_ref(hny_sidecar *sidecar) {
    sidecar->refs++;
    return sidecar;
}

void hny_sidecar_unref(hny_sidecar *sidecar) {
    if (!sidecar || --sidecar->refs > 0) {
        return;
    }
    hny__env_unref(sidecar->env);
    free(sidecar->database);
    free(sidecar->path);
    free(sidecar);
}

const char *hny_sidecar_path(const hny_sidecar *sidecar) {
    return sidecar->path;
}

static void close_env(hny_sidecar *sidecar) {
    hny__env_unref(sidecar->env);
    sidecar->env = NULL;
    sidecar->swept = 0;
}

uint64_t hny_sidecar_swept(const hny_sidecar *sidecar) {
    return sidecar->swept;
}

void hny_sidecar_set_swept(hny_sidecar *sidecar, uint64_t swept) {
    sidecar->swept = swept;
}

int hny_sidecar_move(hny_sidecar *sidecar, const char *folder) {
    char *const path = sidecar->database ? sidecar_path(sidecar->database, folder) : NULL;
    if (!sidecar->database) {
        return HNY_OK;
    }
    if (!path) {
        return HNY_NOMEM;
    }
    close_env(sidecar);
    free(sidecar->path);
    sidecar->path = path;
    return HNY_OK;
}

/*
** A renamed file may still be read, but a build in it would be lost.  One that could not be written
** when it was opened may be writable now.
*/
static int check_env(hny_sidecar *sidecar, bool create) {
    if (create && hny__env_readonly(sidecar->env) && hny__os_is_writable(sidecar->path)) {
        return HNY_MISSING;
    }
    if (create || sidecar->checks++ % FULL_CHECK == 0) {
        return hny__env_current(sidecar->env, sidecar->path);
    }
    return hny__env_usable(sidecar->env);
}

int hny__sidecar_env(hny_sidecar *sidecar, bool create, hny__env **out) {
    if (sidecar->env && check_env(sidecar, create)) {
        close_env(sidecar);
    }
    int rc = HNY_OK;
    if (!sidecar->env && (sidecar->path || create)) {
        rc = hny__env_open(sidecar->path, sidecar->database, create, &sidecar->env);
    } else if (!sidecar->env) {
        rc = HNY_MISSING;
    }
    if (!rc && hny__env_damaged(sidecar->env)) {
        rc = HNY_CORRUPT;
    }
    /* An empty folder in its place is removed, too. */
    if (create && (hny__status_replaces(rc) || rc == HNY_FOLDER)) {
        hny__os_info info;
        const bool opened = sidecar->env && !hny__env_info(sidecar->env, &info);
        close_env(sidecar);
        rc = sidecar->path
                 ? hny__env_discard(sidecar->path, sidecar->database, opened ? &info : NULL)
                 : HNY_OK;
        if (!rc) {
            rc = hny__env_open(sidecar->path, sidecar->database, true, &sidecar->env);
        }
    }
    if (!rc && create) {
        hny__env_follow(sidecar->env, sidecar->database);
    }
    if (!rc) {
        *out = sidecar->env;
    }
    return rc;
}

void hny_sidecar_progress(hny_sidecar *sidecar, hny_progress *out) {
    hny__env *env;
    memset(out, 0, sizeof *out);
    if (hny__sidecar_env(sidecar, false, &env)) {
        return;
    }
    *out = hny__env_progress(env, HNY__LOCK_BUILDER);
}

bool hny_sidecar_builds_elsewhere(const hny_sidecar *sidecar) {
    return sidecar->path && hny__lock_is_elsewhere(sidecar->path, HNY__LOCK_BUILDER);
}
