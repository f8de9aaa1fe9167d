"""Vectors as the BLOBs that the extension stores and takes."""

import struct
from typing import Any, Iterable, List, Union

# Of the types of a table: the code of struct, and the one of numpy.
_CODES = {"float32": "f", "float16": "e", "int8": "b"}
DTYPES = {"float32": "<f4", "float16": "<f2", "int8": "i1"}


def serialize(vector: Union[Iterable[float], Any], type: str = "float32") -> bytes:
    """The BLOB of a vector: little-endian, in the format that `type` names.

    vector: a list, an array, a numpy array of any number type, or another iterable of numbers.
    type: float32, which a table of any type takes, or float16 or int8 for a table of that type.
    """
    code = _code(type)
    if isinstance(vector, (bytes, bytearray, str)):
        raise TypeError(f"a vector is a sequence of numbers, not {vector.__class__.__name__}")
    if hasattr(vector, "__array__"):
        return _serialize_numpy(vector, type)
    numbers = list(vector)
    try:
        return struct.pack(f"<{len(numbers)}{code}", *numbers)
    except (struct.error, OverflowError) as error:
        raise ValueError(f"a number does not fit {type}: {error}") from None


def _code(type: str) -> str:
    if type not in _CODES:
        raise ValueError(f"type is {type!r}; it must be float32, float16 or int8")
    return _CODES[type]


def _serialize_numpy(vector: Any, type: str) -> bytes:
    import numpy

    given = numpy.asarray(vector)
    if given.ndim != 1:
        raise ValueError(f"a vector has one dimension; this array has the shape {given.shape}")
    with numpy.errstate(over="ignore", invalid="ignore"):
        numbers = given.astype(DTYPES[type])
    if type == "int8" and not numpy.array_equal(numbers, given):
        raise ValueError("a number does not fit int8")
    if not numpy.isfinite(numbers).all() and numpy.isfinite(given).all():
        raise ValueError(f"a number does not fit {type}")
    return numbers.tobytes()


def deserialize(blob: bytes, type: str = "float32") -> List[float]:
    """The numbers of a BLOB.  numpy.frombuffer(blob, "<f4") is the same without a copy."""
    code = _code(type)
    size = struct.calcsize(code)
    if len(blob) % size:
        raise ValueError(f"{len(blob)} bytes are no whole number of {type}")
    return list(struct.unpack(f"<{len(blob) // size}{code}", blob))
