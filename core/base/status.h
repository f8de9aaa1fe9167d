/* Interface to status.c: statuses of the operating system's errors. */
#ifndef HNY_STATUS_H
#define HNY_STATUS_H

#include <stdbool.h>

#include "hannoy.h"

/* The status of an errno value; HNY_OK for 0. */
int hny__errno_status(int error);

/* A file that gives this status is replaced by the next build. */
bool hny__status_replaces(int status);

#endif
