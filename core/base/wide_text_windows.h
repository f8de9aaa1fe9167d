/* Interface to wide_text_windows.c: UTF-8 as Windows has it, for the other files of Windows. */
#ifndef HNY_WIDE_TEXT_WINDOWS_H
#define HNY_WIDE_TEXT_WINDOWS_H

#include <stdint.h>
#include <windows.h>

/* The caller frees them.  NULL: out of memory, or no text in that code. */
wchar_t *hny__wide_text(const char *text);
char *hny__narrow_text(const wchar_t *text);

/* Opens what is at a path, by CreateFileW, and lets others read, write and remove it meanwhile. */
HANDLE hny__open_shared(const char *path, DWORD access, DWORD disposition, DWORD flags);

#endif
