/*
** Interface to interrupt.c: has the host asked for an end (sqlite3_interrupt, a progress handler)?
*/
#ifndef HX_INTERRUPT_H
#define HX_INTERRUPT_H

#include <stdbool.h>

#include "hannoy.h"

typedef struct hx_shadow hx_shadow;

bool hx_interrupted(hx_shadow *shadow);

/* The same question for the engine to ask. */
hny_interrupt hx_interrupt(hx_shadow *shadow);

#endif
