"""Writes a table of a SQLite database: a plain one with BLOBs of float32, or one of sqlite-vec."""

import re
from typing import Any, Dict, Iterable

import click

from .._library import sqlite3
from .._sql import insertion, quote
from .batch import Batch
from .writers import Writer

VEC0_METRICS = {"cosine": "cosine", "euclidean": "l2", "l2": "l2", "manhattan": "l1", "l1": "l1"}


def _plain(type: str) -> str:
    """The type of a column as sqlite-vec knows it, by SQLite's rules of affinity."""
    for parts, plain in ((("INT",), "integer"), (("CHAR", "CLOB", "TEXT"), "text"),
                         (("BLOB",), "blob"), (("REAL", "FLOA", "DOUB"), "float")):
        if any(part in type.upper() for part in parts):
            return plain
    return "text"


class SqliteWriter(Writer):
    """All rows are one transaction.  types: of the columns; vec0: the metric, or None."""

    def __init__(
        self, path: str, table: str, types: Dict[str, str], vec0: Any, *names: Any
    ) -> None:
        super().__init__(path, *names)
        self.table, self.types, self.vec0 = table, types, vec0
        if vec0 is not None and vec0 not in VEC0_METRICS:
            raise click.ClickException(f"sqlite-vec has no distance as {vec0} for float vectors")
        self.db = sqlite3.connect(path, isolation_level=None, timeout=60)
        if vec0 is not None:
            try:
                import sqlite_vec
            except ImportError:
                raise click.ClickException("pip install sqlite-vec writes its tables") from None
            self.db.enable_load_extension(True)
            sqlite_vec.load(self.db)
        self.db.execute("BEGIN IMMEDIATE")

    def create(self, dim: int) -> None:
        key = f"{self.named(self.id)} {'TEXT' if self.types[self.id] == 'TEXT' else 'INTEGER'}"
        own = [f"{self.named(name)} {self.types[name]}" for name in self.columns]
        parts = [key + " PRIMARY KEY"]
        if self.vec0 is None:
            parts += [*own, f"{quote(self.vector)} BLOB"]
            sql = f"CREATE TABLE {quote(self.table)}({', '.join(parts)})"
        else:  # its columns to filter by take no NULL; with a + they take any value
            metric = VEC0_METRICS[self.vec0]
            parts.append(f"{self.named(self.vector)} float[{dim}] distance_metric={metric}")
            parts += [f"+{self.named(name)} {_plain(self.types[name])}" for name in self.columns]
            sql = f"CREATE VIRTUAL TABLE {quote(self.table)} USING vec0({', '.join(parts)})"
        try:
            self.db.execute(sql)
        except sqlite3.Error as error:
            raise click.ClickException(f"{self.path}: {error}") from error

    def named(self, name: str) -> str:
        if self.vec0 is None:
            return quote(name)
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise click.ClickException(
                f"sqlite-vec takes names of letters, digits and _, not {name!r};"
                " --columns chooses what to write"
            )
        return name

    def write(self, batch: Batch) -> None:
        if self.written == 0:
            self.create(batch.vectors.shape[1])
        names = [self.id, self.vector, *self.columns]
        rows: Iterable[Any] = zip(
            batch.ids or [], map(bytes, batch.vectors),
            *(batch.columns[name] for name in self.columns),
        )
        self.db.executemany(insertion("INSERT", self.table, names), rows)
        self.written += len(batch)

    def finish(self) -> None:
        self.db.execute("COMMIT")
        self.db.close()

    def abandon(self) -> None:
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")
        self.db.close()
