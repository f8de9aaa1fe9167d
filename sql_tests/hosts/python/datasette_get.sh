#!/usr/bin/env bash
# Datasette, which binds what comes with the address as TEXT.  datasette_get.sh EXTENSION FOLDER
#
# The database is made by sqlite-utils, on the command line too.
set -euo pipefail
extension=$1 database=$2/datasette.db
answer=

expect() { # NAME EXPECTED
    [ "$answer" = "$2" ] || { printf '%s: expected\n%s\ngot\n%s\n' "$1" "$2" "$answer"; exit 1; }
}

utils() { sqlite-utils "$1" "$database" --load-extension "$extension" "${@:2}"; }

utils query 'CREATE VIRTUAL TABLE notes USING hannoy(
    id INTEGER PRIMARY KEY, dim=2, metric=l2, kind TEXT)' >/dev/null
utils query "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
    INSERT INTO notes(id, vector, kind)
    SELECT i, json_array(i, 1), CASE i % 2 WHEN 0 THEN 'even' ELSE 'odd' END FROM n" >/dev/null
answer=$(utils query 'SELECT id, distance FROM notes
    WHERE knn_match(vector, :q) AND kind = :kind AND k = :k' \
    --param q '[700.25, 1]' --param kind even --param k 3 --csv --no-headers | tr -d '\r')
expect 'sqlite-utils query' $'700,0.25\n702,1.75\n698,2.25'
answer=$(utils rows notes -c id -c kind --limit 2 --csv --no-headers | tr -d '\r')
expect 'sqlite-utils rows' $'1,odd\n2,even'

get() { # PATH
    datasette "$database" --load-extension "$extension" --get "$1"
}

sql='SELECT+id,distance+FROM+notes+WHERE+knn_match(vector,:q)+AND+kind=:kind+AND+k=:k'
answer=$(get "/datasette.json?_shape=arrays&sql=$sql&q=[700.25,1]&kind=even&k=3" |
    python -c 'import json, sys; print(json.load(sys.stdin)["rows"])')
expect 'datasette, k as TEXT' '[[700, 0.25], [702, 1.75], [698, 2.25]]'
sql='SELECT+n.id+FROM+notes(:q,:n)+n'
answer=$(get "/datasette.json?_shape=arrays&sql=$sql&q=[700.25,1]&n=2" |
    python -c 'import json, sys; print(json.load(sys.stdin)["rows"])')
expect 'datasette, arguments' '[[700], [701]]'

# Its own pages of the table and of a row.
answer=$(get '/datasette/notes.json?_shape=objects&kind=even&_size=2&_sort=id' |
    python -c 'import json, sys; print([row["id"] for row in json.load(sys.stdin)["rows"]])')
expect 'datasette, the table' '[2, 4]'
answer=$(get '/datasette/notes/7.json?_shape=objects' |
    python -c 'import json, sys; print([row["kind"] for row in json.load(sys.stdin)["rows"]])')
expect 'datasette, a row' "['odd']"
echo '1 passed, 0 failed'
