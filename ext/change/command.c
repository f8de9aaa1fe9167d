#include "change/command.h"

#include <string.h>

#include "change/index_build.h"
#include "functions/integrity_check.h"
#include "schema/options.h"
#include "shadow/error.h"
#include "table.h"

static int run_build(hx_table *table, bool restart) {
    hx_index_build build = {.asked = true, .restart = restart};
    const int rc = hx_index_build_run(table, &build);
    if (rc) return rc;
    return build.status ? hx_fail_status(table, build.status) : hx_autobuild_trim(table, &build);
}

static int build(hx_table *table) {
    return run_build(table, false);
}

static int rebuild(hx_table *table) {
    return run_build(table, true);
}

typedef struct command {
    const char *name;
    int (*run)(hx_table *table);
} command;

static const command commands[] = {
    {"build", build},
    {"rebuild", rebuild},
    {"integrity-check", hx_integrity_check},
};

static int set(hx_table *table, const char *text) {
    hx_options options = table->config.options;
    const char *key;
    int64_t value;
    char *error = NULL;
    int rc = hx_setting_parse(text, &options, &key, &value, &error);
    if (rc == SQLITE_OK) return hx_config_write_options(table, &options);
    if (error && !strchr(text, '='))
        rc = hx_fail(table, rc, "%s, as in ef=200, or a command: build, rebuild, integrity-check",
                     error);
    else
        return hx_fail_with(table, rc, error);
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

static int run(hx_table *table, const char *text) {
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (sqlite3_stricmp(text, commands[i].name) == 0) return commands[i].run(table);
    }
    return set(table, text);
}

int hx_command_run(hx_table *table, sqlite3_value *value) {
    const char *const text = (const char *)sqlite3_value_text(value);
    hny_boundary trim;
    if (!text) return SQLITE_NOMEM;
    int rc = hx_config_read(table, &trim);
    if (rc) return rc;
    char *const command = trimmed(text);
    rc = command ? run(table, command) : SQLITE_NOMEM;
    sqlite3_free(command);
    return rc;
}
