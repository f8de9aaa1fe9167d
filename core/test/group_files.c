/* A folder that stands for the files of control groups. */
#include "test/group_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

char group_folder[] = "/tmp/hannoy-test-XXXXXX", group_list[64];

int group_files_begin(void **state) {
    (void)state;
    strcpy(group_folder + strlen(group_folder) - 6, "XXXXXX");
    assert_non_null(mkdtemp(group_folder));
    snprintf(group_list, sizeof group_list, "%s/groups", group_folder);
    return 0;
}

int group_files_end(void **state) {
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", group_folder);
    return system(command);
}

void group_files_write(const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", group_folder, name);
    for (char *p = path + strlen(group_folder) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = 0;
        mkdir(path, 0755);
    }
    FILE *const f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}
