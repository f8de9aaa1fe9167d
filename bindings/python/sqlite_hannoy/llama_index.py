"""LlamaIndex's vector store.

    from sqlite_hannoy.llama_index import HannoyVectorStore
    store = HannoyVectorStore("app.db", columns={"lang": "TEXT", "year": "INTEGER"})
    context = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex(nodes, storage_context=context)

All operators of MetadataFilters and nested filters are taken.  A key that has a column is filtered
by the search itself, another by the JSON of the metadata.
"""

import asyncio
from typing import Any, Dict, List, Mapping, Optional, Sequence

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.indices.query.embedding_utils import get_top_k_mmr_embeddings
from llama_index.core.schema import BaseNode, MetadataMode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore, FilterCondition, FilterOperator, MetadataFilter, MetadataFilters,
    VectorStoreQuery, VectorStoreQueryMode, VectorStoreQueryResult,
)
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict

from ._conditions import Condition, all_of, any_of, compare, none_of, one_of
from ._documents import Documents, Hit, Row

OPERATORS = {
    FilterOperator.EQ: "=", FilterOperator.NE: "<>", FilterOperator.GT: ">",
    FilterOperator.LT: "<", FilterOperator.GTE: ">=", FilterOperator.LTE: "<=",
    FilterOperator.IN: "in", FilterOperator.NIN: "not in", FilterOperator.ANY: "has any",
    FilterOperator.ALL: "has all", FilterOperator.TEXT_MATCH: "text",
    FilterOperator.TEXT_MATCH_INSENSITIVE: "text nocase", FilterOperator.CONTAINS: "has",
    FilterOperator.IS_EMPTY: "empty",
}
# The document that a node is of: a key of the metadata that LlamaIndex adds.
DOCUMENT = "ref_doc_id"
MMR_FACTOR = 4


class HannoyVectorStore(BasePydanticVectorStore):
    """Nodes in a hannoy table of a SQLite database.

    path: the database; or `connection`: one of sqlite3 or pysqlite3, whose transaction then
    decides.  With a path, `check_same_thread` is off, and one thread at a time uses it.
    table: made by the first nodes that are added, if it does not exist.
    metric: cosine, l2 or dot; of a table that exists, its own.
    columns: keys of the metadata that get a column, with its type; fast to filter by.
    options: more options of the table, as ["m=32", "type=float16"].
    """

    stores_text: bool = True
    flat_metadata: bool = False
    _documents: Documents = PrivateAttr()

    def __init__(
        self, path: str = ":memory:", *, connection: Any = None, table: str = "nodes",
        metric: str = "cosine", columns: Optional[Mapping[str, str]] = None,
        options: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._documents = Documents(
            path, connection, table, metric, {**(columns or {}), DOCUMENT: "TEXT"}, options
        )

    @classmethod
    def class_name(cls) -> str:
        return "HannoyVectorStore"

    @property
    def client(self) -> Any:
        return self._documents.db

    def close(self) -> None:
        self._documents.close()

    # -------------------------------------------------------------------------------- writing --

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> List[str]:
        """Nodes whose id exists are replaced."""
        self._documents.put(
            Row(
                node.node_id, node.get_embedding(), node.get_content(MetadataMode.NONE),
                node_to_metadata_dict(node, remove_text=True, flat_metadata=False),
            )
            for node in nodes
        )
        return [node.node_id for node in nodes]

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> List[str]:
        return await asyncio.to_thread(self.add, nodes)

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Deletes the nodes of a document."""
        columns = self._documents.columns
        self._documents.delete(compare(DOCUMENT, "=", ref_doc_id, columns))

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        await asyncio.to_thread(self.delete, ref_doc_id)

    def delete_nodes(
        self, node_ids: Optional[List[str]] = None, filters: Optional[MetadataFilters] = None,
        **delete_kwargs: Any,
    ) -> None:
        if node_ids is not None or filters is not None:
            self._documents.delete(self._condition(node_ids, None, filters))

    async def adelete_nodes(
        self, node_ids: Optional[List[str]] = None, filters: Optional[MetadataFilters] = None,
        **delete_kwargs: Any,
    ) -> None:
        await asyncio.to_thread(self.delete_nodes, node_ids, filters)

    def clear(self) -> None:
        self._documents.delete(Condition())

    async def aclear(self) -> None:
        await asyncio.to_thread(self.clear)

    # -------------------------------------------------------------------------------- reading --

    def get_nodes(
        self, node_ids: Optional[List[str]] = None, filters: Optional[MetadataFilters] = None
    ) -> List[BaseNode]:
        hits = self._documents.get(self._condition(node_ids, None, filters))
        return [metadata_dict_to_node(hit.metadata, hit.text) for hit in hits]

    async def aget_nodes(
        self, node_ids: Optional[List[str]] = None, filters: Optional[MetadataFilters] = None
    ) -> List[BaseNode]:
        return await asyncio.to_thread(self.get_nodes, node_ids, filters)

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """By mode DEFAULT or MMR.  MMR chooses from `mmr_prefetch_k` nodes, or from four times
        as many as it returns."""
        mode = VectorStoreQueryMode(query.mode)
        if mode not in (VectorStoreQueryMode.DEFAULT, VectorStoreQueryMode.MMR):
            raise ValueError(f"the mode {mode.value} is none of default and mmr")
        if query.query_embedding is None:
            raise ValueError("the query has no embedding")
        # A retriever passes an empty list where it restricts nothing.
        condition = self._condition(query.node_ids or None, query.doc_ids or None, query.filters)
        if mode == VectorStoreQueryMode.MMR:
            return self._query_mmr(query, condition, kwargs)
        hits = self._documents.nearest(query.query_embedding, query.similarity_top_k, condition)
        return self._result(hits, [self._similarity(hit.distance) for hit in hits])

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        return await asyncio.to_thread(self.query, query, **kwargs)

    def _query_mmr(
        self, query: VectorStoreQuery, condition: Condition, kwargs: Dict[str, Any]
    ) -> VectorStoreQueryResult:
        embedding = query.query_embedding or []
        count = kwargs.get("mmr_prefetch_k") or MMR_FACTOR * query.similarity_top_k
        hits = self._documents.nearest(embedding, count, condition, vectors=True)
        threshold = kwargs.get("mmr_threshold", query.mmr_threshold)
        similarities, places = get_top_k_mmr_embeddings(
            embedding, [hit.vector for hit in hits],
            similarity_top_k=query.similarity_top_k, embedding_ids=list(range(len(hits))),
            mmr_threshold=threshold,
        )
        return self._result([hits[i] for i in places], similarities)

    def _result(
        self, hits: List[Hit], similarities: List[float]
    ) -> VectorStoreQueryResult:
        return VectorStoreQueryResult(
            nodes=[metadata_dict_to_node(hit.metadata, hit.text) for hit in hits],
            similarities=similarities, ids=[hit.id for hit in hits],
        )

    def _similarity(self, distance: float) -> float:
        if self._documents.metric == "cosine":
            return 1 - distance
        if self._documents.metric in ("dot", "ip", "inner_product"):
            return -distance
        return 1 / (1 + distance)

    def _condition(
        self, node_ids: Optional[List[str]], doc_ids: Optional[List[str]],
        filters: Optional[MetadataFilters],
    ) -> Condition:
        columns = self._documents.columns
        parts = []
        if node_ids is not None:
            parts.append(one_of("id", node_ids))
        if doc_ids is not None:
            parts.append(compare(DOCUMENT, "in", doc_ids, columns))
        if filters is not None and filters.filters:
            parts.append(_of_filters(filters, columns))
        return all_of(parts)


def _of_filters(filters: MetadataFilters, columns: Mapping[str, str]) -> Condition:
    parts = [
        _of_filters(one, columns) if isinstance(one, MetadataFilters) else _of(one, columns)
        for one in filters.filters
    ]
    if filters.condition == FilterCondition.OR:
        return any_of(parts)
    if filters.condition == FilterCondition.NOT:
        return none_of(parts)
    return all_of(parts)


def _of(filter: MetadataFilter, columns: Mapping[str, str]) -> Condition:
    return compare(filter.key, OPERATORS[filter.operator], filter.value, columns)
