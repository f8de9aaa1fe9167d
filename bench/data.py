"""Data sets: folders of .npy files, the words of the demo, and random numbers."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

WORDS = Path(__file__).resolve().parent.parent / "examples" / "wordnet.db"


@dataclass
class DataSet:
    """Vectors and queries."""

    name: str
    metric: str  # cosine or euclidean
    base: np.ndarray  # float32 [rows, dim]
    query: np.ndarray  # float32 [queries, dim]
    known: np.ndarray | None = None  # what truth is, where it need not be computed

    @cached_property
    def truth(self) -> np.ndarray:
        """[queries, at least 10] rows of base, nearest first."""
        if self.known is not None:
            return self.known
        return exact(self.base, self.query, self.metric)

    @property
    def rows(self) -> int:
        return len(self.base)

    @property
    def dim(self) -> int:
        return self.base.shape[1]

    def part(self, rows: int, queries: int) -> DataSet:
        """The first rows and queries, with neighbours of their own."""
        base, query = self.base[:rows], self.query[:queries]
        known = self.known[:queries] if self.known is not None and rows >= self.rows else None
        return DataSet(self.name, self.metric, base, query, known)


@dataclass
class Source:
    """A set that is read when its turn comes: together they need not fit into memory."""

    name: str
    rows: int
    generated: bool
    read: Callable[[], DataSet]


def exact(base: np.ndarray, query: np.ndarray, metric: str, k: int = 10) -> np.ndarray:
    """The k nearest rows of base for each query, nearest first, by a full scan."""
    if metric == "cosine":
        base, query = unit(base), unit(query)
    squares = np.einsum("ij,ij->i", base, base)
    nearest = np.empty((len(query), k), np.int64)
    for start in range(0, len(query), 100):
        part = query[start : start + 100]
        distance = squares - 2 * (part @ base.T)
        rows = np.argpartition(distance, k, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(distance, rows, 1), 1, kind="stable")
        nearest[start : start + 100] = np.take_along_axis(rows, order, 1)
    return nearest


def unit(vectors: np.ndarray) -> np.ndarray:
    """The vectors at length 1; zero vectors stay."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(length, 1e-30)


# ---------------------------------------------------------------------------------------- files --


def folders(argument: str) -> list[Source]:
    """FOLDER or FOLDER:METRIC with base.npy, query.npy and truth.npy, or a folder of such folders.

    The metric is cosine unless told.
    """
    path, _, metric = argument.partition(":")
    found = [folder for folder in (Path(path), *sorted(Path(path).iterdir()))
             if (folder / "base.npy").exists()]
    if not found:
        raise SystemExit(f"bench: neither {path} nor a folder in it has a base.npy")
    return [folder_source(folder, metric or "cosine") for folder in found]


def folder_source(folder: Path, metric: str) -> Source:
    rows = len(np.load(folder / "base.npy", mmap_mode="r"))
    return Source(folder.name, rows, False, lambda: read_folder(folder, metric))


def read_folder(folder: Path, metric: str) -> DataSet:
    base = np.load(folder / "base.npy").astype(np.float32)
    query = np.load(folder / "query.npy").astype(np.float32)
    return DataSet(folder.name, metric, base, query, np.load(folder / "truth.npy"))


def words() -> Source:
    """The words of the demo: what there is in the repo itself."""
    return Source("words", 19_000, False, read_words)


def read_words(queries: int = 1000) -> DataSet:
    """Stored as signed bytes, so that int8 codes of them lose nothing."""
    connection = sqlite3.connect(WORDS)
    rows = [blob for (blob,) in connection.execute("SELECT embedding FROM synset ORDER BY id")]
    connection.close()
    vectors = np.stack([np.frombuffer(row, np.int8) for row in rows]).astype(np.float32)
    vectors = np.random.default_rng(3).permutation(vectors)
    base, query = vectors[queries:], vectors[:queries]
    return DataSet("words", "cosine", base, query)


# ------------------------------------------------------------------------------------ generated --


def generated() -> list[Source]:
    return [
        Source("gaussian", 50_000, True, gaussian),
        Source("clusters", 50_000, True, clusters),
    ]


def gaussian(rows: int = 50_000, dim: int = 64, queries: int = 1000) -> DataSet:
    """Independent normal numbers: no structure to profit from, the hardest kind of data."""
    random = np.random.default_rng(1)
    base = random.standard_normal((rows, dim), dtype=np.float32)
    query = random.standard_normal((queries, dim), dtype=np.float32)
    return DataSet("gaussian", "euclidean", base, query)


def clusters(rows: int = 50_000, dim: int = 256, queries: int = 1000, rank: int = 32) -> DataSet:
    """500 clusters in 32 of 256 dimensions and a little noise, not of unit length."""
    random = np.random.default_rng(2)
    axes = random.standard_normal((rank, dim), dtype=np.float32) / np.float32(np.sqrt(dim))
    centres = random.standard_normal((500, rank), dtype=np.float32)

    def draw(count: int) -> np.ndarray:
        inner = random.standard_normal((count, rank), dtype=np.float32)
        noise = random.standard_normal((count, dim), dtype=np.float32)
        at = centres[random.integers(len(centres), size=count)] + np.float32(0.6) * inner
        return at @ axes + np.float32(0.02) * noise

    base, query = draw(rows), draw(queries)
    return DataSet("clusters", "euclidean", base, query)
