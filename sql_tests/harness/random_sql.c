/* Random statements in two spellings.  The contract is in random_sql.h. */
#include "random_sql.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "random_terms.h"

static void both(writer *w, const char *format, ...) {
    va_list list;
    va_start(list, format);
    char *const text = sqlite3_vmprintf(format, list);
    va_end(list);
    for (int i = 0; i < SIDES; i++) {
        sqlite3_str_appendall(w->out[i], text ? text : "");
    }
    sqlite3_free(text);
}

/*
** ------------------------------------------------------------------------------------- searches --
*/

#define MAX_TERMS 5

typedef struct search {
    char query[120]; /* an expression; of an item its rowid */
    bool item;
    int k;          /* -1: none */
    char count[20]; /* k, as it is written */
    int spelling;
    term terms[MAX_TERMS];
    int terms_count;
} search;

enum { AS_KNN_MATCH, AS_MATCH_OPERATOR, AS_COLUMN, AS_ARGUMENTS, SEARCH_SPELLINGS };

static search random_search(writer *w, bool outer) {
    search s = {.k = writer_chance(w, 0.55) ? writer_below(w, 8) : -1};
    s.item = writer_chance(w, 0.12);
    s.spelling = writer_below(w, SEARCH_SPELLINGS);
    if (s.item) {
        const bool text = w->s->kind == TEXT_KEY;
        snprintf(s.query, sizeof s.query, "%s",
                 outer && writer_chance(w, 0.5) ? (text ? "t.key" : "t.id")
                                                : writer_literal(w, text ? "'key4'" : "4"));
    } else if (outer && writer_chance(w, 0.4)) {
        snprintf(s.query, sizeof s.query, "t.q");
    } else {
        snprintf(s.query, sizeof s.query, "%s", writer_literal(w, random_vector(w->s)));
    }
    char number[12];
    snprintf(number, sizeof number, "%d", s.k);
    snprintf(s.count, sizeof s.count, "%s", writer_literal(w, number));
    for (int i = writer_below(w, MAX_TERMS); i > 0; i--) {
        s.terms[s.terms_count++] = random_term(w, outer, s.k >= 0);
    }
    return s;
}

/* What an item is named by. */
static const char *item_column(const writer *w) {
    return w->s->kind == TEXT_KEY ? "name" : "id";
}

/* The vector that a search looks from, in the plain spelling. */
static void plain_query(const writer *w, const search *s, char *out, size_t size) {
    if (s->item) {
        snprintf(out, size, "(SELECT vector FROM p AS o WHERE o.%s = %s)", item_column(w),
                 s->query);
    } else {
        snprintf(out, size, "%s", s->query);
    }
}

/* The distance, in one of the spellings; static buffers. */
static const char *distance_of(const writer *w, const search *s, int side, const char *alias) {
    static char text[2][400];
    char query[200];
    if (side == HANNOY) {
        snprintf(text[side], sizeof text[side], "%s.distance", alias);
    } else {
        plain_query(w, s, query, sizeof query);
        snprintf(text[side], sizeof text[side],
                 "CAST(hannoy_distance(%s.vector, %s, '%s') AS REAL)", alias, query, w->s->metric);
    }
    return text[side];
}

/* Appends a text with @N and @D filled in. */
static void fill(writer *w, const search *s, int side, const char *alias, const char *text) {
    for (; *text; text++) {
        if (text[0] == '@' && text[1] == 'N') {
            sqlite3_str_appendall(w->out[side], alias);
            text++;
        } else if (text[0] == '@' && text[1] == 'D') {
            sqlite3_str_appendall(w->out[side], distance_of(w, s, side, alias));
            text++;
        } else {
            sqlite3_str_appendchar(w->out[side], 1, *text);
        }
    }
}

static void fill_both(writer *w, const search *s, const char *alias, const char *text) {
    for (int side = 0; side < SIDES; side++) {
        fill(w, s, side, alias, text);
    }
}

/* The table of a search, for FROM. */
static void write_table(writer *w, const search *s, const char *alias) {
    if (s->item || s->spelling != AS_ARGUMENTS) {
        sqlite3_str_appendf(w->out[HANNOY], "v AS %s", alias);
    } else if (s->k >= 0) {
        sqlite3_str_appendf(w->out[HANNOY], "v(%s, %s) AS %s", s->query, s->count, alias);
    } else {
        sqlite3_str_appendf(w->out[HANNOY], "v(%s) AS %s", s->query, alias);
    }
    sqlite3_str_appendf(w->out[PLAIN_SQL], "p AS %s", alias);
}

static void write_hannoy_search(writer *w, const search *s, const char *alias) {
    sqlite3_str *const out = w->out[HANNOY];
    static const char *const forms[] = {"knn_match(%s.vector, %s)", "%s.vector MATCH %s",
                                        "%s.query = %s"};
    sqlite3_str_appendf(out, "%s.exact = 1", alias);
    if (s->item) {
        sqlite3_str_appendf(out, " AND %s.item = %s", alias, s->query);
    } else if (s->spelling != AS_ARGUMENTS) {
        sqlite3_str_appendall(out, " AND ");
        sqlite3_str_appendf(out, forms[s->spelling], alias, s->query);
    }
    if (s->k >= 0 && (s->item || s->spelling != AS_ARGUMENTS)) {
        sqlite3_str_appendf(out, " AND %s.k = %s", alias, s->count);
    }
}

/* The conditions that k counts by, and those that hold of every row of v. */
static void write_plain_inner(writer *w, const search *s, const char *alias) {
    sqlite3_str *const out = w->out[PLAIN_SQL];
    char query[200];
    plain_query(w, s, query, sizeof query);
    sqlite3_str_appendf(out, "%s.vector IS NOT NULL AND %s IS NOT NULL", alias, query);
    if (s->item) {
        sqlite3_str_appendf(out, " AND %s.%s <> %s", alias, item_column(w), s->query);
    }
}

static void write_plain_search(writer *w, const search *s, const char *alias) {
    sqlite3_str *const out = w->out[PLAIN_SQL];
    if (s->k < 0) {
        write_plain_inner(w, s, alias);
        return;
    }
    /* An ORDER BY sees no columns of an outer statement, the list of a subquery does. */
    sqlite3_str_appendf(out,
                        "%s.id IN (SELECT y.id FROM (SELECT z.id AS id, %s AS d FROM p AS z WHERE ",
                        alias, distance_of(w, s, PLAIN_SQL, "z"));
    write_plain_inner(w, s, "z");
    for (int i = 0; i < s->terms_count; i++) {
        if (!s->terms[i].inner) {
            continue;
        }
        sqlite3_str_appendall(out, " AND ");
        fill(w, s, PLAIN_SQL, "z", s->terms[i].text);
    }
    sqlite3_str_appendf(out, ") AS y ORDER BY y.d, y.id LIMIT %s)", s->count);
}

/* All conditions of a search, for WHERE or ON. */
static void write_terms(writer *w, const search *s, const char *alias) {
    write_hannoy_search(w, s, alias);
    write_plain_search(w, s, alias);
    for (int i = 0; i < s->terms_count; i++) {
        sqlite3_str_appendall(w->out[HANNOY], " AND ");
        fill(w, s, HANNOY, alias, s->terms[i].text);
        if (s->k >= 0 && s->terms[i].inner) {
            continue;
        }
        sqlite3_str_appendall(w->out[PLAIN_SQL], " AND ");
        fill(w, s, PLAIN_SQL, alias, s->terms[i].text);
    }
}

/*
** ----------------------------------------------------------------------------------- statements --
*/

/* Columns of a row of v to look at. */
static void write_columns(writer *w, const search *s, const char *alias) {
    fill_both(w, s, alias, "@N.rowid, @D");
    for (int i = 0; i < w->s->count; i++) {
        if (writer_chance(w, 0.4)) {
            both(w, ", %s.%s", alias, w->s->columns[i].name);
        }
    }
    if (schema_key(w->s) && writer_chance(w, 0.3)) {
        both(w, ", %s.name", alias);
    }
}

static void write_order(writer *w, const search *s, const char *alias, bool joined) {
    w->pair->ordered = writer_chance(w, 0.7);
    if (!w->pair->ordered) {
        return;
    }
    both(w, " ORDER BY %s", joined ? "t.id, " : "");
    fill_both(w, s, alias, writer_chance(w, 0.9) ? "@D, @N.rowid" : "@D DESC, @N.rowid DESC");
    if (writer_chance(w, 0.4)) {
        both(w, " LIMIT %d", writer_below(w, 6));
    } else if (writer_chance(w, 0.2)) {
        both(w, " LIMIT %d OFFSET %d", 1 + writer_below(w, 6), writer_below(w, 4));
    }
}

static void write_alone(writer *w) {
    const search s = random_search(w, false);
    both(w, "SELECT ");
    write_columns(w, &s, "n");
    both(w, " FROM ");
    write_table(w, &s, "n");
    both(w, " WHERE ");
    write_terms(w, &s, "n");
    write_order(w, &s, "n", false);
}

static bool uses_t(const char *text) {
    for (const char *at = strstr(text, "t."); at; at = strstr(at + 1, "t.")) {
        if (at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_')) {
            return true;
        }
    }
    return false;
}

/* Can the search run without a row of t?  Its k then counts rows before the join. */
static bool can_come_first(const search *s) {
    for (int i = 0; i < s->terms_count; i++) {
        if (strncmp(s->terms[i].text, "@D", 2) == 0 && uses_t(s->terms[i].text)) {
            return false;
        }
    }
    return !uses_t(s->query);
}

/* Is one bound of a BETWEEN of t, so that k counts rows by the other one? */
static bool has_half_bound(const search *s) {
    for (int i = 0; i < s->terms_count; i++) {
        if (strstr(s->terms[i].text, "BETWEEN") && uses_t(s->terms[i].text)) {
            return true;
        }
    }
    return false;
}

/* Joins in which the search comes second, so that its conditions may use t. */
static void write_join(writer *w) {
    static const char *const joins[] = {" JOIN ", ", ", " CROSS JOIN ", " LEFT JOIN "};
    search s = random_search(w, true);
    const int join = has_half_bound(&s) ? 2 : writer_below(w, 4);
    if (join < 2 && can_come_first(&s)) {
        for (int i = 0; i < s.terms_count; i++) {
            s.terms[i].inner &= !uses_t(s.terms[i].text);
        }
    }
    const bool on = join == 3 || (join != 1 && writer_chance(w, 0.5));
    both(w, "SELECT t.id, t.t, ");
    write_columns(w, &s, "n");
    both(w, " FROM t%s", joins[join]);
    write_table(w, &s, "n");
    both(w, on ? " ON " : " WHERE ");
    write_terms(w, &s, "n");
    both(w, on ? " WHERE t.id > %d" : " AND t.id > %d", writer_below(w, 5));
    write_order(w, &s, "n", true);
}

/* Joins in which the search may come first: nothing of it depends on t. */
static void write_join_after(writer *w) {
    static const char *const joins[] = {" JOIN ", " CROSS JOIN ", " LEFT JOIN "};
    const search s = random_search(w, false);
    both(w, "SELECT t.id, ");
    write_columns(w, &s, "n");
    both(w, " FROM ");
    write_table(w, &s, "n");
    both(w, "%st ON t.id = n.rowid", joins[writer_below(w, 3)]);
    if (writer_chance(w, 0.3)) {
        both(w, " AND t.id > %d", writer_below(w, 6));
    }
    both(w, " WHERE ");
    write_terms(w, &s, "n");
    if (writer_chance(w, 0.3)) {
        both(w, " AND t.id = %s", writer_literal(w, "3"));
    }
    write_order(w, &s, "n", true);
}

static void write_scalar(writer *w) {
    static const char *const results[] = {"count(*)", "min(@D)", "sum(@N.rowid)", "max(@N.rowid)"};
    const search s = random_search(w, true);
    both(w, "SELECT t.id, (SELECT ");
    fill_both(w, &s, "n", results[writer_below(w, 4)]);
    both(w, " FROM ");
    write_table(w, &s, "n");
    both(w, " WHERE ");
    write_terms(w, &s, "n");
    both(w, ") FROM t");
}

static void write_exists(writer *w) {
    const search s = random_search(w, true);
    const bool in = writer_chance(w, 0.4);
    both(w, "SELECT t.id FROM t WHERE t.id < 7 AND %s%s(SELECT ", in ? "t.id " : "",
         in ? (writer_chance(w, 0.7) ? "IN " : "NOT IN ")
            : (writer_chance(w, 0.7) ? "EXISTS " : "NOT EXISTS "));
    fill_both(w, &s, "n", in ? "@N.rowid" : "1");
    both(w, " FROM ");
    write_table(w, &s, "n");
    both(w, " WHERE ");
    write_terms(w, &s, "n");
    both(w, ")");
}

static void write_derived(writer *w, const search *s) {
    both(w, "(SELECT ");
    fill_both(w, s, "n", "@N.rowid AS id, @D AS d");
    both(w, ", n.%s AS x FROM ", w->s->columns[0].name);
    write_table(w, s, "n");
    both(w, " WHERE ");
    write_terms(w, s, "n");
    if (writer_chance(w, 0.3)) {
        both(w, " ORDER BY ");
        fill_both(w, s, "n", "@D, @N.rowid");
        both(w, " LIMIT %d", writer_below(w, 8));
    }
    both(w, ")");
}

/* Conditions outside that SQLite may move into the search; those on distances change no k. */
static void write_outside(writer *w) {
    static const char *const conditions[] = {" WHERE s.d < 2",
                                             " WHERE s.x || '' > 'a'",
                                             " WHERE s.id = 5",
                                             " WHERE s.id > 4",
                                             " WHERE +s.d > 0.5",
                                             "",
                                             " WHERE s.id + 0 IN (SELECT id FROM t)"};
    both(w, "%s", conditions[writer_below(w, 7)]);
}

static void write_subquery(writer *w) {
    static const char *const with[] = {"", " MATERIALIZED", " NOT MATERIALIZED"};
    const search s = random_search(w, false);
    const bool cte = writer_chance(w, 0.6), join = writer_chance(w, 0.4);
    if (cte) {
        both(w, "WITH s AS%s ", with[writer_below(w, 3)]);
        write_derived(w, &s);
    }
    both(w, "SELECT %ss.id, s.d, s.x FROM ", join ? "t.id, " : "");
    if (cte) {
        both(w, "s");
    } else {
        write_derived(w, &s);
        both(w, " AS s");
    }
    if (join) {
        both(w, "%s",
             writer_chance(w, 0.5) ? " JOIN t ON t.id = s.id" : " LEFT JOIN t ON t.id = s.id");
    }
    write_outside(w);
    w->pair->ordered = writer_chance(w, 0.7);
    if (w->pair->ordered) {
        both(w, " ORDER BY s.d, s.id%s", join ? ", t.id" : "");
    }
}

static void write_window(writer *w) {
    static const char *const windows[] = {"row_number()", "rank()", "lag(@N.rowid)",
                                          "sum(@N.rowid)"};
    const search s = random_search(w, false);
    both(w, "SELECT ");
    fill_both(w, &s, "n", "@N.rowid, ");
    fill_both(w, &s, "n", windows[writer_below(w, 4)]);
    both(w, " OVER (");
    if (writer_chance(w, 0.4)) {
        both(w, "PARTITION BY n.rowid %% 3 ");
    }
    fill_both(w, &s, "n", "ORDER BY @D, @N.rowid)");
    both(w, " FROM ");
    write_table(w, &s, "n");
    both(w, " WHERE ");
    write_terms(w, &s, "n");
}

static void write_grouped(writer *w) {
    const search s = random_search(w, false);
    const char *const name = w->s->columns[0].name;
    both(w, "SELECT n.%s, count(*), ", name);
    fill_both(w, &s, "n", "min(@N.rowid), max(@D)");
    both(w, " FROM ");
    write_table(w, &s, "n");
    both(w, " WHERE ");
    write_terms(w, &s, "n");
    both(w, " GROUP BY n.%s COLLATE BINARY, typeof(n.%s)%s", name, name,
         writer_chance(w, 0.3) ? " HAVING count(*) > 1" : "");
}

static void write_compound(writer *w) {
    static const char *const operators[] = {" UNION ", " UNION ALL ", " EXCEPT ", " INTERSECT "};
    for (int i = 0; i < 2; i++) {
        const search s = random_search(w, false);
        if (i) {
            both(w, "%s", operators[writer_below(w, 4)]);
        }
        both(w, "SELECT ");
        fill_both(w, &s, "n", writer_chance(w, 0.1) ? "@N.rowid % 5" : "@N.rowid");
        both(w, " FROM ");
        write_table(w, &s, "n");
        both(w, " WHERE ");
        write_terms(w, &s, "n");
    }
}

/* Two searches, the second one for the neighbours of what the first one finds. */
static void write_twice(writer *w) {
    search s = random_search(w, false), m = random_search(w, false);
    m.item = true;
    snprintf(m.query, sizeof m.query, "n.%s", w->s->kind == TEXT_KEY ? "name" : "rowid");
    both(w, "SELECT n.rowid, ");
    write_columns(w, &m, "m");
    both(w, " FROM ");
    write_table(w, &s, "n");
    both(w, "%s", writer_chance(w, 0.5) ? " JOIN " : " CROSS JOIN ");
    write_table(w, &m, "m");
    both(w, " ON ");
    write_terms(w, &m, "m");
    both(w, " WHERE ");
    write_terms(w, &s, "n");
}

static void write_view(writer *w) {
    both(w, "SELECT s.id, s.d FROM temp.");
    sqlite3_str_appendall(w->out[HANNOY], "near_v");
    sqlite3_str_appendall(w->out[PLAIN_SQL], "near_p");
    both(w, " AS s%s", writer_chance(w, 0.5) ? " JOIN t ON t.id = s.id" : "");
    write_outside(w);
}

/* A search in a statement that writes. */
static void write_change(writer *w) {
    search s = random_search(w, false);
    w->pair->writes = true;
    s.spelling = writer_below(w, AS_ARGUMENTS);
    if (writer_chance(w, 0.5)) {
        sqlite3_str_appendall(w->out[HANNOY], "DELETE FROM v AS n WHERE ");
        sqlite3_str_appendall(w->out[PLAIN_SQL], "DELETE FROM p AS n WHERE ");
    } else {
        sqlite3_str_appendall(w->out[HANNOY], "UPDATE v AS n SET ");
        sqlite3_str_appendall(w->out[PLAIN_SQL], "UPDATE p AS n SET ");
        both(w, "%s = %s WHERE ", w->s->columns[0].name, random_value(w->r));
    }
    write_terms(w, &s, "n");
}

pair random_pair(const schema *s) {
    static void (*const kinds[])(writer *) = {
        write_alone,    write_alone,      write_alone,  write_join,
        write_join,     write_join_after, write_scalar, write_exists,
        write_subquery, write_subquery,   write_window, write_grouped,
        write_compound, write_twice,      write_view,   write_change};
    const int count = (int)(sizeof kinds / sizeof kinds[0]);
    pair p = {.ordered = false};
    writer w = {s, s->r, {sqlite3_str_new(NULL), sqlite3_str_new(NULL)}, &p};
    /* v over a table of the user's is read only through a search; the user's table is p itself. */
    const int last = s->kind == USERS_TABLE ? count - 1 : count;
    kinds[rng_below(s->r, (uint32_t)last)](&w);
    p.hannoy = sqlite3_str_finish(w.out[HANNOY]);
    p.plain = sqlite3_str_finish(w.out[PLAIN_SQL]);
    return p;
}

void pair_free(pair *p) {
    sqlite3_free(p->hannoy);
    sqlite3_free(p->plain);
    for (int i = 0; i < p->count; i++) {
        sqlite3_free(p->parameters[i]);
    }
}
