"""sqlite-vec-client.  client.py FOLDER"""

import sys

from sqlite_vec_client import SQLiteVecClient

file = sys.argv[1] + "/client.db"
with SQLiteVecClient(table="docs", db_path=file) as client:
    client.create_table(dim=3, distance="cosine", unique_text=True)
    rowids = client.add(
        texts=["one", "two", "three"],
        embeddings=[[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]],
        metadata=[{"lang": "en"}, {"lang": "de"}, {"lang": "en"}],
    )
    assert rowids == [1, 2, 3]
    hits = client.similarity_search(embedding=[2.0, 0.0, 0.0], top_k=2)
    assert [(rowid, text, round(distance, 6)) for rowid, text, distance in hits] == [
        (1, "one", 0.0),
        (2, "two", 0.4),
    ]
    hits = client.similarity_search_with_filter([1.0, 0.0, 0.0], {"lang": "en"}, top_k=3)
    assert [text for _, text, _ in hits] == ["one", "three"]

    # Its triggers carry UPDATE, DELETE and ON CONFLICT DO UPDATE to the vectors.
    assert client.update(3, embedding=[0.9, 0.1, 0.0])
    assert (
        client.update_many([(1, None, {"lang": "fr"}, None), (2, None, None, [0.0, 1.0, 0.0])]) == 2
    )
    assert [rowid for rowid, _, _ in client.similarity_search([0.0, 1.0, 0.0], top_k=3)] == [
        2,
        3,
        1,
    ]
    client.add(["one"], [[0.0, 0.0, 1.0]], on_conflict="replace")
    assert [rowid for rowid, _, _ in client.similarity_search([0.0, 0.0, 1.0], top_k=1)] == [1]
    assert client.delete(2) and client.delete_many([3, 99]) == 1
    assert [rowid for rowid, _, _ in client.similarity_search([0.0, 1.0, 0.0], top_k=3)] == [1]

    try:
        with client.transaction():
            client.add(["four", "five"], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
            raise ValueError
    except ValueError:
        pass
    assert client.count() == 1

with SQLiteVecClient(table="docs", db_path=file) as client:
    assert [text for _, text, _ in client.similarity_search([1.0, 1.0, 1.0], top_k=9)] == ["one"]
print("1 passed, 0 failed")
