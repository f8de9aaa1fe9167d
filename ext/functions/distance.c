/*
** The distance of two arguments of an SQL function; contract in distance.h.
*/
#include "functions/distance.h"

#include <string.h>

#include "shadow/error.h"
#include "values/mark.h"
#include "values/names.h"
#include "values/refuse.h"

/* ------------------------------------------------------------------------- constant argument -- */

/*
** In ORDER BY hannoy_distance(vector, :q, 'cosine') one argument is the same for all rows, and
** reading it from JSON takes some ten times as long as all the rest.  SQLite keeps auxiliary data
** for an argument that is constant.  A first row leaves a note at both arguments; where a later row
** finds the note, the argument is constant, and a computer replaces the note.  So no computer is
** kept when nothing is constant.
*/
typedef struct prepared {
    hny_shape shape; /* of the two */
    uint8_t type;    /* the type that the argument was measured as */
    uint32_t dim;    /* its dimensions as that type */
    hny_distance_computer *computer;
} prepared;

static const prepared note;

static void prepared_free(void *p) {
    hny_distance_computer_free(((prepared *)p)->computer);
    sqlite3_free(p);
}

static bool same_shape(hny_shape a, hny_shape b) {
    return a.dim == b.dim && a.metric == b.metric && a.type == b.type;
}

/* One call: two vectors of this shape. */
typedef struct pair {
    sqlite3_context *context;
    sqlite3_value **argv;
    const hx_function *function;
    uint8_t types[2]; /* of each by itself */
    uint32_t dims[2];
    hny_shape shape; /* both are read as this one */
    char *error;
} pair;

static int read_vector_of(pair *p, int which, uint8_t **out) {
    *out = sqlite3_malloc64(hny_vector_bytes(p->shape));
    if (!*out) {
        return SQLITE_NOMEM;
    }
    return hx_vector_read(p->shape, p->argv[which], p->function->vectors[which], *out, &p->error);
}

static int make_computer(pair *p, int which, hny_distance_computer **out) {
    uint8_t *bytes;
    int rc = read_vector_of(p, which, &bytes);
    if (rc == SQLITE_OK) {
        rc = hx_status_code(hny_distance_computer_new(p->shape, bytes, out));
    }
    sqlite3_free(bytes);
    return rc;
}

/* Leaves a note, or replaces it by the computer, which SQLite then owns. */
static void keep_prepared(pair *p, int which, hny_distance_computer *computer) {
    if (!computer) {
        sqlite3_set_auxdata(p->context, which, (void *)&note, NULL);
        return;
    }
    prepared *const kept = sqlite3_malloc(sizeof *kept);
    if (!kept) {
        hny_distance_computer_free(computer);
        return;
    }
    *kept = (prepared){p->shape, p->types[which], p->dims[which], computer};
    sqlite3_set_auxdata(p->context, which, kept, prepared_free);
}

/* The distance from argv[which], which has this computer, to the other argument. */
static int measure_other(pair *p, int which, const hny_distance_computer *computer, double *out) {
    uint8_t *bytes;
    const int rc = read_vector_of(p, 1 - which, &bytes);
    if (rc == SQLITE_OK) {
        *out = hny_distance_computer_distance(computer, bytes);
    }
    sqlite3_free(bytes);
    return rc;
}

static int pair_distance(pair *p, double *out) {
    const prepared *const first = sqlite3_get_auxdata(p->context, 0);
    const prepared *const second = sqlite3_get_auxdata(p->context, 1);
    if (second && second->computer && same_shape(second->shape, p->shape)) {
        return measure_other(p, 1, second->computer, out);
    }
    if (first && first->computer && same_shape(first->shape, p->shape)) {
        return measure_other(p, 0, first->computer, out);
    }

    const int which = first && !second ? 0 : 1;
    hny_distance_computer *computer = NULL;
    int rc = make_computer(p, which, &computer);
    if (rc == SQLITE_OK) {
        rc = measure_other(p, which, computer, out);
    }
    if (rc == SQLITE_OK && (first || second)) {
        keep_prepared(p, which, computer);
        return rc;
    }
    hny_distance_computer_free(computer);
    if (rc == SQLITE_OK) {
        keep_prepared(p, 0, NULL);
    }
    if (rc == SQLITE_OK) {
        keep_prepared(p, 1, NULL);
    }
    return rc;
}

/* --------------------------------------------------------------------------------- the shape -- */

static int refuse_types(pair *p, uint8_t a, uint8_t b) {
    return hx_refuse(&p->error, SQLITE_ERROR,
                     "hannoy: %s compares vectors of one type, not %s with %s", p->function->name,
                     hx_type_name(a), hx_type_name(b));
}

static int refuse_lengths(pair *p) {
    const uint32_t a = p->dims[0], b = p->dims[1];
    return hx_refuse(&p->error, SQLITE_ERROR,
                     "hannoy: %s compares vectors of one length, not %u dimension%s with %u",
                     p->function->name, a, a == 1 ? "" : "s", b);
}

static int measure_both(pair *p) {
    int rc = SQLITE_OK;
    for (int i = 0; rc == SQLITE_OK && i < 2; i++) {
        const prepared *const kept = sqlite3_get_auxdata(p->context, i);
        if (kept && kept->computer && kept->type == p->types[i]) {
            p->dims[i] = kept->dim;
        } else {
            rc = hx_vector_measure(p->types[i], p->argv[i], p->function->vectors[i], &p->dims[i],
                                   &p->error);
        }
    }
    return rc;
}

/* Whether an argument can be read as a vector of the pair's shape, as tables read it. */
static bool fits_shape(const pair *p, int which) {
    if (sqlite3_value_type(p->argv[which]) == SQLITE_TEXT) {
        return p->dims[which] == p->shape.dim;
    }
    const size_t size = (size_t)sqlite3_value_bytes(p->argv[which]);
    return size == hny_vector_bytes(p->shape) || size == 4 * (size_t)p->shape.dim;
}

/* Dimensions of a BLOB as float32; 0: it is not float32. */
static uint32_t float_dims(const pair *p, int which) {
    if (sqlite3_value_type(p->argv[which]) != SQLITE_BLOB) {
        return 0;
    }
    const size_t size = (size_t)sqlite3_value_bytes(p->argv[which]);
    return size % 4 || size / 4 > HNY_MAX_DIM ? 0 : (uint32_t)(size / 4);
}

/*
** The smaller of the two lengths counts: a BLOB of bits has up to 7 dimensions more than it was
** made with, and a float32 vector looks longer as any other type.  Against a BLOB of bits, the
** length as float32 may be still smaller.
*/
static int agree_on_length(pair *p) {
    const int rc = measure_both(p);
    if (rc) {
        return rc;
    }
    const uint32_t min = p->dims[0] < p->dims[1] ? p->dims[0] : p->dims[1];
    const uint32_t candidates[] = {min, float_dims(p, 0), float_dims(p, 1)};
    for (int i = 0; i < 3; i++) {
        p->shape.dim = candidates[i];
        if (p->shape.dim && fits_shape(p, 0) && fits_shape(p, 1)) {
            return SQLITE_OK;
        }
    }
    return refuse_lengths(p);
}

/* The named type or that of a mark; a float32 BLOB is accepted with any named type. */
static int agree_on_type(pair *p, uint8_t named) {
    uint8_t *const types = p->types;
    for (int i = 0; i < 2; i++) {
        types[i] = hx_mark_read(p->argv[i]);
    }
    const uint8_t other = types[1] ? types[1] : HNY_FLOAT32;
    p->shape.type = named ? named : types[0] ? types[0] : other;
    for (int i = 0; i < 2; i++) {
        if (!types[i]) {
            types[i] = p->shape.type;
        }
        if (types[i] != p->shape.type && !(named && types[i] == HNY_FLOAT32)) {
            return named ? refuse_types(p, types[i], named) : refuse_types(p, types[0], types[1]);
        }
    }
    return SQLITE_OK;
}

static int read_metric_argument(pair *p) {
    const char *const text = (const char *)sqlite3_value_text(p->argv[2]);
    if (!text) {
        return SQLITE_NOMEM;
    }
    return hx_metric_parse((hx_span){text, (size_t)sqlite3_value_bytes(p->argv[2])},
                           p->function->name, &p->shape.metric, &p->error);
}

/* ------------------------------------------------------------------------------- the results -- */

void hx_distance(sqlite3_context *context, int argc, sqlite3_value **argv) {
    pair p = {.context = context, .argv = argv, .function = hx_function_of(context)};
    uint8_t named = 0;
    double distance;
    if (hx_argument_any_null(argc, argv)) {
        return;
    }
    int rc = read_metric_argument(&p);
    if (rc == SQLITE_OK && argc > 3) {
        rc = hx_argument_type(argv[3], p.function->name, &named, &p.error);
    }
    if (rc == SQLITE_OK) {
        rc = agree_on_type(&p, named);
    }
    if (rc == SQLITE_OK) {
        rc = agree_on_length(&p);
    }
    if (rc == SQLITE_OK) {
        rc = pair_distance(&p, &distance);
    }
    if (rc) {
        hx_result_sentence(context, rc, p.error);
    } else {
        sqlite3_result_double(context, distance);
    }
}

/* As sqlite-vec has it: bits are for hamming, and hamming is for bits. */
static int check_marked(pair *p) {
    const bool bits = p->shape.type == HNY_BIT;
    if (bits == (p->shape.metric == HNY_HAMMING)) {
        return SQLITE_OK;
    }
    if (bits) {
        return hx_refuse(&p->error, SQLITE_ERROR,
                         "hannoy: %s compares numbers, not bits; vec_distance_hamming compares "
                         "bits",
                         p->function->name);
    }
    return hx_refuse(&p->error, SQLITE_ERROR,
                     "hannoy: %s compares vectors of type bit, not %s; vec_quantize_binary makes "
                     "bits of numbers",
                     p->function->name, hx_type_name(p->shape.type));
}

static int agree_marked(pair *p) {
    for (int i = 0; i < 2; i++) {
        const uint8_t mark = hx_mark_read(p->argv[i]);
        p->types[i] = mark ? mark : HNY_FLOAT32;
    }
    const int rc = measure_both(p);
    if (rc) {
        return rc;
    }
    if (p->types[0] != p->types[1]) {
        return refuse_types(p, p->types[0], p->types[1]);
    }
    if (p->dims[0] != p->dims[1]) {
        return refuse_lengths(p);
    }
    p->shape.dim = p->dims[0];
    p->shape.type = p->types[0];
    return check_marked(p);
}

/* Under l1, int8 gives an integer. */
void hx_distance_marked(sqlite3_context *context, int argc, sqlite3_value **argv) {
    const hx_function *const function = hx_function_of(context);
    pair p = {.context = context,
              .argv = argv,
              .function = function,
              .shape = {.metric = function->detail}};
    double distance;
    if (hx_argument_any_null(argc, argv)) {
        return;
    }
    int rc = agree_marked(&p);
    if (rc == SQLITE_OK) {
        rc = pair_distance(&p, &distance);
    }
    if (rc) {
        hx_result_sentence(context, rc, p.error);
    } else if (p.shape.metric == HNY_MANHATTAN && p.shape.type == HNY_INT8) {
        sqlite3_result_int64(context, (sqlite3_int64)distance);
    } else {
        sqlite3_result_double(context, distance);
    }
}
