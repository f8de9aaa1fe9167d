/* Commands and settings; the contract is in command.h. */
#include "change/command.h"

#include <string.h>

#include "change/direct.h"
#include "change/index_build.h"
#include "change/integrity_check.h"
#include "change/writer.h"
#include "schema/options.h"
#include "shadow/error.h"
#include "shadow/external_content.h"

static int build_index(hx_writer *writer, bool restart) {
    hx_index_build build = {.asked = true, .restart = restart};
    const int rc = hx_index_build_run(&writer->views[0], &build);
    if (rc) {
        return rc;
    }
    return build.status ? hx_fail_status(writer->shadow, build.status)
                        : hx_autobuild_trim(writer, &build);
}

static int command_build(hx_writer *writer) {
    return build_index(writer, false);
}

static int command_rebuild(hx_writer *writer) {
    return build_index(writer, true);
}

static int command_check(hx_writer *writer) {
    return hx_integrity_check(&writer->views[0]);
}

typedef struct command {
    const char *name;
    int (*run)(hx_writer *writer);
} command;

static const command commands[] = {
    {"build", command_build},
    {"rebuild", command_rebuild},
    {"integrity-check", command_check},
};

static int change_setting(hx_writer *writer, const char *text) {
    hx_options options = writer->shadow->config.vectors[0].options;
    const char *key;
    int64_t value;
    char *error = NULL;
    int rc = hx_setting_parse(text, &options, &key, &value, &error);
    if (rc == SQLITE_OK) {
        rc = hx_external_content_repair(writer->shadow);
        return rc ? rc : hx_config_write_options(writer->shadow, &options);
    }
    if (error && !strchr(text, '=')) {
        rc = hx_fail(writer->shadow, rc,
                     "%s, as in ef=200, or a command: build, rebuild, integrity-check", error);
    } else {
        return hx_fail_with(writer->shadow, rc, error);
    }
    sqlite3_free(error);
    return rc;
}

/* A copy without leading and trailing blanks, for sqlite3_free(). */
static char *trim_blanks(const char *text) {
    static const char blanks[] = " \t\r\n";
    text += strspn(text, blanks);
    size_t length = strlen(text);
    while (length && strchr(blanks, text[length - 1])) {
        length--;
    }
    return sqlite3_mprintf("%.*s", (int)length, text);
}

static int run_command(hx_writer *writer, const char *text) {
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (sqlite3_stricmp(text, commands[i].name) == 0) {
            return commands[i].run(writer);
        }
    }
    return change_setting(writer, text);
}

/* As SQLite has it for functions that are SQLITE_DIRECTONLY, hannoy_build among them. */
static int check_direct(hx_writer *writer) {
    bool direct;
    const int rc = hx_direct(writer->shadow, &direct);
    if (rc || direct) {
        return rc;
    }
    return hx_fail(writer->shadow, SQLITE_ERROR,
                   "hannoy: commands to %s may not be used in triggers and views",
                   writer->shadow->name);
}

int hx_command_run(hx_writer *writer, sqlite3_value *value) {
    const char *const text = (const char *)sqlite3_value_text(value);
    hny_boundary boundary;
    if (!text) {
        return SQLITE_NOMEM;
    }
    int rc = hx_config_read(writer->shadow, &boundary);
    if (rc == SQLITE_OK) {
        rc = hx_log_tip(writer->shadow, &boundary);
    }
    if (rc == SQLITE_OK) {
        rc = check_direct(writer);
    }
    if (rc) {
        return rc;
    }
    char *const trimmed = trim_blanks(text);
    rc = trimmed ? run_command(writer, trimmed) : SQLITE_NOMEM;
    sqlite3_free(trimmed);
    return rc;
}
