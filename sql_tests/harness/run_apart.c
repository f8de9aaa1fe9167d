/* A file's run in a process of its own, by fork(). */
#include "run_apart.h"

#include <ftw.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

report *apart_report(void) {
    report *const shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED ? NULL : shared;
}

/* Root may write what nobody may; without this capability a read-only file is one for root too. */
static void obey_permissions(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    if (syscall(SYS_capget, &header, data) != 0) {
        return;
    }
    data[0].effective &= ~(1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH);
    syscall(SYS_capset, &header, data);
}

void apart_begin(unsigned seconds) {
    obey_permissions();
    alarm(seconds);
}

/* A fork is no program of its own. */
int apart_child(const char *path, const options *o) {
    (void)path;
    (void)o;
    return 2;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void tell_crash(const char *path, int status, report *sum) {
    const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    printf("%s:%d: expected to go on, got %s\n", path, sum->line,
           signal == SIGALRM ? "no end: timeout"
           : signal          ? strsignal(signal)
                             : "an exit");
    sum->failed++;
}

void run_apart(const char *path, const options *o, report *sum) {
    const char *const parent = getenv("TMPDIR");
    char folder[4096];
    snprintf(folder, sizeof folder, "%s/hannoy-sql-XXXXXX", parent && *parent ? parent : "/tmp");
    fflush(stdout);
    if (!mkdtemp(folder)) {
        printf("%s: expected a temporary folder, got none\n", path);
        sum->failed++;
        return;
    }
    const int before = sum->failed;
    const pid_t child = fork();
    if (child == 0) {
        run_file(path, o, folder, sum);
        fflush(stdout);
        exit(sum->failed > before); /* with its handlers: LeakSanitizer is one */
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        status = SIGABRT;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != (sum->failed > before)) {
        tell_crash(path, status, sum);
    }
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
