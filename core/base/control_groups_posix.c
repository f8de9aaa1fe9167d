/* Where the files of this process's control groups are. */
#include "base/control_groups.h"

#include <stdio.h>
#include <string.h>

#define PATH_BYTES 4096

bool hny__control_group_line(const char *folder, const char *name, char line[HNY__GROUP_LINE]) {
    char path[2 * PATH_BYTES];
    const int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *const f = length > 0 && length < (int)sizeof path ? fopen(path, "re") : NULL;
    const bool read = f && fgets(line, HNY__GROUP_LINE, f);
    if (f) {
        fclose(f);
    }
    return read;
}

typedef struct group_visit {
    const char *mount, *controller;
    void (*visit)(void *arg, const char *folder);
    void *arg;
} group_visit;

/* A group and those above it. */
static void visit_group(const group_visit *v, const char *mount, const char *group) {
    char folder[2 * PATH_BYTES];
    const int length = snprintf(folder, sizeof folder, "%s%s", mount, group);
    if (length <= 0 || length >= (int)sizeof folder) {
        return;
    }
    for (char *last = folder; last; last = strrchr(folder + strlen(mount), '/')) {
        if (last != folder) {
            *last = 0;
        }
        v->visit(v->arg, folder);
    }
}

/* Is a name among those between commas? */
static bool lists_controller(const char *controllers, const char *name) {
    const size_t length = strlen(name);
    for (const char *item = controllers; *item; item += strcspn(item, ",")) {
        item += *item == ',';
        if (strcspn(item, ",") == length && strncmp(item, name, length) == 0) {
            return true;
        }
    }
    return false;
}

/* A line is NUMBER:CONTROLLERS:GROUP; cgroup 2 has no controllers there. */
static void visit_line(const group_visit *v, char *line) {
    char folder[PATH_BYTES];
    char *const controllers = strchr(line, ':');
    char *const group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) {
        return;
    }
    *group = 0;
    group[1 + strcspn(group + 1, "\n")] = 0;
    if (controllers[1] == 0) {
        visit_group(v, v->mount, group + 1);
        return;
    }
    const int length = snprintf(folder, sizeof folder, "%s/%s", v->mount, controllers + 1);
    if (lists_controller(controllers + 1, v->controller) && length > 0 &&
        length < (int)sizeof folder) {
        visit_group(v, folder, group + 1);
    }
}

void hny__control_groups_each(const char *groups, const char *mount, const char *controller,
                              void (*visit)(void *arg, const char *folder), void *arg) {
    const group_visit v = {mount, controller, visit, arg};
    char line[PATH_BYTES];
    FILE *const f = fopen(groups, "re");
    while (f && fgets(line, sizeof line, f)) {
        visit_line(&v, line);
    }
    if (f) {
        fclose(f);
    }
}
