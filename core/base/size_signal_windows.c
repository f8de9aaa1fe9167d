/* Windows has no signal of a file that becomes too long; the contract is in size_signal.h. */
#include "base/size_signal.h"

void hny__size_signal_hold(hny__size_signal *held) {
    held->held = false;
}

void hny__size_signal_release(hny__size_signal *held) {
    held->held = false;
}
