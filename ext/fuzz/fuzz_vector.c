/*
** Values of any bytes as vectors of any small shape: whatever is stored is stored unchanged when
** it is given again, is finite and has no bits beyond the last dimension; and a JSON array holds
** what strtof makes of its elements.  The first three bytes are type and metric, text or BLOB, and
** dim; the rest is the value.
*/
#include <math.h>
#include <string.h>

#include <sqlite3.h>

#include "fuzz/replay.h"
#include "values/json.h"
#include "values/vector.h"

static sqlite3_stmt *one_value; /* SELECT ?1, whose column stands for what SQL hands over */

static void prepare(void) {
    sqlite3 *db;
    if (one_value) {
        return;
    }
    CHECK(sqlite3_open(":memory:", &db) == SQLITE_OK);
    CHECK(sqlite3_prepare_v2(db, "SELECT ?1", -1, &one_value, NULL) == SQLITE_OK);
}

/* The bytes stored, for free(), or NULL where the value was refused, with a sentence. */
static char *parse(hny_shape shape, const void *bytes, size_t size, int is_text) {
    char *const out = malloc(hny_vector_bytes(shape));
    char *error;
    CHECK(out);
    sqlite3_reset(one_value);
    if (is_text) {
        sqlite3_bind_text64(one_value, 1, bytes, size, SQLITE_STATIC, SQLITE_UTF8);
    } else {
        sqlite3_bind_blob64(one_value, 1, bytes, size, SQLITE_STATIC);
    }
    CHECK(sqlite3_step(one_value) == SQLITE_ROW);
    const int rc =
        hx_vector_parse(shape, sqlite3_column_value(one_value, 0), "vector", out, &error);
    if (rc == SQLITE_OK) {
        CHECK(!error);
        return out;
    }
    CHECK(rc == SQLITE_ERROR && error && !strncmp(error, "hannoy: ", 8) && strlen(error) < 200);
    sqlite3_free(error);
    free(out);
    return NULL;
}

/* What is measured is read, or refused for another reason than its length. */
static void check_measure(hny_shape shape, const void *bytes, size_t size, int is_text) {
    char *error;
    sqlite3_reset(one_value);
    if (is_text) {
        sqlite3_bind_text64(one_value, 1, bytes, size, SQLITE_STATIC, SQLITE_UTF8);
    } else {
        sqlite3_bind_blob64(one_value, 1, bytes, size, SQLITE_STATIC);
    }
    CHECK(sqlite3_step(one_value) == SQLITE_ROW);
    sqlite3_value *const value = sqlite3_column_value(one_value, 0);
    int rc = hx_vector_measure(shape.type, value, "vector", &shape.dim, &error);
    if (rc == SQLITE_OK) {
        char *const out = malloc(hny_vector_bytes(shape));
        CHECK(!error && out && shape.dim >= 1 && shape.dim <= HNY_MAX_DIM);
        rc = hx_vector_parse(shape, value, "vector", out, &error);
        CHECK(rc == SQLITE_OK || !strstr(error, "dimension"));
        free(out);
    }
    CHECK(rc == SQLITE_OK || (rc == SQLITE_ERROR && !strncmp(error, "hannoy: ", 8)));
    sqlite3_free(error);
}

static void check_stored(hny_shape shape, const char *stored) {
    const size_t size = hny_vector_bytes(shape);
    char *const again = parse(shape, stored, size, 0);
    CHECK(again && !memcmp(stored, again, size));
    free(again);
    for (uint32_t i = 0; i < shape.dim; i++) {
        float value = 0;
        uint16_t half = 0;
        if (shape.type == HNY_FLOAT32) {
            memcpy(&value, stored + 4 * i, sizeof value);
        }
        if (shape.type == HNY_FLOAT16) {
            memcpy(&half, stored + 2 * i, sizeof half);
        }
        CHECK(isfinite(value) && isfinite(hny_float_from_half(half)));
    }
    if (shape.type == HNY_BIT && shape.dim % 8) {
        CHECK((unsigned char)stored[size - 1] >> shape.dim % 8 == 0);
    }
}

/* A text that is accepted is an array, so its elements lie between commas. */
static void check_numbers(const char *text, size_t length) {
    enum { MOST = 64 };
    float floats[MOST];
    size_t count;
    hx_json_fault fault;
    if (hx_json_floats(text, length, floats, MOST, &count, &fault)) {
        CHECK(fault.position >= 1 && fault.position <= length + 1);
        CHECK(fault.expected || (fault.width && fault.position - 1 + fault.width <= length));
        return;
    }
    char *const copy = malloc(length + 1);
    CHECK(copy);
    memcpy(copy, text, length);
    copy[length] = '\0';
    char *at = strchr(copy, '[') + 1;
    for (size_t i = 0; i < count && i < MOST; i++) {
        char *end;
        const float wanted = strtof(at, &end);
        CHECK(end > at && !memcmp(&wanted, &floats[i], sizeof wanted));
        at = end + strspn(end, " \t\r\n");
        CHECK(*at == (i + 1 < count ? ',' : ']'));
        at++;
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3) {
        return 0;
    }
    prepare();
    const hny_shape shape = {1 + data[2] % 64, (uint8_t)(1 + (data[0] >> 2) % 5),
                             (uint8_t)(1 + data[0] % 4)};
    const int is_text = data[1] & 1;
    char *const value = malloc(size - 3); /* of just that size, so that ASan sees its end */
    CHECK(value);
    memcpy(value, data + 3, size - 3);
    if (is_text) {
        check_numbers(value, size - 3);
    }
    check_measure(shape, value, size - 3, is_text);
    char *const stored = parse(shape, value, size - 3, is_text);
    if (stored) {
        check_stored(shape, stored);
    }
    free(stored);
    free(value);
    return 0;
}
