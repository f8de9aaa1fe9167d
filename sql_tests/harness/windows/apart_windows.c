/* A file's run in a process of its own: this program again, with --child. */
#include "../run_apart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

static report shared;

report *apart_report(void) {
    return &shared;
}

/* The parent ends it. */
void apart_begin(unsigned seconds) {
    (void)seconds;
}

static void path_of_report(const char *folder, char out[MAX_PATH + 16]) {
    snprintf(out, MAX_PATH + 16, "%s-report", folder);
}

int apart_child(const char *path, const options *o) {
    char name[MAX_PATH + 16];
    report sum = {0};
    run_file(path, o, o->child, &sum);
    path_of_report(o->child, name);
    FILE *const f = fopen(name, "wb");
    if (!f || fwrite(&sum, sizeof sum, 1, f) != 1 || fclose(f)) {
        return 2;
    }
    return sum.failed > 0;
}

static void remove_tree(const char *folder) {
    char pattern[MAX_PATH + 16], path[2 * MAX_PATH];
    WIN32_FIND_DATAA entry;
    snprintf(pattern, sizeof pattern, "%s\\*", folder);
    const HANDLE search = FindFirstFileA(pattern, &entry);
    while (search != INVALID_HANDLE_VALUE) {
        snprintf(path, sizeof path, "%s\\%s", folder, entry.cFileName);
        if (!(entry.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)) {
            SetFileAttributesA(path, FILE_ATTRIBUTE_NORMAL);
            DeleteFileA(path);
        } else if (strcmp(entry.cFileName, ".") != 0 && strcmp(entry.cFileName, "..") != 0) {
            remove_tree(path);
        }
        if (!FindNextFileA(search, &entry)) {
            FindClose(search);
            break;
        }
    }
    RemoveDirectoryA(folder);
}

static int make_folder(char folder[MAX_PATH + 1]) {
    char parent[MAX_PATH + 1];
    static unsigned made;
    if (!GetTempPathA(sizeof parent, parent)) {
        return 0;
    }
    snprintf(folder, MAX_PATH + 1, "%shannoy-sql-%lx-%u", parent, GetCurrentProcessId(), made++);
    return CreateDirectoryA(folder, NULL) != 0;
}

/* The exit code; a crash's is that of the exception, and a timeout's is 0x7e. */
static DWORD run_child(char *command, unsigned seconds) {
    STARTUPINFOA start = {.cb = sizeof start};
    PROCESS_INFORMATION child;
    DWORD code = 0x7f;
    if (!CreateProcessA(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &start, &child)) {
        return code;
    }
    if (WaitForSingleObject(child.hProcess, seconds * 1000) == WAIT_TIMEOUT) {
        TerminateProcess(child.hProcess, 0x7e);
        WaitForSingleObject(child.hProcess, INFINITE);
    }
    GetExitCodeProcess(child.hProcess, &code);
    CloseHandle(child.hThread);
    CloseHandle(child.hProcess);
    return code;
}

void run_apart(const char *path, const options *o, report *sum) {
    char folder[MAX_PATH + 1], name[MAX_PATH + 16], self[MAX_PATH + 1];
    report child = {0};
    if (!make_folder(folder) || !GetModuleFileNameA(NULL, self, sizeof self)) {
        printf("%s: expected a temporary folder, got none\n", path);
        sum->failed++;
        return;
    }
    char *const command = run_alloc(5 * MAX_PATH);
    snprintf(command, 5 * MAX_PATH, "\"%s\" --child \"%s\" %s%s%s %s \"%s\"", self, folder,
             o->extension ? "--ext \"" : "", o->extension ? o->extension : "",
             o->extension ? "\"" : "", o->verbose ? "--verbose" : "", path);
    fflush(stdout);
    const DWORD code = run_child(command, o->timeout);
    path_of_report(folder, name);
    FILE *const f = fopen(name, "rb");
    const int told = f && fread(&child, sizeof child, 1, f) == 1;
    if (f) {
        fclose(f);
    }
    if (!told) {
        printf("%s: expected to go on, got %s %lx\n", path,
               code == 0x7e ? "no end: timeout" : "an exit", code);
        child.failed = 1;
    }
    sum->passed += child.passed;
    sum->failed += child.failed;
    remove_tree(folder);
    DeleteFileA(name);
    free(command);
}
