"""Reads a table of a SQLite database: of sqlite-vec or vectorlite, or with BLOBs or JSON."""

import json
import pathlib
import re
from typing import Any, Dict, Iterator, List, Tuple

import click
import numpy

from .._library import sqlite3
from .._sql import quote
from .._vectors import DTYPES
from .batch import Batch, as_array
from .readers import Names, Reader, plain
from .vectorlite_reader import VectorliteReader, is_vectorlite

# A vector of a vec0 table, as `embedding int8[384]`.
VEC0_COLUMN = re.compile(
    r"""["\[`]?(\w+)["\]`]?\s+(float|f32|int8|i8|bit)\s*\[\s*(\d+)\s*\]""", re.I
)
VEC0_TYPES = {"float": "float32", "f32": "float32", "int8": "int8", "i8": "int8", "bit": "bit"}


def open_table(path: str, table: str, names: Names) -> Reader:
    db = sqlite3.connect(f"{pathlib.Path(path).absolute().as_uri()}?mode=ro", uri=True)
    try:
        row = db.execute(
            "SELECT sql FROM sqlite_master WHERE name = ? COLLATE NOCASE", (table,)
        ).fetchone()
    except sqlite3.DatabaseError as error:
        raise click.ClickException(f"{path}: {error}") from error
    if row is None:
        raise click.ClickException(f"{path} has no table {table}")
    if is_vectorlite(row[0] or ""):
        db.close()
        return VectorliteReader(path, table, row[0])
    return SqliteReader(db, path, table, row[0] or "", names)


class SqliteReader(Reader):
    module = ""

    def __init__(
        self, db: sqlite3.Connection, path: str, table: str, sql: str, names: Names
    ) -> None:
        self.db, self.path, self.table, self.names = db, path, table, names
        self.load_module(sql)
        given = self.db.execute(
            "SELECT name, type, pk FROM pragma_table_xinfo(?) WHERE hidden = 0", (table,)
        ).fetchall()
        types = {name: kind for name, kind, _ in given}
        first = self.db.execute(f"SELECT * FROM {quote(table)} LIMIT 1")
        values = dict(zip([column[0] for column in first.description], first.fetchone() or ()))
        if not values:
            raise click.ClickException(f"{table} of {path} is empty")
        self.kinds = self.declared_kinds(sql)
        vectors = [name for name in types if self.numbers_of(name, values[name]) is not None]
        if names.id is None:
            # A virtual table without a key of its own shows its rowid.
            names.id = next((name for name, _, pk in given if pk or name == "rowid"), None)
        names.choose(list(types), vectors, f"{table} of {path}")
        self.total = self.db.execute(f"SELECT count(*) FROM {quote(table)}").fetchone()[0]
        vector = str(names.vector)
        self.type, self.dim = self.kinds.get(vector, ("float32", 0))
        self.dim = self.dim or len(self.numbers_of(vector, values[vector]))
        if self.module == "vec0":
            self.metric = self.vec0_metric(sql)
        self.columns = {name: types[name] or "TEXT" for name in names.rest or []}
        # Every table has a rowid, but those without one.
        self.id = quote(names.id) if names.id else "rowid"
        self.text_ids = bool(names.id) and isinstance(values[str(names.id)], str)

    def load_module(self, sql: str) -> None:
        lower = " ".join(sql.lower().split())
        for module, package in (("vec0", "sqlite_vec"), ("hannoy", "sqlite_hannoy")):
            if f"using {module}" not in lower:
                continue
            self.module = module
            try:
                loader = __import__(package)
            except ImportError:
                raise click.ClickException(
                    f"{self.table} is a table of {module}; pip install "
                    f"{package.replace('_', '-')} reads it"
                ) from None
            self.db.enable_load_extension(True)
            loader.load(self.db)

    def declared_kinds(self, sql: str) -> Dict[str, Tuple[str, int]]:
        """The type and the dimension of each column whose BLOBs need not be float32."""
        kinds = {}
        if self.module == "vec0":
            for name, kind, dim in VEC0_COLUMN.findall(sql):
                kinds[name] = (VEC0_TYPES[kind.lower()], int(dim))
        if self.module == "hannoy":
            facts = dict(self.db.execute("SELECT key, value FROM hannoy_info(?) WHERE key = 'dim'"
                                         " OR key = 'type' OR key LIKE '%.dim' OR key LIKE '%.type'"
                                         " OR key = 'metric'", (self.table,)))
            for key in facts:
                if key.endswith(".dim"):
                    name = key[: -len(".dim")]
                    kinds[name] = (facts[f"{name}.type"], facts[key])
            if not kinds:
                first = self.db.execute(
                    "SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0 AND type = 'BLOB'",
                    (self.table,),
                ).fetchone()
                kinds[first[0]] = (facts["type"], facts["dim"])
                self.metric = facts["metric"]
        return kinds

    @staticmethod
    def vec0_metric(sql: str) -> str:
        found = re.search(r"\bdistance_metric\s*=\s*(\w+)", sql, re.I)
        if found:
            return found.group(1).lower()
        return "hamming" if re.search(r"\bbit\s*\[", sql, re.I) else "l2"

    def numbers_of(self, column: str, value: Any) -> Any:
        """The vector in a value, or None; of bits, their bytes."""
        type, dim = self.kinds.get(column, ("float32", 0))
        if isinstance(value, bytes) and value:
            if type == "bit":
                return value
            dtype = numpy.dtype(DTYPES[type])
            if len(value) % dtype.itemsize == 0:
                return numpy.frombuffer(value, dtype)
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
            vectors: Any = [self.numbers_of(str(names.vector), row[1]) for row in some]
            try:
                if self.type != "bit":
                    vectors = as_array(vectors, first, DTYPES[self.type])
            except ValueError as error:
                raise click.ClickException(f"{self.table} of {self.path}: {error}") from error
            yield Batch(
                vectors,
                [row[0] for row in some],
                {name: [plain(row[2 + i]) for row in some] for i, name in enumerate(rest)},
            )
            first += len(some)
