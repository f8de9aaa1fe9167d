/* How much memory files may take, on Windows; the contract is in free_memory.h. */
#include "base/free_memory.h"

#include <windows.h>

uint64_t hny__free_memory(void) {
    MEMORYSTATUSEX status = {.dwLength = sizeof status};
    return GlobalMemoryStatusEx(&status) ? status.ullAvailPhys : 0;
}
