"""Litestream: a replica that is restored, followed, and restored over an old sidecar.

litestream.py EXTENSION FOLDER LITESTREAM [--rows N]
"""

import argparse
import contextlib
import os
import sqlite3
import subprocess

from checks import LAST_CHANGE, SEARCH, STATE, STORED, STRATEGY
from checks import check, check_answers, check_walks, finish, until
from server import Server
from vectors import Stored, made

SETTINGS = """
dbs:
  - path: {folder}/app.db
    replicas:
      - type: file
        path: {folder}/replica
        sync-interval: 200ms
"""


class Database:
    """Opened for one question each time, as restored files are replaced."""

    name = "the database"

    def __init__(self, path, extension, mode="rw"):
        self.path, self.extension, self.mode = path, extension, mode

    def connect(self):
        db = sqlite3.connect(f"file:{self.path}?mode={self.mode}", uri=True, timeout=30)
        db.enable_load_extension(True)
        db.load_extension(self.extension)
        return db

    def ask(self, *statements):
        """The rows of each statement: SQL, or SQL and its parameters."""
        asked = [(s,) if isinstance(s, str) else s for s in statements]
        try:
            with contextlib.closing(self.connect()) as db:
                return [db.execute(sql, parameters).fetchall() for sql, *parameters in asked]
        except sqlite3.Error as e:  # the file is not there yet, or being written
            raise OSError(str(e)) from e

    def search(self, vector):
        """(rows, strategy)"""
        rows, strategy = self.ask((SEARCH, vector.tobytes()), STRATEGY)
        return rows, strategy[0][0]

    def stored(self):
        return dict(self.ask(STORED)[0])

    def state(self):
        return self.ask(STATE)[0][0][0]


class Writer:
    def __init__(self, database, stored):
        self.db, self.stored = database.connect(), stored

    def write(self, rowids, shift=0):
        with self.db:
            self.db.executemany(
                "INSERT OR REPLACE INTO v(rowid, vector) VALUES (?, ?)",
                [(r, self.stored.vector_of(r, shift).tobytes()) for r in rowids],
            )
        self.stored.put(rowids, shift)


def check_copy(database, stored, queries, after):
    until(30, lambda: not stored.differing(database.stored()))
    (sound,) = database.ask("PRAGMA integrity_check")
    check(sound == [("ok",)], f"{after}: the database is sound", sound if sound[1:] else "")
    check_walks(database, queries[0], after)
    check_answers(database, stored, queries, after)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("extension")
    options.add_argument("folder")
    options.add_argument("litestream")
    options.add_argument("--rows", type=int, default=10000)
    o = options.parse_args()
    vectors = made(o.rows + 50)
    stored = Stored(vectors[: o.rows])
    queries = vectors[o.rows :]
    source = Database(f"{o.folder}/app.db", o.extension, "rwc")
    writer = Writer(source, stored)
    writer.db.execute("PRAGMA journal_mode = wal")
    writer.db.execute("CREATE VIRTUAL TABLE v USING hannoy(dim=64, metric=cosine)")
    with open(f"{o.folder}/litestream.yml", "w") as f:
        f.write(SETTINGS.format(folder=o.folder))

    first = Database(f"{o.folder}/first.db", o.extension)

    def restore(database):
        """What the replica has, when it has all that was written."""
        path = database.path

        def restored():
            for name in (path, path + "-wal", path + "-shm"):
                if os.path.exists(name):
                    os.unlink(name)
            command = [o.litestream, "restore", "-o", path, f"file://{o.folder}/replica"]
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            have = done.returncode == 0 and database.ask(LAST_CHANGE)
            return have == source.ask(LAST_CHANGE)

        if until(60, restored) is None:
            check(False, f"{path} is restored within 60 s")

    replicate = Server(f"{o.folder}/replicate.log")
    follow = Server(f"{o.folder}/follow.log")
    try:
        replicate.run(o.litestream, "replicate", "-config", f"{o.folder}/litestream.yml")
        writer.write(range(1, o.rows // 2))
        restore(first)
        check_copy(first, stored, queries, "restored")

        followed = Database(f"{o.folder}/followed.db", o.extension, "ro")
        follow.run(o.litestream, "restore", "-f", "-follow-interval", "300ms", "-o",
                   followed.path, f"file://{o.folder}/replica")
        check_copy(followed, stored, queries, "followed")
        for begin in range(o.rows // 2, o.rows + 1, 500):
            writer.write(range(begin, min(begin + 500, o.rows + 1)))
        check_copy(followed, stored, queries, "followed over builds")
        writer.write(range(1, o.rows // 4), shift=1)
        check_copy(followed, stored, queries, "followed over changes")

        restore(first)
        check_copy(first, stored, queries, "restored over a sidecar")
    finally:
        follow.kill()
        replicate.kill()
    finish()


if __name__ == "__main__":
    main()
