"""Writes an index of an LMDB environment for the Rust crate hannoy.

Its items are written, each with the mark of one that changed; the crate's next build makes the
graph.  lmdb_reader.py describes the keys.
"""

import struct
from typing import Any

import click
import numpy

from .batch import Batch
from .lmdb_reader import ITEM
from .writers import Writer

UPDATED = 1
DISTANCES = {"cosine": "cosine", "euclidean": "euclidean", "l2": "euclidean",
             "manhattan": "manhattan", "l1": "manhattan"}
MAP_SIZE = 1 << 40  # of addresses; the file grows as it is written


class LmdbWriter(Writer):
    """All items are one transaction.  index: its number; metric: of the table."""

    def __init__(self, path: str, index: int, metric: str, *names: Any) -> None:
        import lmdb

        super().__init__(path, *names)
        if metric not in DISTANCES:
            raise click.ClickException(f"the crate has no index of float vectors by {metric}")
        if not 0 <= index < 65536:
            raise click.ClickException(f"an index has a number from 0 to 65535, not {index}")
        self.index, self.cosine = index, DISTANCES[metric] == "cosine"
        self.env = lmdb.open(path, map_size=MAP_SIZE)
        self.txn = self.env.begin(write=True)
        with self.txn.cursor() as cursor:
            if cursor.set_range(self.key(0, 0)) and cursor.key()[:2] == self.key(0, 0)[:2]:
                self.abandon()
                raise click.ClickException(f"{path} has an index {index} already")

    def key(self, mode: int, item: int) -> bytes:
        return struct.pack(">HBIB", self.index, mode, item, 0)

    def write(self, batch: Batch) -> None:
        vectors = numpy.ascontiguousarray(batch.vectors, "<f4")
        lengths = numpy.linalg.norm(vectors, axis=1) if self.cosine else numpy.zeros(len(batch))
        for id, vector, length in zip(batch.ids or [], vectors, lengths):
            if not isinstance(id, int) or not 0 <= id < 1 << 32:
                raise click.ClickException(f"the crate's ids are from 0 to {(1 << 32) - 1}: {id!r}")
            value = b"\0" + struct.pack("<f", length) + vector.tobytes()
            self.txn.put(self.key(ITEM, id), value)
            self.txn.put(self.key(UPDATED, id), b"\0")

    def finish(self) -> None:
        self.txn.commit()
        self.env.close()

    def abandon(self) -> None:
        self.txn.abort()
        self.env.close()
