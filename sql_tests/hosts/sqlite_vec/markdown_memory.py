"""markdown-memory-vec, which keeps its columns with +.  markdown_memory.py FOLDER"""

import sys

from memory_vec.interfaces import VectorRecord
from memory_vec.store import SqliteVecStore

file = sys.argv[1] + "/memory.db"
store = SqliteVecStore(file, dimension=3)
store.ensure_tables()
store.add(
    [
        VectorRecord(
            "", [1.0, 0.0, 0.0], {"file_path": "a.md", "chunk_text": "one", "tags": ["x"]}
        ),
        VectorRecord(
            "", [0.6, 0.8, 0.0], {"file_path": "a.md", "chunk_index": 1, "chunk_text": "two"}
        ),
        VectorRecord("", [0.0, 0.0, 1.0], {"file_path": "b.md", "chunk_text": "three"}),
    ]
)
hits = store.search([1.0, 0.0, 0.0], top_k=2)
assert [(hit.id, round(hit.distance, 6), hit.metadata["chunk_text"]) for hit in hits] == [
    ("1", 0.0, "one"),
    ("2", 0.4, "two"),
]
raw = store.search_similar([0.0, 0.0, 1.0], k=1)[0]
assert (raw.rowid, raw.file_path, raw.chunk_index) == (3, "b.md", 0)
assert [hit.id for hit in store.search([1.0, 0.0, 0.0], 1, {"file_path": "b.md"})] == ["3"]
store.update_embedding(3, [0.9, 0.1, 0.0], chunk_text="four")
assert [hit.id for hit in store.search([1.0, 0.0, 0.0], 3)] == ["1", "3", "2"]
assert store.delete_by_file("a.md") == 2
assert [hit.id for hit in store.search([1.0, 0.0, 0.0], 3)] == ["3"]
store.close()

store = SqliteVecStore(file, dimension=3)
store.ensure_tables()
assert store.count() == 1 and store.search([1.0, 0.0, 0.0], 5)[0].metadata["chunk_text"] == "four"
store.clear()
assert store.search([1.0, 0.0, 0.0], 5) == []
print("1 passed, 0 failed")
