/*
** Every fuzzer is also a program that replays the files given as its arguments:
**
**   make fuzzers        build/fuzzer/…/fuzz/fuzz_…: the fuzzer, for which clang has the main
**   make asan           build/asan/…/fuzz/fuzz_…: the replayer, -DFUZZ_REPLAY, by any compiler
**
** Include it once, in the fuzzer's only file.
*/
#ifndef FUZZ_REPLAY_H
#define FUZZ_REPLAY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An assert that no build leaves out. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#ifdef FUZZ_REPLAY

/* The whole file, in a block of just its size, so that ASan sees a read past its end. */
static uint8_t *read_file(const char *path, size_t *size) {
    FILE *const file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) {
        return NULL;
    }
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *const bytes = malloc(*size ? *size : 1);
    if (bytes && fread(bytes, 1, *size, file) != *size) {
        abort();
    }
    fclose(file);
    return bytes;
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        size_t size;
        uint8_t *const bytes = read_file(argv[i], &size);
        if (!bytes) {
            perror(argv[i]);
            return 2;
        }
        LLVMFuzzerTestOneInput(bytes, size);
        free(bytes);
    }
    printf("%d passed, 0 failed\n", argc - 1);
    return 0;
}

#endif
#endif
