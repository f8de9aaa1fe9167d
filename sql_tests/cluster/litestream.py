"""Litestream: a replica that is restored, followed, and restored over an old sidecar.

litestream.py EXTENSION FOLDER LITESTREAM [--rows N]
"""

import argparse
import contextlib
import os
import sqlite3
import subprocess

from checks import check, finish, until
from server import Server
from vectors import Stored, made

SEARCH = "SELECT rowid, distance FROM v WHERE knn_match(vector, ?) AND k = 10"
STRATEGY = "SELECT value FROM hannoy_info('v') WHERE key = 'last_strategy'"
STATE = "SELECT value FROM hannoy_info('v') WHERE key = 'state'"
BUILD = "SELECT hannoy_build('v')"
WALKS_WITHIN = 10
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


class Checker:
    def __init__(self, stored, queries):
        self.stored, self.queries = stored, queries

    def check(self, database, after):
        def has_all():
            return not self.stored.differing(dict(database.ask("SELECT rowid, vector FROM v")[0]))

        check(until(30, has_all) is not None, f"{after}: all {len(self.stored.chosen)} rows")
        (sound,) = database.ask("PRAGMA integrity_check")
        check(sound == [("ok",)], f"{after}: the database is sound", sound if sound[1:] else "")

        def walks():
            return database.ask((SEARCH, self.queries[0].tobytes()), STRATEGY)[1] == [("walk",)]

        if "no index" in database.ask(STATE)[0][0][0]:
            database.ask(BUILD)
        took = until(WALKS_WITHIN, walks)
        check(took is not None, f"{after}: searches use an index",
              "" if took is None else f"after {took:.1f} s")
        answers = database.ask(*[(SEARCH, q.tobytes()) for q in self.queries])
        judged = [self.stored.judge(q, a) for q, a in zip(self.queries, answers)]
        recall = sum(r for r, _ in judged) / len(judged)
        error = max(e for _, e in judged)
        check(recall > 0.9 and error < 1e-12, f"{after}: the nearest are found",
              f"recall {recall:.3f}, distances within {error:.0e}")


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


def main():
    options = argparse.ArgumentParser()
    options.add_argument("extension")
    options.add_argument("folder")
    options.add_argument("litestream")
    options.add_argument("--rows", type=int, default=10000)
    o = options.parse_args()
    vectors = made(o.rows + 50)
    stored = Stored(vectors[: o.rows])
    checker = Checker(stored, vectors[o.rows :])
    source = Database(f"{o.folder}/app.db", o.extension, "rwc")
    writer = Writer(source, stored)
    writer.db.execute("PRAGMA journal_mode = wal")
    writer.db.execute("CREATE VIRTUAL TABLE v USING hannoy(dim=64, metric=cosine)")
    with open(f"{o.folder}/litestream.yml", "w") as f:
        f.write(SETTINGS.format(folder=o.folder))

    def restore(path):
        """What the replica has, when it has all that was written."""

        def restored():
            for name in (path, path + "-wal", path + "-shm"):
                if os.path.exists(name):
                    os.unlink(name)
            command = [o.litestream, "restore", "-o", path, f"file://{o.folder}/replica"]
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            have = done.returncode == 0 and Database(path, o.extension).ask(log)
            return have == source.ask(log)

        log = "SELECT max(seq) FROM v_log"
        if until(60, restored) is None:
            check(False, f"{path} is restored within 60 s")

    replicate = Server(f"{o.folder}/replicate.log")
    follow = Server(f"{o.folder}/follow.log")
    try:
        replicate.run(o.litestream, "replicate", "-config", f"{o.folder}/litestream.yml")
        writer.write(range(1, o.rows // 2))
        restore(f"{o.folder}/first.db")
        checker.check(Database(f"{o.folder}/first.db", o.extension), "restored")

        followed = Database(f"{o.folder}/followed.db", o.extension, "ro")
        follow.run(o.litestream, "restore", "-f", "-follow-interval", "300ms", "-o",
                   followed.path, f"file://{o.folder}/replica")
        checker.check(followed, "followed")
        for begin in range(o.rows // 2, o.rows + 1, 500):
            writer.write(range(begin, min(begin + 500, o.rows + 1)))
        checker.check(followed, "followed over builds")
        writer.write(range(1, o.rows // 4), shift=1)
        checker.check(followed, "followed over changes")

        restore(f"{o.folder}/first.db")
        checker.check(Database(f"{o.folder}/first.db", o.extension), "restored over a sidecar")
    finally:
        follow.kill()
        replicate.kill()
    finish()


if __name__ == "__main__":
    main()
