"""Reads a table of vectorlite, by searches for all of its rows: vectorlite has no other way.

Its vectors are in a file beside the database, which vectorlite writes again when a connection
closes; so the reader works on a copy.
"""

import os
import re
import shutil
import tempfile
from typing import Any, Dict, Iterator

import click
import numpy

from .._library import sqlite3
from .._sql import quote
from .batch import Batch
from .readers import Reader

METRICS = {"l2": "l2", "cosine": "cosine", "ip": "dot"}


def is_vectorlite(sql: str) -> bool:
    return bool(re.search(r"\busing\s+vectorlite\b", sql, re.I))


class VectorliteReader(Reader):
    def __init__(self, path: str, table: str, sql: str) -> None:
        self.columns = {}
        declared = re.search(r"\busing\s+vectorlite\s*\((.*)\)\s*;?\s*$", sql, re.I | re.S)
        arguments = declared.group(1) if declared else ""
        file = re.search(r",\s*('(?:[^']|'')*'|\"[^\"]*\")\s*$", arguments)
        most = re.search(r"\bmax_elements\s*=\s*(\d+)", arguments, re.I)
        if not file or not most:
            raise click.ClickException(f"{table} of {path} has its vectors in memory alone")
        words = arguments.split(",")[0].lower().split()
        self.metric = METRICS.get(words[-1], "l2")
        index = os.path.join(os.path.dirname(path), file.group(1)[1:-1].replace("''", "'"))
        if not os.path.isfile(index):
            raise click.ClickException(f"there is no {index}, which {table} of {path} names")
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, "index")
            shutil.copyfile(index, copy)
            literal = "'" + copy.replace("'", "''") + "'"
            given = f"{arguments[: file.start(1)]}{literal}"
            rows = self.read(table, given, words[0], int(most.group(1)))
        if not rows:
            raise click.ClickException(f"{table} of {path} is empty")
        self.ids = sorted(rows)
        self.vectors = numpy.frombuffer(b"".join(rows[id] for id in self.ids), "<f4")
        self.vectors = self.vectors.reshape(len(rows), -1)
        self.total, self.dim = self.vectors.shape

    @staticmethod
    def read(table: str, arguments: str, column: str, most: int) -> Dict[int, bytes]:
        """A row that no walk from the first query reaches may be reached from another."""
        try:
            import vectorlite_py
        except ImportError:
            raise click.ClickException(
                f"{table} is a table of vectorlite; pip install vectorlite-py reads it"
            ) from None
        db = sqlite3.connect(":memory:")
        db.enable_load_extension(True)
        db.load_extension(vectorlite_py.vectorlite_path())
        db.execute(f"CREATE VIRTUAL TABLE {quote(table)} USING vectorlite({arguments})")
        dim = int((re.search(r"\[\s*(\d+)", arguments) or [0, "1"])[1])
        search = (f"SELECT rowid, {column} FROM {quote(table)}"
                  f" WHERE knn_search({column}, knn_param(?, {most}, {most}))")
        rows: Dict[int, bytes] = {}
        query: Any = numpy.ones(dim, "<f4").tobytes()
        while True:
            before = len(rows)
            rows.update(db.execute(search, (query,)).fetchall())
            if len(rows) == before:
                break
            query = rows[max(rows)]
        db.close()
        return rows

    def batches(self, size: int) -> Iterator[Batch]:
        for at in range(0, len(self.ids), size):
            yield Batch(self.vectors[at : at + size], self.ids[at : at + size])
