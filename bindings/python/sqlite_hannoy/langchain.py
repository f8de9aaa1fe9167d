"""LangChain's vector store.

    from sqlite_hannoy.langchain import HannoyStore
    store = HannoyStore(embeddings, "app.db", columns={"lang": "TEXT", "year": "INTEGER"})
    store.add_texts(["a text"], [{"lang": "en", "year": 1999}])
    store.similarity_search("a query", k=4, filter={"lang": "en", "year": {"$gte": 1990}})

A filter is a dict: of keys with a value, or with operators: $eq $ne $lt $lte $gt $gte $in $nin
$between $like $exists $contains; and of $and, $or and $not, with filters.  A key that has a column
is filtered by the search itself, another by the JSON of the metadata.
"""

import math
import uuid
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Type

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.runnables.config import run_in_executor
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from ._conditions import Condition, all_of, any_of, compare, none_of, one_of
from ._documents import Documents, Hit, Row

OPERATORS = {
    "$eq": "=", "$ne": "<>", "$lt": "<", "$lte": "<=", "$gt": ">", "$gte": ">=", "$in": "in",
    "$nin": "not in", "$between": "between", "$like": "like", "$exists": "exists",
    "$contains": "has",
}
Found = List[Tuple[Document, float]]


class HannoyStore(VectorStore):
    """Documents in a hannoy table of a SQLite database.

    embedding: the model.
    path: the database; or `connection`: one of sqlite3 or pysqlite3, whose transaction then
    decides.  With a path, `check_same_thread` is off, and one thread at a time uses it.
    table: made by the first documents that are added, if it does not exist.
    metric: cosine, l2 or dot; of a table that exists, its own.
    columns: keys of the metadata that get a column, with its type; fast to filter by.
    options: more options of the table, as ["m=32", "type=float16"].

    The score of a search is the distance: smaller is nearer.
    """

    def __init__(
        self, embedding: Embeddings, path: str = ":memory:", *, connection: Any = None,
        table: str = "documents", metric: str = "cosine",
        columns: Optional[Mapping[str, str]] = None, options: Sequence[str] = (),
    ) -> None:
        self._embedding = embedding
        self._documents = Documents(path, connection, table, metric, columns, options)

    @property
    def embeddings(self) -> Embeddings:
        return self._embedding

    @property
    def connection(self) -> Any:
        return self._documents.db

    def close(self) -> None:
        self._documents.close()

    # -------------------------------------------------------------------------------- writing --

    def add_documents(
        self, documents: List[Document], ids: Optional[List[str]] = None, **kwargs: Any
    ) -> List[str]:
        """Documents whose id exists are replaced."""
        vectors = self._embedding.embed_documents([given.page_content for given in documents])
        return self._put(documents, ids, vectors)

    async def aadd_documents(
        self, documents: List[Document], ids: Optional[List[str]] = None, **kwargs: Any
    ) -> List[str]:
        texts = [given.page_content for given in documents]
        vectors = await self._embedding.aembed_documents(texts)
        return await run_in_executor(None, self._put, documents, ids, vectors)

    def _put(
        self, documents: List[Document], ids: Optional[List[str]], vectors: List[List[float]]
    ) -> List[str]:
        given = [document.id for document in documents] if ids is None else ids
        if len(given) != len(documents):
            raise ValueError(f"{len(documents)} documents have {len(given)} ids")
        chosen = [id or str(uuid.uuid4()) for id in given]
        self._documents.put(
            Row(id, vector, document.page_content, document.metadata)
            for id, vector, document in zip(chosen, vectors, documents)
        )
        return chosen

    def delete(self, ids: Optional[List[str]] = None, **kwargs: Any) -> bool:
        """Without ids, deletes all."""
        self._documents.delete(Condition() if ids is None else one_of("id", ids))
        return True

    # -------------------------------------------------------------------------------- reading --

    def get_by_ids(self, ids: Sequence[str], /) -> List[Document]:
        return [_document(hit) for hit in self._documents.get(one_of("id", ids))]

    def similarity_search_with_score_by_vector(
        self, embedding: List[float], k: int = 4, filter: Optional[Dict[str, Any]] = None,
        **kwargs: Any,
    ) -> Found:
        hits = self._documents.nearest(embedding, k, self._condition(filter))
        return [(_document(hit), hit.distance) for hit in hits]

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> Found:
        return self.similarity_search_with_score_by_vector(
            self._embedding.embed_query(query), k, **kwargs
        )

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> Found:
        embedding = await self._embedding.aembed_query(query)
        return await run_in_executor(
            None, self.similarity_search_with_score_by_vector, embedding, k, **kwargs
        )

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> List[Document]:
        return _first(self.similarity_search_with_score(query, k, **kwargs))

    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> List[Document]:
        return _first(await self.asimilarity_search_with_score(query, k, **kwargs))

    def similarity_search_by_vector(
        self, embedding: List[float], k: int = 4, **kwargs: Any
    ) -> List[Document]:
        return _first(self.similarity_search_with_score_by_vector(embedding, k, **kwargs))

    def max_marginal_relevance_search_by_vector(
        self, embedding: List[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5,
        filter: Optional[Dict[str, Any]] = None, **kwargs: Any,
    ) -> List[Document]:
        import numpy

        hits = self._documents.nearest(embedding, fetch_k, self._condition(filter), vectors=True)
        chosen = maximal_marginal_relevance(
            numpy.asarray(embedding, "f4"), [hit.vector for hit in hits],
            lambda_mult=lambda_mult, k=k,
        )
        return [_document(hits[i]) for i in chosen]

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> List[Document]:
        embedding = self._embedding.embed_query(query)
        return self.max_marginal_relevance_search_by_vector(
            embedding, k, fetch_k, lambda_mult, **kwargs
        )

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> List[Document]:
        embedding = await self._embedding.aembed_query(query)
        return await run_in_executor(
            None, self.max_marginal_relevance_search_by_vector, embedding, k, fetch_k,
            lambda_mult, **kwargs,
        )

    def _condition(self, filter: Optional[Dict[str, Any]]) -> Condition:
        return _condition(filter or {}, self._documents.columns)

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        metric = self._documents.metric
        if metric == "cosine":
            return lambda distance: 1 - distance
        if metric in ("euclidean", "l2"):  # of vectors of length 1
            return lambda distance: 1 - distance / math.sqrt(2)
        if metric in ("dot", "ip", "inner_product"):  # its distance is the negative product
            return lambda distance: -distance
        raise ValueError(f"distances by {metric} have no relevance score from 0 to 1")

    @classmethod
    def from_texts(
        cls: Type["HannoyStore"], texts: Iterable[str], embedding: Embeddings,
        metadatas: Optional[List[Dict[str, Any]]] = None, *, ids: Optional[List[str]] = None,
        **kwargs: Any,
    ) -> "HannoyStore":
        """The other arguments are those of HannoyStore."""
        store = cls(embedding, **kwargs)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    @classmethod
    async def afrom_texts(
        cls: Type["HannoyStore"], texts: Iterable[str], embedding: Embeddings,
        metadatas: Optional[List[Dict[str, Any]]] = None, *, ids: Optional[List[str]] = None,
        **kwargs: Any,
    ) -> "HannoyStore":
        store = await run_in_executor(None, lambda: cls(embedding, **kwargs))
        await store.aadd_texts(texts, metadatas, ids=ids)
        return store


def _document(hit: Hit) -> Document:
    return Document(id=hit.id, page_content=hit.text, metadata=hit.metadata)


def _first(found: Found) -> List[Document]:
    return [document for document, _ in found]


def _condition(filter: Mapping[str, Any], columns: Mapping[str, str]) -> Condition:
    parts = []
    for key, value in filter.items():
        if key in ("$and", "$or"):
            inner = [_condition(one, columns) for one in value]
            parts.append(all_of(inner) if key == "$and" else any_of(inner))
        elif key == "$not":
            parts.append(none_of([_condition(value, columns)]))
        elif key.startswith("$"):
            raise ValueError(f"{key} is none of $and, $or, $not")
        elif isinstance(value, Mapping) and any(name.startswith("$") for name in value):
            for name, operand in value.items():
                if name not in OPERATORS:
                    raise ValueError(f"{name} of {key} is none of {', '.join(OPERATORS)}")
                parts.append(compare(key, OPERATORS[name], operand, columns))
        else:
            parts.append(compare(key, "=", value, columns))
    return all_of(parts)
