"""What is measured through SQL: hannoy, a plain table, vectorlite and sqlite-vec."""

from __future__ import annotations

import gc
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

K = 10
EXTENSION = Path(__file__).resolve().parent.parent / "hannoy.so"


@dataclass(frozen=True)
class Spec:
    """What an engine is made for."""

    rows: int
    dim: int
    metric: str
    m: int
    ef_construction: int
    options: str = ""  # of a hannoy table
    pragmas: str = ""  # of its connection


def connect(path: Path | str, *extensions: Path | str, pragmas: str = "") -> sqlite3.Connection:
    """A connection in autocommit mode, in WAL mode, with extensions loaded."""
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=32)
    connection.enable_load_extension(True)
    for extension in extensions:
        connection.load_extension(str(extension))
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", *filter(None, pragmas.split(","))):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def blobs_of(vectors: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in vectors]


def insert(connection: sqlite3.Connection, sql: str, base: np.ndarray, first: int = 0) -> float:
    """Inserts (first + i, row i) in one transaction; returns seconds, COMMIT included."""
    rows = list(enumerate(blobs_of(base), first))
    start = time.perf_counter()
    connection.execute("BEGIN")
    connection.executemany(sql, rows)
    connection.execute("COMMIT")
    return time.perf_counter() - start


def select(
    connection: sqlite3.Connection, sql: str, query: np.ndarray, *arguments: int
) -> tuple[np.ndarray, float]:
    """Runs the statement for each query; returns (ids [queries, K], seconds)."""
    blobs = blobs_of(query)
    cursor = connection.cursor()
    answers = []
    gc.disable()  # it would count the answers that are kept for later
    start = time.perf_counter()
    for blob in blobs:
        answers.append(cursor.execute(sql, (blob, *arguments)).fetchall())
    seconds = time.perf_counter() - start
    gc.enable()
    ids = np.full((len(query), K), -1, np.int64)
    for row, answer in zip(ids, answers):
        row[: len(answer)] = [hit[0] for hit in answer]
    return ids, seconds


class Plain:
    """A table with a BLOB column: what storing the vectors costs by itself."""

    insert_sql = "INSERT INTO v(id, vector) VALUES (?, ?)"

    def __init__(self, folder: Path):
        self.connection = connect(folder / "plain.db")
        self.connection.execute("CREATE TABLE v(id INTEGER PRIMARY KEY, vector BLOB)")

    def load(self, base: np.ndarray) -> float:
        return insert(self.connection, self.insert_sql, base)

    def close(self) -> None:
        self.connection.close()


class Hannoy:
    """The extension, with what it has by default except where told otherwise.

    `path` may be a database that has the table already; options are those of CREATE.
    """

    insert_sql = "INSERT INTO v(rowid, vector) VALUES (?, ?)"

    def __init__(
        self, path: Path | str, dim: int, metric: str, options: str = "", pragmas: str = ""
    ):
        self.path = path
        self.connection = connect(path, EXTENSION, pragmas=pragmas)
        columns = ", ".join(filter(None, [f"dim={dim}, metric={metric}", options]))
        self.connection.execute(f"CREATE VIRTUAL TABLE IF NOT EXISTS v USING hannoy({columns})")

    @classmethod
    def peer(cls, folder: Path, spec: Spec) -> Hannoy:
        """As one of the engines: built when told to, not by the COMMIT."""
        options = ", ".join(filter(None, ["autobuild=0", spec.options]))
        return cls(folder / "hannoy.db", spec.dim, spec.metric, options, spec.pragmas)

    def load(self, base: np.ndarray) -> float:
        return insert(self.connection, self.insert_sql, base)

    def build(self, threads: int) -> float:
        self.set("threads", threads)
        start = time.perf_counter()
        self.connection.execute("SELECT hannoy_build('v')").fetchall()
        return time.perf_counter() - start

    def set(self, key: str, value: Any) -> None:
        self.connection.execute(f"INSERT INTO v(v) VALUES ('{key}={value}')")

    def info(self) -> dict[str, Any]:
        return dict(self.connection.execute("SELECT key, value FROM hannoy_info('v')"))

    def search(self, query: np.ndarray, ef: int | None) -> tuple[np.ndarray, float]:
        """ef None: without the argument, so the table's own."""
        if ef is None:
            return select(self.connection, "SELECT rowid, distance FROM v(?, ?)", query, K)
        return select(self.connection, "SELECT rowid, distance FROM v(?, ?, ?)", query, K, ef)

    def search_rowids(self, query: np.ndarray, ef: int) -> tuple[np.ndarray, float]:
        return select(self.connection, "SELECT rowid FROM v(?, ?, ?)", query, K, ef)

    def index_bytes(self) -> int:
        return Path(f"{self.path}-hannoy").stat().st_size

    def close(self) -> None:
        self.connection.close()


class Vectorlite:
    """vectorlite: hnswlib inside SQLite, in memory; it builds while rows come in, on one thread."""

    def __init__(self, folder: Path, spec: Spec):
        import vectorlite_py

        space = {"cosine": "cosine", "euclidean": "l2"}[spec.metric]
        self.connection = connect(":memory:", vectorlite_py.vectorlite_path())
        self.connection.execute(
            f"CREATE VIRTUAL TABLE v USING vectorlite(e float32[{spec.dim}] {space}, hnsw("
            f"max_elements={spec.rows}, M={spec.m}, ef_construction={spec.ef_construction}))"
        )

    def load(self, base: np.ndarray) -> float:
        return insert(self.connection, "INSERT INTO v(rowid, e) VALUES (?, ?)", base)

    def build(self, threads: int) -> float:
        return 0.0

    def search(self, query: np.ndarray, ef: int) -> tuple[np.ndarray, float]:
        sql = "SELECT rowid, distance FROM v WHERE knn_search(e, knn_param(?, ?, ?))"
        return select(self.connection, sql, query, K, ef)

    def index_bytes(self) -> None:
        return None


class SqliteVec:
    """sqlite-vec: an exact scan of every row, so ef means nothing to it."""

    def __init__(self, folder: Path, spec: Spec):
        import sqlite_vec

        metric = {"cosine": "cosine", "euclidean": "L2"}[spec.metric]
        self.path = folder / "sqlite-vec.db"
        self.connection = connect(self.path, sqlite_vec.loadable_path())
        self.connection.execute(
            f"CREATE VIRTUAL TABLE v USING vec0(e float[{spec.dim}] distance_metric={metric})"
        )

    def load(self, base: np.ndarray) -> float:
        return insert(self.connection, "INSERT INTO v(rowid, e) VALUES (?, ?)", base)

    def build(self, threads: int) -> float:
        return 0.0

    def search(self, query: np.ndarray, ef: int) -> tuple[np.ndarray, float]:
        sql = "SELECT rowid, distance FROM v WHERE e MATCH ? AND k = ?"
        return select(self.connection, sql, query, K)

    def index_bytes(self) -> None:
        return None
