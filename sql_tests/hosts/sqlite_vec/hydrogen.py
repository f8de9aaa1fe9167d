"""hydrogen-ai-sqlitevec.  hydrogen.py FOLDER"""

import asyncio
import sys

from hai.vectorstores.sqlitevec import SqliteVecStore


async def main(file):
    store = SqliteVecStore(file, collection_name="Docs", similarity="cosine")
    await store.write(
        [
            {"id": "a", "content": "one", "embedding": [1.0, 0.0, 0.0], "lang": "en"},
            {"id": "b", "content": "two", "embedding": [0.6, 0.8, 0.0]},
            {"id": "c", "content": "three", "embedding": [0.0, 0.0, 1.0]},
        ]
    )
    hits = await store.query([1.0, 0.0, 0.0], top_k=2)
    assert [(hit["id"], round(hit["score"], 6), hit["content"]) for hit in hits] == [
        ("a", 1.0, "one"),
        ("b", 0.6, "two"),
    ]
    assert hits[0]["payload"]["lang"] == "en"
    assert [hit["id"] for hit in await store.query([1.0, 0.0, 0.0], 3, score_threshold=0.5)] == [
        "a",
        "b",
    ]
    await store.write([{"id": "c", "content": "near", "embedding": [0.9, 0.1, 0.0]}])
    await store.delete("a")
    assert [hit["content"] for hit in await store.query([1.0, 0.0, 0.0])] == ["near", "two"]
    await store.close()

    store = SqliteVecStore(file, collection_name="Docs")
    try:
        await store.query([1.0, 0.0])
        raise AssertionError("two numbers are no vector of three")
    except ValueError:
        pass
    assert await store.get_collection_info() == {"name": "Docs", "points_count": 2, "dim": 3}
    await store.delete_collection()
    assert (await store.get_collection_info())["points_count"] == 0
    await store.close()


asyncio.run(main(sys.argv[1] + "/hydrogen.db"))
print("1 passed, 0 failed")
