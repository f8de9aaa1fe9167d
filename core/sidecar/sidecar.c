#include "sidecar/sidecar.h"

#include <stdlib.h>
#include <string.h>

struct hny_sidecar {
    unsigned refs;
    char *database; /* NULL: private */
    char *path;
    hny__env *env;  /* NULL: not open */
    unsigned looks; /* at env, for reading */
};

#define FULL_LOOK 64 /* of so many looks one is at the paths, too */

int hny_sidecar_new(const char *database, hny_sidecar **out) {
    static const char suffix[] = "-hannoy";
    hny_sidecar *const sidecar = calloc(1, sizeof *sidecar);
    if (!sidecar) {
        return HNY_NOMEM;
    }
    sidecar->refs = 1;
    if (database) {
        const size_t size = strlen(database);
        sidecar->database = strdup(database);
        sidecar->path = malloc(size + sizeof suffix);
        if (!sidecar->database || !sidecar->path) {
            hny_sidecar_unref(sidecar);
            return HNY_NOMEM;
        }
        memcpy(sidecar->path, database, size);
        memcpy(sidecar->path + size, suffix, sizeof suffix);
    }
    *out = sidecar;
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

static void let_go(hny_sidecar *sidecar) {
    hny__env_unref(sidecar->env);
    sidecar->env = NULL;
}

static int unusable(int rc) {
    return rc == HNY_CORRUPT || rc == HNY_VERSION;
}

/* Whoever reads may go on with a file that was moved away; a build would be lost with it. */
static int look(hny_sidecar *sidecar, int create) {
    if (create || sidecar->looks++ % FULL_LOOK == 0) {
        return hny__env_current(sidecar->env, sidecar->path);
    }
    return hny__env_usable(sidecar->env);
}

int hny__sidecar_env(hny_sidecar *sidecar, int create, hny__env **out) {
    if (sidecar->env && look(sidecar, create)) {
        let_go(sidecar);
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
    if (create && unusable(rc)) {
        let_go(sidecar);
        rc = sidecar->path ? hny__env_discard(sidecar->path) : HNY_OK;
        if (!rc) {
            rc = hny__env_open(sidecar->path, sidecar->database, 1, &sidecar->env);
        }
    }
    if (!rc) {
        *out = sidecar->env;
    }
    return rc;
}

void hny_sidecar_progress(hny_sidecar *sidecar, hny_progress *out) {
    hny__env *env;
    memset(out, 0, sizeof *out);
    if (hny__sidecar_env(sidecar, 0, &env)) {
        return;
    }
    *out = hny__env_progress(env);
}
