/* Commands and settings; the contract is in command.h. */
#include "change/command.h"

#include <string.h>

#include "change/alter.h"
#include "change/calibration.h"
#include "change/direct.h"
#include "change/index_build.h"
#include "change/integrity_check.h"
#include "change/writer.h"
#include "schema/options.h"
#include "schema/token.h"
#include "shadow/error.h"
#include "shadow/external_content.h"
#include "values/refuse.h"

static int build_indexes(hx_writer *writer, bool restart, bool compact) {
    hx_index_build build = {.asked = true, .restart = restart, .compact = compact};
    const int rc = hx_index_build_all(writer->views, &build);
    if (rc) {
        return rc;
    }
    return build.current ? hx_autobuild_trim(writer, build.at) : SQLITE_OK;
}

static int command_build(hx_writer *writer) {
    return build_indexes(writer, false, false);
}

/*
** A rebuild is asked for after rows were changed past the log.  The table gets a boundary that no
** sidecar has: one in a backup, or another process's, may hold the old boundary with other rows.
*/
static int command_rebuild(hx_writer *writer) {
    const int rc = hx_log_restart(writer->shadow);
    return rc ? rc : build_indexes(writer, true, false);
}

static int command_compact(hx_writer *writer) {
    return build_indexes(writer, false, true);
}

static int command_check(hx_writer *writer) {
    int rc = SQLITE_OK;
    for (int i = 0; i < writer->shadow->columns.vectors && rc == SQLITE_OK; i++) {
        rc = hx_integrity_check(&writer->views[i]);
    }
    return rc;
}

typedef struct command {
    const char *name;
    int (*run)(hx_writer *writer);
} command;

static const command commands[] = {
    {"build", command_build},
    {"rebuild", command_rebuild},
    {"compact", command_compact},
    {"integrity-check", command_check},
};

/* The vector that a setting NAME.setting=value names; *setting is what stands behind the point. */
static int named_vector(const hx_columns *columns, const char *text, const char **setting) {
    for (int i = 0; i < columns->vectors; i++) {
        const char *const name = columns->at[columns->vector[i]].name;
        const size_t length = strlen(name);
        if (sqlite3_strnicmp(text, name, (int)length) == 0 && text[length] == '.') {
            *setting = text + length + 1;
            return i;
        }
    }
    *setting = text;
    return HX_ALL_VECTORS;
}

/* A setting without a vector's name is made for all. */
static int set_one_option(hx_writer *writer, const char *text, char **error) {
    const int vectors = writer->shadow->columns.vectors;
    hx_options options[HX_MAX_VECTORS];
    const char *setting, *key = NULL;
    const int only = named_vector(&writer->shadow->columns, text, &setting);
    int64_t value;
    int rc = SQLITE_OK;
    for (int i = 0; i < vectors && rc == SQLITE_OK; i++) {
        options[i] = writer->shadow->config.vectors[i].options;
        if (only == HX_ALL_VECTORS || only == i) {
            rc = hx_setting_parse(setting, &options[i], &key, &value, error);
        }
    }
    if (rc == SQLITE_OK && only != HX_ALL_VECTORS && vectors > 1 && hx_option_is_shared(key)) {
        return hx_refuse(error, SQLITE_ERROR,
                         "hannoy: %s is of the table and not of one vector; write '%s'", key,
                         setting);
    }
    if (rc == SQLITE_OK) {
        rc = hx_external_content_repair(writer->shadow);
    }
    return rc ? rc : hx_config_write_options(writer->shadow, options);
}

static int change_setting(hx_writer *writer, const char *text) {
    char *error = NULL;
    int rc = set_one_option(writer, text, &error);
    if (rc == SQLITE_OK || !error) {
        return rc;
    }
    if (strchr(text, '=')) {
        return hx_fail_with(writer->shadow, rc, error);
    }
    rc = hx_fail(writer->shadow, rc,
                 "%s, as in ef=200, or a command: build, rebuild, compact, integrity-check, "
                 "calibrate, add, drop",
                 error);
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

/* What follows "add" or "drop", as a word of its own; NULL: another command. */
static const char *behind_word(const char *text, const char *word) {
    return hx_token_is(hx_token_next(&text), word) && strchr(" \t\r\n+\"[`", *text) ? text : NULL;
}

int hx_command_refuse_values(hx_writer *writer) {
    return hx_fail(writer->shadow, SQLITE_ERROR,
                   "hannoy: a command stands alone: INSERT INTO %s(%s) VALUES('build')",
                   writer->shadow->name, hx_hidden_name(&writer->shadow->columns, HX_COMMAND));
}

static int command_calibrate(hx_writer *writer, int vector, sqlite3_value *queries) {
    if (queries) {
        return hx_calibrate(writer, vector, queries);
    }
    const hx_columns *const columns = &writer->shadow->columns;
    return hx_fail(writer->shadow, SQLITE_ERROR,
                   "hannoy: calibrate needs queries: INSERT INTO %s(%s, %s) VALUES('calibrate', "
                   "'[[…], […], …]')",
                   writer->shadow->name, hx_hidden_name(columns, HX_COMMAND),
                   columns->at[columns->vector[0]].name);
}

static int run_command(hx_writer *writer, const char *text, int vector, sqlite3_value *queries) {
    if (sqlite3_stricmp(text, "calibrate") == 0) {
        return command_calibrate(writer, vector, queries);
    }
    if (queries) {
        return hx_command_refuse_values(writer);
    }
    const char *const added = behind_word(text, "add"), *const dropped = behind_word(text, "drop");
    if (added) {
        return hx_alter_add(writer, added);
    }
    if (dropped) {
        return hx_alter_drop(writer, dropped);
    }
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

int hx_command_run(hx_writer *writer, sqlite3_value *value, int vector, sqlite3_value *queries) {
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
    rc = trimmed ? run_command(writer, trimmed, vector, queries) : SQLITE_NOMEM;
    sqlite3_free(trimmed);
    return rc;
}
