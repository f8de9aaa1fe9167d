"""The package as it is installed, with each SQLite library that this Python has."""

import array
import asyncio
import os
import sqlite3
import struct
import tempfile
import unittest

from available import LOADS, has
from sqlite_hannoy import LoadError, deserialize, load, loadable_path, serialize

MAKE = "CREATE VIRTUAL TABLE v USING hannoy(dim=2, metric=l2)"
INSERT = "INSERT INTO v(vector) VALUES (?)"
SEARCH = "SELECT rowid, distance FROM v WHERE vector MATCH ? AND k = 2"
VECTORS = [[0, 0], [3, 4], [9, 9]]
NEAREST = [2, 1]  # to (3, 3), at the distances 1 and 4.24


class Loading(unittest.TestCase):
    def test_path(self):
        self.assertTrue(os.path.isfile(loadable_path()))
        folder = os.path.join(os.path.dirname(loadable_path()), "licences")
        self.assertEqual(sorted(os.listdir(folder)), ["CRoaring", "LMDB", "hannoy", "xxHash"])

    @unittest.skipUnless(LOADS, "sqlite3 of this Python loads no extensions")
    def test_sqlite3(self):
        db = sqlite3.connect(":memory:")
        self.assertIsNone(load(db))
        load(db)
        self.search(db)
        with self.assertRaises(sqlite3.OperationalError):  # it is switched off again
            db.execute("SELECT load_extension(?)", (loadable_path(),))
        # In the next connection, too.
        other = sqlite3.connect(":memory:")
        load(other)
        self.search(other)

    @unittest.skipIf(LOADS, "sqlite3 of this Python loads extensions")
    def test_refused(self):
        with self.assertRaisesRegex(LoadError, "without loadable .*pysqlite3-binary.*apsw"):
            load(sqlite3.connect(":memory:"))

    def search(self, db):
        db.execute(MAKE)
        for vector in VECTORS:
            db.execute(INSERT, (serialize(vector),))
        rows = list(db.execute(SEARCH, (serialize([3, 3]),)))
        self.assertEqual([row[0] for row in rows], NEAREST)
        self.assertEqual(rows[0][1], 1.0)

    @unittest.skipUnless(has("apsw") and not LOADS, "apsw is tried where sqlite3 is not")
    def test_apsw(self):
        import apsw

        db = apsw.Connection(":memory:")
        load(db)
        self.search(db)

    @unittest.skipUnless(has("aiosqlite") and LOADS, "no aiosqlite that loads extensions")
    def test_aiosqlite(self):
        import aiosqlite

        async def run():
            async with aiosqlite.connect(":memory:") as db:
                await load(db)
                await db.execute(MAKE)
                await db.execute(INSERT, (serialize([3, 4]),))
                async with db.execute(SEARCH, (serialize([3, 3]),)) as cursor:
                    return await cursor.fetchall()

        self.assertEqual(asyncio.run(run()), [(1, 1.0)])

    @unittest.skipUnless(has("sqlalchemy") and LOADS, "no SQLAlchemy whose driver loads extensions")
    def test_sqlalchemy(self):
        from sqlalchemy import create_engine, text
        from sqlalchemy.orm import Session

        with tempfile.TemporaryDirectory() as folder:
            engine = create_engine(f"sqlite:///{folder}/app.db")
            load(engine)
            with engine.begin() as db:
                db.execute(text(MAKE))
                db.exec_driver_sql(INSERT, (serialize([3, 4]),))
            engine.dispose()
            with Session(engine) as session:
                self.assertEqual(session.execute(text("SELECT count(*) FROM v")).scalar(), 1)
            engine.dispose()
        for open_it in (lambda engine: engine.connect(), Session):
            engine = create_engine("sqlite://")
            with open_it(engine) as db:
                load(db)
                self.assertEqual(db.execute(text("SELECT hannoy_version() > ''")).scalar(), 1)

    @unittest.skipUnless(
        has("sqlalchemy") and has("greenlet") and has("aiosqlite") and LOADS, "no asyncio driver"
    )
    def test_sqlalchemy_asyncio(self):
        from sqlalchemy import text
        from sqlalchemy.ext.asyncio import create_async_engine

        async def run():
            engine = create_async_engine("sqlite+aiosqlite://")
            load(engine)
            async with engine.connect() as db:
                row = (await db.execute(text("SELECT hannoy_version() > ''"))).scalar()
            await engine.dispose()
            return row

        self.assertEqual(asyncio.run(run()), 1)

    def test_no_connection(self):
        with self.assertRaisesRegex(TypeError, "str is no SQLite connection"):
            load("app.db")


class Vectors(unittest.TestCase):
    def test_lists(self):
        want = struct.pack("<3f", 0.5, -1, 2)
        for vector in ([0.5, -1, 2], (0.5, -1, 2), array.array("f", [0.5, -1, 2]),
                       array.array("d", [0.5, -1, 2]), iter([0.5, -1, 2])):
            self.assertEqual(serialize(vector), want)
        self.assertEqual(deserialize(want), [0.5, -1, 2])
        self.assertEqual(serialize([0.5, -1], "float16"), struct.pack("<2e", 0.5, -1))
        self.assertEqual(deserialize(b"\x00\x38", "float16"), [0.5])
        self.assertEqual(serialize([1, -128], "int8"), b"\x01\x80")
        self.assertEqual(deserialize(b"\x01\x80", "int8"), [1, -128])

    def test_refused(self):
        for vector, type in (([1e39], "float32"), ([70000], "float16"), ([128], "int8"),
                             ([0.5], "int8"), ([1], "float64")):
            with self.assertRaises(ValueError, msg=type):
                serialize(vector, type)
        for vector in ("[1, 2]", b"1234"):
            with self.assertRaises(TypeError):
                serialize(vector)
        with self.assertRaisesRegex(ValueError, "5 bytes"):
            deserialize(b"12345")
        with self.assertRaises(ValueError):
            deserialize(b"1234", "bit")

    @unittest.skipUnless(has("numpy"), "no numpy")
    def test_numpy(self):
        import numpy

        want = struct.pack("<3f", 0.5, -1, 2)
        for type in ("f2", "<f4", ">f4", "f8", "longdouble"):
            self.assertEqual(serialize(numpy.array([0.5, -1, 2], type)), want, type)
        self.assertEqual(serialize(numpy.array([1, 2, 3])), struct.pack("<3f", 1, 2, 3))
        self.assertEqual(serialize(numpy.array([9, 1, 9, 2, 9])[1::2]), struct.pack("<2f", 1, 2))
        self.assertEqual(serialize(numpy.array([0.5]), "float16"), b"\x00\x38")
        for vector, type in (([[1, 2]], "float32"), ([1e39], "float32"), ([7e4], "float16"),
                             ([128], "int8"), ([0.5], "int8")):
            with self.assertRaises(ValueError, msg=type):
                serialize(numpy.array(vector), type)
