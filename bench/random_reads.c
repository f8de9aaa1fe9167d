/*
** What a disk reads: random pages of a file, past the page cache, by a number of threads at a time.
**
**   random_reads FILE      prints one line for each number of threads: it and the pages a second
*/
#define _GNU_SOURCE /* O_DIRECT */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, READS = 32000, MAX_THREADS = 64 };

typedef struct reader {
    int fd, reads;
    uint64_t pages, state;
    pthread_t thread;
} reader;

static void *read_pages(void *arg) {
    reader *const r = arg;
    void *const page = aligned_alloc(PAGE, PAGE);
    for (int i = 0; page && i < r->reads; i++) {
        r->state = r->state * 6364136223846793005u + 1442695040888963407u;
        const off_t at = (off_t)((r->state >> 24) % r->pages * PAGE);
        if (pread(r->fd, page, PAGE, at) != PAGE) {
            perror("pread");
            exit(1);
        }
    }
    free(page);
    return NULL;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void measure(int fd, uint64_t pages, int threads) {
    static reader readers[MAX_THREADS];
    const int reads = threads == 1 ? READS / 8 : READS / threads;
    const double start = now();
    for (int i = 0; i < threads; i++) {
        readers[i] = (reader){.fd = fd, .reads = reads, .pages = pages};
        readers[i].state = (uint64_t)threads * MAX_THREADS + (uint64_t)i;
        if (pthread_create(&readers[i].thread, NULL, read_pages, &readers[i])) {
            perror("pthread_create");
            exit(1);
        }
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(readers[i].thread, NULL);
    }
    printf("%d %.0f\n", threads, reads * threads / (now() - start));
}

int main(int argc, char **argv) {
    struct stat st;
    const int fd = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECT) : -1;
    if (fd < 0 || fstat(fd, &st) || st.st_size < PAGE) {
        fprintf(stderr, "usage: random_reads FILE, on a file system that knows O_DIRECT\n");
        return 1;
    }
    for (int threads = 1; threads <= MAX_THREADS; threads *= threads == 1 ? 8 : 2) {
        measure(fd, (uint64_t)st.st_size / PAGE, threads);
    }
    return 0;
}
