/*
** The SQL test runner: a dialect of sqllogictest against the real extension in the real SQLite.
**
**     run [--ext hannoy.so] [--timeout SECONDS] [--verbose] FILE_OR_FOLDER…
**     run_linked [--timeout SECONDS] [--verbose] FILE_OR_FOLDER…     the same with libhannoy.a
**
** Folders are walked for *.test files; a *.md file has its SQL blocks run (run_markdown.c).  Each
** file runs in a process of its own, in a fresh temporary folder: a crash or a hang is a failure of
** that file, and the others go on.  One line a failed record, "FILE:LINE: expected …, got …"; the
** last line is "N passed, N failed"; exit code 1 where something failed.
**
** A test file consists of records, divided by empty lines; # begins a comment line.
**
**     statement ok                     every statement of the lines below succeeds
**     statement error [CODE] [TEXT]    the last one fails, with that result code (SQLITE_BUSY: a
**                                      primary code stands for its extended ones) and with TEXT in
**                                      the message
**     statement refused [CODE] [TEXT]  as error, and nothing has changed: schema and rows of all
**                                      tables, shadow tables too, are what they were before
**
**     query TYPES [nosort|rowsort] [LABEL]
**     SELECT …
**     ----                             one row a line; columns divided by tabs if the line has one,
**     1 0.5                            else by blanks.  Queries of one label must give the same
**                                      rows to the last digit; with a label the ---- may be left
**                                      out.
**
**     eventually TYPES                 a query that is run until it gives these rows, for at most
**                                      ten minutes: for what a thread of the process does
**
** TYPES has a letter a column: I integer, R real (6 significant digits), T text, B blob (in hex), A
** any.  The storage class must fit: an integer where R is expected shows as "INTEGER 1".  NULL is
** NULL, empty texts and blobs are (empty), <GLOB>:pattern matches as SQL's GLOB does.
**
**     connection LABEL [readonly] [FILE]   the records below run there; opened when first used.
**                                      The first one is called main.  FILE: a path in the temporary
**                                      folder, a URI, or :memory:; test.db without
**     disconnect [LABEL]               closes one or all; a connection is opened again when used
**     restart                          closes all, opens the current one
**     database FILE                    forgets everything and begins with another database
**     bind :NAME EXPRESSION            the value of a parameter from here on
**     cursor NAME / SQL                a statement that stays open; it begins at its first fetch
**     fetch NAME TYPES [COUNT]         its next rows, or all that are left
**     close NAME
**     meanwhile LABEL STEPS / SQL / ---- / rows
**                                      that connection runs the SQL in the middle of the next
**                                      record, when SQLite has reported progress STEPS times (it
**                                      does so every 100 instructions, nested statements' too).
**                                      Columns are divided by tabs; an error is a row "error CODE
**                                      MESSAGE"
**     interrupt STEPS                  sqlite3_interrupt at that moment
**     backup FILE, restore FILE        the backup API, from main of this connection or into it
**     defensive on|off                 SQLITE_DBCONFIG_DEFENSIVE of this connection
**     triggers on|off                  SQLITE_DBCONFIG_ENABLE_TRIGGER of this connection
**     veto on|off                      a commit hook that refuses
**     filelimit BYTES|off [deadly]     no file of this process grows beyond that; deadly: to try so
**                                      ends it, as by default
**     load FILE                        loads the extension by another file name
**     since 3.38, before 3.54          the next record or loop, of a *.md file the next block, is
**                                      only for SQLite 3.38 and newer, or before 3.54
**     loop VAR FROM TO … endloop       from FROM up to but not including TO; ${VAR} is filled in
**     foreach VAR A B C … endloop      everywhere
*/
#include "run_apart.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct paths {
    char **items;
    size_t count, capacity;
} paths;

void run_pass(run *r) {
    r->report->passed++;
}

void run_fail(run *r, size_t line, const char *format, ...) {
    va_list args;
    printf("%s:%d: ", r->path, (int)line + 1);
    va_start(args, format);
    char *const sentence = sqlite3_vmprintf(format, args);
    va_end(args);
    for (char *p = sentence; p && *p; p++) {
        if (*p == '\n') {
            *p = ' ';
        }
    }
    printf("%s", sentence ? sentence : "out of memory");
    sqlite3_free(sentence);
    for (int i = 0; i < r->variable_count; i++) {
        printf(" [%s=%s]", r->variables[i].name, r->variables[i].value);
    }
    printf("\n");
    fflush(stdout);
    r->report->failed++;
}

/* ---------------------------------------------------------------------------------- paths -- */

static void add_path(paths *list, const char *path) {
    if (list->count == list->capacity) {
        list->capacity = 2 * list->capacity + 16;
        list->items = realloc(list->items, list->capacity * sizeof *list->items);
        if (!list->items) {
            abort();
        }
    }
    list->items[list->count++] = run_strdup(path);
}

static int has_ending(const char *path, const char *ending) {
    const size_t a = strlen(path), b = strlen(ending);
    return a >= b && !strcmp(path + a - b, ending);
}

static paths found; /* nftw's callback has no argument */

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)ftw;
    if (type == FTW_F && has_ending(path, ".test")) {
        add_path(&found, path);
    }
    return 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
** Adds the file, or the test files of the folder in the order of their names.  0 if there is none.
*/
static int collect(paths *list, const char *path) {
    struct stat st;
    if (stat(path, &st) != 0) {
        return 0;
    }
    if (!S_ISDIR(st.st_mode)) {
        add_path(list, path);
        return 1;
    }
    found = (paths){0};
    nftw(path, visit, 16, FTW_PHYS);
    if (found.count) {
        qsort(found.items, found.count, sizeof *found.items, by_name);
    }
    for (size_t i = 0; i < found.count; i++) {
        add_path(list, found.items[i]);
        free(found.items[i]);
    }
    free(found.items);
    return found.count > 0;
}

/* -------------------------------------------------------------------------------- one file -- */

static int read_lines(run *r) {
    FILE *const f = fopen(r->path, "r");
    char *line = NULL;
    size_t capacity = 0, room = 0;
    ssize_t length = 0;
    if (!f) {
        return 0;
    }
    while ((length = getline(&line, &capacity, f)) >= 0) {
        while (length && (line[length - 1] == '\n' || line[length - 1] == '\r')) {
            length--;
        }
        if (r->line_count == room) {
            room = 2 * room + 256;
            r->lines = realloc(r->lines, room * sizeof *r->lines);
            if (!r->lines) {
                abort();
            }
        }
        r->lines[r->line_count++] = run_strndup(line, (size_t)length);
    }
    free(line);
    fclose(f);
    return 1;
}

void run_file(const char *path, const options *o, const char *folder, report *sum) {
    run r = {.path = path, .extension = o->extension, .report = sum, .verbose = o->verbose};
    if (!read_lines(&r) || chdir(folder) != 0) {
        run_fail(&r, 0, "cannot be read");
        return;
    }
    apart_begin(o->timeout);
    r.database = run_strdup("test.db");
    database_select(&r, "main", NULL, 0);
    if (has_ending(path, ".md")) {
        markdown_run(&r);
    } else {
        script_run(&r, 0, r.line_count);
    }
    database_reset(&r, r.line_count ? r.line_count - 1 : 0);
    for (size_t i = 0; i < r.line_count; i++) {
        free(r.lines[i]);
    }
    free(r.lines);
    sqlite3_shutdown();
}

/* ------------------------------------------------------------------------- command line -- */

/* Of run_linked, which has the extension in it. */
__attribute__((weak)) int sqlite3_hannoy_init(sqlite3 *db, char **error, const void *api);

/* Initialises SQLite, and so comes after its settings. */
static void add_linked_extension(const options *o) {
    if (!o->extension && sqlite3_hannoy_init) {
        sqlite3_auto_extension((void (*)(void))sqlite3_hannoy_init);
    }
}

static int usage(void) {
    fputs("usage: run [--ext hannoy.so] [--timeout SECONDS] [--verbose] FILE_OR_FOLDER...\n",
          stderr);
    return 2;
}

static int parse_args(int argc, char **argv, options *o, paths *list) {
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--ext") && i + 1 < argc) {
            o->extension = realpath(argv[++i], NULL);
            if (!o->extension) {
                return 0;
            }
        } else if (!strcmp(argv[i], "--timeout") && i + 1 < argc) {
            o->timeout = (unsigned)atoi(argv[++i]);
        } else if (!strcmp(argv[i], "--child") && i + 1 < argc) {
            o->child = argv[++i];
        } else if (!strcmp(argv[i], "--verbose")) {
            o->verbose = 1;
        } else if (argv[i][0] == '-' || !collect(list, argv[i])) {
            fprintf(stderr, "run: nothing to run: %s\n", argv[i]);
            return 0;
        }
    }
    return list->count > 0;
}

int main(int argc, char **argv) {
    options o = {.timeout = 300};
    paths list = {0};
    if (!parse_args(argc, argv, &o, &list)) {
        return usage();
    }
    if (sqlite3_config(SQLITE_CONFIG_LOG, functions_note_log, NULL) != SQLITE_OK) {
        return 2;
    }
    add_linked_extension(&o);
    if (o.child) {
        return apart_child(list.items[0], &o);
    }
    report *const shared = apart_report();
    if (!shared) {
        return 2;
    }
    for (size_t i = 0; i < list.count; i++) {
        run_apart(list.items[i], &o, shared);
        free(list.items[i]);
    }
    free(list.items);
    free(o.extension);
    printf("%d passed, %d failed\n", shared->passed, shared->failed);
    return shared->failed > 0;
}
