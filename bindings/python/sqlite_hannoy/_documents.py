"""A table of documents: an id, a vector, a text and metadata, for the stores of frameworks."""

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence

from ._conditions import Condition, path, plain
from ._library import sqlite3
from ._loading import load
from ._sql import insertion, quote
from ._vectors import deserialize, serialize

RESERVED = {"id", "vector", "text", "metadata", "distance", "k", "ef", "exact", "item", "rowid"}


@dataclass
class Row:
    id: str
    vector: Sequence[float]
    text: str
    metadata: Mapping[str, Any]


@dataclass
class Hit:
    """vector: where it was asked for."""

    id: str
    text: str
    metadata: Dict[str, Any]
    distance: float = 0.0
    vector: Sequence[float] = ()


class Documents:
    """columns: keys of the metadata that have a column, with its type; what a table that exists
    lacks is added to it.  options: further ones of CREATE VIRTUAL TABLE, as "m=32".

    A connection that is given stays the caller's, with its transaction; one that is opened here is
    used by any thread, by one at a time.
    """

    def __init__(
        self, path: str, connection: Any, table: str, metric: str,
        columns: Optional[Mapping[str, str]], options: Sequence[str],
    ) -> None:
        if connection is None:
            connection = sqlite3.connect(
                path, timeout=60, isolation_level=None, check_same_thread=False
            )
        self.db, self.table, self.metric, self.type = connection, table, metric, "float32"
        self.columns = dict(columns or {})
        self.options = list(options)
        self.lock = threading.RLock()
        for name in self.columns:
            if name.lower() in RESERVED | {table.lower()}:
                raise ValueError(f"a column cannot have the name {name!r}")
        load(self.db)
        row = self.db.execute("SELECT sqlite_version()").fetchone()
        # Before 3.38, SQLite hands a search the values of an IN one by one.
        self.sets_pushed = tuple(map(int, row[0].split("."))) >= (3, 38)
        self.exists = self.look()

    def look(self) -> bool:
        """True if the table exists; its columns, metric and type are then those that it has."""
        names = {
            row[0]: row[1]
            for row in self.db.execute(
                "SELECT name, type FROM pragma_table_xinfo(?) WHERE hidden = 0", (self.table,)
            )
        }
        if not names:
            return False
        if not {"id", "vector", "text", "metadata"} <= set(names):
            raise ValueError(f"{self.table} exists and is no table of documents")
        facts = dict(
            self.db.execute(
                "SELECT key, value FROM hannoy_info(?) WHERE key IN ('metric', 'type')",
                (self.table,),
            )
        )
        self.metric, self.type = facts["metric"], facts["type"]
        own = {name: type for name, type in names.items() if name not in RESERVED}
        for name in self.columns:
            if name not in own:
                self.add_column(name, self.columns[name])
        self.columns = {**own, **self.columns}
        return True

    def create(self, dim: int) -> None:
        parts = ["id TEXT PRIMARY KEY", f"dim={dim}", f"metric={self.metric}"]
        parts += [f"{quote(name)} {type}" for name, type in self.columns.items()]
        parts += [*self.options, "+text TEXT", "+metadata TEXT"]
        name, declared = quote(self.table), ", ".join(parts)
        self.db.execute(f"CREATE VIRTUAL TABLE IF NOT EXISTS {name} USING hannoy({declared})")
        self.exists = self.look()

    def add_column(self, name: str, type: str) -> None:
        """With the values that the metadata of the rows have."""
        table = quote(self.table)
        with self.transaction():
            self.db.execute(
                f"INSERT INTO {table}({table}) VALUES (?)", (f"add {quote(name)} {type}",)
            )
            rows = self.db.execute(
                f"SELECT rowid, json_extract(metadata, ?) FROM {table}"
                " WHERE json_extract(metadata, ?) IS NOT NULL", (path(name), path(name)),
            ).fetchall()
            self.db.executemany(
                f"UPDATE {table} SET {quote(name)} = ? WHERE rowid = ?",
                [(value, rowid) for rowid, value in rows],
            )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One of its own, or a savepoint of the caller's."""
        within = self.db.in_transaction
        begin, commit = ("SAVEPOINT hannoy", "RELEASE hannoy") if within else (
            "BEGIN IMMEDIATE", "COMMIT")
        self.db.execute(begin)
        try:
            yield
            self.db.execute(commit)
        except BaseException:
            if within:
                self.db.execute("ROLLBACK TO hannoy")
                self.db.execute("RELEASE hannoy")
            elif self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise

    def put(self, rows: Iterable[Row]) -> None:
        """Adds rows, all or none; those whose id exists are replaced."""
        names = ["id", "vector", "text", "metadata", *self.columns]
        values = [
            (
                row.id, serialize(row.vector), row.text,
                json.dumps(dict(row.metadata), ensure_ascii=False, allow_nan=False),
                *(plain(row.metadata.get(name)) for name in self.columns),
            )
            for row in rows
        ]
        if not values:
            return
        with self.lock:
            if not self.exists:
                self.create(len(values[0][1]) // 4)
            with self.transaction():
                self.db.executemany(
                    insertion("INSERT OR REPLACE", self.table, names), values
                )

    def delete(self, condition: Condition) -> None:
        with self.lock:
            if self.exists:
                with self.transaction():
                    self.db.execute(
                        f"DELETE FROM {quote(self.table)} WHERE {condition.sql}",
                        condition.arguments,
                    )

    def get(self, condition: Condition) -> List[Hit]:
        with self.lock:
            if not self.exists:
                return []
            rows = self.db.execute(
                f"SELECT id, text, metadata FROM {quote(self.table)} WHERE {condition.sql}",
                condition.arguments,
            ).fetchall()
        return [Hit(id, text, json.loads(metadata)) for id, text, metadata in rows]

    def nearest(
        self, vector: Sequence[float], k: int, condition: Condition, vectors: bool = False
    ) -> List[Hit]:
        """The k nearest documents that pass the condition.

        One that SQLite applies itself is beside a LIMIT, whose search goes on until it is filled.
        """
        pushed = condition.pushed and (self.sets_pushed or " IN (" not in condition.sql)
        table = quote(self.table)
        wanted = "id, text, metadata, distance" + (", vector" if vectors else "")
        if pushed:
            sql = f"SELECT {wanted} FROM {table}(?, ?) WHERE {condition.sql} ORDER BY distance"
            arguments = [serialize(vector), k, *condition.arguments]
        else:
            sql = f"SELECT {wanted} FROM {table}(?) WHERE {condition.sql} ORDER BY distance LIMIT ?"
            arguments = [serialize(vector), *condition.arguments, k]
        with self.lock:
            if not self.exists or k < 1:
                return []
            rows = self.db.execute(sql, arguments).fetchall()
        return [
            Hit(id, text, json.loads(metadata), distance,
                *(deserialize(blob, self.type) for blob in blobs))
            for id, text, metadata, distance, *blobs in rows
        ]

    def close(self) -> None:
        self.db.close()
