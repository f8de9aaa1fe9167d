/* Interface to sidecar.c: a connection's handle on the sidecar of one database. */
#ifndef HNY_SIDECAR_H
#define HNY_SIDECAR_H

#include <stdbool.h>

#include "sidecar/env.h"

/*
** The environment that is current for this handle, opened or opened again if needed.  With
** `create` a missing file is created and an unusable one replaced.  *out belongs to the handle and
** is valid until the next call for it.
*/
int hny__sidecar_env(hny_sidecar *sidecar, bool create, hny__env **out);

/* Another handle on the same file, for another thread.  Of a private one, as it is now. */
int hny__sidecar_again(const hny_sidecar *sidecar, hny_sidecar **out);

#endif
