/* The records of a *.test file.  The dialect is explained at the top of run.c. */
#include "run.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* One record: its first line split in words, its SQL, and the lines after `----`. */
typedef struct record {
    size_t line; /* of the first line, from 0 */
    char *head;  /* the first line with the variables filled in */
    char *words[8];
    int word_count;
    char *rest; /* what follows the first word */
    text sql;
    int expects;          /* there is a `----` */
    size_t first, beyond; /* the expected lines */
} record;

/* ------------------------------------------------------------------------------ variables -- */

static const char *variable(const run *r, const char *name, size_t length) {
    for (int i = r->variable_count - 1; i >= 0; i--) {
        const char *const candidate = r->variables[i].name;
        if (strlen(candidate) == length && !memcmp(candidate, name, length)) {
            return r->variables[i].value;
        }
    }
    return NULL;
}

/* Fills in ${name}; an unknown one stays as it is. */
static void substitute(const run *r, const char *line, text *out) {
    const char *p = line;
    for (;;) {
        const char *const open = strstr(p, "${");
        const char *const close = open ? strchr(open, '}') : NULL;
        const char *const value = close ? variable(r, open + 2, (size_t)(close - open - 2)) : NULL;
        if (!value) {
            break;
        }
        text_add(out, p, (size_t)(open - p));
        text_add(out, value, strlen(value));
        p = close + 1;
    }
    text_add(out, p, strlen(p));
}

static void push_variable(run *r, const char *name, const char *value) {
    if (r->variable_count == RUN_VARIABLES) {
        abort();
    }
    named *const v = &r->variables[r->variable_count++];
    v->name = run_strdup(name);
    v->value = run_strdup(value);
}

static void pop_variable(run *r) {
    named *const v = &r->variables[--r->variable_count];
    free(v->name);
    free(v->value);
}

/* ---------------------------------------------------------------------------- one record -- */

static int is_blank(const char *line) {
    return !line[strspn(line, " \t\r")];
}

static void split_words(record *rec) {
    char *p = run_strdup(rec->head);
    rec->words[0] = p; /* the copy is freed through it */
    while (rec->word_count < 8) {
        p += strspn(p, " ");
        if (!*p) {
            break;
        }
        rec->words[rec->word_count++] = p;
        p += strcspn(p, " ");
        if (*p) {
            *p++ = 0;
        }
    }
    for (int i = rec->word_count; i < 8; i++) {
        rec->words[i] = i ? p : rec->words[0];
    }
    const char *const rest = rec->head + strcspn(rec->head, " ");
    rec->rest = rec->head + (rest - rec->head) + strspn(rest, " ");
}

static void record_free(record *rec) {
    free(rec->words[0]);
    free(rec->head);
    text_free(&rec->sql);
}

/* Only these have lines below them. */
static int has_block(const char *word) {
    static const char *const names[] = {"statement", "query", "eventually",
                                        "cursor",    "fetch", "meanwhile"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!strcmp(word, names[i])) {
            return 1;
        }
    }
    return 0;
}

/* Reads the record that begins at line `at`; returns the line after it. */
static size_t read_record(const run *r, size_t at, size_t to, record *rec) {
    text head = {0};
    substitute(r, r->lines[at], &head);
    *rec = (record){.line = at, .head = head.bytes};
    split_words(rec);
    size_t i = at + 1;
    if (!has_block(rec->words[0])) {
        return i;
    }
    for (; i < to && !is_blank(r->lines[i]) && strcmp(r->lines[i], "----") != 0; i++) {
        substitute(r, r->lines[i], &rec->sql);
        text_add(&rec->sql, "\n", 1);
    }
    rec->expects = i < to && !strcmp(r->lines[i], "----");
    if (rec->expects) {
        i++;
    }
    rec->first = i;
    while (rec->expects && i < to && !is_blank(r->lines[i])) {
        i++;
    }
    rec->beyond = i;
    return i;
}

/* ------------------------------------------------------------------------------ statement -- */

static const struct {
    const char *name;
    int code;
} codes[] = {
#define CODE(name)                                                                                 \
    { #name, name }
    CODE(SQLITE_ERROR),
    CODE(SQLITE_BUSY),
    CODE(SQLITE_ABORT),
    CODE(SQLITE_BUSY_SNAPSHOT),
    CODE(SQLITE_LOCKED),
    CODE(SQLITE_READONLY),
    CODE(SQLITE_INTERRUPT),
    CODE(SQLITE_IOERR),
    CODE(SQLITE_CORRUPT),
    CODE(SQLITE_CORRUPT_VTAB),
    CODE(SQLITE_FULL),
    CODE(SQLITE_TOOBIG),
    CODE(SQLITE_CONSTRAINT),
    CODE(SQLITE_MISMATCH),
    CODE(SQLITE_CONSTRAINT_VTAB),
    CODE(SQLITE_CONSTRAINT_PRIMARYKEY),
    CODE(SQLITE_RANGE),
    CODE(SQLITE_CONSTRAINT_ROWID),
    CODE(SQLITE_CONSTRAINT_COMMITHOOK),
    CODE(SQLITE_CANTOPEN),
    CODE(SQLITE_AUTH),
#undef CODE
};

/* A primary code stands for its extended ones too. */
static int code_matches(const char *name, size_t length, int rc) {
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (strlen(codes[i].name) == length && !memcmp(codes[i].name, name, length)) {
            return codes[i].code == (codes[i].code > 0xff ? rc : rc & 0xff);
        }
    }
    return 0;
}

/* expected: "[SQLITE_CODE] [text]".  1 if rc and message are that. */
static int error_matches(const char *expected, int rc, const char *message) {
    if (rc == SQLITE_OK) {
        return 0;
    }
    if (!strncmp(expected, "SQLITE_", 7)) {
        const size_t length = strcspn(expected, " ");
        if (!code_matches(expected, length, rc)) {
            return 0;
        }
        expected += length + strspn(expected + length, " ");
    }
    return strstr(message, expected) != NULL;
}

/* With what was armed to happen in the middle. */
static int exec(run *r, const record *rec, const char *types, rows *got, text *message) {
    meanwhile_begin(r);
    const int rc = database_exec(r, text_string(&rec->sql), types, got, message);
    meanwhile_end(r);
    return rc;
}

static void statement_ok(run *r, const record *rec) {
    text message = {0};
    const int rc = exec(r, rec, NULL, NULL, &message);
    if (rc == SQLITE_OK) {
        run_pass(r);
    } else {
        run_fail(r, rec->line, "expected ok, got %d %s", rc, text_string(&message));
    }
    text_free(&message);
}

static void statement_error(run *r, const record *rec, int unchanged) {
    const char *const after = rec->rest + strcspn(rec->rest, " ");
    const char *const expected = after + strspn(after, " ");
    sqlite3 *const db = database_open(r);
    const sqlite3_int64 before = unchanged ? database_digest(db) : 0;
    text message = {0};
    const int rc = exec(r, rec, NULL, NULL, &message);
    if (rc == SQLITE_OK) {
        run_fail(r, rec->line, "expected the error \"%s\", got ok", expected);
    } else if (!error_matches(expected, rc, text_string(&message))) {
        run_fail(r, rec->line, "expected the error \"%s\", got %d \"%s\"", expected, rc,
                 text_string(&message));
    } else if (unchanged && before != database_digest(db)) {
        run_fail(r, rec->line, "expected nothing to change, got other rows after \"%s\"",
                 text_string(&message));
    } else {
        run_pass(r);
    }
    text_free(&message);
}

static void do_statement(run *r, const record *rec) {
    if (!strcmp(rec->words[1], "ok")) {
        statement_ok(r, rec);
    } else if (!strcmp(rec->words[1], "error")) {
        statement_error(r, rec, 0);
    } else if (!strcmp(rec->words[1], "refused")) {
        statement_error(r, rec, 1);
    } else {
        run_fail(r, rec->line, "statement what? %s", rec->head);
    }
}

/* ---------------------------------------------------------------------------------- query -- */

static int expected_rows(run *r, const record *rec, size_t columns, rows *expected) {
    for (size_t i = rec->first; i < rec->beyond; i++) {
        text line = {0};
        substitute(r, r->lines[i], &line);
        const int ok = rows_add_line(expected, text_string(&line), columns, NULL);
        text_free(&line);
        if (ok) {
            continue;
        }
        run_fail(r, i, "expected a line of %d columns", (int)columns);
        return 0;
    }
    return 1;
}

/* Queries of one label give the same rows, to the last digit. */
static int same_as_label(run *r, const record *rec, const char *label, const rows *got) {
    text now = {0};
    rows_text(got, &now);
    for (int i = 0; i < r->label_count; i++) {
        if (strcmp(r->labels[i].name, label) != 0) {
            continue;
        }
        const int same = !strcmp(r->labels[i].value, text_string(&now));
        if (!same) {
            run_fail(r, rec->line, "expected what %s gave before, \"%.*s…\", got \"%.*s…\"", label,
                     200, r->labels[i].value, 200, text_string(&now));
        }
        text_free(&now);
        return same;
    }
    if (r->label_count == RUN_LABELS) {
        abort();
    }
    r->labels[r->label_count++] =
        (named){.name = run_strdup(label), .value = run_strdup(text_string(&now))};
    text_free(&now);
    return 1;
}

static void show_rows(const run *r, const record *rec, const rows *got) {
    text t = {0};
    rows_text(got, &t);
    printf("%s:%d:\n%s", r->path, (int)rec->line + 1, text_string(&t));
    text_free(&t);
}

static void check_rows(run *r, const record *rec, const char *types, rows *got, int sorted,
                       const char *label) {
    rows expected = {0};
    text why = {0};
    if (r->verbose) {
        show_rows(r, rec, got);
    }
    int ok = !rec->expects || expected_rows(r, rec, strlen(types), &expected);
    if (sorted) {
        rows_sort(got);
        rows_sort(&expected);
    }
    if (ok && rec->expects && !rows_equal(&expected, got, types, &why)) {
        run_fail(r, rec->line, "%s", text_string(&why));
        ok = 0;
    }
    if (ok && *label) {
        ok = same_as_label(r, rec, label, got);
    }
    if (ok) {
        run_pass(r);
    }
    rows_free(&expected);
    text_free(&why);
}

static void do_query(run *r, const record *rec) {
    const char *const types = rec->words[1];
    const int sorted = !strcmp(rec->words[2], "rowsort");
    const int ordered = !strcmp(rec->words[2], "nosort");
    const char *const label = rec->words[sorted || ordered ? 3 : 2];
    rows got = {0};
    text message = {0};
    const int rc = exec(r, rec, types, &got, &message);
    if (rc != SQLITE_OK) {
        run_fail(r, rec->line, "expected rows, got %d %s", rc, text_string(&message));
    } else if (!rec->expects && !*label) {
        run_fail(r, rec->line, "a query needs ---- or a label");
    } else {
        check_rows(r, rec, types, &got, sorted, label);
    }
    rows_free(&got);
    text_free(&message);
}

/* Does the query give the expected rows?  0 also after an error. */
static int gives_expected(run *r, const record *rec, const char *types, text *why) {
    rows got = {0}, expected = {0};
    int same = !exec(r, rec, types, &got, why) && expected_rows(r, rec, strlen(types), &expected);
    same = same && rows_equal(&expected, &got, types, why);
    rows_free(&got);
    rows_free(&expected);
    return same;
}

#define EVENTUALLY_SECONDS 600
#define FIRST_PAUSE_US     2000
#define LONGEST_PAUSE_US   300000

/*
** The thread has a lower priority than other tests beside this one, and may take minutes under a
** sanitizer.  It is asked less and less often, and its time does not count for the file's limit.
*/
static void do_eventually(run *r, const record *rec) {
    const unsigned left = alarm(2 * EVENTUALLY_SECONDS);
    const time_t end = time(NULL) + EVENTUALLY_SECONDS;
    text why = {0};
    int same = gives_expected(r, rec, rec->words[1], &why);
    for (useconds_t pause = FIRST_PAUSE_US; !same && time(NULL) < end;
         pause = pause * 3 / 2 < LONGEST_PAUSE_US ? pause * 3 / 2 : LONGEST_PAUSE_US) {
        usleep(pause);
        text_free(&why);
        why = (text){0};
        same = gives_expected(r, rec, rec->words[1], &why);
    }
    alarm(left);
    if (same) {
        run_pass(r);
    } else {
        run_fail(r, rec->line, "not even after ten minutes: %s", text_string(&why));
    }
    text_free(&why);
}

static void do_cursor(run *r, const record *rec) {
    cursor_open(r, rec->words[1], text_string(&rec->sql), rec->line);
}

static void do_fetch(run *r, const record *rec) {
    cursor *const c = cursor_find(r, rec->words[1]);
    const char *const types = rec->words[2];
    const size_t limit = *rec->words[3] ? (size_t)atoi(rec->words[3]) : (size_t)-1;
    rows got = {0};
    text message = {0};
    if (!c) {
        run_fail(r, rec->line, "no cursor %s", rec->words[1]);
    } else if (cursor_fetch(c, types, limit, &got, &message) != SQLITE_OK) {
        run_fail(r, rec->line, "expected rows, got %s", text_string(&message));
    } else if (!rec->expects) {
        run_fail(r, rec->line, "fetch needs ----");
    } else {
        check_rows(r, rec, types, &got, 0, "");
    }
    rows_free(&got);
    text_free(&message);
}

static void do_close(run *r, const record *rec) {
    cursor_close(r, rec->words[1], rec->line);
}

/* Its columns are divided by tabs only, and as many as the first line has. */
static void do_meanwhile(run *r, const record *rec) {
    rows expected = {0};
    size_t columns = 1;
    const char *const first = rec->first < rec->beyond ? r->lines[rec->first] : "";
    for (const char *p = first; *p; p++) {
        columns += *p == '\t';
    }
    if (!expected_rows(r, rec, columns, &expected)) {
        return;
    }
    meanwhile_arm(r, rec->words[1], atol(rec->words[2]), run_strdup(text_string(&rec->sql)),
                  expected, rec->line);
}

static void do_interrupt(run *r, const record *rec) {
    meanwhile_arm(r, "", atol(rec->words[1]), NULL, (rows){0}, rec->line);
}

/* -------------------------------------------------------------------------- one-line ones -- */

static void do_connection(run *r, const record *rec) {
    const int readonly = !strcmp(rec->words[2], "readonly");
    const char *const file = rec->words[readonly ? 3 : 2];
    database_select(r, rec->words[1], *file ? file : NULL, readonly);
}

static void do_disconnect(run *r, const record *rec) {
    database_close(r, *rec->words[1] ? rec->words[1] : NULL, rec->line);
}

static void do_restart(run *r, const record *rec) {
    database_close(r, NULL, rec->line);
    database_open(r);
}

static void do_database(run *r, const record *rec) {
    database_reset(r, rec->line);
    r->database = run_strdup(rec->rest);
    database_select(r, "main", NULL, 0);
}

static void do_bind(run *r, const record *rec) {
    const char *const after = rec->rest + strcspn(rec->rest, " ");
    database_bind(r, rec->words[1], after, rec->line);
}

static void do_backup(run *r, const record *rec) {
    database_copy(r, rec->words[1], !strcmp(rec->words[0], "backup"), rec->line);
}

static void do_defensive(run *r, const record *rec) {
    sqlite3_db_config(database_open(r), SQLITE_DBCONFIG_DEFENSIVE, !strcmp(rec->words[1], "on"),
                      NULL);
}

static void do_triggers(run *r, const record *rec) {
    sqlite3_db_config(database_open(r), SQLITE_DBCONFIG_ENABLE_TRIGGER,
                      !strcmp(rec->words[1], "on"), NULL);
}

/* A copy of the extension under another name. */
static void do_load(run *r, const record *rec) {
    char *message = NULL;
    if (!r->extension) { /* it is linked in */
        return;
    }
    const int copied = symlink(r->extension, rec->words[1]) == 0;
    if (copied && database_load(r, rec->words[1], &message) == SQLITE_OK) {
        run_pass(r);
    } else {
        run_fail(r, rec->line, "expected ok, got %s", message ? message : "no such file");
    }
    sqlite3_free(message);
}

/* "3.38" as sqlite3_libversion_number() has it. */
static int version_number(const char *version) {
    int major = 0, minor = 0;
    sscanf(version, "%d.%d", &major, &minor);
    return major * 1000000 + minor * 1000;
}

static void do_since(run *r, const record *rec) {
    r->skip_next |= sqlite3_libversion_number() < version_number(rec->words[1]);
}

static void do_before(run *r, const record *rec) {
    r->skip_next |= sqlite3_libversion_number() >= version_number(rec->words[1]);
}

static int refuse_commit(void *arg) {
    (void)arg;
    return 1;
}

static void do_veto(run *r, const record *rec) {
    const int on = !strcmp(rec->words[1], "on");
    sqlite3_commit_hook(database_open(r), on ? refuse_commit : NULL, NULL);
}

/* What a full disk is to a file that has to grow, without one: EFBIG where ENOSPC would be. */
static void do_filelimit(run *r, const record *rec) {
    struct rlimit limit;
    (void)r;
    signal(SIGXFSZ, rec->word_count > 2 && !strcmp(rec->words[2], "deadly") ? SIG_DFL : SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = isdigit((unsigned char)rec->words[1][0])
                         ? (rlim_t)strtoull(rec->words[1], NULL, 10)
                         : limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static const struct {
    const char *name;
    void (*run)(run *, const record *);
} directives[] = {
    {"statement", do_statement},
    {"query", do_query},
    {"eventually", do_eventually},
    {"cursor", do_cursor},
    {"fetch", do_fetch},
    {"close", do_close},
    {"connection", do_connection},
    {"disconnect", do_disconnect},
    {"restart", do_restart},
    {"database", do_database},
    {"bind", do_bind},
    {"backup", do_backup},
    {"restore", do_backup},
    {"meanwhile", do_meanwhile},
    {"interrupt", do_interrupt},
    {"defensive", do_defensive},
    {"veto", do_veto},
    {"triggers", do_triggers},
    {"filelimit", do_filelimit},
    {"since", do_since},
    {"before", do_before},
    {"load", do_load},
};

static void run_record(run *r, const record *rec) {
    for (size_t i = 0; i < sizeof directives / sizeof *directives; i++) {
        if (strcmp(rec->words[0], directives[i].name) != 0) {
            continue;
        }
        directives[i].run(r, rec);
        return;
    }
    run_fail(r, rec->line, "unknown record: %s", rec->head);
}

/* ---------------------------------------------------------------------------------- loops -- */

static bool is_version(const char *word) {
    return !strcmp(word, "since") || !strcmp(word, "before");
}

static int begins_loop(const char *line) {
    return !strncmp(line, "loop ", 5) || !strncmp(line, "foreach ", 8);
}

static size_t find_endloop(const run *r, size_t at, size_t to) {
    int depth = 0;
    for (size_t i = at; i < to; i++) {
        if (begins_loop(r->lines[i])) {
            depth++;
        }
        if (!strcmp(r->lines[i], "endloop") && --depth == 0) {
            return i;
        }
    }
    return to;
}

static void run_once(run *r, const char *name, const char *value, size_t from, size_t to) {
    push_variable(r, name, value);
    script_run(r, from, to);
    pop_variable(r);
}

static void run_loop(run *r, const record *rec, size_t end) {
    if (!strcmp(rec->words[0], "loop")) {
        const long long to = atoll(rec->words[3]);
        for (long long i = atoll(rec->words[2]); i < to; i++) {
            char number[24];
            snprintf(number, sizeof number, "%lld", i);
            run_once(r, rec->words[1], number, rec->line + 1, end);
        }
        return;
    }
    const char *p = rec->rest + strcspn(rec->rest, " ");
    for (p += strspn(p, " "); *p; p += strspn(p, " ")) {
        char *const value = run_strndup(p, strcspn(p, " "));
        run_once(r, rec->words[1], value, rec->line + 1, end);
        free(value);
        p += strcspn(p, " ");
    }
}

void script_run(run *r, size_t from, size_t to) {
    for (size_t i = from; i < to;) {
        if (is_blank(r->lines[i]) || r->lines[i][0] == '#') {
            i++;
            continue;
        }
        record rec;
        r->report->line = (int)i + 1;
        const bool skipped = r->skip_next;
        r->skip_next = false;
        const size_t next = read_record(r, i, to, &rec);
        if (begins_loop(r->lines[i])) {
            const size_t end = find_endloop(r, i, to);
            if (end == to) {
                run_fail(r, i, "no endloop");
            }
            if (!skipped) {
                run_loop(r, &rec, end);
            }
            i = end + 1;
        } else {
            r->skip_next = skipped && is_version(rec.words[0]);
            if (!skipped || r->skip_next) {
                run_record(r, &rec);
            }
            i = next;
        }
        record_free(&rec);
    }
}
