/* Interface to status.c: statuses. */
#ifndef HNY_STATUS_H
#define HNY_STATUS_H

#include <stdbool.h>

#include "hannoy.h"

/* A file that gives this status is replaced by the next build. */
bool hny__status_replaces(int status);

#endif
