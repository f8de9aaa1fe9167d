/* Random conditions; the contract is in random_terms.h. */
#include "random_terms.h"

#include <stdio.h>
#include <string.h>

bool writer_chance(const writer *w, double probability) {
    return rng_chance(w->r, probability);
}

int writer_below(const writer *w, int n) {
    return (int)rng_below(w->r, (uint32_t)n);
}

const char *writer_literal(writer *w, const char *literal) {
    static char ring[8][12];
    static int next;
    pair *const p = w->pair;
    if (p->count == MAX_PARAMETERS || writer_chance(w, 0.6)) {
        return literal;
    }
    char *const name = ring[next++ % 8];
    snprintf(name, 12, ":p%d", p->count);
    p->parameters[p->count++] = sqlite3_mprintf("%s", literal);
    return name;
}

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
    if (outer && writer_chance(w, 0.4)) {
        o.source = writer_chance(w, 0.6) ? FROM_TYPED : FROM_ANY;
        const int which = writer_below(w, o.source == FROM_TYPED ? 4 : 10);
        text = o.source == FROM_TYPED ? typed[which] : any[which];
        o.collated = o.source == FROM_TYPED && which == 1;
    } else if (writer_chance(w, 0.1)) {
        o.source = FROM_ANY;
        text = free_ones[writer_below(w, 8)];
    } else {
        const char *const literal = random_value(w->r);
        text = writer_literal(w, literal);
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
    return &w->s->columns[writer_below(w, w->s->count)];
}

/* Returns false where the condition could not be counted in k. */
static bool compare_term(writer *w, term *out, bool outer, bool counted) {
    const column *const c = some_column(w);
    const char *const op = comparisons[writer_below(w, 8)];
    const operand o = random_operand(w, outer);
    const bool swapped = !strncmp(op, "IS", 2) ? false : writer_chance(w, 0.3);
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
               writer_chance(w, 0.3)) {
        static const char *const names[] = {"BINARY", "NOCASE", "RTRIM"};
        snprintf(out->text, sizeof out->text, "@N.%s %s %s COLLATE %s", c->name, op, o.text,
                 names[writer_below(w, 3)]);
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
        snprintf(out, size, "('%d', %s", writer_below(w, 3), writer_literal(w, random_value(w->r)));
    for (int i = writer_below(w, 4); i > 0; i--) {
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
    if (writer_chance(w, 0.5)) {
        random_list(w, list, sizeof list);
    } else if (writer_chance(w, 0.5) || (counted && c->affinity != NUMERIC_COLUMN)) {
        snprintf(list, sizeof list, "%s", typed[writer_below(w, 3)]);
    } else {
        snprintf(list, sizeof list, "%s", any[writer_below(w, 4)]);
    }
    snprintf(out->text, sizeof out->text, "@N.%s IN %s", c->name, list);
    return true;
}

static bool pattern_term(writer *w, term *out, bool outer) {
    static const char *const like[] = {"'a%'", "'%b%'", "'_'", "'%1'", "'abc%'", "'É%'", "NULL"};
    static const char *const glob[] = {"'a*'", "'*[1-9]*'", "'?'", "'abc*'", "''", "NULL"};
    const column *const c = some_column(w);
    out->inner = true;
    if (outer && writer_chance(w, 0.2)) {
        snprintf(out->text, sizeof out->text, "@N.%s LIKE t.t", c->name);
    } else if (writer_chance(w, 0.5)) {
        snprintf(out->text, sizeof out->text, "@N.%s LIKE %s", c->name,
                 writer_literal(w, like[writer_below(w, 7)]));
    } else if (writer_chance(w, 0.8)) {
        snprintf(out->text, sizeof out->text, "@N.%s GLOB %s", c->name,
                 writer_literal(w, glob[writer_below(w, 6)]));
    } else {
        snprintf(out->text, sizeof out->text, "@N.%s REGEXP 'a'", c->name);
    }
    return true;
}

static bool null_term(writer *w, term *out) {
    static const char *const forms[] = {"IS NULL", "IS NOT NULL", "NOTNULL", "ISNULL"};
    out->inner = true;
    snprintf(out->text, sizeof out->text, "@N.%s %s", some_column(w)->name,
             forms[writer_below(w, 4)]);
    return true;
}

static bool rows_term(writer *w, term *out) {
    static const char *const sets[] = {"(1, 3, 5, 7, 9, 11, 13)", "(2, '4', 6.0, NULL, 'x', 8)",
                                       "(SELECT id FROM t)", "(SELECT i FROM t)",
                                       "(SELECT id * 3 FROM t)"};
    static const char *const keys[] = {"('key1', 'key2', 'key5', 'key30')", "(SELECT key FROM t)",
                                       "('key3', NULL)"};
    out->inner = true;
    if (w->s->kind == TEXT_KEY && writer_chance(w, 0.5)) {
        snprintf(out->text, sizeof out->text, "@N.name IN %s", keys[writer_below(w, 3)]);
    } else {
        snprintf(out->text, sizeof out->text, "@N.%s IN %s",
                 w->s->kind == INTEGER_KEY && writer_chance(w, 0.5) ? "name" : "rowid",
                 sets[writer_below(w, 5)]);
    }
    return true;
}

static bool distance_term(writer *w, term *out, bool outer) {
    static const char *const bounds[] = {"0",    "1",   "2.5",   "'1.5'", "3",  "0.2",
                                         "NULL", "'x'", "x'31'", "1e999", "-1", "0.5"};
    const char *const bound =
        outer && writer_chance(w, 0.1) ? "t.r" : writer_literal(w, bounds[writer_below(w, 12)]);
    out->inner = true;
    if (writer_chance(w, 0.2)) {
        snprintf(out->text, sizeof out->text, "@D BETWEEN %s AND 3", bound);
    } else {
        static const char *const ops[] = {"<", "<=", ">", ">="};
        snprintf(out->text, sizeof out->text, "@D %s %s", ops[writer_below(w, 4)], bound);
    }
    return true;
}

/* What SQLite does not tell a search of. */
static bool later_term(writer *w, term *out, bool outer) {
    const column *const c = some_column(w), *const d = some_column(w);
    const char *const value = random_value(w->r);
    switch (writer_below(w, outer ? 13 : 10)) {
    case 0:
        snprintf(out->text, sizeof out->text, "(@N.%s = %s OR @N.rowid = %d)", c->name, value,
                 writer_below(w, 20));
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
        snprintf(out->text, sizeof out->text, "@N.rowid %s %d", comparisons[2 + writer_below(w, 4)],
                 writer_below(w, w->s->rows));
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
                 "(@N.rowid = %d OR @N.rowid IN (1, 2, 3, 4) OR @N.%s = 1)", writer_below(w, 20),
                 c->name);
        break;
    case 9:
        snprintf(out->text, sizeof out->text, "@N.rowid = %s",
                 writer_literal(w, writer_chance(w, 0.5) ? "3" : "'5'"));
        break;
    case 10:
        snprintf(out->text, sizeof out->text, "@N.rowid = t.%s",
                 writer_chance(w, 0.5) ? "id" : "i");
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

term random_term(writer *w, bool outer, bool counted) {
    for (;;) {
        term t = {.text = ""};
        bool made;
        switch (writer_below(w, 10)) {
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
