/* The signal of a file that becomes too long; the contract is in size_signal.h. */
#include "base/size_signal.h"

#include <signal.h>
#include <string.h>
#include <time.h>

static void set_of_signal(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGXFSZ);
}

static bool is_pending(void) {
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGXFSZ) == 1;
}

/* If it is blocked and pending already, there is nothing to change: that is the host's. */
void hny__size_signal_hold(hny__size_signal *held) {
    sigset_t set, before;
    set_of_signal(&set);
    held->held = !is_pending() && pthread_sigmask(SIG_BLOCK, &set, &before) == 0;
    if (held->held) {
        _Static_assert(sizeof before <= sizeof held->mask, "a sigset_t fits");
        memcpy(held->mask, &before, sizeof before);
    }
}

/* macOS has no sigtimedwait(); what is pending is taken at once. */
static bool take_pending(const sigset_t *set) {
#ifdef __APPLE__
    int number;
    return sigwait(set, &number) == 0;
#else
    const struct timespec now = {0, 0};
    return sigtimedwait(set, NULL, &now) == SIGXFSZ;
#endif
}

void hny__size_signal_release(hny__size_signal *held) {
    sigset_t set, before;
    if (!held->held) {
        return;
    }
    held->held = false;
    set_of_signal(&set);
    while (is_pending() && take_pending(&set)) {
    }
    memcpy(&before, held->mask, sizeof before);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
