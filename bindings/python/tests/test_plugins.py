"""The plugins of Datasette and sqlite-utils, in the programs as they are installed."""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import unittest

import sqlite_hannoy
from available import LOADS, has


class Plugins(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "app.db")

    def run_program(self, name, *arguments):
        program = os.path.join(os.path.dirname(sys.executable), name)
        done = subprocess.run([program, *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def fill(self):
        db = sqlite3.connect(self.path)
        sqlite_hannoy.load(db)
        with db:
            db.execute("CREATE VIRTUAL TABLE v USING hannoy(dim=2, metric=l2)")
            db.execute("INSERT INTO v(vector) VALUES ('[0, 0]'), ('[3, 4]')")
        db.close()

    @unittest.skipUnless(has("datasette") and LOADS, "no Datasette that loads extensions")
    def test_datasette(self):
        self.fill()
        rows = self.run_program(
            "datasette", self.path, "--get",
            "/app.json?_shape=array&sql=select+rowid,distance+from+v('[3,3]',2)",
        )
        self.assertEqual([row["rowid"] for row in rows], [2, 1])

    @unittest.skipUnless(has("sqlite_utils") and LOADS, "no sqlite-utils that loads extensions")
    def test_sqlite_utils(self):
        self.fill()
        rows = self.run_program("sqlite-utils", "query", self.path,
                                "SELECT rowid, distance FROM v('[3, 3]', 1)")
        self.assertEqual(rows, [{"rowid": 2, "distance": 1.0}])
        import sqlite_utils

        db = sqlite_utils.Database(self.path)
        self.assertEqual(db.execute("SELECT hannoy_check('v')").fetchone(), ("ok",))
        db.close()

    @unittest.skipIf(LOADS, "sqlite3 of this Python loads extensions")
    def test_hosts_go_on(self):
        from sqlite_hannoy._loading import load_or_warn

        with self.assertWarnsRegex(UserWarning, "without loadable extensions"):
            load_or_warn(sqlite3.connect(":memory:"))
