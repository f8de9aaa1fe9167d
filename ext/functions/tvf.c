/*
** Table-valued functions as eponymous virtual tables; contract in tvf.h.
*/
#include "functions/tvf.h"

#include <string.h>

typedef struct tvf_module {
    const hx_tvf *tvf;
    void *context;
    void (*destroy)(void *);
} tvf_module;

typedef struct tvf_table {
    sqlite3_vtab base; /* SQLite's part, first */
    const tvf_module *module;
} tvf_table;

int hx_tvf_fail(hx_tvf_cursor *cursor, int rc, char *sentence) {
    sqlite3_vtab *const vtab = cursor->base.pVtab;
    sqlite3_free(vtab->zErrMsg);
    vtab->zErrMsg = sentence;
    return sentence ? rc : SQLITE_NOMEM;
}

/* ------------------------------------------------------------------------------------- table -- */

static int tvf_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
                       sqlite3_vtab **out, char **error) {
    const tvf_module *const module = aux;
    (void)argc;
    (void)argv;
    (void)error;
    int rc = sqlite3_declare_vtab(db, module->tvf->declaration);
    if (rc == SQLITE_OK && module->tvf->innocuous) {
        rc = sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
    }
    if (rc) {
        return rc;
    }
    tvf_table *const table = sqlite3_malloc(sizeof *table);
    if (!table) {
        return SQLITE_NOMEM;
    }
    *table = (tvf_table){.module = module};
    *out = &table->base;
    return SQLITE_OK;
}

static int tvf_disconnect(sqlite3_vtab *vtab) {
    sqlite3_free(vtab);
    return SQLITE_OK;
}

/* idxNum is the number of arguments that are given, without a gap. */
static int tvf_best(sqlite3_vtab *vtab, sqlite3_index_info *index) {
    const hx_tvf *const tvf = ((tvf_table *)vtab)->module->tvf;
    int position[HX_TVF_ARGUMENTS] = {-1, -1};
    for (int i = 0; i < index->nConstraint; i++) {
        const int argument = index->aConstraint[i].iColumn - tvf->first_argument;
        if (argument < 0 || index->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ) {
            continue;
        }
        if (!index->aConstraint[i].usable) {
            return SQLITE_CONSTRAINT;
        }
        position[argument] = i;
    }
    index->idxNum = 0;
    for (int i = 0; i < HX_TVF_ARGUMENTS && position[i] >= 0; i++) {
        index->aConstraintUsage[position[i]].argvIndex = ++index->idxNum;
        index->aConstraintUsage[position[i]].omit = 1;
    }
    index->estimatedCost = tvf->cost;
    index->estimatedRows = tvf->rows;
    return SQLITE_OK;
}

/* ------------------------------------------------------------------------------------ cursor -- */

static int tvf_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out) {
    const tvf_module *const module = ((tvf_table *)vtab)->module;
    hx_tvf_cursor *const cursor = sqlite3_malloc64(module->tvf->cursor_bytes);
    if (!cursor) {
        return SQLITE_NOMEM;
    }
    memset(cursor, 0, module->tvf->cursor_bytes);
    cursor->tvf = module->tvf;
    cursor->context = module->context;
    *out = &cursor->base;
    return SQLITE_OK;
}

static void tvf_end(hx_tvf_cursor *cursor) {
    cursor->tvf->end(cursor);
    cursor->row = cursor->count = 0;
}

static int tvf_close(sqlite3_vtab_cursor *base) {
    tvf_end((hx_tvf_cursor *)base);
    sqlite3_free(base);
    return SQLITE_OK;
}

static int tvf_filter(sqlite3_vtab_cursor *base, int count, const char *words, int argc,
                      sqlite3_value **argv) {
    hx_tvf_cursor *const cursor = (hx_tvf_cursor *)base;
    (void)count;
    (void)words;
    tvf_end(cursor);
    const int rc = cursor->tvf->filter(cursor, argc, argv);
    if (rc || cursor->count == 0) {
        tvf_end(cursor);
    }
    return rc;
}

static int tvf_next(sqlite3_vtab_cursor *base) {
    hx_tvf_cursor *const cursor = (hx_tvf_cursor *)base;
    if (++cursor->row == cursor->count) {
        tvf_end(cursor);
    }
    return SQLITE_OK;
}

static int tvf_eof(sqlite3_vtab_cursor *base) {
    const hx_tvf_cursor *const cursor = (const hx_tvf_cursor *)base;
    return cursor->row == cursor->count;
}

static int tvf_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
    hx_tvf_cursor *const cursor = (hx_tvf_cursor *)base;
    return cursor->tvf->column(cursor, context, column);
}

static int tvf_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
    const hx_tvf_cursor *const cursor = (const hx_tvf_cursor *)base;
    *out = cursor->row + cursor->tvf->first_rowid;
    return SQLITE_OK;
}

/* ------------------------------------------------------------------------------- registering -- */

static const sqlite3_module tvf_methods = {
    .iVersion = 0,
    .xConnect = tvf_connect,
    .xBestIndex = tvf_best,
    .xDisconnect = tvf_disconnect,
    .xOpen = tvf_open,
    .xClose = tvf_close,
    .xFilter = tvf_filter,
    .xNext = tvf_next,
    .xEof = tvf_eof,
    .xColumn = tvf_column,
    .xRowid = tvf_rowid,
};

static void free_module(void *aux) {
    tvf_module *const module = aux;
    if (module->destroy) {
        module->destroy(module->context);
    }
    sqlite3_free(module);
}

int hx_tvf_register(sqlite3 *db, const hx_tvf *tvf, void *context, void (*destroy)(void *)) {
    tvf_module *const module = sqlite3_malloc(sizeof *module);
    if (!module) {
        if (destroy) {
            destroy(context);
        }
        return SQLITE_NOMEM;
    }
    *module = (tvf_module){tvf, context, destroy};
    return sqlite3_create_module_v2(db, tvf->name, &tvf_methods, module, free_module);
}
