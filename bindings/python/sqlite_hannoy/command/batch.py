"""Rows on their way from or to a file."""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

import numpy


@dataclass
class Batch:
    """vectors: an array with a row each, or a list of BLOBs or None; columns: lists as long."""

    vectors: Any
    ids: Optional[List[Any]] = None
    columns: Dict[str, List[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.vectors)

    def without_first(self, count: int) -> "Batch":
        return Batch(
            self.vectors[count:],
            None if self.ids is None else self.ids[count:],
            {name: values[count:] for name, values in self.columns.items()},
        )


def as_array(vectors: List[Any], first: int, dtype: str = "<f4") -> Any:
    """Lists of numbers as an array; first: the number of the first row, for the message."""
    size = len(vectors[0]) if vectors and vectors[0] is not None else 0
    for i, vector in enumerate(vectors):
        if vector is None or len(vector) != size:
            given = "no vector" if vector is None else f"a vector of {len(vector)} numbers"
            raise ValueError(f"row {first + i} has {given}, row {first} one of {size}")
    return numpy.asarray(vectors, dtype)
