"""context8: three tables with text keys, joined with one of its own.  context8_backend.py FOLDER"""

import sys

from context8.models import ResolutionRecord
from context8.storage.backend import SearchFilter
from context8.storage.sqlite_backend import SQLiteBackend


def backend():
    return SQLiteBackend(sys.argv[1] + "/context8.db", text_dim=3, code_dim=2, use_code_model=False)


def record(i, language):
    return ResolutionRecord(
        id=f"r{i}", problem_text=f"problem {i}", solution_text=f"solution {i}", language=language
    )


def vectors(x, y):
    return {"problem": [x, y, 0.0], "solution": [0.0, x, y], "code_context": [x, y]}


store = backend()
store.initialize()
store.store_record(record(1, "go"), vectors(1.0, 0.0))
store.store_record(record(2, "c"), vectors(0.6, 0.8))
store.store_record(record(3, "go"), vectors(0.0, 1.0))
hits = store.search_dense("problem", [1.0, 0.0, 0.0], None, 2)
assert [(hit.record_id, round(hit.score, 6)) for hit in hits] == [("r1", 1.0), ("r2", 0.6)]
hits = store.search_dense("solution", [0.0, 0.0, 1.0], SearchFilter(language="go"), 3)
assert [hit.record_id for hit in hits] == ["r3", "r1"]
assert [hit.record_id for hit in store.search_dense("code_context", [0.6, 0.8], None, 1)] == ["r2"]
store.store_record(record(3, "go"), vectors(1.0, 0.1))  # the same key again
store.delete_record("r1")
assert [hit.record_id for hit in store.search_dense("problem", [1.0, 0.0, 0.0], None, 5)] == [
    "r3",
    "r2",
]
store.close()

store = backend()
store.initialize()
assert store.count() == 2
assert [hit.record_id for hit in store.search_dense("problem", [1.0, 0.0, 0.0], None, 5)] == [
    "r3",
    "r2",
]
store.drop_collection()
assert not store.collection_exists()
store.close()
print("1 passed, 0 failed")
