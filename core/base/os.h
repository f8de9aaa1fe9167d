/* Interface to setting.c: what the environment's variables say. */
#ifndef HNY_OS_H
#define HNY_OS_H

#include <stddef.h>

/* A number of bytes; `otherwise` where the variable is not set, or no number. */
size_t hny__os_variable_bytes(const char *name, size_t otherwise);

#endif
