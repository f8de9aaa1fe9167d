"""LangChain's SQLiteVec vector store.  langchain_sqlitevec.py FOLDER"""

import sys

from langchain_community.vectorstores import SQLiteVec
from langchain_core.embeddings import Embeddings

VECTORS = {
    "cat": [1.0, 0.0, 0.0],
    "kitten": [0.75, 0.25, 0.0],
    "car": [0.0, 0.0, 1.0],
    "truck": [0.0, 0.5, 1.0],
}


class Words(Embeddings):
    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text):
        return VECTORS.get(text, [0.0, 0.0, 0.0])


file = sys.argv[1] + "/langchain.db"
store = SQLiteVec.from_texts(
    ["cat", "kitten", "car"],
    Words(),
    metadatas=[{"n": 1}, {"n": 2}, {"n": 3}],
    table="animals",
    db_file=file,
)
assert store.add_texts(["truck"], metadatas=[{"n": 4}]) == [4]
found = store.similarity_search_with_score("cat", k=2)
assert [(d.page_content, d.metadata["n"], round(score, 6)) for d, score in found] == [
    ("cat", 1, 0.0),
    ("kitten", 2, 0.353553),
]
assert [d.page_content for d in store.similarity_search("truck", k=4)] == [
    "truck",
    "car",
    "kitten",
    "cat",
]
assert [d.page_content for d in store.as_retriever(search_kwargs={"k": 1}).invoke("car")] == ["car"]
store._connection.close()

again = SQLiteVec(table="animals", connection=None, embedding=Words(), db_file=file)
assert [d.page_content for d in again.similarity_search_by_vector([0.0, 0.0, 1.0], k=2)] == [
    "car",
    "truck",
]
print("1 passed, 0 failed")
