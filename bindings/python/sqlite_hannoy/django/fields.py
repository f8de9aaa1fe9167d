"""A field of vectors."""

from typing import Any, Dict, List, Optional, Tuple

from django.core import exceptions
from django.db import models

from .._vectors import deserialize, serialize


class VectorField(models.BinaryField):
    """A vector of `dim` numbers, stored as float32.

    It takes a list, an array or a BLOB of float32, and gives a list.
    """

    description = "A vector"

    def __init__(self, *args: Any, dim: int, **kwargs: Any) -> None:
        self.dim = dim
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Tuple[str, str, List[Any], Dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        return name, "sqlite_hannoy.django.VectorField", args, {**kwargs, "dim": self.dim}

    def get_prep_value(self, value: Any) -> Optional[bytes]:
        if value is None:
            return None
        if isinstance(value, (bytes, bytearray, memoryview)):
            blob = bytes(value)
        else:
            blob = serialize(value)
        if len(blob) != 4 * self.dim:
            raise exceptions.ValidationError(
                f"{self.name} has {self.dim} numbers, not {len(blob) / 4:g}"
            )
        return blob

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if not prepared:
            value = self.get_prep_value(value)
        return super().get_db_prep_value(value, connection, True)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return None if value is None else deserialize(bytes(value))

    def to_python(self, value: Any) -> Any:
        """Also of the text that value_to_string makes, for fixtures."""
        if isinstance(value, str):
            value = super().to_python(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return deserialize(bytes(value))
        return value

    def value_to_string(self, obj: Any) -> str:
        from base64 import b64encode

        value = self.get_prep_value(self.value_from_object(obj))
        return b64encode(value or b"").decode("ascii")
