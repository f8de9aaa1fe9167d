"""Imports rows in chunks, each a transaction, so that a second run goes on where one ended.

While an import runs, the table hannoy_imports has a row of it: how many rows of the source were
committed, and the table's `autobuild`, which is off meanwhile.  One build at the end takes all rows
into the index at once.
"""

import os
from typing import Any, Callable, Dict, Iterable, Iterator, List

import click
import numpy

from .._library import sqlite3
from .._sql import insertion, quote
from .._vectors import DTYPES
from .batch import Batch
from .readers import Reader
from .table import Table

PROGRESS = """CREATE TABLE IF NOT EXISTS hannoy_imports(
    source TEXT, target TEXT, rows INTEGER, autobuild INTEGER, PRIMARY KEY(source, target))"""


def create(
    db: sqlite3.Connection, name: str, reader: Reader, metric: str, type: str, options: List[str]
) -> None:
    key = "id TEXT PRIMARY KEY" if reader.text_ids else "id INTEGER PRIMARY KEY"
    parts = [key, f"dim={reader.dim}", f"metric={metric}", f"type={type}"]
    parts += [f"{quote(column)} {kind}" for column, kind in reader.columns.items()]
    parts += options
    try:
        db.execute(f"CREATE VIRTUAL TABLE {quote(name)} USING hannoy({', '.join(parts)})")
    except sqlite3.Error as error:
        raise click.ClickException(str(error)) from error


def source_of(path: str, part: str) -> str:
    """Names a source and its contents, so that another file of that name starts over."""
    facts = os.stat(path)
    return f"{os.path.abspath(path)}{part} {facts.st_size} {facts.st_mtime_ns}"


class Import:
    def __init__(self, table: Table, column: str, source: str, replace: bool) -> None:
        self.table, self.column, self.source = table, column, source
        self.verb = "INSERT OR REPLACE" if replace else "INSERT"
        self.type = table.option(column, "type")
        self.dim = table.option(column, "dim")
        self.db = table.db
        self.db.execute(PROGRESS)
        row = self.db.execute(
            "SELECT rows FROM hannoy_imports WHERE source = ? AND target = ?",
            (source, table.name),
        ).fetchone()
        self.done: int = row[0] if row else 0
        self.began = row is not None

    def start(self) -> None:
        if self.began:
            return
        # An import that another left over has the value that is to be restored.
        row = self.db.execute(
            "SELECT autobuild FROM hannoy_imports WHERE target = ?", (self.table.name,)
        ).fetchone()
        autobuild = row[0] if row else self.table.info()["autobuild"]
        self.db.execute("BEGIN IMMEDIATE")
        self.db.execute(
            "INSERT INTO hannoy_imports VALUES (?, ?, 0, ?)",
            (self.source, self.table.name, autobuild),
        )
        self.table.command("autobuild=0")
        self.db.execute("COMMIT")

    def run(self, reader: Reader, size: int, advance: Callable[[int], None]) -> int:
        """The number of rows that were committed; it can be stopped at any time."""
        self.start()
        skip, committed = self.done, 0
        for batch in reader.batches(size):
            if skip >= len(batch):
                skip -= len(batch)
                continue
            if skip:
                batch, skip = batch.without_first(skip), 0
            self.chunk(batch)
            committed += len(batch)
            advance(len(batch))
        return committed

    def chunk(self, batch: Batch) -> None:
        values: Dict[str, Iterable[Any]] = {self.column: self.blobs(batch), **batch.columns}
        if batch.ids is not None:
            values[self.table.key] = batch.ids
        statement = insertion(self.verb, self.table.name, list(values))
        self.db.execute("BEGIN IMMEDIATE")
        try:
            self.db.executemany(statement, zip(*values.values()))
            self.done += len(batch)
            self.db.execute(
                "UPDATE hannoy_imports SET rows = ? WHERE source = ? AND target = ?",
                (self.done, self.source, self.table.name),
            )
            self.db.execute("COMMIT")
        except sqlite3.Error as error:
            self.roll_back()
            raise click.ClickException(
                f"rows {self.done + 1} to {self.done + len(batch)}: {error}"
            ) from error
        except BaseException:
            self.roll_back()
            raise

    def roll_back(self) -> None:
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")

    def blobs(self, batch: Batch) -> Iterator[Any]:
        if isinstance(batch.vectors, list):
            return iter(batch.vectors)
        vectors = batch.vectors
        if vectors.shape[1] != self.dim:
            raise click.ClickException(
                f"the vectors have {vectors.shape[1]} numbers, {self.table.name} has {self.dim}"
            )
        # A table takes its own type, which it then does not convert, or float32.
        kept = DTYPES.get(self.type)
        given = kept if kept and vectors.dtype == kept else "<f4"
        # A row of the array is a buffer, which sqlite3 binds; rows need not be side by side.
        if vectors.dtype != given or vectors.strides[1] != vectors.itemsize:
            vectors = numpy.ascontiguousarray(vectors, given)
        return iter(vectors)

    def finish(self) -> None:
        """After the last row."""
        self.db.execute("BEGIN IMMEDIATE")
        autobuild = self.db.execute(
            "SELECT autobuild FROM hannoy_imports WHERE source = ? AND target = ?",
            (self.source, self.table.name),
        ).fetchone()[0]
        self.db.execute(
            "DELETE FROM hannoy_imports WHERE source = ? AND target = ?",
            (self.source, self.table.name),
        )
        others = self.db.execute("SELECT target FROM hannoy_imports").fetchall()
        if (self.table.name,) not in others:
            self.table.command(f"autobuild={autobuild}")
        if not others:
            self.db.execute("DROP TABLE hannoy_imports")
        self.db.execute("COMMIT")
