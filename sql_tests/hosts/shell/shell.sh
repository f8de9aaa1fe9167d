#!/usr/bin/env bash
# The sqlite3 shell.  shell.sh EXTENSION FOLDER
#
# A parameter set by .parameter without quotes is a number, with quotes TEXT; both are a k.
set -euo pipefail
extension=$1 database=$2/shell.db

expect() { # NAME EXPECTED: the last answer is this
    [ "$answer" = "$2" ] || { printf '%s: expected\n%s\ngot\n%s\n' "$1" "$2" "$answer"; exit 1; }
}

run() { # the SQL of standard input, in a shell of its own
    answer=$(sqlite3 -bail -cmd ".load $extension" "$database" 2>&1) || true
}

run <<'SQL'
CREATE VIRTUAL TABLE notes USING hannoy(id INTEGER PRIMARY KEY, dim=2, metric=l2, kind TEXT);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
INSERT INTO notes(id, vector, kind)
SELECT i, json_array(i, 1), CASE i % 2 WHEN 0 THEN 'even' ELSE 'odd' END FROM n;
COMMIT;
SELECT count(*) FROM notes;
SQL
expect insert 1500

nearest=$'700|0.25\n702|1.75\n698|2.25'
run <<'SQL'
.parameter set :q "'[700.25, 1]'"
.parameter set :k 3
SELECT id, distance FROM notes WHERE knn_match(vector, :q) AND kind = 'even' AND k = :k;
SQL
expect 'a number as k' "$nearest"

run <<'SQL'
.parameter set :q "'[700.25, 1]'"
.parameter set :k "'3'"
SELECT id, distance FROM notes WHERE vector MATCH :q AND kind = 'even' AND k = :k;
SQL
expect 'a text as k' "$nearest"

run <<'SQL'
.parameter set :q "'[700.25, 1]'"
.parameter set :n "'3'"
SELECT id, distance FROM notes(:q, :n) WHERE kind = 'even';
SQL
expect 'a text as argument' "$nearest"

run <<'SQL'
BEGIN;
INSERT INTO notes(id, vector, kind) VALUES (2000, '[700.25, 1]', 'even');
DELETE FROM notes WHERE id = 700;
UPDATE notes SET kind = 'odd' WHERE id = 702;
SELECT id FROM notes WHERE knn_match(vector, '[700.25, 1]') AND kind = 'even' AND k = 2;
ROLLBACK;
SELECT id FROM notes WHERE knn_match(vector, '[700.25, 1]') AND kind = 'even' AND k = 2;
SELECT count(*) FROM notes;
SQL
expect rollback $'2000\n698\n700\n702\n1500'

run <<'SQL'
INSERT INTO notes(notes) VALUES ('integrity-check');
PRAGMA integrity_check;
SQL
expect 'integrity check' ok

# What .dump writes makes the same table elsewhere.  It writes sqlite_schema, which a shell that is
# defensive refuses.
sqlite3 -cmd ".load $extension" "$database" .dump >"$2/dump.sql"
database=$2/copy.db
sqlite3 -bail -cmd ".load $extension" -cmd '.dbconfig defensive off' "$database" <"$2/dump.sql" \
    >/dev/null
run <<'SQL'
SELECT id, distance FROM notes WHERE knn_match(vector, '[700.25, 1]') AND kind = 'even' AND k = 3;
SQL
expect 'dump and reload' "$nearest"

echo '1 passed, 0 failed'
