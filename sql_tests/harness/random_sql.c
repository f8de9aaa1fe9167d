/* Random statements in two spellings.  The contract is in random_sql.h. */
#include "random_sql.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { HANNOY, PLAIN_SQL, SIDES };

/* The state of random_pair. */
typedef struct writer {
    const schema *s;
    rng *r;
    sqlite3_str *out[SIDES];
    pair *pair;
} writer;

static bool chance(const writer *w, double probability) {
    return rng_chance(w->r, probability);
}

static int below(const writer *w, int n) {
    return (int)rng_below(w->r, (uint32_t)n);
}

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

/* A literal as it is, or as a parameter; static buffers, eight in turn. */
static const char *literal_or_parameter(writer *w, const char *literal) {
    static char ring[8][12];
    static int next;
    pair *const p = w->pair;
    if (p->count == MAX_PARAMETERS || chance(w, 0.6)) {
        return literal;
    }
    char *const name = ring[next++ % 8];
    snprintf(name, 12, ":p%d", p->count);
    p->parameters[p->count++] = sqlite3_mprintf("%s", literal);
    return name;
}

/*
** ---------------------------------------------------------------------------------- conditions --
*/

/*
** A condition on a row of v, in which @N is the alias of the table and @D the distance.  `inner`:
** SQLite tells a search of it, so that k counts rows that pass.
*/
typedef struct term {
    char text[400];
    bool inner;
} term;

#define MAX_TERMS 5

enum { LITERAL, FROM_TYPED, FROM_ANY };

typedef struct operand {
    char text[120];
    int source;
    bool collated; /* a column with a collation of its own */
} operand;

/* A value to compare with; `outer`: columns of t can be had. */
static operand random_operand(writer *w, bool outer) {
    static const char *const typed[] = {"t.t", "t.c", "t.i", "t.r"};
    static const char *const any[] = {"t.b",
                                      "t.u",
                                      "t.u || ''",
                                      "+t.i",
                                      "t.i + 0",
                                      "CAST(t.t AS INTEGER)",
                                      "CAST(t.i AS TEXT)",
                                      "abs(t.r)",
                                      "(SELECT u FROM t AS o WHERE o.id = t.id)",
                                      "(SELECT i FROM t AS o WHERE o.id = t.id)"};
    static const char *const free_ones[] = {"(SELECT min(t) FROM t)",
                                            "(SELECT max(i) FROM t)",
                                            "CAST(1 AS INTEGER)",
                                            "CAST('1' AS TEXT)",
                                            "CAST('01' AS NUMERIC)",
                                            "1 + 1",
                                            "'a' || 'b'",
                                            "lower('AB')"};
    operand o = {.source = LITERAL};
    const char *text;
    if (outer && chance(w, 0.4)) {
        o.source = chance(w, 0.6) ? FROM_TYPED : FROM_ANY;
        const int which = below(w, o.source == FROM_TYPED ? 4 : 10);
        text = o.source == FROM_TYPED ? typed[which] : any[which];
        o.collated = o.source == FROM_TYPED && which == 1;
    } else if (chance(w, 0.1)) {
        o.source = FROM_ANY;
        text = free_ones[below(w, 8)];
    } else {
        const char *const literal = random_value(w->r);
        text = literal_or_parameter(w, literal);
    }
    snprintf(o.text, sizeof o.text, "%s", text);
    return o;
}

static const char *const comparisons[] = {"=", "<>", "<", "<=", ">", ">=", "IS", "IS NOT"};

static bool is_negative(const char *op) {
    return !strcmp(op, "<>") || !strcmp(op, "IS NOT");
}

/*
** With k: does the search know how SQLite compares?  A number that is not written in the statement
** may have an affinity, and for <> and IS NOT SQLite does not tell the collation.
*/
static bool is_countable(const column *c, const char *op, const operand *o, bool swapped) {
    if (is_negative(op) && o->collated && swapped) {
        return false;
    }
    if (c->affinity == NUMERIC_COLUMN) {
        return true;
    }
    if (o->source == LITERAL) {
        return true;
    }
    return o->source == FROM_TYPED;
}

static const column *some_column(const writer *w) {
    return &w->s->columns[below(w, w->s->count)];
}

/* Returns false where the condition could not be counted in k. */
static bool compare_term(writer *w, term *out, bool outer, bool counted) {
    const column *const c = some_column(w);
    const char *const op = comparisons[below(w, 8)];
    const operand o = random_operand(w, outer);
    const bool swapped = !strncmp(op, "IS", 2) ? false : chance(w, 0.3);
    static const char *const mirrored[] = {"=", "<>", ">", ">=", "<", "<="};
    if (counted && !is_countable(c, op, &o, swapped)) {
        return false;
    }
    out->inner = true;
    if (swapped) {
        int which = 0;
        while (strcmp(comparisons[which], op) != 0) {
            which++;
        }
        snprintf(out->text, sizeof out->text, "%s %s @N.%s", o.text, mirrored[which], c->name);
    } else if (!is_negative(op) && strncmp(op, "IS", 2) != 0 && o.text[0] == '\'' &&
               chance(w, 0.3)) {
        static const char *const names[] = {"BINARY", "NOCASE", "RTRIM"};
        snprintf(out->text, sizeof out->text, "@N.%s %s %s COLLATE %s", c->name, op, o.text,
                 names[below(w, 3)]);
    } else {
        snprintf(out->text, sizeof out->text, "@N.%s %s %s", c->name, op, o.text);
    }
    return true;
}

static bool between_term(writer *w, term *out, bool outer, bool counted) {
    const column *const c = some_column(w);
    const operand a = random_operand(w, outer), b = random_operand(w, outer);
    if (counted && (!is_countable(c, "<", &a, false) || !is_countable(c, "<", &b, false))) {
        return false;
    }
    out->inner = true;
    snprintf(out->text, sizeof out->text, "@N.%s BETWEEN %s AND %s", c->name, a.text, b.text);
    return true;
}

/* Some values, two of them different, so that it stays an IN. */
static void random_list(writer *w, char *out, size_t size) {
    int length =
        snprintf(out, size, "('%d', %s", below(w, 3), literal_or_parameter(w, random_value(w->r)));
    for (int i = below(w, 4); i > 0; i--) {
        length += snprintf(out + length, size - (size_t)length, ", %s", random_value(w->r));
    }
    snprintf(out + length, size - (size_t)length, ")");
}

static bool in_term(writer *w, term *out, bool counted) {
    static const char *const typed[] = {"(SELECT t FROM t)", "(SELECT c FROM t WHERE id < 5)",
                                        "(SELECT 1 WHERE 0)"};
    static const char *const any[] = {"(SELECT u FROM t)", "(SELECT i FROM t WHERE id > 3)",
                                      "(SELECT b FROM t)", "(SELECT i + 0 FROM t)"};
    const column *const c = some_column(w);
    char list[200];
    out->inner = true;
    if (chance(w, 0.5)) {
        random_list(w, list, sizeof list);
    } else if (chance(w, 0.5) || (counted && c->affinity != NUMERIC_COLUMN)) {
        snprintf(list, sizeof list, "%s", typed[below(w, 3)]);
    } else {
        snprintf(list, sizeof list, "%s", any[below(w, 4)]);
    }
    snprintf(out->text, sizeof out->text, "@N.%s IN %s", c->name, list);
    return true;
}

static bool pattern_term(writer *w, term *out, bool outer) {
    static const char *const like[] = {"'a%'", "'%b%'", "'_'", "'%1'", "'abc%'", "'É%'", "NULL"};
    static const char *const glob[] = {"'a*'", "'*[1-9]*'", "'?'", "'abc*'", "''", "NULL"};
    const column *const c = some_column(w);
    out->inner = true;
    if (outer && chance(w, 0.2)) {
        snprintf(out->text, sizeof out->text, "@N.%s LIKE t.t", c->name);
    } else if (chance(w, 0.5)) {
        snprintf(out->text, sizeof out->text, "@N.%s LIKE %s", c->name,
                 literal_or_parameter(w, like[below(w, 7)]));
    } else if (chance(w, 0.8)) {
        snprintf(out->text, sizeof out->text, "@N.%s GLOB %s", c->name,
                 literal_or_parameter(w, glob[below(w, 6)]));
    } else {
        snprintf(out->text, sizeof out->text, "@N.%s REGEXP 'a'", c->name);
    }
    return true;
}

static bool null_term(writer *w, term *out) {
    static const char *const forms[] = {"IS NULL", "IS NOT NULL", "NOTNULL", "ISNULL"};
    out->inner = true;
    snprintf(out->text, sizeof out->text, "@N.%s %s", some_column(w)->name, forms[below(w, 4)]);
    return true;
}

static bool rows_term(writer *w, term *out) {
    static const char *const sets[] = {"(1, 3, 5, 7, 9, 11, 13)", "(2, '4', 6.0, NULL, 'x', 8)",
                                       "(SELECT id FROM t)", "(SELECT i FROM t)",
                                       "(SELECT id * 3 FROM t)"};
    static const char *const keys[] = {"('key1', 'key2', 'key5', 'key30')", "(SELECT key FROM t)",
                                       "('key3', NULL)"};
    out->inner = true;
    if (w->s->kind == TEXT_KEY && chance(w, 0.5)) {
        snprintf(out->text, sizeof out->text, "@N.name IN %s", keys[below(w, 3)]);
    } else {
        snprintf(out->text, sizeof out->text, "@N.%s IN %s",
                 w->s->kind == INTEGER_KEY && chance(w, 0.5) ? "name" : "rowid", sets[below(w, 5)]);
    }
    return true;
}

static bool distance_term(writer *w, term *out, bool outer) {
    static const char *const bounds[] = {"0",    "1",   "2.5",   "'1.5'", "3",  "0.2",
                                         "NULL", "'x'", "x'31'", "1e999", "-1", "0.5"};
    const char *const bound =
        outer && chance(w, 0.1) ? "t.r" : literal_or_parameter(w, bounds[below(w, 12)]);
    out->inner = true;
    if (chance(w, 0.2)) {
        snprintf(out->text, sizeof out->text, "@D BETWEEN %s AND 3", bound);
    } else {
        static const char *const ops[] = {"<", "<=", ">", ">="};
        snprintf(out->text, sizeof out->text, "@D %s %s", ops[below(w, 4)], bound);
    }
    return true;
}

/* What SQLite does not tell a search of. */
static bool later_term(writer *w, term *out, bool outer) {
    const column *const c = some_column(w), *const d = some_column(w);
    const char *const value = random_value(w->r);
    switch (below(w, outer ? 13 : 10)) {
    case 0:
        snprintf(out->text, sizeof out->text, "(@N.%s = %s OR @N.rowid = %d)", c->name, value,
                 below(w, 20));
        break;
    case 1:
        snprintf(out->text, sizeof out->text, "@N.%s NOT IN (%s, 'a')", c->name, value);
        break;
    case 2:
        snprintf(out->text, sizeof out->text, "@N.%s NOT LIKE '%%a%%'", c->name);
        break;
    case 3:
        snprintf(out->text, sizeof out->text, "@N.%s NOT BETWEEN %s AND 'b'", c->name, value);
        break;
    case 4:
        snprintf(out->text, sizeof out->text, "+@N.%s = %s", c->name, value);
        break;
    case 5:
        snprintf(out->text, sizeof out->text, "@N.rowid %s %d", comparisons[2 + below(w, 4)],
                 below(w, w->s->rows));
        break;
    case 6:
        snprintf(out->text, sizeof out->text, "length(@N.%s) > 1", c->name);
        break;
    case 7:
        snprintf(out->text, sizeof out->text, "(@N.%s IS NULL OR @N.%s < %s OR @D < 2)", c->name,
                 d->name, value);
        break;
    case 8:
        snprintf(out->text, sizeof out->text,
                 "(@N.rowid = %d OR @N.rowid IN (1, 2, 3, 4) OR @N.%s = 1)", below(w, 20), c->name);
        break;
    case 9:
        snprintf(out->text, sizeof out->text, "@N.rowid = %s",
                 literal_or_parameter(w, chance(w, 0.5) ? "3" : "'5'"));
        break;
    case 10:
        snprintf(out->text, sizeof out->text, "@N.rowid = t.%s", chance(w, 0.5) ? "id" : "i");
        break;
    case 11:
        snprintf(out->text, sizeof out->text,
                 w->s->kind == TEXT_KEY ? "@N.name = t.key" : "t.id = @N.rowid");
        break;
    default:
        snprintf(out->text, sizeof out->text, "(@N.rowid = t.id OR @N.%s = t.u)", c->name);
        break;
    }
    out->inner = false;
    return true;
}

/* `outer`: columns of t can be had before the search begins; `counted`: there is a k. */
static term random_term(writer *w, bool outer, bool counted) {
    for (;;) {
        term t = {.text = ""};
        bool made;
        switch (below(w, 10)) {
        case 0:
        case 1:
        case 2:
            made = compare_term(w, &t, outer, counted);
            break;
        case 3:
            made = between_term(w, &t, outer, counted);
            break;
        case 4:
            made = in_term(w, &t, counted);
            break;
        case 5:
            made = pattern_term(w, &t, outer);
            break;
        case 6:
            made = null_term(w, &t);
            break;
        case 7:
            made = rows_term(w, &t);
            break;
        case 8:
            made = distance_term(w, &t, outer);
            break;
        default:
            made = later_term(w, &t, outer);
            break;
        }
        if (made) {
            return t;
        }
    }
}

/*
** ------------------------------------------------------------------------------------- searches --
*/

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
    search s = {.k = chance(w, 0.55) ? below(w, 8) : -1};
    s.item = chance(w, 0.12);
    s.spelling = below(w, SEARCH_SPELLINGS);
    if (s.item) {
        const bool text = w->s->kind == TEXT_KEY;
        snprintf(s.query, sizeof s.query, "%s",
                 outer && chance(w, 0.5) ? (text ? "t.key" : "t.id")
                                         : literal_or_parameter(w, text ? "'key4'" : "4"));
    } else if (outer && chance(w, 0.4)) {
        snprintf(s.query, sizeof s.query, "t.q");
    } else {
        snprintf(s.query, sizeof s.query, "%s", literal_or_parameter(w, random_vector(w->s)));
    }
    char number[12];
    snprintf(number, sizeof number, "%d", s.k);
    snprintf(s.count, sizeof s.count, "%s", literal_or_parameter(w, number));
    for (int i = below(w, MAX_TERMS); i > 0; i--) {
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
        if (chance(w, 0.4)) {
            both(w, ", %s.%s", alias, w->s->columns[i].name);
        }
    }
    if (schema_key(w->s) && chance(w, 0.3)) {
        both(w, ", %s.name", alias);
    }
}

static void write_order(writer *w, const search *s, const char *alias, bool joined) {
    w->pair->ordered = chance(w, 0.7);
    if (!w->pair->ordered) {
        return;
    }
    both(w, " ORDER BY %s", joined ? "t.id, " : "");
    fill_both(w, s, alias, chance(w, 0.9) ? "@D, @N.rowid" : "@D DESC, @N.rowid DESC");
    if (chance(w, 0.4)) {
        both(w, " LIMIT %d", below(w, 6));
    } else if (chance(w, 0.2)) {
        both(w, " LIMIT %d OFFSET %d", 1 + below(w, 6), below(w, 4));
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
    const int join = has_half_bound(&s) ? 2 : below(w, 4);
    if (join < 2 && can_come_first(&s)) {
        for (int i = 0; i < s.terms_count; i++) {
            s.terms[i].inner &= !uses_t(s.terms[i].text);
        }
    }
    const bool on = join == 3 || (join != 1 && chance(w, 0.5));
    both(w, "SELECT t.id, t.t, ");
    write_columns(w, &s, "n");
    both(w, " FROM t%s", joins[join]);
    write_table(w, &s, "n");
    both(w, on ? " ON " : " WHERE ");
    write_terms(w, &s, "n");
    both(w, on ? " WHERE t.id > %d" : " AND t.id > %d", below(w, 5));
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
    both(w, "%st ON t.id = n.rowid", joins[below(w, 3)]);
    if (chance(w, 0.3)) {
        both(w, " AND t.id > %d", below(w, 6));
    }
    both(w, " WHERE ");
    write_terms(w, &s, "n");
    if (chance(w, 0.3)) {
        both(w, " AND t.id = %s", literal_or_parameter(w, "3"));
    }
    write_order(w, &s, "n", true);
}

static void write_scalar(writer *w) {
    static const char *const results[] = {"count(*)", "min(@D)", "sum(@N.rowid)", "max(@N.rowid)"};
    const search s = random_search(w, true);
    both(w, "SELECT t.id, (SELECT ");
    fill_both(w, &s, "n", results[below(w, 4)]);
    both(w, " FROM ");
    write_table(w, &s, "n");
    both(w, " WHERE ");
    write_terms(w, &s, "n");
    both(w, ") FROM t");
}

static void write_exists(writer *w) {
    const search s = random_search(w, true);
    const bool in = chance(w, 0.4);
    both(w, "SELECT t.id FROM t WHERE t.id < 7 AND %s%s(SELECT ", in ? "t.id " : "",
         in ? (chance(w, 0.7) ? "IN " : "NOT IN ") : (chance(w, 0.7) ? "EXISTS " : "NOT EXISTS "));
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
    if (chance(w, 0.3)) {
        both(w, " ORDER BY ");
        fill_both(w, s, "n", "@D, @N.rowid");
        both(w, " LIMIT %d", below(w, 8));
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
    both(w, "%s", conditions[below(w, 7)]);
}

static void write_subquery(writer *w) {
    static const char *const with[] = {"", " MATERIALIZED", " NOT MATERIALIZED"};
    const search s = random_search(w, false);
    const bool cte = chance(w, 0.6), join = chance(w, 0.4);
    if (cte) {
        both(w, "WITH s AS%s ", with[below(w, 3)]);
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
        both(w, "%s", chance(w, 0.5) ? " JOIN t ON t.id = s.id" : " LEFT JOIN t ON t.id = s.id");
    }
    write_outside(w);
    w->pair->ordered = chance(w, 0.7);
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
    fill_both(w, &s, "n", windows[below(w, 4)]);
    both(w, " OVER (");
    if (chance(w, 0.4)) {
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
         chance(w, 0.3) ? " HAVING count(*) > 1" : "");
}

static void write_compound(writer *w) {
    static const char *const operators[] = {" UNION ", " UNION ALL ", " EXCEPT ", " INTERSECT "};
    for (int i = 0; i < 2; i++) {
        const search s = random_search(w, false);
        if (i) {
            both(w, "%s", operators[below(w, 4)]);
        }
        both(w, "SELECT ");
        fill_both(w, &s, "n", chance(w, 0.1) ? "@N.rowid % 5" : "@N.rowid");
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
    both(w, "%s", chance(w, 0.5) ? " JOIN " : " CROSS JOIN ");
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
    both(w, " AS s%s", chance(w, 0.5) ? " JOIN t ON t.id = s.id" : "");
    write_outside(w);
}

/* A search in a statement that writes. */
static void write_change(writer *w) {
    search s = random_search(w, false);
    w->pair->writes = true;
    s.spelling = below(w, AS_ARGUMENTS);
    if (chance(w, 0.5)) {
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
