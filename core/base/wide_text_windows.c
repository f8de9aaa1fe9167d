/* UTF-8 as UTF-16, and paths of the one in functions of the other. */
#include "base/wide_text_windows.h"

#include <stdlib.h>

wchar_t *hny__wide_text(const char *text) {
    const int units = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    wchar_t *const wide = units > 0 ? malloc((size_t)units * sizeof *wide) : NULL;
    if (wide) {
        MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, wide, units);
    }
    return wide;
}

char *hny__narrow_text(const wchar_t *text) {
    const int bytes = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *const narrow = bytes > 0 ? malloc((size_t)bytes) : NULL;
    if (narrow) {
        WideCharToMultiByte(CP_UTF8, 0, text, -1, narrow, bytes, NULL, NULL);
    }
    return narrow;
}

HANDLE hny__open_shared(const char *path, DWORD access, DWORD disposition, DWORD flags) {
    const DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    wchar_t *const wide = hny__wide_text(path);
    if (!wide) {
        SetLastError(ERROR_INVALID_NAME);
        return INVALID_HANDLE_VALUE;
    }
    const HANDLE handle = CreateFileW(wide, access, share, NULL, disposition, flags, NULL);
    const DWORD error = GetLastError();
    free(wide);
    SetLastError(error);
    return handle;
}
