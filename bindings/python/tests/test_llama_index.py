"""The store for LlamaIndex, beside LlamaIndex's own filters and its own store."""

import asyncio
import os
import random
import tempfile
import unittest

from available import LOADS, has

READY = has("llama_index") and has("llama_index.core")
COUNT, DIM = 600, 16


def metadata(i):
    given = {"lang": ("en", "de", "fr")[i % 3], "tags": [f"t{i % 7}", f"u{i % 4}"],
             "title": f"Title {i % 50}", "note": "" if i % 2 else "x"}
    return given if i % 10 == 0 else {**given, "year": 1990 + i % 20}


@unittest.skipUnless(READY and LOADS, "no LlamaIndex, or nothing loads extensions")
class LlamaIndex(unittest.TestCase):
    def setUp(self):
        from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "app.db")
        numbers = random.Random(5)
        self.nodes = [
            TextNode(
                id_=f"n{i}", text=f"text {i}", metadata=metadata(i),
                embedding=[numbers.gauss(0, 1) for _ in range(DIM)],
                relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"d{i % 30}")},
            )
            for i in range(COUNT)
        ]
        self.query = [numbers.gauss(0, 1) for _ in range(DIM)]

    def store(self, **options):
        from sqlite_hannoy.llama_index import HannoyVectorStore

        store = HannoyVectorStore(self.path, **options)
        self.addCleanup(store.close)
        return store

    def filled(self, **options):
        store = self.store(**options)
        self.assertEqual(store.add(self.nodes), [node.node_id for node in self.nodes])
        return store

    def asked(self, **options):
        from llama_index.core.vector_stores.types import VectorStoreQuery

        return VectorStoreQuery(query_embedding=self.query, **options)

    def ordered(self, passes):
        """The ids of the nodes that pass, nearest first."""
        def far(node):
            product = sum(a * b for a, b in zip(node.embedding, self.query))
            return -product / sum(a * a for a in node.embedding) ** 0.5

        return [node.node_id for node in sorted(filter(passes, self.nodes), key=far)]

    def test_filters(self):
        """Each operator, with and without columns, as LlamaIndex's own store applies it."""
        from llama_index.core.vector_stores.types import FilterOperator, MetadataFilter
        from llama_index.core.vector_stores.types import MetadataFilters
        from llama_index.core.vector_stores.utils import build_metadata_filter_fn

        given = {
            "==": [("lang", "en"), ("year", 1993)], "!=": [("lang", "en"), ("year", 1993)],
            ">": [("year", 2000)], ">=": [("year", 2000)], "<": [("year", 1995)],
            "<=": [("year", 1995)], "in": [("lang", ["en", "fr"]), ("year", [1991, 1995])],
            "nin": [("lang", ["en", "fr"]), ("year", [1991, 1995])],
            "any": [("tags", ["t1", "u2"])], "all": [("tags", ["t1", "u2"])],
            "text_match": [("title", "tle 4")], "text_match_insensitive": [("title", "TLE 4")],
            "contains": [("tags", "t3"), ("title", "tle 4")],
            "is_empty": [("note", None), ("year", None)],
        }
        self.assertEqual(set(given), {operator.value for operator in FilterOperator})
        simple = [MetadataFilter(key=key, value=value, operator=operator)
                  for operator, pairs in given.items() for key, value in pairs]
        cases = [MetadataFilters(filters=[one]) for one in simple]
        for condition in ("and", "or", "not"):
            for i in range(len(simple)):
                cases.append(MetadataFilters(
                    filters=[simple[i], simple[(i + 5) % len(simple)]], condition=condition))
        stores = [self.filled(table="plain"),
                  self.filled(table="fast", columns={"lang": "TEXT", "year": "INTEGER"})]
        known = {node.node_id: node.metadata for node in self.nodes}
        for case in cases:
            passes = build_metadata_filter_fn(known.get, case)
            want = self.ordered(lambda node: passes(node.node_id))[:9]
            for store in stores:
                found = store.query(self.asked(similarity_top_k=9, filters=case))
                self.assertEqual(found.ids, want, case)
        nested = MetadataFilters(condition="or", filters=[
            MetadataFilters(filters=[simple[0], simple[1]]),
            MetadataFilters(condition="not", filters=[
                MetadataFilter(key="year", value=1990, operator=">")]),
        ])
        want = self.ordered(lambda node: node.metadata["lang"] == "en"
                            and node.metadata.get("year") == 1993
                            or not node.metadata.get("year", 0) > 1990)
        for store in stores:
            found = store.query(self.asked(similarity_top_k=COUNT, filters=nested))
            self.assertEqual(found.ids, want)
            self.assertEqual({node.node_id for node in store.get_nodes(filters=nested)}, set(want))

    def test_nodes(self):
        """Come back as they were given."""
        store = self.filled()
        found = store.query(self.asked(similarity_top_k=3))
        self.assertEqual(found.ids, self.ordered(lambda node: True)[:3])
        for id, node, similarity in zip(found.ids, found.nodes, found.similarities):
            want = self.nodes[int(id[1:])]
            self.assertEqual(
                (node.node_id, node.text, node.metadata, node.ref_doc_id),
                (want.node_id, want.text, want.metadata, want.ref_doc_id),
            )
            self.assertTrue(-1 <= similarity <= 1)
        self.assertEqual(sorted(found.similarities, reverse=True), found.similarities)
        some = ["n1", "n7", "none"]
        found = store.query(self.asked(similarity_top_k=9, node_ids=some))
        self.assertEqual(sorted(found.ids), ["n1", "n7"])
        found = store.query(self.asked(similarity_top_k=99, doc_ids=["d3", "d4"]))
        self.assertEqual(len(found.ids), COUNT // 15)
        self.assertEqual([node.text for node in store.get_nodes(["n7"])], ["text 7"])

    def test_changes(self):
        from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters

        store = self.filled(columns={"lang": "TEXT"})
        self.nodes[7].text = "new"
        store.add([self.nodes[7]])
        self.assertEqual([node.text for node in store.get_nodes(["n7"])], ["new"])
        self.assertEqual(len(store.get_nodes()), COUNT)
        store.delete("d3")
        self.assertEqual(len(store.get_nodes()), COUNT - COUNT // 30)
        store.delete_nodes(["n0", "n1"])
        self.assertEqual(store.get_nodes(["n0", "n1", "n2"])[0].node_id, "n2")
        store.delete_nodes()
        store.delete_nodes([])
        english = MetadataFilters(filters=[MetadataFilter(key="lang", value="en")])
        self.assertNotEqual(store.get_nodes(filters=english), [])
        store.delete_nodes(filters=english)
        self.assertEqual(store.get_nodes(filters=english), [])
        self.assertNotEqual(store.get_nodes(), [])
        store.clear()
        self.assertEqual(store.query(self.asked(similarity_top_k=3)).ids, [])

    def test_mmr(self):
        from llama_index.core.vector_stores.simple import SimpleVectorStore

        store, simple = self.filled(), SimpleVectorStore()
        simple.add(self.nodes)
        for threshold in (0.2, 0.8):
            asked = self.asked(similarity_top_k=5, mode="mmr", mmr_threshold=threshold)
            found = store.query(asked, mmr_prefetch_k=COUNT)
            want = simple.query(asked, mmr_threshold=threshold)
            self.assertEqual(found.ids, want.ids)
        self.assertEqual(len(store.query(self.asked(similarity_top_k=5, mode="mmr")).ids), 5)

    def test_async(self):
        store = self.store()

        async def run():
            await asyncio.gather(*(store.async_add(self.nodes[i::8]) for i in range(8)))
            await store.adelete("d3")
            await store.adelete_nodes(["n1"])
            count = len(await store.aget_nodes())
            found = await store.aquery(self.asked(similarity_top_k=2))
            await store.aclear()
            return count, found.ids, await store.aget_nodes()

        count, ids, left = asyncio.run(run())
        self.assertEqual((count, left), (COUNT - COUNT // 30 - 1, []))
        want = self.ordered(lambda node: node.ref_doc_id != "d3" and node.node_id != "n1")
        self.assertEqual(ids, want[:2])

    def test_refused(self):
        store = self.filled()
        with self.assertRaisesRegex(ValueError, "the mode hybrid is none of"):
            store.query(self.asked(mode="hybrid"))
        with self.assertRaisesRegex(ValueError, "no embedding"):
            from llama_index.core.vector_stores.types import VectorStoreQuery

            store.query(VectorStoreQuery())

    def test_index(self):
        """By the index of LlamaIndex, whose documents are inserted, found and deleted."""
        from llama_index.core import Document, MockEmbedding, StorageContext, VectorStoreIndex

        store = self.store()
        index = VectorStoreIndex.from_documents(
            [Document(text=f"document {i}", id_=f"d{i}") for i in range(5)],
            storage_context=StorageContext.from_defaults(vector_store=store),
            embed_model=MockEmbedding(DIM), transformations=[],
        )
        self.assertEqual(len(index.as_retriever(similarity_top_k=9).retrieve("a")), 5)
        index.delete_ref_doc("d2")
        again = VectorStoreIndex.from_vector_store(store, embed_model=MockEmbedding(DIM))
        found = again.as_retriever(similarity_top_k=9).retrieve("a")
        self.assertEqual(len(found), 4)
