/* What is at the paths of a sidecar and its lock file, on Windows; the contract is in place.h. */
#include "base/place.h"

#include <windows.h>
#include <winioctl.h>

#include "base/wide_text_windows.h"
#include "hannoy.h"

static int path_status(DWORD error) {
    switch (error) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
        return HNY_MISSING;
    case ERROR_INVALID_NAME:
    case ERROR_BAD_PATHNAME:
    case ERROR_FILENAME_EXCED_RANGE:
        return HNY_NAME;
    default:
        return hny__os_status((int)error);
    }
}

/* A placeholder of a file that is stored elsewhere is a file; Windows fetches it. */
static bool is_link_tag(DWORD tag) {
    return tag == IO_REPARSE_TAG_SYMLINK || tag == IO_REPARSE_TAG_MOUNT_POINT;
}

static int kind_status(HANDLE handle) {
    FILE_ATTRIBUTE_TAG_INFO info;
    const DWORD type = GetFileType(handle);
    if (type != FILE_TYPE_DISK) {
        return type == FILE_TYPE_PIPE ? HNY_PIPE : HNY_DEVICE;
    }
    if (!GetFileInformationByHandleEx(handle, FileAttributeTagInfo, &info, sizeof info)) {
        return HNY_IO;
    }
    if (info.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT && is_link_tag(info.ReparseTag)) {
        return HNY_LINK;
    }
    return info.FileAttributes & FILE_ATTRIBUTE_DIRECTORY ? HNY_FOLDER : HNY_OK;
}

/* Without rights a handle tells what the file is, and keeps nobody from using it. */
static int open_regular(const char *path, DWORD access, hny__os_file *file, hny__os_info *info) {
    const DWORD flags = FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS;
    *file = HNY__OS_NO_FILE;
    const HANDLE handle = hny__open_shared(path, access, OPEN_EXISTING, flags);
    if (handle == INVALID_HANDLE_VALUE) {
        return path_status(GetLastError());
    }
    int rc = kind_status(handle);
    if (hny__os_file_info((hny__os_file)handle, info) && !rc) {
        rc = HNY_IO;
    }
    if (rc) {
        CloseHandle(handle);
    } else {
        *file = (hny__os_file)handle;
    }
    return rc;
}

int hny__place_hold(const char *path, hny__os_file *file, hny__os_info *info) {
    return open_regular(path, 0, file, info);
}

int hny__place_look(const char *path, hny__os_info *info) {
    hny__os_file file;
    const int rc = hny__place_hold(path, &file, info);
    if (!rc) {
        hny__os_file_close(file);
    }
    return rc;
}

/* Looks before it opens: to open some devices has effects.  Then at what was opened. */
int hny__place_open(const char *path, bool writes, hny__os_file *file) {
    hny__os_info info;
    *file = HNY__OS_NO_FILE;
    const int rc = hny__place_look(path, &info);
    return rc ? rc : open_regular(path, GENERIC_READ | (writes ? GENERIC_WRITE : 0), file, &info);
}

/*
** LMDB makes a file as long as its map.  A sparse one takes no room on the disk for what was not
** written; where the file system has none, it does.
*/
static void make_sparse(HANDLE handle) {
    DWORD bytes;
    (void)DeviceIoControl(handle, FSCTL_SET_SPARSE, NULL, 0, NULL, 0, &bytes, NULL);
}

int hny__place_create(const char *path, hny__os_file *file) {
    const HANDLE handle =
        hny__open_shared(path, GENERIC_READ | GENERIC_WRITE, CREATE_NEW, FILE_ATTRIBUTE_NORMAL);
    *file = (hny__os_file)handle;
    if (handle != INVALID_HANDLE_VALUE) {
        make_sparse(handle);
        return HNY_OK;
    }
    const DWORD error = GetLastError();
    if (error == ERROR_PATH_NOT_FOUND) { /* there is no such folder */
        return HNY_IO;
    }
    return error == ERROR_FILE_EXISTS ? HNY_BUSY : path_status(error);
}

/* A file takes its rights from the folder. */
void hny__place_own(hny__os_file file, const char *model) {
    (void)file;
    (void)model;
}

/* To make a link is a right of its own, which others who may write in the folder do not have. */
bool hny__place_is_ours(const char *path) {
    (void)path;
    return true;
}

int hny__place_link(hny__os_file data, hny__os_file lock, char **path) {
    (void)data;
    (void)lock;
    *path = NULL;
    return HNY_IO;
}

void hny__place_unlink(char *path) {
    (void)path;
}
