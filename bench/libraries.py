"""Peers that are called natively: a batch of queries in one call, one after another inside it.

Each has what databases.py has, too:

    Engine(folder, spec)
    load(base)           rows in, row i under id i; returns seconds
    build(threads)       makes the index of what was loaded; returns seconds
    search(query, ef)    (ids [queries, 10], seconds), on one thread
    index_bytes()        of the index and what it keeps of the vectors; None where nobody can tell

For cosine, libraries that are fastest with inner products get vectors of unit length.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from data import unit
from databases import K, Spec


class Library:
    """Keeps the rows until the build, since the libraries take them then."""

    normalises = True  # by itself, for cosine

    def __init__(self, folder: Path, spec: Spec):
        self.folder, self.spec = folder, spec

    def prepared(self, vectors: np.ndarray) -> np.ndarray:
        if self.normalises or self.spec.metric != "cosine":
            return vectors
        return unit(vectors)

    def load(self, base: np.ndarray) -> float:
        self.base = self.prepared(base)
        return 0.0

    def build(self, threads: int) -> float:
        start = time.perf_counter()
        self.make(threads)
        seconds = time.perf_counter() - start
        del self.base
        return seconds

    def search(self, query: np.ndarray, ef: int) -> tuple[np.ndarray, float]:
        query = self.prepared(query)
        self.set_ef(ef)
        start = time.perf_counter()
        ids = self.find(query)
        seconds = time.perf_counter() - start
        return np.asarray(ids).astype(np.int64), seconds

    def make(self, threads: int) -> None:
        raise NotImplementedError

    def set_ef(self, ef: int) -> None:
        raise NotImplementedError

    def find(self, query: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class Hnswlib(Library):
    def make(self, threads: int) -> None:
        import hnswlib

        space = {"cosine": "cosine", "euclidean": "l2"}[self.spec.metric]
        self.index = hnswlib.Index(space=space, dim=self.spec.dim)
        self.index.init_index(
            max_elements=self.spec.rows,
            M=self.spec.m,
            ef_construction=self.spec.ef_construction,
        )
        self.index.add_items(self.base, num_threads=threads)

    def set_ef(self, ef: int) -> None:
        self.index.set_ef(ef)

    def find(self, query: np.ndarray) -> np.ndarray:
        return self.index.knn_query(query, k=K, num_threads=1)[0]

    def index_bytes(self) -> int:
        return self.index.index_file_size()


class Usearch(Library):
    dtype = "f32"

    def make(self, threads: int) -> None:
        from usearch.index import Index

        self.index = Index(
            ndim=self.spec.dim,
            metric={"cosine": "cos", "euclidean": "l2sq"}[self.spec.metric],
            dtype=self.dtype,
            connectivity=self.spec.m,
            expansion_add=self.spec.ef_construction,
        )
        self.index.add(np.arange(self.spec.rows), self.base, threads=threads)

    def set_ef(self, ef: int) -> None:
        self.index.expansion_search = ef

    def find(self, query: np.ndarray) -> np.ndarray:
        return self.index.search(query, K, threads=1).keys

    def index_bytes(self) -> int:
        return self.index.serialized_length


class UsearchInt8(Usearch):
    dtype = "i8"


class Faiss(Library):
    normalises = False

    def make(self, threads: int) -> None:
        import faiss

        faiss.omp_set_num_threads(threads)
        kind = {"cosine": faiss.METRIC_INNER_PRODUCT, "euclidean": faiss.METRIC_L2}
        self.index = self.empty(faiss, kind[self.spec.metric])
        self.index.hnsw.efConstruction = self.spec.ef_construction
        if not self.index.is_trained:
            self.index.train(self.base)
        self.index.add(self.base)
        faiss.omp_set_num_threads(1)

    def empty(self, faiss, metric: int):
        return faiss.IndexHNSWFlat(self.spec.dim, self.spec.m, metric)

    def set_ef(self, ef: int) -> None:
        self.index.hnsw.efSearch = ef

    def find(self, query: np.ndarray) -> np.ndarray:
        return self.index.search(query, K)[1]

    def index_bytes(self) -> int:
        import faiss

        return len(faiss.serialize_index(self.index))


class FaissSq8(Faiss):
    def empty(self, faiss, metric: int):
        bits = faiss.ScalarQuantizer.QT_8bit
        return faiss.IndexHNSWSQ(self.spec.dim, bits, self.spec.m, metric)


class HannoyRust(Library):
    """The Rust crate through its own Python package."""

    def make(self, threads: int) -> None:
        os.environ["RAYON_NUM_THREADS"] = str(threads)  # rayon reads it at its first use
        import hannoy

        metric = {"cosine": hannoy.Metric.COSINE, "euclidean": hannoy.Metric.EUCLIDEAN}
        room = (8 * self.base.nbytes >> 20) + 1024 << 20  # of addresses, in whole pages
        self.database = hannoy.Database(self.folder, metric[self.spec.metric], env_size=room)
        m, ef = self.spec.m, self.spec.ef_construction
        with self.database.writer(self.spec.dim, m=m, ef=ef) as writer:
            writer.add_items(range(self.spec.rows), self.base)
        self.reader = self.database.reader()

    def set_ef(self, ef: int) -> None:
        self.ef = ef

    def find(self, query: np.ndarray) -> np.ndarray:
        out = np.zeros((len(query), K), np.uint32), np.zeros((len(query), K), np.float32)
        self.reader.by_array(query, K, self.ef, out)
        return out[0]

    def index_bytes(self) -> int:
        return (self.folder / "data.mdb").stat().st_size


class Svs(Library):
    """SVS: a Vamana graph of degree 2m over float16, built with a window of 100."""

    normalises = False
    window = 100

    def make(self, threads: int) -> None:
        import svs

        parameters = svs.VamanaBuildParameters(
            graph_max_degree=2 * self.spec.m, window_size=self.window
        )
        metric = {"cosine": svs.DistanceType.MIP, "euclidean": svs.DistanceType.L2}
        self.index = svs.Vamana.build(
            parameters, self.vectors(svs), metric[self.spec.metric], num_threads=threads
        )
        self.index.num_threads = 1

    def vectors(self, svs):
        return self.base.astype(np.float16)

    def set_ef(self, ef: int) -> None:
        self.index.search_window_size = ef

    def find(self, query: np.ndarray) -> np.ndarray:
        return self.index.search(query, K)[0]

    def index_bytes(self) -> int:
        parts = [self.folder / name for name in ("config", "graph", "data")]
        self.index.save(*map(str, parts))
        return sum(file.stat().st_size for part in parts for file in part.iterdir())


class SvsLvq(Svs):
    """LVQ4x8: 4-bit codes to walk on and 8-bit residuals; its authors allow it on Intel alone."""

    def load(self, base: np.ndarray) -> float:
        import svs

        super().load(base)
        self.file = str(self.folder / "base.svs")
        vecs = str(self.folder / "base.fvecs")
        svs.write_vecs(self.base, vecs)
        svs.convert_vecs_to_svs(vecs, self.file, svs.DataType.float32)
        return 0.0

    def vectors(self, svs):
        loader = svs.VectorDataLoader(self.file, svs.DataType.float32, dims=self.spec.dim)
        return svs.LVQLoader(loader, primary=4, residual=8, padding=32)
