/* How many threads this process can run at a time, on Windows; the contract is in processors.h. */
#include "base/processors.h"

#include <stdint.h>
#include <windows.h>

/* The mask is of one group of 64 processors; that of a process with threads in several is 0. */
unsigned hny__processors(void) {
    DWORD_PTR process, machine;
    if (GetProcessAffinityMask(GetCurrentProcess(), &process, &machine) && process) {
        return (unsigned)__builtin_popcountll(process);
    }
    const DWORD all = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    return all ? all : 1;
}

bool hny__processor_has_dots(void) {
    return IsProcessorFeaturePresent(PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE);
}
