"""Writes vectors and columns to files.  A writer takes batches and is closed at the end."""

import csv
import json
import os
import struct
from typing import Any, Dict, List

import click
import numpy

from .batch import Batch


class Writer:
    """vector, id: their names in the target; columns: those beside.

    What it wrote is there after finish(); after abandon(), the target is as it was before.
    """

    def __init__(self, path: str, vector: str, id: str, columns: List[str], total: int) -> None:
        self.path, self.vector, self.id, self.columns = path, vector, id, columns
        self.total, self.written = total, 0

    def write(self, batch: Batch) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        raise NotImplementedError

    def abandon(self) -> None:
        raise NotImplementedError


class FileWriter(Writer):
    """Into a file beside the target, which takes its place at the end."""

    def __init__(self, path: str, *names: Any) -> None:
        super().__init__(path + ".part", *names)
        self.target = path

    def close(self) -> None:
        pass

    def finish(self) -> None:
        self.close()
        os.replace(self.path, self.target)

    def abandon(self) -> None:
        if os.path.exists(self.path):
            os.remove(self.path)

    def records(self, batch: Batch) -> List[Dict[str, Any]]:
        return [
            {
                self.id: (batch.ids or [])[i],
                **{name: values[i] for name, values in batch.columns.items()},
                self.vector: [float(str(x)) for x in batch.vectors[i]],
            }
            for i in range(len(batch))
        ]


class NpyWriter(FileWriter):
    """The vectors alone, in the order of the ids."""

    def write(self, batch: Batch) -> None:
        if self.written == 0:
            self.array = numpy.lib.format.open_memmap(
                self.path, "w+", "<f4", (self.total, batch.vectors.shape[1])
            )
        self.array[self.written : self.written + len(batch)] = batch.vectors
        self.written += len(batch)

    def close(self) -> None:
        if self.written == 0:
            with open(self.path, "wb") as file:
                numpy.save(file, numpy.zeros((0, 0), "<f4"))
        else:
            self.array.flush()


class FvecsWriter(FileWriter):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.file = open(self.path, "wb")

    def write(self, batch: Batch) -> None:
        dim = struct.pack("<i", batch.vectors.shape[1])
        for vector in numpy.ascontiguousarray(batch.vectors, "<f4"):
            self.file.write(dim + vector.tobytes())

    def close(self) -> None:
        self.file.close()


class ParquetWriter(FileWriter):
    writer: Any = None

    def write(self, batch: Batch) -> None:
        import pyarrow
        import pyarrow.parquet

        numbers = pyarrow.array(numpy.ascontiguousarray(batch.vectors, "<f4").reshape(-1))
        vectors = pyarrow.FixedSizeListArray.from_arrays(numbers, batch.vectors.shape[1])
        given = {self.id: batch.ids, **batch.columns, self.vector: vectors}
        table = pyarrow.table(given, schema=self.writer.schema if self.writer else None)
        if self.writer is None:
            self.writer = pyarrow.parquet.ParquetWriter(self.path, table.schema)
        self.writer.write_table(table)

    def close(self) -> None:
        if self.writer is None:
            raise click.ClickException("the table is empty, and a parquet file needs a first row")
        self.writer.close()


class JsonlWriter(FileWriter):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.file = open(self.path, "w", encoding="utf-8", newline="")

    def write(self, batch: Batch) -> None:
        for record in self.records(batch):
            self.file.write(json.dumps(record, ensure_ascii=False, default=bytes.hex) + "\n")

    def close(self) -> None:
        self.file.close()


class CsvWriter(JsonlWriter):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        names = [self.id, *self.columns, self.vector]
        self.writer = csv.DictWriter(self.file, names, lineterminator="\n")
        self.writer.writeheader()

    def write(self, batch: Batch) -> None:
        for record in self.records(batch):
            self.writer.writerow({**record, self.vector: json.dumps(record[self.vector])})


WRITERS = {
    ".npy": NpyWriter,
    ".fvecs": FvecsWriter,
    ".parquet": ParquetWriter,
    ".jsonl": JsonlWriter,
    ".ndjson": JsonlWriter,
    ".csv": CsvWriter,
}
