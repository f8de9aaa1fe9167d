"""Reads vectors and columns from files, in batches.

A reader is opened once: `total` is the number of rows if it is known, `columns` the names of what
is beside the vector and the id, with the type that SQLite would give them, and `batches(size)` the
rows.
"""

import csv
import json
import os
from typing import Any, Dict, Iterator, List, Optional

import click
import numpy

from .batch import Batch, as_array


class Reader:
    total: Optional[int] = None
    columns: Dict[str, str]
    dim: int = 0
    metric = "cosine"
    type = "float32"
    text_ids = False

    def batches(self, size: int) -> Iterator[Batch]:
        raise NotImplementedError


class Names:
    """Which columns of a file are the vector, the id and the rest, as asked for or as found."""

    def __init__(self, vector: Optional[str], id: Optional[str], rest: Optional[List[str]]) -> None:
        self.vector, self.id, self.rest = vector, id, rest

    def choose(self, names: List[str], vectors: List[str], where: str) -> None:
        """names: all there are; vectors: those that can be the vector."""
        for name in [self.vector, self.id, *(self.rest or [])]:
            if name is not None and name not in names:
                raise click.ClickException(
                    f"{where} has no column {name}; it has {', '.join(names)}"
                )
        if self.vector is None:
            if len(vectors) != 1:
                found = f"the lists {', '.join(vectors)}" if vectors else "no list of numbers"
                raise click.ClickException(f"{where} has {found}; name the vector with --vector")
            self.vector = vectors[0]
        if self.id is None and "id" in names and self.vector != "id":
            self.id = "id"
        if self.rest is None:
            self.rest = [name for name in names if name not in (self.vector, self.id)]


def arrays_of(path: str, offset: int, rows: Any, size: int) -> Iterator[Any]:
    """The rows of a file from an offset on, in parts of that size, all in one buffer: each part is
    overwritten by the next.  Through a memory map, each page of the file would be a fault."""
    buffer = numpy.empty((min(size, len(rows)), *rows.shape[1:]), rows.dtype)
    with open(path, "rb", buffering=0) as file:
        file.seek(offset)
        for at in range(0, len(rows), size):
            part = buffer[: min(size, len(rows) - at)]
            view = memoryview(part.view("u1").reshape(-1))
            while view:
                count = file.readinto(view)
                if not count:
                    raise click.ClickException(f"{path} ends before row {at + len(part)}")
                view = view[count:]
            yield part


class NpyReader(Reader):
    """numpy's array of two dimensions."""

    def __init__(self, path: str, names: Names) -> None:
        self.path = path
        self.array = numpy.load(path, mmap_mode="r")
        if self.array.ndim != 2 or self.array.dtype.kind not in "fiu":
            raise click.ClickException(
                f"{path} has the shape {self.array.shape} of {self.array.dtype};"
                " it must be rows of numbers"
            )
        self.total, self.dim = self.array.shape
        self.columns = {}

    def batches(self, size: int) -> Iterator[Batch]:
        if self.array.flags.c_contiguous:
            for part in arrays_of(self.path, self.array.offset, self.array, size):
                yield Batch(part)
            return
        for at in range(0, self.array.shape[0], size):
            yield Batch(self.array[at : at + size])


class VecsReader(Reader):
    """fvecs and bvecs of TEXMEX: each row its dimension as int32, then float32 or bytes."""

    def __init__(self, path: str, names: Names) -> None:
        width = 1 if path.endswith(".bvecs") else 4
        size = os.path.getsize(path)
        self.dim = int(numpy.fromfile(path, "<i4", 1)[0]) if size >= 4 else 0
        row = 4 + self.dim * width
        if not 1 <= self.dim <= 65536 or size % row:
            raise click.ClickException(
                f"{path} is damaged: {size} bytes, a first row of {self.dim}"
            )
        self.path, self.total, self.columns = path, size // row, {}
        number = ("<f4" if width == 4 else "u1", (self.dim,))
        self.rows = numpy.memmap(
            path, numpy.dtype([("dim", "<i4"), ("numbers", *number)]), "r", shape=(self.total,)
        )

    def batches(self, size: int) -> Iterator[Batch]:
        for rows in arrays_of(self.path, 0, self.rows, size):
            if (rows["dim"] != self.dim).any():
                raise click.ClickException(f"{self.path} has rows of several dimensions")
            yield Batch(rows["numbers"])


class ParquetReader(Reader):
    def __init__(self, path: str, names: Names) -> None:
        import pyarrow
        import pyarrow.parquet

        self.path, self.names = path, names
        # Read ahead as a whole, a file of 150 MB took five times the time.
        self.file = pyarrow.parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
        schema, types = self.file.schema_arrow, pyarrow.types

        def is_vector(kind: Any) -> bool:
            listed = (types.is_list(kind) or types.is_large_list(kind)
                      or types.is_fixed_size_list(kind))
            return listed and (types.is_floating(kind.value_type)
                               or types.is_integer(kind.value_type))

        def affinity(kind: Any) -> str:
            if types.is_integer(kind) or types.is_boolean(kind):
                return "INTEGER"
            if types.is_floating(kind):
                return "REAL"
            return "BLOB" if types.is_binary(kind) else "TEXT"

        names.choose(schema.names, [f.name for f in schema if is_vector(f.type)], path)
        if not is_vector(schema.field(names.vector).type):
            raise click.ClickException(f"{path}: {names.vector} is no list of numbers")
        self.total = self.file.metadata.num_rows
        self.columns = {name: affinity(schema.field(name).type) for name in names.rest or []}
        self.text_ids = (
            names.id is not None and affinity(schema.field(names.id).type) != "INTEGER"
        )
        vectors = schema.field(names.vector).type
        if types.is_fixed_size_list(vectors):
            self.dim = vectors.list_size
        else:
            for batch in self.file.iter_batches(1, columns=[names.vector]):
                self.dim = len(batch.column(0)[0].as_py() or ())
                break

    def batches(self, size: int) -> Iterator[Batch]:
        names = self.names
        wanted = [names.vector, *(names.rest or []), *([names.id] if names.id else [])]
        first = 1
        for rows in self.file.iter_batches(size, columns=wanted):
            lists = rows.column(names.vector)
            if lists.null_count:
                raise click.ClickException(f"{self.path}: a row at {first} or later has no vector")
            numbers = lists.flatten().to_numpy(zero_copy_only=False)
            lengths = lists.value_lengths().to_numpy(zero_copy_only=False)
            if (lengths != self.dim).any():
                at = first + int((lengths != self.dim).argmax())
                raise click.ClickException(
                    f"{self.path}: row {at} has a vector of {lengths[at - first]} numbers,"
                    f" row 1 one of {self.dim}"
                )
            yield Batch(
                numbers.reshape(len(lengths), self.dim),
                [plain(x) for x in rows.column(names.id).to_pylist()] if names.id else None,
                {n: [plain(x) for x in rows.column(n).to_pylist()] for n in names.rest or []},
            )
            first += len(lengths)


def plain(value: Any) -> Any:
    """A value as SQLite stores it."""
    if value is None or isinstance(value, (int, float, str, bytes)):
        return int(value) if isinstance(value, bool) else value
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


class LinesReader(Reader):
    """Of files that are read a record at a time: JSON lines and CSV."""

    def __init__(self, path: str, names: Names) -> None:
        self.path, self.names = path, names
        first = next(self.records(), None)
        if first is None:
            raise click.ClickException(f"{path} is empty")
        names.choose(list(first), [n for n, x in first.items() if self.is_vector(x)], path)
        self.dim = len(self.vector_of(first, 1))
        self.columns = {name: self.affinity(first.get(name)) for name in names.rest or []}
        self.text_ids = names.id is not None and not isinstance(first[names.id], int)

    def records(self) -> Iterator[Dict[str, Any]]:
        raise NotImplementedError

    @staticmethod
    def affinity(value: Any) -> str:
        if isinstance(value, (bool, int)):
            return "INTEGER"
        return "REAL" if isinstance(value, float) else "TEXT"

    @staticmethod
    def is_vector(value: Any) -> bool:
        return isinstance(value, list) and bool(value) and isinstance(value[0], (int, float))

    def vector_of(self, record: Dict[str, Any], row: int) -> Any:
        vector = record.get(str(self.names.vector))
        if not self.is_vector(vector):
            raise click.ClickException(
                f"{self.path}: row {row}: {self.names.vector} is no array of numbers"
            )
        return vector

    def batches(self, size: int) -> Iterator[Batch]:
        pending: List[Dict[str, Any]] = []
        row = 0
        for record in self.records():
            pending.append(record)
            row += 1
            if len(pending) == size:
                yield self.batch(pending, row - size + 1)
                pending = []
        if pending:
            yield self.batch(pending, row - len(pending) + 1)

    def batch(self, records: List[Dict[str, Any]], first: int) -> Batch:
        vectors = [self.vector_of(record, first + i) for i, record in enumerate(records)]
        try:
            array = as_array(vectors, first)
        except (TypeError, ValueError) as error:
            raise click.ClickException(f"{self.path}: {error}") from error
        return Batch(
            array,
            [plain(record.get(self.names.id)) for record in records] if self.names.id else None,
            {n: [plain(record.get(n)) for record in records] for n in self.names.rest or []},
        )


class JsonlReader(LinesReader):
    def records(self) -> Iterator[Dict[str, Any]]:
        with open(self.path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    record = json.loads(line)
                except ValueError as error:
                    raise click.ClickException(f"{self.path}: line {number}: {error}") from error
                if not isinstance(record, dict):
                    raise click.ClickException(f"{self.path}: line {number} is no object")
                yield record


class CsvReader(LinesReader):
    """With a header.  The vector is a JSON array, as pgvector writes it.

    A column whose first value is a number has numbers.
    """

    def records(self) -> Iterator[Dict[str, Any]]:
        csv.field_size_limit(1 << 27)
        with open(self.path, encoding="utf-8-sig", newline="") as text:
            for record in csv.DictReader(text):
                yield {name: self.value(value) for name, value in record.items() if name}

    @staticmethod
    def value(text: Optional[str]) -> Any:
        if not text:
            return None
        if text[0] in "-.0123456789[":
            try:
                return json.loads(text)
            except ValueError:
                pass
        return text


READERS = {
    ".npy": NpyReader,
    ".fvecs": VecsReader,
    ".bvecs": VecsReader,
    ".parquet": ParquetReader,
    ".jsonl": JsonlReader,
    ".ndjson": JsonlReader,
    ".csv": CsvReader,
}
