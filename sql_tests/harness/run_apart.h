/*
** Interface to run_apart.c: a file's run in a process of its own.  windows/apart_windows.c is
** the body for Windows.
*/
#ifndef HANNOY_SQL_TESTS_RUN_APART_H
#define HANNOY_SQL_TESTS_RUN_APART_H

#include "run.h"

typedef struct options {
    char *extension;
    unsigned timeout; /* seconds a file may take */
    int verbose;
    const char *child; /* of the child on Windows: its folder */
} options;

/* In run.c: runs a file in the folder. */
void run_file(const char *path, const options *o, const char *folder, report *sum);

/* A report that the processes share.  NULL: not possible. */
report *apart_report(void);

/* Runs the file in a process and a temporary folder of its own. */
void run_apart(const char *path, const options *o, report *sum);

/* In that process: it obeys permissions, and ends after so many seconds. */
void apart_begin(unsigned seconds);

/* What that process does where it is a program of its own; returns its exit code. */
int apart_child(const char *path, const options *o);

#endif
