/* Interface to sidecar.c: a connection's handle on the sidecar of one database. */
#ifndef HNY_SIDECAR_H
#define HNY_SIDECAR_H

#include "sidecar/env.h"

/*
** The environment that is current for this handle, opened where it is not yet or no longer; with
** `create`, made where it is missing and replaced where it is unusable.  Borrowed: valid until the
** next call for this handle.
*/
int hny__sidecar_env(hny_sidecar *sidecar, int create, hny__env **out);

#endif
