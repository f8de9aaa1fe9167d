"""Reads an LMDB environment of the Rust crates hannoy and arroy.

A key is index u16, mode u8, item u32, layer u8, big-endian.  Mode 0 is the metadata: the name of
the distance, a 0, the dimension as a big-endian u32.  Mode 3 is an item: 0, a header, the vector.
"""

import struct
from typing import Iterator, List, Optional, Tuple

import click
import numpy

from .batch import Batch
from .readers import Reader

ITEM = 3
# By the name in the metadata: our metric, the bytes of the header.
FLOATS = {"cosine": ("cosine", 4), "euclidean": ("euclidean", 4), "manhattan": ("manhattan", 4),
          "dot-product": ("dot", 8)}
BITS = {"hamming": ("hamming", 8), "binary quantized cosine": ("cosine", 4),
        "binary quantized euclidean": ("euclidean", 4),
        "binary quantized manhattan": ("manhattan", 4)}


class LmdbReader(Reader):
    """index: its number in the environment; database: its name, without one the unnamed."""

    def __init__(self, path: str, index: Optional[int], database: Optional[str]) -> None:
        import lmdb

        self.path = path
        self.columns = {}
        self.env = lmdb.open(path, readonly=True, lock=False, max_dbs=8, create=False)
        self.db = self.env.open_db(database.encode() if database else None, create=False)
        found = self.indexes()
        if index is None and len(found) == 1:
            index = found[0][0]
        chosen = [entry for entry in found if entry[0] == index]
        if not chosen:
            listed = ", ".join(f"{i} ({name}, {dim})" for i, name, dim in found) or "none"
            raise click.ClickException(f"{path} has the indexes {listed}; name one with --index")
        self.index, self.distance, self.dim = chosen[0]
        if self.distance in FLOATS:
            self.metric, self.header = FLOATS[self.distance]
            self.bytes = 4 * self.dim
        elif self.distance in BITS:
            self.metric, self.header = BITS[self.distance]
            self.bytes, self.type = 8 * ((self.dim + 63) // 64), "bit"
        else:
            raise click.ClickException(f"{path}: the distance {self.distance} is not known")

    def indexes(self) -> List[Tuple[int, str, int]]:
        found, at = [], 0
        with self.env.begin(self.db) as txn, txn.cursor() as cursor:
            while at < 65536 and cursor.set_range(struct.pack(">HBIB", at, 0, 0, 0)):
                key, value = cursor.key(), bytes(cursor.value())
                if len(key) != 8:
                    raise click.ClickException(f"{self.path} is no environment of hannoy or arroy")
                index, mode, item, _ = struct.unpack(">HBIB", key)
                name, zero, rest = value.partition(b"\0")
                if mode == 0 and item == 0 and zero and len(rest) >= 4:
                    found.append((index, name.decode("ascii", "replace"),
                                  struct.unpack(">I", rest[:4])[0]))
                at = index + 1
        return found

    def batches(self, size: int) -> Iterator[Batch]:
        prefix = struct.pack(">HB", self.index, ITEM)
        ids: List[int] = []
        vectors: List[bytes] = []
        with self.env.begin(self.db) as txn, txn.cursor() as cursor:
            more = cursor.set_range(prefix)
            while more and cursor.key()[:3] == prefix:
                item = struct.unpack(">I", cursor.key()[3:7])[0]
                value = bytes(cursor.value())
                if len(value) != 1 + self.header + self.bytes or value[0] != 0:
                    raise click.ClickException(
                        f"{self.path}: item {item} has {len(value)} bytes of a format that is"
                        " not known"
                    )
                ids.append(item)
                vectors.append(value[1 + self.header :])
                more = cursor.next()
                if len(ids) == size:
                    yield self.batch(ids, vectors)
                    ids, vectors = [], []
        if ids:
            yield self.batch(ids, vectors)

    def batch(self, ids: List[int], vectors: List[bytes]) -> Batch:
        if self.type == "bit":
            return Batch([vector[: (self.dim + 7) // 8] for vector in vectors], ids)
        return Batch(numpy.frombuffer(b"".join(vectors), "<f4").reshape(len(ids), self.dim), ids)
