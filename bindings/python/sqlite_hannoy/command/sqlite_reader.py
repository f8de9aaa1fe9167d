"""Reads a table of a SQLite database: of sqlite-vec, or any with vectors as BLOB or JSON."""

import json
import sqlite3
from typing import Any, Iterator, List, Optional

import click
import numpy

from .batch import Batch, as_array
from .readers import Names, Reader, plain
from .table import quote


class SqliteReader(Reader):
    def __init__(self, path: str, table: str, names: Names) -> None:
        self.path, self.table, self.names = path, table, names
        self.db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        row = self.db.execute(
            "SELECT sql FROM sqlite_schema WHERE name = ? COLLATE NOCASE", (table,)
        ).fetchone()
        if row is None:
            raise click.ClickException(f"{path} has no table {table}")
        self.load_module(row[0] or "")
        given = self.db.execute(
            "SELECT name, type, pk FROM pragma_table_xinfo(?) WHERE hidden = 0", (table,)
        ).fetchall()
        types = {name: kind for name, kind, _ in given}
        first = self.db.execute(f"SELECT * FROM {quote(table)} LIMIT 1")
        values = dict(zip([column[0] for column in first.description], first.fetchone() or ()))
        if not values:
            raise click.ClickException(f"{table} of {path} is empty")
        vectors = [name for name in types if self.numbers_of(values[name]) is not None]
        if names.id is None:
            names.id = next((name for name, _, pk in given if pk), None)
        names.choose(list(types), vectors, f"{table} of {path}")
        self.total = self.db.execute(f"SELECT count(*) FROM {quote(table)}").fetchone()[0]
        self.dim = len(self.numbers_of(values[str(names.vector)]))
        self.columns = {name: types[name] or "TEXT" for name in names.rest or []}
        # Every table has a rowid, but those without one.
        self.id = quote(names.id) if names.id else "rowid"
        self.has_ids = True
        self.text_ids = bool(names.id) and isinstance(values[str(names.id)], str)

    def load_module(self, sql: str) -> None:
        lower = " ".join(sql.lower().split())
        for module, package in (("vec0", "sqlite_vec"), ("vectorlite", "vectorlite_py"),
                                ("hannoy", "sqlite_hannoy")):
            if f"using {module}" not in lower:
                continue
            try:
                loader = __import__(package)
            except ImportError:
                raise click.ClickException(
                    f"{self.table} is a table of {module}; pip install "
                    f"{package.replace('_', '-')} reads it"
                ) from None
            self.db.enable_load_extension(True)
            if hasattr(loader, "load"):
                loader.load(self.db)
            else:
                self.db.load_extension(loader.vectorlite_path())

    @staticmethod
    def numbers_of(value: Any) -> Any:
        """The vector in a value, or None."""
        if isinstance(value, bytes) and value and len(value) % 4 == 0:
            return numpy.frombuffer(value, "<f4")
        if isinstance(value, str) and value.startswith("["):
            try:
                return json.loads(value)
            except ValueError:
                return None
        return None

    def batches(self, size: int) -> Iterator[Batch]:
        names = self.names
        rest: List[str] = names.rest or []
        wanted = ", ".join([self.id, quote(str(names.vector)), *map(quote, rest)])
        rows = self.db.execute(f"SELECT {wanted} FROM {quote(self.table)}")
        first = 1
        while True:
            some = rows.fetchmany(size)
            if not some:
                return
            try:
                vectors = as_array([self.numbers_of(row[1]) for row in some], first)
            except ValueError as error:
                raise click.ClickException(f"{self.table} of {self.path}: {error}") from error
            yield Batch(
                vectors,
                [row[0] for row in some],
                {name: [plain(row[2 + i]) for row in some] for i, name in enumerate(rest)},
            )
            first += len(some)
