/* Rows as text, and their comparison. */
#include "run.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void out_of_memory(void) {
    fputs("run: out of memory\n", stderr);
    abort();
}

void *run_alloc(size_t bytes) {
    void *const p = calloc(1, bytes ? bytes : 1);
    if (!p) {
        out_of_memory();
    }
    return p;
}

char *run_strndup(const char *string, size_t length) {
    char *const copy = run_alloc(length + 1);
    memcpy(copy, string, length);
    return copy;
}

char *run_strdup(const char *string) {
    return run_strndup(string, strlen(string));
}

void text_add(text *t, const char *bytes, size_t length) {
    if (t->length + length + 1 > t->capacity) {
        t->capacity = 2 * (t->length + length + 1);
        t->bytes = realloc(t->bytes, t->capacity);
        if (!t->bytes) {
            out_of_memory();
        }
    }
    memcpy(t->bytes + t->length, bytes, length);
    t->length += length;
    t->bytes[t->length] = 0;
}

void text_printf(text *t, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *const s = sqlite3_vmprintf(format, args);
    va_end(args);
    if (!s) {
        out_of_memory();
    }
    text_add(t, s, strlen(s));
    sqlite3_free(s);
}

void text_free(text *t) {
    free(t->bytes);
    *t = (text){0};
}

const char *text_string(const text *t) {
    return t->bytes ? t->bytes : "";
}

void rows_free(rows *r) {
    for (size_t i = 0; i < r->count * r->columns; i++) {
        free(r->cells[i]);
    }
    free(r->cells);
    *r = (rows){0};
}

static void add_cell(rows *r, size_t index, char *cell) {
    if (index >= r->capacity) {
        r->capacity = 2 * (index + 8);
        r->cells = realloc(r->cells, r->capacity * sizeof *r->cells);
        if (!r->cells) {
            out_of_memory();
        }
    }
    r->cells[index] = cell;
}

/* Control characters would break the one line a row; tabs and line ends appear as \t and \n. */
static void add_escaped(text *t, const char *s) {
    for (; *s; s++) {
        if (*s == '\n') {
            text_add(t, "\\n", 2);
        } else if (*s == '\t') {
            text_add(t, "\\t", 2);
        } else {
            text_add(t, s, 1);
        }
    }
}

static void add_hex(text *t, const unsigned char *bytes, int length) {
    for (int i = 0; i < length; i++) {
        text_printf(t, "%02x", bytes[i]);
    }
}

static void add_value(text *t, sqlite3_stmt *stmt, int column) {
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        text_printf(t, "%lld", sqlite3_column_int64(stmt, column));
        break;
    case SQLITE_FLOAT:
        text_printf(t, "%.15g", sqlite3_column_double(stmt, column));
        break;
    case SQLITE_NULL:
        text_add(t, "NULL", 4);
        break;
    case SQLITE_BLOB:
        add_hex(t, sqlite3_column_blob(stmt, column), sqlite3_column_bytes(stmt, column));
        break;
    default:
        add_escaped(t, (const char *)sqlite3_column_text(stmt, column));
    }
}

static const char *wrong_class(sqlite3_stmt *stmt, int column, char letter) {
    static const char *const names[] = {"", "INTEGER ", "REAL ", "TEXT ", "BLOB ", "NULL "};
    static const char letters[] = " IRTB";
    const int type = sqlite3_column_type(stmt, column);
    if (letter == 'A' || type == SQLITE_NULL || letters[type] == letter) {
        return "";
    }
    return names[type];
}

void rows_add(rows *r, sqlite3_stmt *stmt, const char *types) {
    const int columns = sqlite3_column_count(stmt);
    r->columns = (size_t)columns;
    for (int i = 0; i < columns; i++) {
        text t = {0};
        text_printf(&t, "%s", types ? wrong_class(stmt, i, types[i]) : "");
        add_value(&t, stmt, i);
        if (!t.length) {
            text_printf(&t, "(empty)");
        }
        add_cell(r, r->count * r->columns + (size_t)i, t.bytes);
    }
    r->count++;
}

static size_t split(const char *line, const char *separator, const char **starts, size_t *lengths,
                    size_t room) {
    size_t n = 0;
    const char *p = line;
    for (;;) {
        if (!separator) {
            p += strspn(p, " ");
        }
        if (!separator && !*p) {
            break;
        }
        const char *const end = separator ? strstr(p, separator) : p + strcspn(p, " ");
        const size_t length = end ? (size_t)(end - p) : strlen(p);
        if (n < room) {
            starts[n] = p;
            lengths[n] = length;
        }
        n++;
        if (!end || !*end) {
            break;
        }
        p = end + (separator ? strlen(separator) : 0);
    }
    return n;
}

int rows_add_line(rows *r, const char *line, size_t columns, const char *separator) {
    const char *starts[64];
    size_t lengths[64];
    size_t n = 1;
    if (columns > 64) {
        return 0;
    }
    starts[0] = line;
    lengths[0] = strlen(line);
    if (columns > 1) {
        const char *const by = separator ? separator : strchr(line, '\t') ? "\t" : NULL;
        n = split(line, by, starts, lengths, 64);
    }
    if (n != columns) {
        return 0;
    }
    r->columns = columns;
    for (size_t i = 0; i < n; i++) {
        add_cell(r, r->count * columns + i, run_strndup(starts[i], lengths[i]));
    }
    r->count++;
    return 1;
}

static int is_number(const char *s, double *value) {
    char *end = NULL;
    *value = strtod(s, &end);
    return end != s && !*end;
}

static int compare_cells(const char *a, const char *b) {
    double x = 0, y = 0;
    if (is_number(a, &x) && is_number(b, &y) && x != y) {
        return x < y ? -1 : 1;
    }
    return strcmp(a, b);
}

/* qsort has no argument for the number of columns, and the rows are few: insertion sort. */
void rows_sort(rows *r) {
    const size_t n = r->columns;
    char **const spare = run_alloc(n * sizeof *spare);
    for (size_t i = 1; i < r->count; i++) {
        memcpy(spare, r->cells + i * n, n * sizeof *spare);
        size_t j = i;
        for (; j > 0; j--) {
            int order = 0;
            for (size_t c = 0; c < n && !order; c++) {
                order = compare_cells(r->cells[(j - 1) * n + c], spare[c]);
            }
            if (order <= 0) {
                break;
            }
            memcpy(r->cells + j * n, r->cells + (j - 1) * n, n * sizeof *spare);
        }
        memcpy(r->cells + j * n, spare, n * sizeof *spare);
    }
    free(spare);
}

static void add_row(const rows *r, size_t row, text *out) {
    for (size_t c = 0; c < r->columns; c++) {
        text_printf(out, "%s%s", c ? " | " : "", r->cells[row * r->columns + c]);
    }
}

void rows_text(const rows *r, text *out) {
    for (size_t i = 0; i < r->count; i++) {
        add_row(r, i, out);
        text_add(out, "\n", 1);
    }
}

/* Six significant digits; the absolute part is for distances that should be 0. */
static int equal_reals(const char *expected, const char *got) {
    double x = 0, y = 0;
    if (!is_number(expected, &x) || !is_number(got, &y)) {
        return !strcmp(expected, got);
    }
    return x == y || fabs(x - y) <= 1e-6 * fabs(x) + 1e-9;
}

static int equal_cells(const char *expected, const char *got, char letter) {
    if (!strncmp(expected, "<GLOB>:", 7)) {
        return sqlite3_strglob(expected + 7, got) == 0;
    }
    if (letter == 'R') {
        return equal_reals(expected, got);
    }
    if (letter == 'B') {
        return sqlite3_stricmp(expected, got) == 0;
    }
    return !strcmp(expected, got) || (letter == 'A' && equal_reals(expected, got));
}

int rows_equal(const rows *expected, const rows *got, const char *types, text *why) {
    const size_t n = expected->count < got->count ? expected->count : got->count;
    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < got->columns; c++) {
            const size_t at = i * got->columns + c;
            if (equal_cells(expected->cells[at], got->cells[at], types ? types[c] : 'A')) {
                continue;
            }
            text_printf(why, "row %d: expected \"", (int)i + 1);
            add_row(expected, i, why);
            text_printf(why, "\", got \"");
            add_row(got, i, why);
            text_printf(why, "\"");
            return 0;
        }
    }
    if (expected->count == got->count) {
        return 1;
    }
    text_printf(why, "expected %d rows, got %d; ", (int)expected->count, (int)got->count);
    text_printf(why, "the first one too %s: \"", expected->count > n ? "few" : "many");
    add_row(expected->count > n ? expected : got, n, why);
    text_printf(why, "\"");
    return 0;
}
