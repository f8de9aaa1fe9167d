/* Interface to group_files.c: a folder that stands for the files of control groups. */
#ifndef HNY_TEST_GROUP_FILES_H
#define HNY_TEST_GROUP_FILES_H

/* The folder that stands for /sys/fs/cgroup, and in it the file for /proc/self/cgroup. */
extern char group_folder[], group_list[64];

/* cmocka's setup and teardown. */
int group_files_begin(void **state);
int group_files_end(void **state);

/* Writes a file below the folder, and makes the folders that its name needs. */
void group_files_write(const char *name, const char *text);

#endif
