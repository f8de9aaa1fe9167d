/*
** SQL functions for what plain SQL cannot say.
**
**     test_vector(seed, dim)             a float32 BLOB, the same for the same arguments everywhere
**     test_vector(seed, dim, other, noise)  that of the other seed, plus `noise` times that of seed
**     test_blob('[1, nan]', 'f32')       JSON to little-endian bytes: f64, f32, f16, i8, bit
**     test_json(blob, 'f32')             and back
**     test_distance(metric, type, a, b [, dim])  of two stored vectors, in plain double arithmetic
**     test_log()                         what hannoy wrote to sqlite3_log() since the last call
**     test_variable(name, value)         sets an environment variable of the test; NULL removes it
**     test_file(action, path [, what])   files, by paths relative to the file's temporary folder:
**          'exists' 1 or 0        'size' bytes            'list' the names in a folder, sorted
**          'delete' a file or an empty folder             'truncate' to `what` bytes, in place
**          'garbage' another file of `what` random bytes  'directory' a folder in its place
**          'copy' to `what`       'chmod' to `what`       'patch' every `what[0]` by `what[1]`,
**                                                         'old:new' in hex, in another file
**          'mode' in octal        'link' to `what`        'name' a second one, `what`
**          'has' the bytes of the blob `what`: 1 or 0
**          'pipe', 'socket', 'folder' with a file in it: made there; 'clear' removes what is there
**
** 'garbage', 'copy' and 'patch' make a new file and rename it over the old one: an open sidecar's
** bytes are not to be changed under its readers.
*/
#include "run.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ----------------------------------------------------------------------------- test_vector -- */

/* splitmix64, Steele, Lea & Flood 2014. */
static uint64_t next_random(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static float *random_vector(sqlite3_value *seed, int dim) {
    uint64_t state = (uint64_t)sqlite3_value_int64(seed) * 0x9e3779b97f4a7c15u + 1;
    float *const vector = run_alloc((size_t)dim * sizeof *vector);
    for (int i = 0; i < dim; i++) {
        vector[i] = (float)((int64_t)next_random(&state) >> 40) / (float)(1 << 23);
    }
    return vector;
}

static void vector_function(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
    const int dim = sqlite3_value_int(argv[1]);
    float *vector = random_vector(argv[0], dim);
    if (argc == 4) {
        float *const near = random_vector(argv[2], dim);
        for (int i = 0; i < dim; i++) {
            near[i] += (float)sqlite3_value_double(argv[3]) * vector[i];
        }
        free(vector);
        vector = near;
    }
    sqlite3_result_blob(ctx, vector, dim * (int)sizeof *vector, free);
}

/* ------------------------------------------------------------------- elements of each type -- */

static const struct {
    const char *name, *option; /* here, and what hannoy calls it */
    int bits;
} types[] = {
    {"f64", "float64", 64}, {"f32", "float32", 32}, {"f16", "float16", 16},
    {"i8", "int8", 8},      {"bit", "bit", 1},
};
enum { F64, F32, F16, I8, BIT, TYPES };

static int type_of(sqlite3_value *value) {
    const char *const name = (const char *)sqlite3_value_text(value);
    for (int i = 0; name && i < TYPES; i++) {
        if (!strcmp(name, types[i].name) || !strcmp(name, types[i].option)) {
            return i;
        }
    }
    return -1;
}

/* IEEE 754 binary16 by its definition, round to nearest even. */
static uint16_t half_from(double x) {
    const uint16_t sign = signbit(x) ? 0x8000 : 0;
    const double a = fabs(x);
    if (isnan(x)) {
        return 0x7e00;
    }
    if (a >= 65520) {
        return sign | 0x7c00;
    }
    if (a < ldexp(1, -14)) {
        return sign | (uint16_t)nearbyint(ldexp(a, 24));
    }
    const int exponent = ilogb(a);
    return (uint16_t)(sign + ((exponent + 14) << 10) + (int)nearbyint(ldexp(a, 10 - exponent)));
}

static double half_to(uint16_t h) {
    const int exponent = h >> 10 & 31, mantissa = h & 1023;
    const double a = exponent == 31  ? (mantissa ? NAN : INFINITY)
                     : exponent == 0 ? ldexp(mantissa, -24)
                                     : ldexp(1024 + mantissa, exponent - 25);
    return h & 0x8000 ? -a : a;
}

static void put_element(unsigned char *bytes, int type, size_t i, double x) {
    const float f = (float)x;
    const uint16_t h = type == F16 ? half_from(x) : 0;
    const int8_t b = type == I8 ? (int8_t)x : 0;
    switch (type) {
    case F64:
        memcpy(bytes + 8 * i, &x, 8);
        break;
    case F32:
        memcpy(bytes + 4 * i, &f, 4);
        break;
    case F16:
        memcpy(bytes + 2 * i, &h, 2);
        break;
    case I8:
        memcpy(bytes + i, &b, 1);
        break;
    default:
        bytes[i / 8] |= (unsigned char)((x > 0) << i % 8);
    }
}

/* A bit stands for +1 or -1. */
static double get_element(const unsigned char *bytes, int type, size_t i) {
    double x;
    float f;
    uint16_t h;
    switch (type) {
    case F64:
        memcpy(&x, bytes + 8 * i, 8);
        return x;
    case F32:
        memcpy(&f, bytes + 4 * i, 4);
        return (double)f;
    case F16:
        memcpy(&h, bytes + 2 * i, 2);
        return half_to(h);
    case I8:
        return (signed char)bytes[i];
    default:
        return bytes[i / 8] >> i % 8 & 1 ? 1 : -1;
    }
}

static size_t element_count(sqlite3_value *blob, int type) {
    return (size_t)sqlite3_value_bytes(blob) * 8 / (size_t)types[type].bits;
}

static size_t parse_numbers(const char *json, double *numbers, size_t room) {
    size_t n = 0;
    const char *p = json;
    for (;;) {
        p += strspn(p, "[], \t\n");
        char *end = NULL;
        const double x = strtod(p, &end);
        if (end == p) {
            return n;
        }
        if (n < room) {
            numbers[n] = x;
        }
        n++;
        p = end;
    }
}

static void blob_function(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
    (void)argc;
    const char *const json = (const char *)sqlite3_value_text(argv[0]);
    const int type = type_of(argv[1]);
    if (!json || type < 0) {
        sqlite3_result_error(ctx, "test_blob(json, type)", -1);
        return;
    }
    const size_t n = parse_numbers(json, NULL, 0);
    double *const numbers = run_alloc(n * sizeof *numbers);
    parse_numbers(json, numbers, n);
    const size_t bytes = (n * (size_t)types[type].bits + 7) / 8;
    unsigned char *const blob = run_alloc(bytes);
    for (size_t i = 0; i < n; i++) {
        put_element(blob, type, i, numbers[i]);
    }
    free(numbers);
    sqlite3_result_blob(ctx, blob, (int)bytes, free);
}

static void json_function(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
    (void)argc;
    const int type = type_of(argv[1]);
    const unsigned char *const blob = sqlite3_value_blob(argv[0]);
    text t = {0};
    if (type < 0 || sqlite3_value_type(argv[0]) != SQLITE_BLOB) {
        sqlite3_result_error(ctx, "test_json(blob, type)", -1);
        return;
    }
    for (size_t i = 0; i < element_count(argv[0], type); i++) {
        text_printf(&t, "%s%.9g", i ? "," : "", get_element(blob, type, i));
    }
    sqlite3_result_text(ctx, text_string(&t), -1, SQLITE_TRANSIENT);
    text_free(&t);
}

/* --------------------------------------------------------------------------- test_distance -- */

static double distance(const char *metric, int type, const unsigned char *a, const unsigned char *b,
                       size_t n) {
    double ab = 0, aa = 0, bb = 0, squares = 0, sum = 0, bits = 0;
    for (size_t i = 0; i < n; i++) {
        const double x = get_element(a, type, i), y = get_element(b, type, i);
        ab += x * y;
        aa += x * x;
        bb += y * y;
        squares += (x - y) * (x - y);
        sum += fabs(x - y);
        bits += (x > 0) != (y > 0);
    }
    if (!strcmp(metric, "cosine")) {
        return aa > 0 && bb > 0 ? 1 - ab / sqrt(aa * bb) : 1;
    }
    if (!strcmp(metric, "dot")) {
        return 0 - ab;
    }
    if (!strcmp(metric, "euclidean")) {
        return sqrt(squares);
    }
    return strcmp(metric, "manhattan") ? bits : sum;
}

static void distance_function(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
    const char *const metric = (const char *)sqlite3_value_text(argv[0]);
    const int type = type_of(argv[1]);
    const int bytes = sqlite3_value_bytes(argv[2]);
    if (!metric || type < 0 || !bytes || bytes != sqlite3_value_bytes(argv[3])) {
        sqlite3_result_error(ctx, "test_distance(metric, type, a, b)", -1);
        return;
    }
    const size_t dim = argc > 4 ? (size_t)sqlite3_value_int(argv[4]) : element_count(argv[2], type);
    sqlite3_result_double(
        ctx, distance(metric, type, sqlite3_value_blob(argv[2]), sqlite3_value_blob(argv[3]), dim));
}

/* ------------------------------------------------------------------------------- test_file -- */

static unsigned char *read_all(const char *path, size_t *size) {
    FILE *const f = fopen(path, "rb");
    struct stat st;
    unsigned char *bytes = NULL;
    if (f && fstat(fileno(f), &st) == 0) {
        *size = (size_t)st.st_size;
        bytes = run_alloc(*size);
        if (fread(bytes, 1, *size, f) != *size) {
            free(bytes);
            bytes = NULL;
        }
    }
    if (f) {
        fclose(f);
    }
    return bytes;
}

static int replace(const char *path, const unsigned char *bytes, size_t size) {
    char temporary[4096];
    snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE *const f = fopen(temporary, "wb");
    if (!f) {
        return -1;
    }
    const int written = fwrite(bytes, 1, size, f) == size;
    return fclose(f) == 0 && written ? rename(temporary, path) : -1;
}

static int file_has(const char *path, sqlite3_value *what) {
    size_t size = 0;
    unsigned char *const bytes = read_all(path, &size);
    const int has = bytes && memmem(bytes, size, sqlite3_value_blob(what),
                                    (size_t)sqlite3_value_bytes(what)) != NULL;
    free(bytes);
    return has;
}

static int file_copy(const char *path, const char *to) {
    size_t size = 0;
    unsigned char *const bytes = read_all(path, &size);
    const int rc = bytes ? replace(to, bytes, size) : -1;
    free(bytes);
    return rc;
}

static int file_garbage(const char *path, const char *what) {
    const size_t size = (size_t)atoll(what);
    unsigned char *const bytes = run_alloc(size);
    uint64_t state = size;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (unsigned char)next_random(&state);
    }
    const int rc = replace(path, bytes, size);
    free(bytes);
    return rc;
}

static size_t from_hex(const char *hex, size_t length, unsigned char *out) {
    for (size_t i = 0; i + 1 < length; i += 2) {
        unsigned byte = 0;
        sscanf(hex + i, "%2x", &byte);
        out[i / 2] = (unsigned char)byte;
    }
    return length / 2;
}

/* Fails where the old bytes are nowhere. */
static int file_patch(const char *path, const char *what) {
    unsigned char from[64], to[64];
    const size_t length = strcspn(what, ":");
    size_t size = 0, found = 0;
    if (!what[length] || length > 128 || strlen(what) != 2 * length + 1) {
        return -1;
    }
    const size_t n = from_hex(what, length, from);
    from_hex(what + length + 1, length, to);
    unsigned char *const bytes = read_all(path, &size);
    for (size_t i = 0; bytes && i + n <= size; i++) {
        if (memcmp(bytes + i, from, n) != 0) {
            continue;
        }
        memcpy(bytes + i, to, n);
        found++;
    }
    const int rc = found ? replace(path, bytes, size) : -1;
    free(bytes);
    return rc;
}

static int file_list(const char *path, text *names) {
    struct dirent **entries = NULL;
    const int n = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.') {
            text_printf(names, "%s%s", names->length ? " " : "", entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
    return n < 0 ? -1 : 0;
}

static int file_socket(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    const int rc = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&address, sizeof address);
    close(fd);
    return rc;
}

/* The file in a folder that is not empty. */
static void file_inside(const char *path, char out[4096]) {
    snprintf(out, 4096, "%s/file", path);
}

static int file_folder(const char *path) {
    char inside[4096];
    file_inside(path, inside);
    if (mkdir(path, 0777)) {
        return -1;
    }
    FILE *const f = fopen(inside, "wb");
    return f ? fclose(f) : -1;
}

static int file_clear(const char *path) {
    char inside[4096];
    file_inside(path, inside);
    remove(inside);
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

/* What is made at a path that is empty, or removed from it. */
static int file_place(const char *action, const char *path, const char *what) {
    if (!strcmp(action, "link")) {
        return symlink(what, path);
    }
    if (!strcmp(action, "name")) {
        return link(path, what);
    }
    if (!strcmp(action, "pipe")) {
        return mkfifo(path, 0666);
    }
    if (!strcmp(action, "socket")) {
        return file_socket(path);
    }
    if (!strcmp(action, "folder")) {
        return file_folder(path);
    }
    return !strcmp(action, "clear") ? file_clear(path) : -1;
}

static int file_act(const char *action, const char *path, const char *what) {
    if (!strcmp(action, "delete")) {
        return remove(path);
    }
    if (!strcmp(action, "truncate")) {
        return truncate(path, atoll(what));
    }
    if (!strcmp(action, "garbage")) {
        return file_garbage(path, what);
    }
    if (!strcmp(action, "directory")) {
        return remove(path) == 0 ? mkdir(path, 0777) : -1;
    }
    if (!strcmp(action, "copy")) {
        return file_copy(path, what);
    }
    if (!strcmp(action, "chmod")) {
        return chmod(path, (mode_t)strtol(what, NULL, 8));
    }
    if (!strcmp(action, "patch")) {
        return file_patch(path, what);
    }
    return file_place(action, path, what);
}

static void file_function(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
    const char *const action = (const char *)sqlite3_value_text(argv[0]);
    const char *const path = (const char *)sqlite3_value_text(argv[1]);
    const char *const what = argc > 2 ? (const char *)sqlite3_value_text(argv[2]) : "";
    struct stat st = {0};
    text names = {0};
    if (!action || !path || !what) {
        sqlite3_result_error(ctx, "test_file(action, path [, what])", -1);
    } else if (!strcmp(action, "exists")) {
        sqlite3_result_int(ctx, stat(path, &st) == 0);
    } else if (!strcmp(action, "has") && argc > 2) {
        sqlite3_result_int(ctx, file_has(path, argv[2]));
    } else if (!strcmp(action, "size") && stat(path, &st) == 0) {
        sqlite3_result_int64(ctx, st.st_size);
    } else if (!strcmp(action, "mode") && stat(path, &st) == 0) {
        char mode[16];
        snprintf(mode, sizeof mode, "%o", (unsigned)st.st_mode & 07777);
        sqlite3_result_text(ctx, mode, -1, SQLITE_TRANSIENT);
    } else if (!strcmp(action, "list") && file_list(path, &names) == 0) {
        sqlite3_result_text(ctx, text_string(&names), -1, SQLITE_TRANSIENT);
    } else if (file_act(action, path, what) == 0) {
        sqlite3_result_int(ctx, 1);
    } else {
        sqlite3_result_error(ctx, "test_file failed", -1);
    }
    text_free(&names);
}

static char *log_text; /* the lines since the last call of test_log() */

void functions_note_log(void *arg, int code, const char *message) {
    (void)arg;
    (void)code;
    if (strncmp(message, "hannoy:", 7) == 0) {
        const size_t before = log_text ? strlen(log_text) : 0;
        char *const joined = run_alloc(before + strlen(message) + 2);
        sprintf(joined, "%s%s%s", before ? log_text : "", before ? "\n" : "", message);
        free(log_text);
        log_text = joined;
    }
}

static void log_function(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
    (void)argc;
    (void)argv;
    sqlite3_result_text(ctx, log_text, -1, SQLITE_TRANSIENT);
    free(log_text);
    log_text = NULL;
}

static void variable_function(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
    const char *const name = (const char *)sqlite3_value_text(argv[0]);
    const char *const value = (const char *)sqlite3_value_text(argv[1]);
    (void)argc;
    if (!name || (value ? setenv(name, value, 1) : unsetenv(name))) {
        sqlite3_result_error(ctx, "test_variable(name, value)", -1);
    }
}

int functions_register(sqlite3 *db) {
    static const struct {
        const char *name;
        int args;
        void (*function)(sqlite3_context *, int, sqlite3_value **);
        int flags;
    } functions[] = {
        {"test_vector", 2, vector_function, SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS},
        {"test_vector", 4, vector_function, SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS},
        {"test_blob", 2, blob_function, SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS},
        {"test_json", 2, json_function, SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS},
        {"test_distance", 4, distance_function, SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS},
        {"test_distance", 5, distance_function, SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS},
        {"test_log", 0, log_function, 0},
        {"test_variable", 2, variable_function, 0},
        {"test_file", 2, file_function, 0},
        {"test_file", 3, file_function, 0},
    };
    int rc = SQLITE_OK;
    for (size_t i = 0; i < sizeof functions / sizeof *functions && rc == SQLITE_OK; i++) {
        rc = sqlite3_create_function(db, functions[i].name, functions[i].args,
                                     SQLITE_UTF8 | functions[i].flags, NULL, functions[i].function,
                                     NULL, NULL);
    }
    return rc;
}
