/*
** Markdown: every ```sql block runs, in order, in one fresh database.
**
**     SELECT rowid, distance FROM v(:q, 2);   -- any comment
**     --> 1 | 0.5                             expected rows, if the next lines begin so
**     INSERT INTO v(vector) VALUES (NULL);    -- error: the text that the message holds
**
** Lines that begin with a dot are the shell's and are passed over.  An HTML comment that begins
** with "<!-- test" holds records of the test dialect, which run where it stands: they give
** parameters their values (`bind`) and make what the text takes for granted.
*/
#include "run.h"

#include <stdlib.h>
#include <string.h>

static const char *skip_blanks(const char *line) {
    return line + strspn(line, " \t");
}

static int starts(const char *line, const char *with) {
    return !strncmp(skip_blanks(line), with, strlen(with));
}

/* The text of an expected error, from the comment after the statement; NULL without. */
static char *expected_error(const char *sql) {
    static const char mark[] = "-- error: ";
    const char *at = strstr(sql, mark);
    if (!at) {
        return NULL;
    }
    at += sizeof mark - 1;
    return run_strndup(at, strcspn(at, "\n"));
}

static void check_error(run *r, size_t line, const char *expected, int rc, const char *message) {
    if (rc == SQLITE_OK) {
        run_fail(r, line, "expected the error \"%s\", got ok", expected);
    } else if (!strstr(message, expected)) {
        run_fail(r, line, "expected the error \"%s\", got %d \"%s\"", expected, rc, message);
    } else {
        run_pass(r);
    }
}

/* Lines "--> …" from `at`; returns the line after them. */
static size_t read_expected(run *r, size_t at, size_t to, size_t columns, rows *expected) {
    for (; at < to && starts(r->lines[at], "-->"); at++) {
        const char *const line = skip_blanks(skip_blanks(r->lines[at]) + 3);
        if (!rows_add_line(expected, line, columns, " | ")) {
            run_fail(r, at, "expected a line of %d columns", (int)columns);
        }
    }
    return at;
}

/* Runs one chunk of statements; returns the line after its expected rows. */
static size_t run_chunk(run *r, const text *sql, size_t line, size_t next, size_t to) {
    rows got = {0}, expected = {0};
    text message = {0};
    char *const error = expected_error(text_string(sql));
    r->report->line = (int)line + 1;
    const int rc = database_exec(r, text_string(sql), NULL, &got, &message);
    const size_t after = read_expected(r, next, to, got.columns, &expected);
    if (error) {
        check_error(r, line, error, rc, text_string(&message));
    } else if (rc != SQLITE_OK) {
        run_fail(r, line, "expected ok, got %d %s", rc, text_string(&message));
    } else if (after > next && !rows_equal(&expected, &got, NULL, &message)) {
        run_fail(r, line, "%s", text_string(&message));
    } else {
        run_pass(r);
    }
    rows_free(&got);
    rows_free(&expected);
    text_free(&message);
    free(error);
    return after;
}

static void run_block(run *r, size_t from, size_t to) {
    text sql = {0};
    size_t first = from;
    for (size_t i = from; i < to;) {
        if (!sql.length && starts(r->lines[i], ".")) {
            i++;
            continue;
        }
        if (!sql.length) {
            first = i;
        }
        text_add(&sql, r->lines[i], strlen(r->lines[i]));
        text_add(&sql, "\n", 1);
        i++;
        if (!sqlite3_complete(text_string(&sql))) {
            continue;
        }
        i = run_chunk(r, &sql, first, i, to);
        text_free(&sql);
    }
    if (sql.length && *skip_blanks(text_string(&sql))) {
        run_chunk(r, &sql, first, to, to);
    }
    text_free(&sql);
}

static size_t find_line(const run *r, size_t at, const char *with) {
    while (at < r->line_count && !starts(r->lines[at], with)) {
        at++;
    }
    return at;
}

void markdown_run(run *r) {
    for (size_t i = 0; i < r->line_count; i++) {
        if (starts(r->lines[i], "```sql")) {
            const size_t end = find_line(r, i + 1, "```");
            if (!r->skip_next) {
                run_block(r, i + 1, end);
            }
            r->skip_next = false;
            i = end;
        } else if (starts(r->lines[i], "<!-- test")) {
            const size_t end = find_line(r, i + 1, "-->");
            script_run(r, i + 1, end);
            i = end;
        } else if (starts(r->lines[i], "```")) {
            i = find_line(r, i + 1, "```");
        }
    }
}
