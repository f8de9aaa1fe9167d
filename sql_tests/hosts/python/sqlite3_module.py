"""Python's own sqlite3 module.  sqlite3_module.py EXTENSION FOLDER"""

import array
import sqlite3
import sys
import threading

EXTENSION, DATABASE = sys.argv[1], sys.argv[2] + "/sqlite3_module.db"
SEARCH = """SELECT id, distance FROM notes
             WHERE knn_match(vector, :query) AND kind = :kind AND k = :k"""
QUERY = array.array("f", [700.25, 1]).tobytes()
NEAREST = [(700, 0.25), (702, 1.75), (698, 2.25)]


def connect():
    db = sqlite3.connect(DATABASE, timeout=60)
    db.enable_load_extension(True)
    db.load_extension(EXTENSION)
    db.enable_load_extension(False)
    return db


def search(db, k=3):
    return db.execute(SEARCH, {"query": QUERY, "kind": "even", "k": k}).fetchall()


db = connect()
db.execute(
    "CREATE VIRTUAL TABLE notes USING hannoy(id INTEGER PRIMARY KEY, dim=2, metric=l2, kind TEXT)"
)
with db:  # one transaction
    db.executemany(
        "INSERT INTO notes(id, vector, kind) VALUES (?, ?, ?)",
        ((i, array.array("f", [i, 1]), "odd" if i % 2 else "even") for i in range(1, 1501)),
    )
assert search(db) == search(db, k=3.0) == search(db, k="3") == NEAREST
assert db.execute("SELECT id FROM notes(?, ?)", ("[700.25, 1]", 2)).fetchall() == [(700,), (701,)]
assert db.execute(
    "SELECT n.id FROM notes n WHERE knn_match(n.vector, ?) ORDER BY n.distance LIMIT ? OFFSET ?",
    (QUERY, 2, 1),
).fetchall() == [(701,), (699,)]

# A transaction that is rolled back leaves nothing.
try:
    with db:
        cursor = db.execute("INSERT INTO notes(vector, kind) VALUES (?, 'even')", (QUERY,))
        assert cursor.lastrowid == 1501
        db.execute("DELETE FROM notes WHERE id = ?", (700,))
        assert search(db, k=1) == [(1501, 0.0)]
        raise ValueError
except ValueError:
    pass
assert search(db) == NEAREST


# Each thread has a connection of its own, searches and writes.
def work(n, failures):
    try:
        mine = connect()
        for i in range(20):
            assert search(mine) == NEAREST
            with mine:
                mine.execute(
                    "INSERT INTO notes(id, vector, kind) VALUES (?, ?, 'odd')",
                    (10000 * n + i, f"[{5000 * n + i}, 1]"),
                )
        mine.close()
    except BaseException as failure:
        failures.append(failure)


failures = []
threads = [threading.Thread(target=work, args=(n, failures)) for n in range(1, 5)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert failures == [], failures
assert db.execute("SELECT count(*) FROM notes").fetchone() == (1580,)

# Another process, or the next start of this one, finds it as it was.
db.close()
db = connect()
assert search(db) == NEAREST
db.execute("INSERT INTO notes(notes) VALUES ('integrity-check')")
assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
db.close()
print("1 passed, 0 failed")
