"""apsw.  apsw_module.py EXTENSION FOLDER"""

import array
import sys
from concurrent.futures import ThreadPoolExecutor

import apsw

EXTENSION, DATABASE = sys.argv[1], sys.argv[2] + "/apsw.db"
SEARCH = "SELECT id, distance FROM notes WHERE knn_match(vector, ?) AND kind = ? AND k = ?"
QUERY = array.array("f", [700.25, 1]).tobytes()
NEAREST = [(700, 0.25), (702, 1.75), (698, 2.25)]


def connect():
    db = apsw.Connection(DATABASE)
    db.set_busy_timeout(60000)
    db.enable_load_extension(True)
    db.load_extension(EXTENSION)
    return db


db = connect()
db.execute(
    "CREATE VIRTUAL TABLE notes USING hannoy(id INTEGER PRIMARY KEY, dim=2, metric=l2, kind TEXT)"
)
with db:
    db.executemany(
        "INSERT INTO notes(id, vector, kind) VALUES (?, ?, ?)",
        (
            (i, array.array("f", [i, 1]).tobytes(), "odd" if i % 2 else "even")
            for i in range(1, 1501)
        ),
    )
assert (
    db.execute(SEARCH, (QUERY, "even", 3)).get
    == db.execute(SEARCH, (QUERY, "even", 3.0)).get
    == NEAREST
)
assert list(
    db.execute(
        "SELECT id FROM notes WHERE vector MATCH ? AND id IN (?, ?, ?) AND k = ?",
        (QUERY, 5, 6, 7, 2),
    )
) == [(7,), (6,)]

# with db: savepoints that nest.
with db:
    try:
        with db:
            db.execute("INSERT INTO notes(id, vector, kind) VALUES (2000, ?, 'even')", (QUERY,))
            assert list(db.execute(SEARCH, (QUERY, "even", 1))) == [(2000, 0.0)]
            raise ValueError
    except ValueError:
        pass
    db.execute("UPDATE notes SET kind = 'even' WHERE id = 701")
assert list(db.execute(SEARCH, (QUERY, "even", 2))) == [(700, 0.25), (701, 0.75)]
db.execute("UPDATE notes SET kind = 'odd' WHERE id = 701")


def work(n):
    mine = connect()
    for i in range(20):
        assert list(mine.execute(SEARCH, (QUERY, "even", 3))) == NEAREST
        mine.execute(
            "INSERT INTO notes(id, vector, kind) VALUES (?, ?, 'odd')",
            (10000 * n + i, f"[{5000 * n + i}, 1]"),
        )
    mine.close()


with ThreadPoolExecutor(4) as pool:
    list(pool.map(work, range(1, 5)))
assert db.execute("SELECT count(*) FROM notes").get == 1580

db.close()
db = connect()
assert list(db.execute(SEARCH, (QUERY, "even", 3))) == NEAREST
assert db.pragma("integrity_check") == "ok"
db.close()
print("1 passed, 0 failed")
