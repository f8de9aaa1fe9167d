#include "change/command.h"

#include <string.h>

#include "change/index_build.h"
#include "change/integrity_check.h"
#include "change/writer.h"
#include "schema/options.h"
#include "shadow/error.h"

static int run_build(hx_writer *writer, bool restart) {
    hx_index_build build = {.asked = true, .restart = restart};
    const int rc = hx_index_build_run(writer->view, &build);
    if (rc) return rc;
    return build.status ? hx_fail_status(writer->shadow, build.status)
                        : hx_autobuild_trim(writer, &build);
}

static int build(hx_writer *writer) {
    return run_build(writer, false);
}

static int rebuild(hx_writer *writer) {
    return run_build(writer, true);
}

static int check(hx_writer *writer) {
    return hx_integrity_check(writer->view);
}

typedef struct command {
    const char *name;
    int (*run)(hx_writer *writer);
} command;

static const command commands[] = {
    {"build", build},
    {"rebuild", rebuild},
    {"integrity-check", check},
};

static int set(hx_writer *writer, const char *text) {
    hx_options options = writer->shadow->config.options;
    const char *key;
    int64_t value;
    char *error = NULL;
    int rc = hx_setting_parse(text, &options, &key, &value, &error);
    if (rc == SQLITE_OK) return hx_config_write_options(writer->shadow, &options);
    if (error && !strchr(text, '='))
        rc = hx_fail(writer->shadow, rc,
                     "%s, as in ef=200, or a command: build, rebuild, integrity-check", error);
    else
        return hx_fail_with(writer->shadow, rc, error);
    sqlite3_free(error);
    return rc;
}

/* Without the blanks around it; for sqlite3_free(). */
static char *trimmed(const char *text) {
    static const char blanks[] = " \t\r\n";
    text += strspn(text, blanks);
    size_t length = strlen(text);
    while (length && strchr(blanks, text[length - 1])) length--;
    return sqlite3_mprintf("%.*s", (int)length, text);
}

static int run(hx_writer *writer, const char *text) {
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (sqlite3_stricmp(text, commands[i].name) == 0) return commands[i].run(writer);
    }
    return set(writer, text);
}

int hx_command_run(hx_writer *writer, sqlite3_value *value) {
    const char *const text = (const char *)sqlite3_value_text(value);
    hny_boundary trim;
    if (!text) return SQLITE_NOMEM;
    int rc = hx_config_read(writer->shadow, &trim);
    if (rc) return rc;
    char *const command = trimmed(text);
    rc = command ? run(writer, command) : SQLITE_NOMEM;
    sqlite3_free(command);
    return rc;
}
