"""The command `hannoy`, as it is installed."""

import json
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import sqlite_hannoy
from available import LOADS, has

PROGRAM = os.path.join(os.path.dirname(sys.executable), "hannoy")
READY = all(map(has, ("click", "rich", "pyarrow", "numpy", "lmdb")))
DIM = 8


class Folder(unittest.TestCase):
    """Runs the command in a folder of its own, which has `vectors` to import."""

    def setUp(self):
        import numpy

        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.vectors = numpy.random.default_rng(7).normal(size=(3000, DIM)).astype("<f4")

    def path(self, name):
        return os.path.join(self.folder, name)

    def hannoy(self, *arguments, fails=None):
        done = subprocess.run(
            [PROGRAM, *map(str, arguments)], cwd=self.folder, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=240, env={**os.environ, "COLUMNS": "200"},
        )
        error = done.stderr.decode()
        if fails is not None:
            self.assertEqual((done.returncode, error), (1, f"Error: {fails}\n"))
        else:
            self.assertEqual(done.returncode, 0, error)
        return done.stdout.decode()

    def facts(self, table):
        return json.loads(self.hannoy("info", "app.db", table, "--json"))[table]


@unittest.skipUnless(READY and not LOADS, "no extra cli, or sqlite3 loads extensions here")
class OtherLibrary(Folder):
    """Where sqlite3 loads no extensions."""

    @unittest.skipUnless(has("pysqlite3"), "there is no pysqlite3")
    def test_pysqlite3_is_taken(self):
        import numpy

        numpy.save(self.path("v.npy"), self.vectors)
        self.assertIn("up to date", self.hannoy("import", "app.db", "notes", "v.npy"))
        self.assertEqual(self.facts("notes")["nodes"], 3000)
        self.assertIn("recall@10", self.hannoy("recall", "app.db", "notes", "--queries", 20))
        self.hannoy("export", "app.db", "notes", "out.npy")
        self.assertEqual(numpy.load(self.path("out.npy")).tolist(), self.vectors.tolist())
        self.hannoy("export", "app.db", "notes", "copy.db", "--table", "items")
        self.hannoy("import", "app.db", "copy", "copy.db", "--table", "items")
        self.assertEqual(self.facts("copy")["rows"], 3000)

    @unittest.skipUnless(has("pysqlite3") and has("langchain_core"), "no pysqlite3 or no LangChain")
    def test_stores_take_it(self):
        program = (
            "from langchain_core.embeddings import DeterministicFakeEmbedding as Fake\n"
            "from sqlite_hannoy.langchain import HannoyStore\n"
            "store = HannoyStore(Fake(size=8), 'app.db')\n"
            "store.add_texts(['one', 'two'], ids=['1', '2'])\n"
            "print(store.similarity_search('two', k=1)[0].id)\n"
        )
        done = subprocess.run([sys.executable, "-c", program], cwd=self.folder, timeout=240,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual((done.stdout, done.stderr), (b"2\n", b""))

    @unittest.skipIf(has("pysqlite3"), "there is pysqlite3")
    def test_it_is_named_and_no_database_is_made(self):
        with open(self.path("v.fvecs"), "wb") as file:
            file.write(struct.pack("<i2f", 2, 1, 2))
        done = subprocess.run([PROGRAM, "import", "app.db", "notes", "v.fvecs"], cwd=self.folder,
                              stderr=subprocess.PIPE, timeout=240)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"pip install pysqlite3-binary", done.stderr)
        self.assertFalse(os.path.exists(self.path("app.db")))


@unittest.skipUnless(READY and LOADS, "the extra cli is not installed, or nothing loads extensions")
class Command(Folder):
    def open(self):
        db = sqlite3.connect(self.path("app.db"))
        self.addCleanup(db.close)
        sqlite_hannoy.load(db)
        return db

    def rows(self, sql, *arguments):
        return self.open().execute(sql, arguments).fetchall()

    def check_vectors(self, table, count, first=1):
        rows = self.rows(f'SELECT id, vector FROM "{table}" ORDER BY id')
        self.assertEqual([row[0] for row in rows], list(range(first, first + count)))
        self.assertEqual(b"".join(row[1] for row in rows), self.vectors[:count].tobytes())

    def test_npy(self):
        import numpy

        numpy.save(self.path("v.npy"), self.vectors)
        self.assertIn("3,000 rows imported", self.hannoy("import", "app.db", "notes", "v.npy"))
        self.check_vectors("notes", 3000)
        facts = self.facts("notes")
        self.assertEqual((facts["rows"], facts["nodes"], facts["pending"]), (3000, 3000, 0))
        self.assertEqual((facts["metric"], facts["autobuild"]), ("cosine", 1000))
        left = self.rows("SELECT name FROM sqlite_schema WHERE name = 'hannoy_imports'")
        self.assertEqual(left, [])
        numpy.save(self.path("w.npy"), self.vectors.astype("f2"))
        self.hannoy("import", "app.db", "half", "w.npy", "--type", "float16", "--metric", "l2",
                    "--option", "m=8", "--no-build")
        facts = self.facts("half")
        self.assertEqual((facts["type"], facts["m"], facts["nodes"]), ("float16", 8, 0))
        self.assertEqual(self.rows("SELECT vector FROM half WHERE id = 2")[0][0],
                         self.vectors[1].astype("<f2").tobytes())

    def test_there_and_back(self):
        """Each format brings back what was exported, with ids and columns where it has them."""
        with open(self.path("v.jsonl"), "w", encoding="utf-8") as lines:
            for i in range(700):
                record = {"id": i + 1, "title": f"Über, {i}\n", "year": i, "price": i / 2,
                          "vector": self.vectors[i].tolist()}
                lines.write(json.dumps(record) + "\n")
        self.hannoy("import", "app.db", "v", "v.jsonl", "--chunk", 100)
        self.check_vectors("v", 700)
        want = self.rows("SELECT * FROM v")
        self.assertEqual(want[5][2:], ("Über, 5\n", 5, 2.5))
        for suffix in ("parquet", "jsonl", "csv", "npy", "fvecs"):
            self.assertIn("700 rows", self.hannoy("export", "app.db", "v", f"out.{suffix}"))
            self.hannoy("import", "app.db", suffix, f"out.{suffix}", "--no-build")
            self.check_vectors(suffix, 700)
            if suffix not in ("npy", "fvecs"):
                self.assertEqual(self.rows(f"SELECT * FROM {suffix}"), want, suffix)
        self.hannoy("export", "app.db", "v", "some.csv", "--columns", "year")
        with open(self.path("some.csv"), encoding="utf-8") as text:
            self.assertEqual(text.readline(), "id,year,vector\n")

    def test_keys_and_replace(self):
        with open(self.path("v.csv"), "w") as text:
            text.write('key,embedding\na,"[1, 0]"\nb,"[0, 1]"\n')
        self.hannoy("import", "app.db", "v", "v.csv", "--id", "key")
        self.assertEqual(self.rows("SELECT id FROM v ORDER BY id"), [("a",), ("b",)])
        self.hannoy("import", "app.db", "v", "v.csv", "--id", "key",
                    fails="rows 1 to 2: UNIQUE constraint failed: v.id")
        self.hannoy("import", "app.db", "v", "v.csv", "--id", "key", "--replace")
        self.assertEqual(self.rows("SELECT count(*) FROM v"), [(2,)])

    def test_sqlite(self):
        db = sqlite3.connect(self.path("old.db"))
        with db:
            db.execute("CREATE TABLE docs(id INTEGER PRIMARY KEY, title TEXT, e BLOB)")
            db.executemany("INSERT INTO docs VALUES (?, ?, ?)",
                           [(i + 1, f"t{i}", self.vectors[i].tobytes()) for i in range(50)])
        db.close()
        self.hannoy("import", "app.db", "v", "old.db", "--table", "docs")
        self.check_vectors("v", 50)
        self.assertEqual(self.rows("SELECT title FROM v WHERE id = 7"), [("t6",)])

    @unittest.skipUnless(has("sqlite_vec"), "no sqlite-vec")
    def test_vec0(self):
        import sqlite_vec

        db = sqlite3.connect(self.path("old.db"))
        db.enable_load_extension(True)
        sqlite_vec.load(db)
        with db:
            db.execute("CREATE VIRTUAL TABLE old USING vec0(embedding float[8], lang text)")
            db.executemany("INSERT INTO old(rowid, embedding, lang) VALUES (?, ?, 'en')",
                           [(i + 1, self.vectors[i].tobytes()) for i in range(50)])
        db.close()
        self.hannoy("import", "app.db", "v", "old.db", "--table", "old", "--columns", "lang")
        self.check_vectors("v", 50)
        self.assertEqual(self.rows("SELECT DISTINCT lang FROM v"), [("en",)])

    @unittest.skipUnless(has("sqlite_vec"), "no sqlite-vec")
    def test_vec0_types(self):
        """BLOBs of int8 and of bits are taken as such, with the metric of the table."""
        import sqlite_vec

        db = sqlite3.connect(self.path("old.db"))
        db.enable_load_extension(True)
        sqlite_vec.load(db)
        numbers = [bytes((i, 255 - i, 3, 4)) for i in range(40)]
        with db:
            db.execute("CREATE VIRTUAL TABLE a USING vec0(e int8[4] distance_metric=cosine)")
            db.execute("CREATE VIRTUAL TABLE b USING vec0(e bit[32])")
            for name in "ab":
                form = "vec_int8(?)" if name == "a" else "vec_bit(?)"
                db.executemany(f"INSERT INTO {name}(rowid, e) VALUES (?, {form})",
                               enumerate(numbers, 1))
        db.close()
        for name, type, metric in (("a", "int8", "cosine"), ("b", "bit", "hamming")):
            self.hannoy("import", "app.db", name, "old.db", "--table", name)
            facts = self.facts(name)
            self.assertEqual((facts["type"], facts["metric"]), (type, metric))
            self.assertEqual(self.rows(f"SELECT vector FROM {name} ORDER BY id"),
                             [(blob,) for blob in numbers])

    def test_hannoy_table(self):
        """Of another database, in its own type."""
        import numpy

        numpy.save(self.path("v.npy"), self.vectors[:60].astype("f2"))
        self.hannoy("import", "old.db", "v", "v.npy", "--type", "float16", "--metric", "l2")
        self.hannoy("import", "app.db", "w", "old.db", "--table", "v")
        facts = self.facts("w")
        self.assertEqual((facts["type"], facts["metric"], facts["rows"]),
                         ("float16", "euclidean", 60))
        self.assertEqual(self.rows("SELECT vector FROM w WHERE id = 7")[0][0],
                         self.vectors[6].astype("<f2").tobytes())

    @unittest.skipUnless(has("vectorlite_py"), "no vectorlite")
    def test_vectorlite(self):
        import numpy
        import vectorlite_py

        db = sqlite3.connect(self.path("old.db"))
        db.enable_load_extension(True)
        db.load_extension(vectorlite_py.vectorlite_path())
        index = self.path("an index")
        with db:
            db.execute("CREATE VIRTUAL TABLE old USING vectorlite(e float32[8] cosine,"
                       f" hnsw(max_elements=900), '{index}')")
            db.executemany("INSERT INTO old(rowid, e) VALUES (?, ?)",
                           [(i + 1, self.vectors[i].tobytes()) for i in range(700)])
        db.close()
        with open(index, "rb") as file:
            before = file.read()
        self.hannoy("import", "app.db", "v", "old.db", "--table", "old")
        rows = self.rows("SELECT id, vector FROM v ORDER BY id")
        self.assertEqual([row[0] for row in rows], list(range(1, 701)))
        self.assertEqual(self.facts("v")["metric"], "cosine")
        # vectorlite keeps vectors of the cosine at length 1.
        found = numpy.frombuffer(b"".join(row[1] for row in rows), "<f4").reshape(700, DIM)
        want = self.vectors[:700] / numpy.linalg.norm(self.vectors[:700], axis=1, keepdims=True)
        self.assertLess(abs(found - want).max(), 1e-5)
        with open(index, "rb") as file:
            self.assertEqual(file.read(), before)

    def make_table(self, count=300):
        import numpy

        numpy.save(self.path("v.npy"), self.vectors[:count])
        self.hannoy("import", "app.db", "v", "v.npy", "--no-build")

    def test_export_table(self):
        with open(self.path("v.jsonl"), "w", encoding="utf-8") as lines:
            for i in range(300):
                record = {"id": f"k{i}", "lang": "en" if i % 2 == 0 else None, "year": i,
                          "vector": self.vectors[i].tolist()}
                lines.write(json.dumps(record) + "\n")
        self.hannoy("import", "app.db", "v", "v.jsonl", "--no-build", "--metric", "l2")
        want = self.rows("SELECT id, lang, year, vector FROM v ORDER BY id")
        self.hannoy("export", "app.db", "v", "out.db", "--table", "items")
        db = sqlite3.connect(self.path("out.db"))
        found = db.execute("SELECT id, lang, year, vector FROM items ORDER BY id").fetchall()
        self.assertEqual(found, want)
        self.hannoy("export", "app.db", "v", "out.db", "--table", "items",
                    fails='out.db: table "items" already exists')
        self.assertEqual(db.execute("SELECT count(*) FROM items").fetchone(), (300,))
        db.close()
        if has("sqlite_vec"):
            self.check_vec0(want)

    def check_vec0(self, want):
        import sqlite_vec

        self.hannoy("export", "app.db", "v", "out.db", "--table", "vec", "--vec0")
        db = sqlite3.connect(self.path("out.db"))
        db.enable_load_extension(True)
        sqlite_vec.load(db)
        found = db.execute("SELECT id, lang, year, vector FROM vec ORDER BY id").fetchall()
        self.assertEqual(found, want)
        near = db.execute("SELECT id, distance FROM vec WHERE vector MATCH ? AND k = 1",
                          (want[5][3],)).fetchall()
        self.assertEqual(near, [(want[5][0], 0)])
        db.close()

    def test_export_lmdb(self):
        self.make_table()
        self.hannoy("export", "app.db", "v", "env", "--index", 7)
        self.hannoy("export", "app.db", "v", "env", "--index", 7,
                    fails="env has an index 7 already")
        self.hannoy("export", "app.db", "v", "env", "--index", 8)

    @unittest.skipUnless(has("hannoy"), "no Rust crate hannoy")
    def test_rust_crate(self):
        """The crate builds what was exported, and what it built is imported."""
        self.make_table()
        self.hannoy("export", "app.db", "v", "env", "--index", 0)
        program = (
            "import hannoy, numpy\n"
            "database = hannoy.Database('env', hannoy.Metric.COSINE, env_size=1 << 26)\n"
            "given = numpy.load('v.npy')\n"
            f"with database.writer({DIM}, m=16, ef=96) as writer:\n"
            "    writer.add_item(1000, given[0])\n"
            "out = numpy.zeros((1, 3), 'u4'), numpy.zeros((1, 3), 'f4')\n"
            "database.reader().by_array(given[6:7], 3, 300, out)\n"
            "print(out[0][0][0])\n"
        )
        # The crate keeps its environment open, and LMDB opens one once in a process.
        found = subprocess.run([sys.executable, "-I", "-c", program], cwd=self.folder,
                               stdout=subprocess.PIPE, timeout=120)
        self.assertEqual(found.stdout, b"7\n")
        self.hannoy("import", "app.db", "w", "env")
        self.assertEqual(self.rows("SELECT count(*), max(id) FROM w"), [(301, 1000)])
        self.assertEqual(self.rows("SELECT vector FROM w WHERE id = 7"),
                         [(self.vectors[6].tobytes(),)])

    def test_export_failed(self):
        """The target is as it was."""
        self.make_table()
        db = self.open()
        with db:
            db.execute("DELETE FROM v")
        with open(self.path("out.parquet"), "w") as file:
            file.write("mine")
        self.hannoy("export", "app.db", "v", "out.parquet",
                    fails="the table is empty, and a parquet file needs a first row")
        with open(self.path("out.parquet")) as file:
            self.assertEqual(file.read(), "mine")
        self.assertFalse(os.path.exists(self.path("out.parquet.part")))

    def test_build_interrupted(self):
        """Ctrl-C ends a statement that would never end."""
        program = (
            "import sys\n"
            "from rich.console import Console\n"
            "from sqlite_hannoy.command import building\n"
            "from sqlite_hannoy.command.table import Table, connect\n"
            "show = building.show\n"
            "building.show = lambda *a: (print('runs', flush=True), show(*a))[1]\n"
            "try:\n"
            "    building.run('app.db', Table(connect('app.db'), 'v'), 'WITH RECURSIVE n(i) AS"
            " (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n', [],"
            " Console(file=sys.stderr))\n"
            "except Exception as error:\n"
            "    print(error.message)\n"
        )
        self.make_table(10)
        run = subprocess.Popen([sys.executable, "-I", "-c", program], cwd=self.folder,
                               stdout=subprocess.PIPE)
        self.assertEqual(run.stdout.readline(), b"runs\n")
        run.send_signal(signal.SIGINT)
        out = run.communicate(timeout=240)[0].decode()
        self.assertIn("interrupted; the table and its index are as they were", out)

    def test_lmdb(self):
        """The keys and values that the crates write."""
        import lmdb

        env = lmdb.open(self.path("env"), map_size=1 << 24)
        with env.begin(write=True) as txn:
            for index, name in ((3, b"euclidean"), (258, b"hamming")):
                txn.put(struct.pack(">HBIB", index, 0, 0, 0),
                        name + b"\0" + struct.pack(">II", DIM, 0))
                txn.put(struct.pack(">HBIB", index, 2, 1, 0), b"\x01links")
            for i in range(40):
                txn.put(struct.pack(">HBIB", 3, 3, i + 1, 0),
                        b"\0" + bytes(4) + self.vectors[i].tobytes())
            txn.put(struct.pack(">HBIB", 258, 3, 9, 0), b"\0" + bytes(8) + b"\x81" + bytes(7))
        env.close()
        self.hannoy("import", "app.db", "v", "env", fails="env has the indexes "
                    "3 (euclidean, 8), 258 (hamming, 8); name one with --index")
        self.hannoy("import", "app.db", "v", "env", "--index", 3)
        self.check_vectors("v", 40)
        self.assertEqual(self.facts("v")["metric"], "euclidean")
        self.hannoy("import", "app.db", "bits", "env", "--index", 258)
        self.assertEqual(self.rows("SELECT id, vector FROM bits"), [(9, b"\x81")])
        self.assertEqual(self.facts("bits")["metric"], "hamming")

    def test_interrupted(self):
        """What was committed stays, and the second run goes on after it."""
        import numpy

        numpy.save(self.path("v.npy"), numpy.concatenate([self.vectors] * 10))
        run = subprocess.Popen(
            [PROGRAM, "import", "app.db", "v", "v.npy", "--chunk", "20"], cwd=self.folder,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        db = self.open()
        committed = 0
        while committed < 100 and run.poll() is None:
            time.sleep(0.01)
            try:
                committed = db.execute("SELECT rows FROM hannoy_imports").fetchone()[0]
            except (sqlite3.OperationalError, TypeError):
                pass
        run.send_signal(signal.SIGINT)
        error = run.communicate(timeout=240)[1].decode()
        self.assertEqual(run.returncode, 1, error)
        rows = db.execute("SELECT count(*), (SELECT rows FROM hannoy_imports) FROM v").fetchone()
        self.assertEqual(rows[0], rows[1])
        self.assertGreaterEqual(rows[0], 100)
        self.assertIn(f"interrupted after row {rows[0]:,}; the same command goes on there", error)
        out = self.hannoy("import", "app.db", "v", "v.npy", "--no-build")
        self.assertIn(f"goes on after row {rows[0]:,}", out)
        self.assertEqual(db.execute("SELECT count(*), max(id) FROM v").fetchone(), (30000, 30000))
        self.assertEqual(db.execute("SELECT vector FROM v WHERE id = 30000").fetchone()[0],
                         self.vectors[-1].tobytes())
        self.assertEqual(self.facts("v")["autobuild"], 1000)

    def test_builds(self):
        import numpy

        numpy.save(self.path("v.npy"), self.vectors)
        self.hannoy("import", "app.db", "v", "v.npy", "--no-build")
        self.assertEqual(self.facts("v")["pending"], 3000)
        self.assertIn("3,000 changes taken", self.hannoy("build", "app.db", "v"))
        self.assertIn("up to date", self.hannoy("rebuild", "app.db", "v"))
        self.assertIn("v: ok", self.hannoy("check", "app.db"))
        self.assertIn("recall@10", self.hannoy("recall", "app.db", "v", "--queries", 20))
        self.assertIn("up to date", self.hannoy("watch", "app.db", "--times", 1))
        self.assertIn("3,000", self.hannoy("info", "app.db"))
        db = self.open()
        with db:  # a row that the log knows nothing of
            db.execute("DELETE FROM v_content WHERE id = 5")
        done = subprocess.run([PROGRAM, "check", "app.db"], cwd=self.folder,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=240)
        self.assertEqual(done.returncode, 1)

    @unittest.skipUnless(sys.platform == "linux", "locks of open files")
    def test_watch_tells_of_another_process(self):
        import fcntl
        import numpy

        numpy.save(self.path("v.npy"), self.vectors)
        self.hannoy("import", "app.db", "v", "v.npy")
        with open(self.path("app.db-hannoy"), "r+b") as sidecar:
            # The builder's lock, on all bytes but the last; F_OFD_SETLK is 37.
            lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 1 << 62, 0)
            fcntl.fcntl(sidecar, 37, lock)
            out = self.hannoy("watch", "app.db", "--times", 1)
            self.assertIn("up to date; another process builds", out)
        self.assertNotIn("another process", self.hannoy("watch", "app.db", "--times", 1))

    def test_mistakes(self):
        self.hannoy("import", "app.db", "v", "none.npy", fails="there is no none.npy")
        open(self.path("v.txt"), "w").close()
        self.hannoy("import", "app.db", "v", "v.txt", fails="v.txt is none of .npy, .fvecs, .bvecs,"
                    " .parquet, .jsonl, .ndjson, .csv; --table reads a SQLite database, and an LMDB"
                    " environment is a folder")
        with open(self.path("v.jsonl"), "w") as lines:
            lines.write('{"a": [1, 2]}\n{"a": [1, 2, 3]}\n')
        self.hannoy("import", "app.db", "v", "v.jsonl",
                    fails="v.jsonl: row 2 has a vector of 3 numbers, row 1 one of 2")
        with open(self.path("w.jsonl"), "w") as lines:
            lines.write('{"a": [1, 2], "b": [1]}\n')
        self.hannoy("import", "app.db", "w", "w.jsonl",
                    fails="w.jsonl has the lists a, b; name the vector with --vector")
        self.hannoy("import", "app.db", "w", "w.jsonl", "--vector", "c",
                    fails="w.jsonl has no column c; it has a, b")
        with open(self.path("v.fvecs"), "wb") as file:
            file.write(struct.pack("<i2f", 3, 1, 2))
        self.hannoy("import", "app.db", "x", "v.fvecs",
                    fails="v.fvecs is damaged: 12 bytes, a first row of 3")
        self.hannoy("info", "none.db", fails="there is no database none.db")
