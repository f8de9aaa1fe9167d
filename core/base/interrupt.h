/* Polling of the host's interrupt callback. */
#ifndef HNY_INTERRUPT_H
#define HNY_INTERRUPT_H

#include <stdbool.h>

#include "hannoy.h"

/* Calls the callback, if there is one.  True: stop with HNY_INTERRUPT. */
static inline bool hny__interrupted(hny_interrupt interrupt) {
    return interrupt.check && interrupt.check(interrupt.arg);
}

#endif
