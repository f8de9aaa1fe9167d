"""aiosqlite.  aiosqlite_module.py EXTENSION FOLDER"""

import array
import asyncio
import sys
from contextlib import asynccontextmanager

import aiosqlite

EXTENSION, DATABASE = sys.argv[1], sys.argv[2] + "/aiosqlite.db"
SEARCH = "SELECT id, distance FROM notes WHERE knn_match(vector, ?) AND kind = ? AND k = ?"
QUERY = array.array("f", [700.25, 1]).tobytes()
NEAREST = [(700, 0.25), (702, 1.75), (698, 2.25)]


@asynccontextmanager
async def connect():
    async with aiosqlite.connect(DATABASE, timeout=60) as db:
        await db.enable_load_extension(True)
        await db.load_extension(EXTENSION)
        yield db


async def search(db, k):
    return await db.execute_fetchall(SEARCH, (QUERY, "even", k))


async def work(n):  # each connection runs in a thread of its own
    async with connect() as db:
        for i in range(20):
            assert await search(db, 3) == NEAREST
            await db.execute(
                "INSERT INTO notes(id, vector, kind) VALUES (?, ?, 'odd')",
                (10000 * n + i, f"[{5000 * n + i}, 1]"),
            )
            await db.commit()


async def main():
    async with connect() as db:
        await db.execute(
            "CREATE VIRTUAL TABLE notes USING hannoy("
            "id INTEGER PRIMARY KEY, dim=2, metric=l2, kind TEXT)"
        )
        await db.executemany(
            "INSERT INTO notes(id, vector, kind) VALUES (?, ?, ?)",
            ((i, array.array("f", [i, 1]), "odd" if i % 2 else "even") for i in range(1, 1501)),
        )
        await db.commit()
        assert await search(db, 3) == NEAREST
        assert await search(db, 3.0) == NEAREST

        await db.execute("INSERT INTO notes(id, vector, kind) VALUES (2000, ?, 'even')", (QUERY,))
        assert await search(db, 1) == [(2000, 0.0)]
        await db.rollback()
        assert await search(db, 3) == NEAREST

        await asyncio.gather(*(work(n) for n in range(1, 5)))
        assert await db.execute_fetchall("SELECT count(*) FROM notes") == [(1580,)]

    async with connect() as db:
        assert await search(db, 3) == NEAREST
        async with db.execute("SELECT id FROM notes(?, ?)", (QUERY, 4)) as cursor:
            assert [row[0] async for row in cursor] == [700, 701, 699, 702]


asyncio.run(main())
print("1 passed, 0 failed")
