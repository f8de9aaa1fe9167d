/* A grammar of statements on hostile schemas.  The contract is in hostile_sql.h. */
#include "hostile_sql.h"

#include <string.h>

/* Beyond this depth a rule gives its first alternative, which has no rules in it. */
#define MAX_DEPTH 9

const char *const hostile_setup[] = {
    "CREATE TABLE docs(id INTEGER PRIMARY KEY, e, a, b)",
    "CREATE TABLE t(a, b)",
    "CREATE VIRTUAL TABLE v USING hannoy(dim=2, metric=l2, linear_below=0, autobuild=4, a INTEGER, "
    "+b)",
    "CREATE VIRTUAL TABLE w USING hannoy(content=docs, vector=e, dim=2, metric=l2, linear_below=0, "
    "autobuild=0, a INTEGER)",
    "CREATE VIRTUAL TABLE u USING hannoy(id TEXT PRIMARY KEY, one float[2], two float[3], "
    "metric=l2, autobuild=3, linear_below=0)",
    "INSERT INTO docs VALUES (1, '[1,0]', 1, 'x'), (2, '[2,0]', 2, 'y'), (3, '[3,0]', 3, 'z')",
    "INSERT INTO v(rowid, vector, a) VALUES (1, '[1,0]', 1), (2, '[2,0]', 2), (3, '[3,0]', 3), (4, "
    "'[4,0]', 4), (5, '[5,0]', 5)",
    "INSERT INTO u(id, one, two) VALUES ('p', '[1,0]', '[1,0,0]'), ('q', '[2,0]', NULL), ('r', "
    "NULL, '[3,0,0]')",
    "INSERT INTO t VALUES ('SELECT hannoy_recall(''v'', a) FROM t', 'SELECT vector FROM v')",
    "CREATE VIEW x AS SELECT rowid AS a, a AS b FROM v",
    NULL};

typedef struct rule {
    const char *name;
    const char *alternatives; /* a line each; more lines of one kind make it more likely */
} rule;

static const rule rules[] = {
    /* ------------------------------------------------------------------------------- names -- */
    {"index", "v\nw\nu"},
    {"shadow",
     "v_content\nv_content\nv_content\nv_log\nv_log\nv_config\nw_log\nw_config\nu_content\n"
     "u_log\nu_config"},
    {"stored", "{shadow}\n{shadow}\ndocs"},
    {"plain", "t\ndocs"},
    {"writable", "v\nw\nu\n{plain}\n{plain}\nx\n{shadow}\n{shadow}"},
    {"source",
     "t\nv\nw\nu\nx\ndocs\n{shadow}\nold\nsqlite_schema\nhannoy_info('{index}')\n"
     "v({vector}, {k})\nw({vector}, {k})\nu({vector}, {k})\nvec_each({vector})\n"
     "json_each('[1,2]')\n(SELECT * FROM {source})\n"
     "(SELECT * FROM {source} UNION ALL SELECT * FROM {source})\n"
     "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n, {source} WHERE i < "
     "{number} LIMIT 9) SELECT i AS id, i AS a, i AS b FROM n)"},
    {"column",
     "a\nb\nid\nvector\nrowid\nkey\nvalue\nseq\nchain\none\ntwo\nv1\ne\ndistance\nc0\nx0"},
    {"trigger", "t1\nt2\nt3\nt4\nw_insert\nw_delete\nw_update\nv_content\ndocs"},
    {"schema", "\n\n\nmain.\ntemp."},
    {"temporary", "\n\n\nTEMP"},
    {"collation", "BINARY\nNOCASE\nRTRIM"},

    /* ------------------------------------------------------------------------------ values -- */
    {"number", "1\n0\n2\n3\n5\n7\n40\n-1\n9223372036854775807\n-9223372036854775808\n1.5\nNULL"},
    {"k", "3\n1\n5\n100\n0"},
    {"vector", "'[1,0]'\n'[2,0]'\n'[3,1]'\n'[1,2,3]'\nx'0000803f00000000'\nzeroblob(8)\n"
               "randomblob(8)\nNULL\n''\n'[1e39,0]'\njson_array(abs(random() % 9), 1)\n{number}"},
    {"text", "'x'\n''\n'p'\n'q'\nhex(randomblob(4))\n'dim=2, metric=l2'\n"
             "'dim=3, metric=cosine'\n'options'\n'trim'\n'format'"},
    {"call",
     "hannoy_version()\nhannoy_build('{index}')\nhannoy_recall('{index}')\n"
     "hannoy_recall('{index}', (SELECT a FROM t))\nhannoy_recall('{index}', (SELECT b FROM t))\n"
     "hannoy_distance({vector}, {vector}, 'l2')\nvec_distance_L2({vector}, {vector})\n"
     "vec_length({vector})\nvec_to_json({vector})\nknn_match({column}, {vector})\n"
     "(SELECT value FROM hannoy_info('{index}') LIMIT 1)\nabs(random())\n"
     "randomblob({number})\nlast_insert_rowid()\ntotal_changes()"},
    {"value", "1\n{number}\n{number}\n{vector}\n{vector}\n{text}\n{call}\n"
              "(SELECT count(*) FROM {source})\n(SELECT {column} FROM {source} LIMIT 1)"},
    {"row value", "new.{column}\nold.{column}\nnew.rowid\nold.rowid\n{value}"},
    {"condition", "1\n{column} = {value}\n{column} < {number}\nrowid = {number}\n"
                  "{column} IN (SELECT {column} FROM {source})\n{column} IS NOT NULL\n"
                  "EXISTS (SELECT 1 FROM {source})\nvector MATCH {vector} AND k = {k}\n"
                  "knn_match(vector, {vector}) AND k = {k} AND exact = 1\nitem = {number}\n"
                  "{column} GLOB '*x*' OR rowid = {number}"},

    /* -------------------------------------------------------------------------- statements -- */
    {"or", "\n\n\nOR REPLACE\nOR IGNORE\nOR FAIL\nOR ROLLBACK\nOR ABORT"},
    {"insert",
     "INSERT INTO t VALUES (1, 2)\n"
     "INSERT {or} INTO {plain}(a, b) VALUES ({row value}, {row value})\n"
     "INSERT {or} INTO docs(id, e) VALUES ({row value}, {vector})\n"
     "INSERT {or} INTO v(vector) VALUES ({vector})\n"
     "INSERT {or} INTO v(rowid, vector, a) VALUES ({row value}, {vector}, {value})\n"
     "INSERT {or} INTO v(rowid, vector, a) VALUES ({number}, {vector}, {number})\n"
     "INSERT {or} INTO w(item) VALUES ({row value})\nINSERT {or} INTO w(rowid) VALUES ({number})\n"
     "INSERT {or} INTO u(id, one, two) VALUES ({text}, {vector}, {vector})\n"
     "INSERT {or} INTO x VALUES ({row value}, {value})\n"
     "INSERT {or} INTO v_content(id, vector) VALUES ({row value}, {vector})\n"
     "INSERT {or} INTO {shadow} SELECT * FROM {shadow}\n"
     "INSERT {or} INTO v_log(seq, id, chain) VALUES ({row value}, {row value}, {value})\n"
     "INSERT {or} INTO v_config VALUES ({text}, {value})\n"
     "INSERT {or} INTO v(rowid, vector) SELECT {column}, {vector} FROM {source}"},
    {"update", "UPDATE t SET a = 1\nUPDATE {or} {writable} SET {column} = {row value}\n"
               "UPDATE {or} v SET vector = {vector}\nUPDATE {or} v SET rowid = {row value}\n"
               "UPDATE {or} docs SET e = {vector} WHERE id = {row value}\n"
               "UPDATE {or} {index} SET {column} = {value} WHERE rowid = {row value}\n"
               "UPDATE {or} {shadow} SET {column} = {value} WHERE {condition}"},
    {"delete", "DELETE FROM t\nDELETE FROM {writable}\nDELETE FROM {writable} WHERE {condition}\n"
               "DELETE FROM {index} WHERE rowid = {row value}"},
    {"trap", "INSERT INTO v(v) VALUES ('ef=" HOSTILE_EF "')\n"
             "INSERT INTO w(w) VALUES ('ef=" HOSTILE_EF "')\n"
             "INSERT INTO u(u) VALUES ('one.ef=" HOSTILE_EF "')\n"
             "INSERT INTO v(v) SELECT 'ef=" HOSTILE_EF "' FROM {source}\n"
             "INSERT INTO v(v) VALUES ('rebuild')\nINSERT INTO u(u) VALUES ('build')\n"
             "INSERT INTO w(w) VALUES ('integrity-check')"},
    {"raise", "SELECT RAISE(IGNORE)\nSELECT RAISE(ABORT, 'no')\nSELECT RAISE(FAIL, 'no')\n"
              "SELECT RAISE(ROLLBACK, 'no')\nSELECT RAISE(IGNORE) WHERE {condition}"},
    {"body",
     "SELECT 1\n{insert}\n{insert}\n{insert}\n{update}\n{update}\n{delete}\n{trap}\n{raise}\n"
     "SELECT {row value}\nSELECT {value} FROM {source}\nSELECT * FROM {source}"},
    {"bodies", "{body}\n{body}; {body}\n{body}; {body}; {body}"},
    {"when",
     "\n\n\nWHEN {row value} < {number}\nWHEN {value}\nWHEN EXISTS (SELECT 1 FROM {source})"},
    {"event", "INSERT\nUPDATE\nDELETE\nUPDATE OF {column}"},

    {"view",
     "SELECT 1 AS a\nSELECT * FROM {source}\nSELECT * FROM {source}, {source}\n"
     "SELECT rowid AS id, * FROM {source}\nSELECT {value} AS id, {value} AS vector\n"
     "SELECT id, vector FROM old\nSELECT * FROM old, v\n"
     "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) SELECT i AS "
     "id, {value} AS vector, * FROM n, {source}\nSELECT * FROM {source} WHERE {condition}"},
    {"table body",
     "(a)\n(id INTEGER PRIMARY KEY, vector)\n(seq INTEGER PRIMARY KEY, id INTEGER, chain "
     "INTEGER)\n(key TEXT PRIMARY KEY, value) WITHOUT ROWID\n"
     "(id INTEGER PRIMARY KEY, c0, vector BLOB, x0, g AS ({column}))\n"
     "(id INTEGER PRIMARY KEY, vector BLOB CHECK ({value}))\n"
     "(seq INTEGER, chain INTEGER, id INTEGER, PRIMARY KEY(seq, chain)) WITHOUT ROWID\n"
     "(id PRIMARY KEY, vector, c0 DEFAULT ({value})) WITHOUT ROWID\n"
     "(id INTEGER PRIMARY KEY REFERENCES {stored}(id) ON DELETE CASCADE, e, a, b)\n"
     "(a REFERENCES v_content ON UPDATE SET NULL ON DELETE CASCADE, b)\n"
     "(id INTEGER PRIMARY KEY, e GENERATED ALWAYS AS ({value}), a, b)\n"
     "AS SELECT * FROM {source}"},
    {"arguments",
     "dim=2, metric=l2\ncontent=docs, vector=e, dim=2, metric=l2\n"
     "content={source}, vector={column}, dim=2, metric=l2\n"
     "content={shadow}, vector=vector, dim=2, metric=l2, autobuild=1\n"
     "content=x, vector=b, content_rowid=a, dim=2, metric=l2\n"
     "content=v, vector=vector, dim=2, metric=l2\n"
     "content=w, vector=vector, dim=2, metric=l2\ncontent=old, vector=vector, dim=2, "
     "metric=l2\ncontent=v_content, content_rowid=id, vector=vector, a, dim=2, metric=l2\n"
     "dim={number}, metric=cosine, {column} TEXT, +{column}\n"
     "{column} float[2], {column} float[3], metric=l2"},
    {"module", "hannoy({arguments})\nhannoy({arguments})\nfts5(vector)\nrtree(id, a, b)\n"
               "hannoy_info('v')"},
    {"hostile",
     "CREATE TRIGGER t1 AFTER INSERT ON t BEGIN SELECT 1; END\n"
     "CREATE {temporary} TRIGGER {trigger} BEFORE {event} ON {stored} {when} BEGIN {bodies}; END\n"
     "CREATE {temporary} TRIGGER {trigger} AFTER {event} ON {stored} {when} BEGIN {bodies}; END\n"
     "CREATE {temporary} TRIGGER {trigger} AFTER {event} ON {stored} FOR EACH ROW {when} BEGIN "
     "{bodies}; END\n"
     "CREATE {temporary} TRIGGER {trigger} AFTER {event} ON docs {when} BEGIN {bodies}; END\n"
     "CREATE {temporary} TRIGGER {trigger} AFTER {event} ON t {when} BEGIN {bodies}; END\n"
     "CREATE {temporary} TRIGGER {trigger} INSTEAD OF {event} ON x {when} BEGIN {bodies}; END\n"
     "CREATE TRIGGER {trigger} AFTER {event} ON {index} BEGIN {bodies}; END\n"
     "ALTER TABLE {stored} RENAME TO old\nALTER TABLE {stored} RENAME TO old\n"
     "ALTER TABLE old RENAME TO {stored}\n"
     "CREATE {temporary} VIEW {stored} AS {view}\nCREATE {temporary} VIEW {stored} AS {view}\n"
     "CREATE {temporary} VIEW {index} AS {view}\nDROP VIEW x\nCREATE VIEW x AS {view}\n"
     "DROP TABLE {stored}\nDROP TABLE t\nCREATE TABLE t{table body}\nDROP VIEW {stored}\nDROP "
     "TRIGGER {trigger}\nDROP TRIGGER {trigger}\n"
     "CREATE {temporary} TABLE {stored}{table body}\nCREATE TABLE {stored}{table body}\n"
     "CREATE VIRTUAL TABLE {schema}{stored} USING {module}\n"
     "CREATE VIRTUAL TABLE {schema}{trigger} USING {module}\n"
     "CREATE VIRTUAL TABLE {schema}{index} USING {module}\n"
     "ALTER TABLE {stored} ADD COLUMN g{number} AS ({value})\n"
     "ALTER TABLE {stored} ADD COLUMN g AS ({column}) STORED\n"
     "ALTER TABLE {stored} ADD COLUMN h CHECK ({condition})\n"
     "ALTER TABLE {stored} ADD COLUMN i DEFAULT {number} NOT NULL\n"
     "ALTER TABLE {stored} RENAME COLUMN {column} TO {column}\n"
     "ALTER TABLE {stored} DROP COLUMN {column}\nALTER TABLE {index} RENAME TO {index}2\n"
     "ALTER TABLE {index}2 RENAME TO {index}\nDROP TABLE {index}\n"
     "CREATE UNIQUE INDEX i{number} ON {stored}({column} COLLATE {collation})\n"
     "CREATE INDEX i1 ON {stored}({value})\nCREATE INDEX i2 ON {stored}({column}, {call})\n"
     "CREATE INDEX i3 ON {stored}({column}) WHERE {condition}\n"
     "CREATE INDEX i4 ON {stored}(vec_length({column}))\n"
     "CREATE INDEX i5 ON {stored}({column}) WHERE vec_length({column}) > {number}\nDROP INDEX i4\n"
     "{insert}\nUPDATE {shadow} SET {column} = {value}\nDELETE FROM {shadow} WHERE {condition}"},

    /* ---------------------------------------------------------------------- sqlite_schema -- */
    {"sql",
     "'CREATE TABLE v_content(id INTEGER PRIMARY KEY, c0, vector, x0)'\n"
     "'CREATE VIEW {stored} AS SELECT * FROM {source}'\n"
     "'CREATE TABLE {stored}{table body}'\n'CREATE VIRTUAL TABLE {index} USING "
     "{module}'\n'CREATE VIRTUAL TABLE {stored} USING {module}'\n"
     "replace(sql, 'dim=2', 'dim=3')\nreplace(sql, 'content=docs', 'content={source}')\n"
     "replace(sql, 'hannoy', 'fts5')\nreplace(sql, 'vector', 'a')\n"
     "replace(sql, 'id INTEGER PRIMARY KEY', 'id')\n"
     "replace(sql, ')', ' CHECK (' || 'vec_length(1) > 0' || '))')\n"
     "replace(sql, 'vector BLOB', 'vector AS (x''00'')')\nsubstr(sql, 1, {number})\n"
     "replace(sql, 'INTEGER', 'TEXT COLLATE NOCASE')\nreplace(sql, ') ', ') WITHOUT ROWID ')"},
    {"edit",
     "UPDATE sqlite_schema SET sql = sql\n"
     "UPDATE sqlite_schema SET sql = {sql} WHERE name = '{stored}'\n"
     "UPDATE sqlite_schema SET sql = {sql} WHERE name = '{stored}'\n"
     "UPDATE sqlite_schema SET sql = {sql} WHERE name = '{index}'\n"
     "UPDATE sqlite_schema SET sql = {sql} WHERE name = '{index}'\n"
     "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = "
     "'{stored}') WHERE name = '{stored}'\n"
     "UPDATE sqlite_schema SET rootpage = 0, type = 'view', sql = 'CREATE VIEW {stored} AS "
     "{view}' WHERE name = '{stored}'\n"
     "UPDATE sqlite_schema SET type = 'table', rootpage = 0, sql = 'CREATE VIRTUAL TABLE "
     "{stored} USING {module}' WHERE name = '{stored}'\n"
     "UPDATE sqlite_schema SET name = '{stored}', tbl_name = '{stored}', sql = 'CREATE TABLE "
     "{stored}{table body}' WHERE name = '{plain}'\n"
     "DELETE FROM sqlite_schema WHERE name = '{shadow}'\n"
     "DELETE FROM sqlite_schema WHERE type = 'trigger'\n"
     "INSERT INTO sqlite_schema SELECT 'trigger', '{trigger}', '{stored}', 0, 'CREATE TRIGGER "
     "{trigger} AFTER {event} ON {stored} BEGIN {bodies}; END'\n"
     "INSERT INTO sqlite_schema SELECT 'table', '{stored}', '{stored}', 0, 'CREATE VIRTUAL "
     "TABLE {stored} USING {module}'"},

    /* --------------------------------------------------------------------------------- use -- */
    {"open",
     "SELECT * FROM v\nSELECT * FROM {source}\nSELECT * FROM {index}({vector}, {k})\n"
     "SELECT rowid FROM {index} WHERE {condition}\nSELECT rowid, distance FROM v WHERE "
     "vector MATCH {vector} AND k = {k}\nSELECT rowid FROM w WHERE knn_match(vector, "
     "{vector})\nSELECT * FROM {source} JOIN {source}\nSELECT * FROM u WHERE one MATCH "
     "{vector} AND k = {k}\nSELECT rowid, a FROM v WHERE vector MATCH {vector} AND k = {k} "
     "AND a > {number}\nSELECT key, value FROM hannoy_info('{index}')\n"
     "INSERT INTO v(vector) VALUES ('[1,1]'), ('[2,2]') RETURNING rowid\nDELETE FROM v WHERE "
     "rowid > {number} RETURNING *"},
    {"command",
     "build\nrebuild\nbuild\nintegrity-check\nef=9\nautobuild=2\nautobuild=0\nmetric=l1\n"
     "codes=int8\nm=5\nthreads=2\nx"},
    {"use",
     "SELECT 1\n{open}\n{open}\n{open}\n{insert}\n{insert}\n{insert}\n{update}\n{update}\n"
     "{delete}\nINSERT INTO v(v) VALUES ('{command}')\n"
     "INSERT INTO v(v, vector) SELECT 'calibrate', {column} FROM t\n"
     "INSERT INTO u(u) VALUES ('{command}')\nINSERT INTO w(w) VALUES ('{command}')\n"
     "SELECT {call}\nSELECT {call}\n"
     "BEGIN\nBEGIN IMMEDIATE\nCOMMIT\nCOMMIT\nROLLBACK\nSAVEPOINT s\nROLLBACK TO s\nRELEASE s\n"
     "ALTER TABLE {index} RENAME TO {index}2\nALTER TABLE {index}2 RENAME TO {index}\n"
     "DROP TABLE {index}\nPRAGMA integrity_check\nPRAGMA table_info({stored})\nVACUUM\n"
     "ANALYZE\nREINDEX\nSELECT * FROM pragma_table_list"},
    {"bit", "0\n1"},
    {"mode", "PRAGMA trusted_schema = {bit}\nPRAGMA recursive_triggers = {bit}\n"
             "PRAGMA legacy_alter_table = {bit}\nPRAGMA foreign_keys = {bit}\n"
             "PRAGMA cell_size_check = {bit}\nPRAGMA journal_mode = WAL\n"
             "PRAGMA journal_mode = DELETE\nPRAGMA writable_schema = RESET\n"
             "PRAGMA query_only = 0\nPRAGMA optimize\nPRAGMA schema_version = {number}"},
};

static const rule *find_rule(const char *name, size_t length) {
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (strlen(rules[i].name) == length && memcmp(rules[i].name, name, length) == 0) {
            return &rules[i];
        }
    }
    fail("the grammar has no rule %.*s", (int)length, name);
}

static void expand(sqlite3_str *out, const char *text, size_t length, rng *r, int depth);

static void expand_rule(sqlite3_str *out, const char *name, size_t length, rng *r, int depth) {
    const char *text = find_rule(name, length)->alternatives;
    uint32_t count = 1;
    for (const char *at = text; *at; at++) {
        count += *at == '\n';
    }
    uint32_t chosen = depth > MAX_DEPTH ? 0 : rng_below(r, count);
    while (chosen--) {
        text = strchr(text, '\n') + 1;
    }
    expand(out, text, strcspn(text, "\n"), r, depth + 1);
}

static void expand(sqlite3_str *out, const char *text, size_t length, rng *r, int depth) {
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '{') {
            sqlite3_str_appendchar(out, 1, text[i]);
            continue;
        }
        const size_t name = strcspn(text + i + 1, "}");
        expand_rule(out, text + i + 1, name, r, depth);
        i += name + 1;
    }
}

char *hostile_sql(const char *start, rng *r) {
    sqlite3_str *const out = sqlite3_str_new(NULL);
    expand_rule(out, start, strlen(start), r, 0);
    char *const sql = sqlite3_str_finish(out);
    if (!sql) {
        fail("out of memory");
    }
    return sql;
}
