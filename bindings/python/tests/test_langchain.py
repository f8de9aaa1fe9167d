"""The store for LangChain: its own tests, and filters, scores and transactions beside."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import unittest

from available import LOADS, has

READY = all(map(has, ("langchain_core", "langchain_tests", "numpy")))
COUNT = 600
FILTERS = [
    ({"lang": "en"}, lambda m: m["lang"] == "en"),
    ({"lang": {"$ne": "en"}, "year": {"$gte": 2005}},
     lambda m: m["lang"] != "en" and m.get("year", 0) >= 2005),
    ({"year": {"$lt": 1995}}, lambda m: m.get("year", 9999) < 1995),
    ({"year": {"$between": [1995, 1997]}}, lambda m: 1995 <= m.get("year", 0) <= 1997),
    ({"lang": {"$in": ["en", "fr"]}}, lambda m: m["lang"] in ("en", "fr")),
    ({"year": {"$in": [1993, 1994]}, "lang": "de"},
     lambda m: m.get("year") in (1993, 1994) and m["lang"] == "de"),
    ({"lang": {"$nin": ["en", "fr"]}}, lambda m: m["lang"] not in ("en", "fr")),
    ({"year": {"$exists": False}}, lambda m: "year" not in m),
    ({"year": {"$exists": True}, "lang": {"$like": "d%"}},
     lambda m: "year" in m and m["lang"] == "de"),
    ({"year": None}, lambda m: "year" not in m),
    ({"$or": [{"lang": "en"}, {"year": 1992}]},
     lambda m: m["lang"] == "en" or m.get("year") == 1992),
    ({"$not": {"year": {"$gt": 1990}}}, lambda m: not m.get("year", 0) > 1990),
    ({"$and": [{"lang": "fr"}, {"$or": [{"year": 2000}, {"year": 2003}]}]},
     lambda m: m["lang"] == "fr" and m.get("year") in (2000, 2003)),
    ({"tags": {"$contains": "t3"}}, lambda m: "t3" in m["tags"]),
    ({"read": True, "nested": {"a": 1}}, lambda m: m["read"] and m["nested"] == {"a": 1}),
    ({'odd "key"': {"$exists": True}}, None),
]


def metadata(i):
    given = {"lang": ("en", "de", "fr")[i % 3], "tags": [f"t{i % 7}", "all"],
             "read": i % 2 == 0, "nested": {"a": i % 5}}
    return given if i % 10 == 0 else {**given, "year": 1990 + i % 20}


@unittest.skipUnless(READY and LOADS, "no LangChain, or nothing loads extensions")
class LangChain(unittest.TestCase):
    def setUp(self):
        from langchain_core.embeddings import DeterministicFakeEmbedding

        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "app.db")
        self.model = DeterministicFakeEmbedding(size=16)

    def store(self, *arguments, **options):
        from sqlite_hannoy.langchain import HannoyStore

        store = HannoyStore(self.model, *(arguments or (self.path,)), **options)
        self.addCleanup(store.close)
        return store

    def fill(self, store):
        store.add_texts([f"text {i}" for i in range(COUNT)], [metadata(i) for i in range(COUNT)],
                        ids=[str(i) for i in range(COUNT)])

    def test_standard(self):
        file = os.path.join(os.path.dirname(os.path.abspath(__file__)), "langchain_standard.py")
        done = subprocess.run(
            [sys.executable, "-I", "-m", "pytest", "-q", "-p", "no:cacheprovider",
             "-o", "asyncio_mode=auto", "-W", "ignore", "-rs", file],
            stdout=subprocess.PIPE, timeout=240,
        )
        self.assertRegex(done.stdout.decode(), r"\n[1-9]\d+ passed in ")
        self.assertEqual(done.returncode, 0)

    def exact(self, query, passes, k):
        import numpy

        wanted = numpy.array(self.model.embed_query(query))
        far = []
        for i in range(COUNT):
            if passes(metadata(i)):
                given = numpy.array(self.model.embed_query(f"text {i}"))
                cosine = given @ wanted / numpy.linalg.norm(given) / numpy.linalg.norm(wanted)
                far.append((1 - cosine, str(i)))
        return [id for _, id in sorted(far)[:k]]

    def test_filters(self):
        """With and without columns, and as the filter says."""
        stores = [self.store(table="plain"),
                  self.store(table="fast", columns={"lang": "TEXT", "year": "INTEGER"})]
        for store in stores:
            self.fill(store)
        for filter, passes in FILTERS:
            for store in stores:
                if passes is None:
                    with self.assertRaisesRegex(ValueError, "which has a quote"):
                        store.similarity_search("a query", filter={'a"b': 1})
                    continue
                found = store.similarity_search("a query", k=7, filter=filter)
                self.assertTrue(all(passes(document.metadata) for document in found), filter)
                self.assertEqual([document.id for document in found],
                                 self.exact("a query", passes, 7), filter)
        for filter in ({"lang": {"$near": 1}}, {"$nor": []}, {"lang": {"$in": "en"}}):
            with self.assertRaises(ValueError, msg=filter):
                stores[0].similarity_search("a query", filter=filter)

    def test_columns_pushed(self):
        """A filter on columns does not read rows that fail it."""
        store = self.store(columns={"lang": "TEXT"}, options=["linear_below=0"])
        self.fill(store)
        store.connection.execute("SELECT hannoy_build('documents')")
        store.similarity_search("a query", k=3, filter={"lang": "en"})
        matches = store.connection.execute(
            "SELECT value FROM hannoy_info('documents') WHERE key = 'last_filter_matches'"
        ).fetchone()[0]
        self.assertEqual(matches, COUNT // 3)

    def test_column_added(self):
        """To a table that exists, with the values of its metadata."""
        store = self.store()
        self.fill(store)
        store.close()
        store = self.store(columns={"year": "INTEGER"})
        count = store.connection.execute("SELECT count(*) FROM documents WHERE year = 1994")
        want = sum(metadata(i).get("year") == 1994 for i in range(COUNT))
        self.assertEqual(count.fetchone()[0], want)
        found = store.similarity_search("a query", k=100, filter={"year": 1994})
        self.assertEqual(len(found), want)
        store.close()
        # Without the argument, the columns are those of the table.
        again = self.store()
        again.add_texts(["new"], [{"year": 1994}], ids=["new"])
        count = again.connection.execute("SELECT count(*) FROM documents WHERE year = 1994")
        self.assertEqual(count.fetchone()[0], want + 1)

    def test_scores(self):
        for metric in ("cosine", "l2"):
            store = self.store(table=metric, metric=metric)
            self.fill(store)
            (document, found), = store.similarity_search_with_relevance_scores("text 5", k=1)
            self.assertEqual(document.page_content, "text 5")
            self.assertAlmostEqual(found, 1, 3)
        score = self.store(table="dot", metric="dot")._select_relevance_score_fn()
        self.assertEqual(score(-0.5), 0.5)
        store = self.store(table="l1", metric="l1")
        self.fill(store)
        with self.assertRaisesRegex(ValueError, "no relevance score"):
            store.similarity_search_with_relevance_scores("text 5")
        self.assertEqual(store.similarity_search_with_score("text 5", k=1)[0][1], 0)

    def test_mmr(self):
        for options in ([], ["type=float16"]):
            store = self.store(table="t" + str(len(options)), options=options)
            store.add_texts(["same"] * 5 + ["other", "third"])
            plain = store.similarity_search("same", k=3)
            self.assertEqual([one.page_content for one in plain], ["same"] * 3)
            found = store.max_marginal_relevance_search("same", k=3, fetch_k=7, lambda_mult=0.1)
            self.assertEqual(sorted(one.page_content for one in found), ["other", "same", "third"])
            later = asyncio.run(store.amax_marginal_relevance_search("same", k=3, fetch_k=7,
                                                                     lambda_mult=0.1))
            self.assertEqual(later, found)
            found = store.as_retriever(search_type="mmr", search_kwargs={"k": 2}).invoke("same")
            self.assertEqual(len(found), 2)

    def test_transactions(self):
        """Of the caller's connection: a failed call leaves it as it was; ROLLBACK undoes all."""
        db = sqlite3.connect(self.path)
        store = self.store(":memory:", connection=db)
        store.add_texts(["one"], ids=["1"])
        self.assertFalse(db.in_transaction)
        db.execute("CREATE TABLE own(x)")
        db.execute("BEGIN")
        db.execute("INSERT INTO own VALUES (1)")
        store.add_texts(["two"], ids=["2"])
        with self.assertRaises(sqlite3.Error):
            store._put([store.get_by_ids(["1"])[0]], ["3"], [[1.0, 2.0]])
        self.assertTrue(db.in_transaction)
        self.assertEqual(len(store.get_by_ids(["1", "2", "3"])), 2)
        db.rollback()
        self.assertEqual([one.id for one in store.get_by_ids(["1", "2"])], ["1"])
        self.assertEqual(db.execute("SELECT count(*) FROM own").fetchone(), (0,))

    def test_mistakes(self):
        store = self.store()
        with self.assertRaises(ValueError):  # SQLite's JSON has no NaN
            store.add_texts(["a"], [{"x": float("nan")}])
        with self.assertRaisesRegex(ValueError, "2 ids"):
            store.add_documents(store.get_by_ids([]), ids=["1", "2"])
        with self.assertRaisesRegex(ValueError, "cannot have the name 'text'"):
            self.store(columns={"text": "TEXT"})
        store.connection.execute("CREATE TABLE notes(id)")
        with self.assertRaisesRegex(ValueError, "notes exists and is no table of documents"):
            self.store(table="notes")
        self.assertEqual(store.similarity_search("a", filter={"x": 1}), [])

    def test_threads(self):
        """Async calls run in other threads, side by side."""
        store = self.store()

        async def run():
            await asyncio.gather(*(store.aadd_texts([f"a{i}", f"b{i}"]) for i in range(20)))
            found = await asyncio.gather(*(store.asimilarity_search(f"a{i}", k=1)
                                           for i in range(20)))
            return [one[0].page_content for one in found]

        self.assertEqual(asyncio.run(run()), [f"a{i}" for i in range(20)])

    def test_from_texts(self):
        from sqlite_hannoy.langchain import HannoyStore

        store = HannoyStore.from_texts(["a", "b"], self.model, ids=["1", "2"], path=self.path)
        self.addCleanup(store.close)
        self.assertEqual(store.similarity_search("b", k=1)[0].id, "2")
        later = asyncio.run(HannoyStore.afrom_texts(["c"], self.model, path=self.path))
        self.addCleanup(later.close)
        self.assertEqual(len(later.similarity_search("b", k=9)), 3)
