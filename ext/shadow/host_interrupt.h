/*
** Interface to host_interrupt.c: polls for sqlite3_interrupt and for progress handlers.
*/
#ifndef HX_HOST_INTERRUPT_H
#define HX_HOST_INTERRUPT_H

#include <stdbool.h>

#include "hannoy.h"

typedef struct hx_shadow hx_shadow;

bool hx_interrupted(hx_shadow *shadow);

/* The same poll as a callback for the engine. */
hny_interrupt hx_interrupt(hx_shadow *shadow);

#endif
