/* Prepared statements on the shadow tables; the contract is in statements.h. */
#include "shadow/statements.h"

#include <stdarg.h>
#include <string.h>

#include "shadow/error.h"
#include "shadow/external_content.h"
#include "shadow/shadow.h"

static const char *const texts[HX_SQL_COUNT] = {
#define HX_SQL_TEXT(name, text) text,
    HX_SQL_MAP(HX_SQL_TEXT)
#undef HX_SQL_TEXT
};

/* ------------------------------------------------------------------------------ placeholders -- */

/* What a statement is made for. */
typedef struct statement {
    const hx_shadow *shadow;
    int vector; /* or HX_ALL_VECTORS */
    sqlite3_str *text;
} statement;

static void fill_shadow(const statement *s, const char *suffix) {
    sqlite3_str_appendf(s->text, "\"%w\".\"%w_%w\"", s->shadow->schema, s->shadow->name, suffix);
}

static bool is_external(const statement *s) {
    return hx_columns_external(&s->shadow->columns);
}

static void fill_content(const statement *s) {
    if (is_external(s)) {
        sqlite3_str_appendf(s->text, "\"%w\".\"%w\"", s->shadow->schema,
                            s->shadow->columns.source.table);
    } else {
        fill_shadow(s, "content");
    }
}

/*
** A column of the user's table, or of v_content.  The former is qualified with its table: SQLite
** takes an unknown name in double quotes for a string.
*/
static void fill_column(const statement *s, const char *name, const char *ours) {
    if (is_external(s)) {
        sqlite3_str_appendf(s->text, "\"%w\".\"%w\"", s->shadow->columns.source.table, name);
    } else {
        sqlite3_str_appendall(s->text, ours);
    }
}

static void fill_id(const statement *s) {
    fill_column(s, hx_external_content_rowid_name(s->shadow), "id");
}

static void append_vector_name(const statement *s, int vector) {
    const hx_columns *const columns = &s->shadow->columns;
    char name[HX_STORED_NAME];
    fill_column(s, hx_columns_source(columns, vector),
                hx_column_stored_name(&columns->at[columns->vector[vector]], name));
}

static void fill_vector(const statement *s) {
    append_vector_name(s, s->vector == HX_ALL_VECTORS ? 0 : s->vector);
}

static void fill_vectors(const statement *s) {
    for (int i = 0; i < s->shadow->columns.vectors; i++) {
        sqlite3_str_appendall(s->text, ", ");
        if (s->vector == HX_ALL_VECTORS || s->vector == i) {
            append_vector_name(s, i);
        } else {
            sqlite3_str_appendall(s->text, "NULL");
        }
    }
}

static void fill_nulls(const statement *s) {
    for (int i = 0; i < s->shadow->columns.vectors; i++) {
        sqlite3_str_appendall(s->text, ", NULL");
    }
}

/* Every row of v_content has the vector of a table with one. */
static void fill_having(const statement *s) {
    if (is_external(s) || s->shadow->columns.vectors > 1) {
        sqlite3_str_appendall(s->text, " WHERE ");
        fill_vector(s);
        sqlite3_str_appendall(s->text, " IS NOT NULL");
    }
}

static void fill_present(const statement *s) {
    for (int i = 0; i < s->shadow->columns.vectors && is_external(s); i++) {
        sqlite3_str_appendall(s->text, i ? " OR " : " WHERE (");
        append_vector_name(s, i);
        sqlite3_str_appendall(s->text, " IS NOT NULL");
    }
    if (is_external(s)) {
        sqlite3_str_appendchar(s->text, 1, ')');
    }
}

static void fill_and(const statement *s) {
    sqlite3_str_appendall(s->text, is_external(s) ? " AND" : " WHERE");
}

static void fill_schema(const statement *s) {
    sqlite3_str_appendf(s->text, "\"%w\"", s->shadow->schema);
}

static void fill_log(const statement *s) {
    fill_shadow(s, "log");
}

static void fill_config(const statement *s) {
    fill_shadow(s, "config");
}

/* Selects all stored columns: no column that is stored beside the vectors has this role. */
#define ALL HX_ROLE_VECTOR

/* Calls `append` for each stored column of a role, or of ALL. */
static void each_stored(const statement *s, hx_role only,
                        void (*append)(const statement *s, const char *name,
                                       const hx_column *column)) {
    const hx_columns *const columns = &s->shadow->columns;
    char name[HX_STORED_NAME];
    for (int i = 0; i < columns->count; i++) {
        const hx_column *const column = &columns->at[i];
        if (column->stored < 0 || (only != ALL && column->role != only)) {
            continue;
        }
        if (is_external(s)) {
            sqlite3_str_appendall(s->text, ", ");
            fill_column(s, column->name, NULL);
        } else {
            append(s, hx_column_stored_name(column, name), column);
        }
    }
}

static void append_name(const statement *s, const char *name, const hx_column *column) {
    (void)column;
    sqlite3_str_appendf(s->text, ", %s", name);
}

static void append_set(const statement *s, const char *name, const hx_column *column) {
    const int parameter = 2 + 2 * (s->shadow->columns.vectors + column->stored);
    sqlite3_str_appendf(s->text, ", %s = iif(?%d, ?%d, %s)", name, parameter, parameter + 1, name);
}

static void fill_rest(const statement *s) {
    each_stored(s, ALL, append_name);
}

static void fill_attributes(const statement *s) {
    each_stored(s, HX_ROLE_FILTER, append_name);
}

/* SQLite passes NULL for a column that an INSERT leaves out: then the default applies. */
static void append_value(const statement *s, const char *name, const hx_column *column) {
    (void)name;
    const int parameter = 2 + s->shadow->columns.vectors + column->stored;
    if (column->value) {
        sqlite3_str_appendf(s->text, ", ifnull(?%d, %s)", parameter, column->value);
    } else {
        sqlite3_str_appendf(s->text, ", ?%d", parameter);
    }
}

static void fill_values(const statement *s) {
    for (int i = 0; i < s->shadow->columns.vectors; i++) {
        sqlite3_str_appendf(s->text, ", ?%d", 2 + i);
    }
    each_stored(s, ALL, append_value);
}

static void fill_sets(const statement *s) {
    const hx_columns *const columns = &s->shadow->columns;
    char room[HX_STORED_NAME];
    for (int i = 0; i < columns->vectors; i++) {
        const char *const name = hx_column_stored_name(&columns->at[columns->vector[i]], room);
        sqlite3_str_appendf(s->text, "%s%s = iif(?%d, ?%d, %s)", i ? ", " : "", name, 2 + 2 * i,
                            3 + 2 * i, name);
    }
    each_stored(s, ALL, append_set);
}

typedef struct placeholder {
    const char *name;
    void (*fill)(const statement *s);
} placeholder;

static const placeholder placeholders[] = {
    {"{content}", fill_content}, {"{log}", fill_log},         {"{config}", fill_config},
    {"{schema}", fill_schema},   {"{rest}", fill_rest},       {"{attributes}", fill_attributes},
    {"{values}", fill_values},   {"{sets}", fill_sets},       {"{id}", fill_id},
    {"{vector}", fill_vector},   {"{vectors}", fill_vectors}, {"{nulls}", fill_nulls},
    {"{having}", fill_having},   {"{present}", fill_present}, {"{and}", fill_and},
};

static const placeholder *find_placeholder(const char *text) {
    const placeholder *found = placeholders;
    while (strncmp(text, found->name, strlen(found->name)) != 0) {
        found++;
    }
    return found;
}

/* For sqlite3_free(); NULL: out of memory. */
static char *fill_in(const hx_shadow *shadow, int vector, const char *text) {
    sqlite3_str *const filled = sqlite3_str_new(NULL);
    const statement s = {shadow, vector, filled};
    while (*text) {
        const size_t plain = strcspn(text, "{");
        sqlite3_str_append(filled, text, (int)plain);
        text += plain;
        if (!*text) {
            break;
        }
        const placeholder *const found = find_placeholder(text);
        found->fill(&s);
        text += strlen(found->name);
    }
    return sqlite3_str_finish(filled);
}

/* --------------------------------------------------------------------------------- recursion -- */

static unsigned *depth_of(hx_shadow *shadow) {
    return shadow->depth ? shadow->depth : &shadow->own_depth;
}

static int fail_recursion(hx_shadow *shadow) {
    return hx_fail(shadow, SQLITE_ERROR,
                   "hannoy: %s is used recursively: a trigger or a view makes its shadow tables "
                   "depend on %s itself; drop it",
                   shadow->name, shadow->name);
}

int hx_sql_descend(hx_shadow *shadow) {
    unsigned *const depth = depth_of(shadow);
    if (*depth == HX_MAX_DEPTH) {
        return hx_fail(shadow, SQLITE_ERROR,
                       "hannoy: triggers, views or queries lead from %s to other hannoy tables, or "
                       "back to itself, more than %d deep; drop some",
                       shadow->name, HX_MAX_DEPTH);
    }
    ++*depth;
    return SQLITE_OK;
}

void hx_sql_ascend(hx_shadow *shadow) {
    --*depth_of(shadow);
}

static int begin_nested(hx_shadow *shadow) {
    if (shadow->stepping) {
        return fail_recursion(shadow);
    }
    const int rc = hx_sql_descend(shadow);
    shadow->stepping = rc == SQLITE_OK;
    return rc;
}

static void end_nested(hx_shadow *shadow) {
    hx_sql_ascend(shadow);
    shadow->stepping = false;
}

/* -------------------------------------------------------------------------------- statements -- */

/* Those on shadow tables need these to be tables. */
static int check_tables(hx_shadow *shadow, hx_sql_id id) {
    return id == HX_SQL_POLL || id == HX_SQL_SCHEMA_VERSION ? SQLITE_OK
                                                            : hx_schema_state_tables(shadow);
}

/* In the program of a statement, which EXPLAIN lists with those of triggers and foreign keys. */
static bool opens_virtual_table(hx_shadow *shadow, const char *text) {
    sqlite3_stmt *listing = NULL;
    bool opens = false;
    char *const explain = sqlite3_mprintf("EXPLAIN %s", text);
    if (explain && sqlite3_prepare_v2(shadow->db, explain, -1, &listing, NULL) == SQLITE_OK) {
        while (!opens && sqlite3_step(listing) == SQLITE_ROW) {
            const char *const opcode = (const char *)sqlite3_column_text(listing, 1);
            opens = opcode && (strcmp(opcode, "VOpen") == 0 || strcmp(opcode, "VUpdate") == 0);
        }
    }
    sqlite3_finalize(listing);
    sqlite3_free(explain);
    return opens;
}

/*
** A statement that writes can reach this table by a trigger of the schema temp or an action of a
** foreign key, and is not kept then (hx_sql_settle).
*/
static void note_reach(hx_shadow *shadow, sqlite3_stmt *stmt, const char *text) {
    if (!sqlite3_stmt_readonly(stmt) && opens_virtual_table(shadow, text)) {
        shadow->sql.obsolete = true;
    }
}

static int prepare_statement(hx_shadow *shadow, hx_sql_id id, int vector, sqlite3_stmt **out) {
    const int checked = check_tables(shadow, id);
    if (checked) {
        return checked;
    }
    char *const text = fill_in(shadow, vector, texts[id]);
    if (!text) {
        return SQLITE_NOMEM;
    }
    const int rc = sqlite3_prepare_v3(shadow->db, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    if (rc == SQLITE_OK) {
        note_reach(shadow, *out, text);
    }
    sqlite3_free(text);
    if (rc == SQLITE_ERROR && hx_columns_external(&shadow->columns)) {
        return hx_fail(
            shadow, rc,
            "hannoy: the rows of %s are in %s, which has changed since %s was created: %s; "
            "change it back, or drop %s and create it again",
            shadow->name, shadow->columns.source.table, shadow->name, sqlite3_errmsg(shadow->db),
            shadow->name);
    }
    return rc == SQLITE_OK ? rc : hx_fail_sql(shadow, rc);
}

/* A table with one vector has one variant of each statement; others have one for all and each. */
static int count_variants(const hx_shadow *shadow) {
    const int vectors = shadow->columns.vectors;
    return vectors > 1 ? vectors + 1 : 1;
}

int hx_sql_init(hx_shadow *shadow) {
    const size_t bytes = (size_t)count_variants(shadow) * HX_SQL_COUNT * sizeof(sqlite3_stmt *);
    shadow->sql.kept = sqlite3_malloc64(bytes);
    if (!shadow->sql.kept) {
        return SQLITE_NOMEM;
    }
    memset(shadow->sql.kept, 0, bytes);
    return SQLITE_OK;
}

/* Where the statement is kept. */
static sqlite3_stmt **kept_statement(hx_shadow *shadow, hx_sql_id id, int vector) {
    const int variant = shadow->columns.vectors > 1 ? vector + 1 : 0;
    return &shadow->sql.kept[variant * HX_SQL_COUNT + (int)id];
}

int hx_sql_of(hx_shadow *shadow, hx_sql_id id, int vector, sqlite3_stmt **out) {
    sqlite3_stmt **const kept = kept_statement(shadow, id, vector);
    int rc = SQLITE_OK;
    if (!*kept) {
        rc = prepare_statement(shadow, id, vector, kept);
    } else if (sqlite3_stmt_busy(*kept)) {
        rc = fail_recursion(shadow);
    }
    *out = *kept;
    return rc;
}

int hx_sql_step(hx_shadow *shadow, sqlite3_stmt *stmt) {
    int rc = begin_nested(shadow);
    if (rc) {
        return rc;
    }
    rc = sqlite3_step(stmt);
    end_nested(shadow);
    if (rc == SQLITE_ROW) {
        return rc;
    }
    if (rc != SQLITE_DONE) { /* a statement that was reset has no sentence any more */
        rc = hx_fail_sql(shadow, rc);
    }
    shadow->sql.obsolete |= sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_REPREPARE, 0) > 0;
    hx_sql_done(stmt);
    return rc;
}

int hx_sql_run(hx_shadow *shadow, sqlite3_stmt *stmt) {
    const int rc = hx_sql_step(shadow, stmt);
    if (rc == SQLITE_ROW) {
        hx_sql_done(stmt);
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

void hx_sql_done(sqlite3_stmt *stmt) {
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
}

int hx_sql_integer(hx_shadow *shadow, sqlite3_stmt *stmt, sqlite3_int64 *out) {
    const int rc = hx_sql_step(shadow, stmt);
    *out = 0;
    if (rc == SQLITE_ROW) {
        *out = sqlite3_column_int64(stmt, 0);
        hx_sql_done(stmt);
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int hx_sql_borrow(hx_shadow *shadow, hx_sql_id id, int vector, hx_loan *loan) {
    sqlite3_stmt *stmt;
    const int rc = hx_sql_of(shadow, id, vector, &stmt);
    if (rc) {
        return rc;
    }
    *kept_statement(shadow, id, vector) = NULL;
    *loan =
        (hx_loan){stmt, id, vector, shadow->sql.generation, sqlite3_next_stmt(shadow->db, NULL)};
    return SQLITE_OK;
}

/* SQLite lists the newest statement first, and hosts finalize from there. */
static bool is_gone(const hx_shadow *shadow, const hx_loan *loan) {
    sqlite3_stmt *stmt = sqlite3_next_stmt(shadow->db, NULL);
    if (stmt == loan->newest) {
        return false;
    }
    while (stmt && stmt != loan->stmt) {
        stmt = sqlite3_next_stmt(shadow->db, stmt);
    }
    return !stmt;
}

static void keep_or_finalize(hx_shadow *shadow, const hx_loan *loan) {
    sqlite3_stmt **const kept = kept_statement(shadow, loan->id, loan->vector);
    if (sqlite3_stmt_status(loan->stmt, SQLITE_STMTSTATUS_REPREPARE, 0) > 0) {
        shadow->sql.obsolete = true;
    }
    if (loan->generation == shadow->sql.generation && !*kept && !shadow->sql.obsolete) {
        hx_sql_done(loan->stmt);
        *kept = loan->stmt;
    } else {
        sqlite3_finalize(loan->stmt);
    }
}

void hx_sql_return(hx_shadow *shadow, hx_loan *loan) {
    if (loan->stmt && !is_gone(shadow, loan)) {
        keep_or_finalize(shadow, loan);
    }
    loan->stmt = NULL;
    hx_sql_settle(shadow);
}

/* If the connection has no statement left, the host has finalized ours before it closes. */
void hx_sql_drop(hx_shadow *shadow) {
    const int count = shadow->sql.kept ? count_variants(shadow) * HX_SQL_COUNT : 0;
    const bool gone = !sqlite3_next_stmt(shadow->db, NULL);
    for (int i = 0; i < count; i++) {
        if (!gone) {
            sqlite3_finalize(shadow->sql.kept[i]);
        }
        shadow->sql.kept[i] = NULL;
    }
    shadow->sql.generation++;
    shadow->sql.obsolete = false;
}

void hx_sql_free(hx_shadow *shadow) {
    hx_sql_drop(shadow);
    sqlite3_free(shadow->sql.kept);
    shadow->sql.kept = NULL;
}

void hx_sql_settle(hx_shadow *shadow) {
    if (shadow->sql.obsolete && !shadow->stepping) {
        hx_sql_drop(shadow);
    }
}

int hx_sql_exec(hx_shadow *shadow, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *const text = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    if (!text) {
        return SQLITE_NOMEM;
    }
    int rc = begin_nested(shadow);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(shadow->db, text, NULL, NULL, NULL);
        end_nested(shadow);
        if (rc) {
            hx_fail_sql(shadow, rc);
        }
    }
    sqlite3_free(text);
    return rc;
}

int hx_sql_query(hx_shadow *shadow, sqlite3_stmt **out, char *text) {
    *out = NULL;
    if (!text) {
        return SQLITE_NOMEM;
    }
    int rc = sqlite3_prepare_v2(shadow->db, text, -1, out, NULL);
    sqlite3_free(text);
    if (rc) {
        return hx_fail_sql(shadow, rc);
    }
    return hx_sql_next(shadow, *out);
}

int hx_sql_ask(hx_shadow *shadow, bool *out, char *text) {
    sqlite3_stmt *stmt;
    const int rc = hx_sql_query(shadow, &stmt, text);
    *out = rc == SQLITE_ROW;
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int hx_sql_query_text(hx_shadow *shadow, char *text, char **out) {
    sqlite3_stmt *stmt;
    int rc = hx_sql_query(shadow, &stmt, text);
    *out = NULL;
    if (rc == SQLITE_ROW) {
        const unsigned char *const found = sqlite3_column_text(stmt, 0);
        *out = found ? sqlite3_mprintf("%s", found) : NULL;
        rc = *out ? SQLITE_OK : SQLITE_NOMEM;
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int hx_sql_next(hx_shadow *shadow, sqlite3_stmt *stmt) {
    int rc = begin_nested(shadow);
    if (rc) {
        return rc;
    }
    rc = sqlite3_step(stmt);
    end_nested(shadow);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? rc : hx_fail_sql(shadow, rc);
}

int hx_sql_prepared(hx_shadow *shadow, hx_sql_id id) {
    sqlite3_stmt *const kept = *kept_statement(shadow, id, HX_ALL_VECTORS);
    return kept ? sqlite3_stmt_status(kept, SQLITE_STMTSTATUS_REPREPARE, 0) : 0;
}
