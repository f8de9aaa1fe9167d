#include "functions/array_each.h"

#include <string.h>

#include "functions/argument.h"
#include "values/number.h"

/* What the two table-valued functions differ in. */
typedef struct spelling {
    const char *name;
    const char *what; /* in sentences */
    const char *declaration;
    int vector_column; /* the columns before it are key and value, or value alone */
    bool marked;       /* as sqlite-vec: no type argument, bare points, NULL refused */
} spelling;

static const spelling hannoy_each = {
    "hannoy_each", "vector of hannoy_each",
    "CREATE TABLE x(key INTEGER, value, vector HIDDEN, type HIDDEN)", 2, false};

static const spelling vec_each = {"vec_each", "vector of vec_each",
                                  "CREATE TABLE x(value, vector HIDDEN)", 1, true};

typedef struct each_table {
    sqlite3_vtab base;
    const spelling *spelling;
} each_table;

typedef struct each_cursor {
    sqlite3_vtab_cursor base;
    hx_vector vector;
    sqlite3_value *given[2]; /* the arguments, which are columns, too */
    uint32_t at, end;
} each_cursor;

/* -------------------------------------------------------------------------------------- table -- */

static int each_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
                        sqlite3_vtab **out, char **error) {
    const spelling *const s = aux;
    (void)argc;
    (void)argv;
    (void)error;
    int rc = sqlite3_declare_vtab(db, s->declaration);
    if (rc == SQLITE_OK) rc = sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
    if (rc) return rc;
    each_table *const table = sqlite3_malloc(sizeof *table);
    if (!table) return SQLITE_NOMEM;
    memset(table, 0, sizeof *table);
    table->spelling = s;
    *out = &table->base;
    return SQLITE_OK;
}

static int each_disconnect(sqlite3_vtab *vtab) {
    sqlite3_free(vtab);
    return SQLITE_OK;
}

static int fail(sqlite3_vtab *vtab, int rc, char *sentence) {
    sqlite3_free(vtab->zErrMsg);
    vtab->zErrMsg = sentence;
    return sentence ? rc : SQLITE_NOMEM;
}

/* --------------------------------------------------------------------------------------- plan -- */

/* idxNum is the number of arguments. */
static int each_best(sqlite3_vtab *vtab, sqlite3_index_info *index) {
    const spelling *const s = ((each_table *)vtab)->spelling;
    int position[2] = {-1, -1};
    for (int i = 0; i < index->nConstraint; i++) {
        const int argument = index->aConstraint[i].iColumn - s->vector_column;
        if (argument < 0 || index->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
        if (!index->aConstraint[i].usable) return SQLITE_CONSTRAINT;
        position[argument] = i;
    }
    index->idxNum = 0;
    for (int i = 0; i < 2 && position[i] >= 0; i++) {
        index->aConstraintUsage[position[i]].argvIndex = ++index->idxNum;
        index->aConstraintUsage[position[i]].omit = 1;
    }
    index->estimatedCost = 1000;
    index->estimatedRows = 1000;
    return SQLITE_OK;
}

/* -------------------------------------------------------------------------------------- cursor -- */

static int each_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out) {
    (void)vtab;
    each_cursor *const cursor = sqlite3_malloc(sizeof *cursor);
    if (!cursor) return SQLITE_NOMEM;
    memset(cursor, 0, sizeof *cursor);
    *out = &cursor->base;
    return SQLITE_OK;
}

static void clear(each_cursor *cursor) {
    sqlite3_free(cursor->vector.bytes);
    cursor->vector.bytes = NULL;
    for (int i = 0; i < 2; i++) {
        sqlite3_value_free(cursor->given[i]);
        cursor->given[i] = NULL;
    }
    cursor->at = cursor->end = 0;
}

static int each_close(sqlite3_vtab_cursor *base) {
    clear((each_cursor *)base);
    sqlite3_free(base);
    return SQLITE_OK;
}

static int read_arguments(each_cursor *cursor, int argc, sqlite3_value **argv) {
    const spelling *const s = ((each_table *)cursor->base.pVtab)->spelling;
    hx_reading reading = {.what = s->what,
                          .dialect = s->marked ? HX_JSON_BARE_POINT : HX_JSON_STRICT};
    char *error = NULL;
    int rc = SQLITE_OK;
    if (argc > 1) rc = hx_argument_type(argv[1], s->name, &reading.type, &error);
    if (rc == SQLITE_OK) rc = hx_argument_read(&reading, argv[0], &cursor->vector, &error);
    if (rc) return fail(cursor->base.pVtab, rc, error);
    cursor->end = cursor->vector.shape.dim;
    return SQLITE_OK;
}

static int keep_arguments(each_cursor *cursor, int argc, sqlite3_value **argv) {
    for (int i = 0; i < argc; i++) {
        cursor->given[i] = sqlite3_value_dup(argv[i]);
        if (!cursor->given[i]) return SQLITE_NOMEM;
    }
    return SQLITE_OK;
}

static int each_filter(sqlite3_vtab_cursor *base, int count, const char *words, int argc,
                       sqlite3_value **argv) {
    each_cursor *const cursor = (each_cursor *)base;
    const spelling *const s = ((each_table *)base->pVtab)->spelling;
    (void)words;
    clear(cursor);
    if (count == 0)
        return fail(base->pVtab, SQLITE_ERROR,
                    sqlite3_mprintf("hannoy: give %s a vector: %s(:v)", s->name, s->name));
    if (!s->marked && hx_argument_any_null(argc, argv)) return SQLITE_OK;
    const int rc = read_arguments(cursor, argc, argv);
    return rc == SQLITE_OK ? keep_arguments(cursor, argc, argv) : rc;
}

static int each_next(sqlite3_vtab_cursor *base) {
    ((each_cursor *)base)->at++;
    return SQLITE_OK;
}

static int each_eof(sqlite3_vtab_cursor *base) {
    const each_cursor *const cursor = (each_cursor *)base;
    return cursor->at >= cursor->end;
}

static void result_number(sqlite3_context *context, const each_cursor *cursor, bool marked) {
    const uint8_t type = cursor->vector.shape.type;
    const uint32_t at = marked && type == HNY_BIT ? cursor->at ^ 7 : cursor->at;
    const double number = hx_number_at(type, cursor->vector.bytes, at);
    if (type == HNY_INT8 || type == HNY_BIT)
        sqlite3_result_int(context, (int)number);
    else
        sqlite3_result_double(context, number);
}

static int each_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
    const each_cursor *const cursor = (each_cursor *)base;
    const spelling *const s = ((each_table *)base->pVtab)->spelling;
    const int argument = column - s->vector_column;
    if (argument >= 0) {
        if (cursor->given[argument]) sqlite3_result_value(context, cursor->given[argument]);
    } else if (argument == -1) {
        result_number(context, cursor, s->marked);
    } else {
        sqlite3_result_int64(context, cursor->at);
    }
    return SQLITE_OK;
}

static int each_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
    *out = ((each_cursor *)base)->at;
    return SQLITE_OK;
}

/* -------------------------------------------------------------------------------- registering -- */

/* Without xCreate it exists in every connection, and no table of it can be made. */
static const sqlite3_module each_module = {
    .iVersion = 0,
    .xConnect = each_connect,
    .xBestIndex = each_best,
    .xDisconnect = each_disconnect,
    .xOpen = each_open,
    .xClose = each_close,
    .xFilter = each_filter,
    .xNext = each_next,
    .xEof = each_eof,
    .xColumn = each_column,
    .xRowid = each_rowid,
};

/*
** Is vec_each free?  Only where the list of modules is one, with hannoy_each in it: where SQLite is
** built without the pragma or an authorizer forbids it, nobody's module is replaced.  (Asking
** sqlite3_prepare would read the schema, which an encrypted database does not have yet.)
*/
static int is_free(sqlite3 *db, bool *out) {
    sqlite3_stmt *stmt = NULL;
    bool complete = false, taken = false;
    const int rc = sqlite3_prepare_v2(db, "PRAGMA module_list", -1, &stmt, NULL);
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *const name = (const char *)sqlite3_column_text(stmt, 0);
        if (!name) continue;
        complete |= sqlite3_stricmp(name, hannoy_each.name) == 0;
        taken |= sqlite3_stricmp(name, vec_each.name) == 0;
    }
    const int end = sqlite3_finalize(stmt);
    if (rc == SQLITE_NOMEM || end == SQLITE_NOMEM) return SQLITE_NOMEM;
    *out = rc == SQLITE_OK && end == SQLITE_OK && complete && !taken;
    return SQLITE_OK;
}

int hx_array_each_register(sqlite3 *db) {
    bool vec_each_is_free = false;
    int rc =
        sqlite3_create_module_v2(db, hannoy_each.name, &each_module, (void *)&hannoy_each, NULL);
    if (rc == SQLITE_OK) rc = is_free(db, &vec_each_is_free);
    if (rc == SQLITE_OK && vec_each_is_free)
        rc = sqlite3_create_module_v2(db, vec_each.name, &each_module, (void *)&vec_each, NULL);
    return rc;
}
