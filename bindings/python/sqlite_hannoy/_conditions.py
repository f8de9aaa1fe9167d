"""Conditions on the metadata of documents, as SQL.

The metadata is JSON; some of its keys may have a column of their own, whose conditions the search
itself applies.  A row without the key passes "<>", "not in" and "empty", and no other comparison.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Collection, List, Sequence

from ._sql import quote

ORDERED = ("<", "<=", ">", ">=")
OPERATORS = (
    "=", "<>", *ORDERED, "in", "not in", "between", "like", "text", "text nocase",
    "has", "has any", "has all", "exists", "empty",
)


@dataclass
class Condition:
    """pushed: the search applies it, so that `k` counts the rows that pass."""

    sql: str = "1"
    arguments: List[Any] = field(default_factory=list)
    pushed: bool = True


def all_of(conditions: Sequence[Condition]) -> Condition:
    return _joined(conditions, "AND", "1", all(part.pushed for part in conditions))


def any_of(conditions: Sequence[Condition]) -> Condition:
    return _joined(conditions, "OR", "0", len(conditions) == 1 and conditions[0].pushed)


def none_of(conditions: Sequence[Condition]) -> Condition:
    either = any_of(conditions)
    return Condition(f"NOT coalesce({either.sql}, 0)", either.arguments, False)


def _joined(conditions: Sequence[Condition], word: str, empty: str, pushed: bool) -> Condition:
    if not conditions:
        return Condition(empty, [], pushed)
    sql = f" {word} ".join(part.sql for part in conditions)
    # Conditions in parentheses reach the search, too.
    return Condition(
        f"({sql})", [argument for part in conditions for argument in part.arguments], pushed
    )


def one_of(column: str, values: Collection[Any]) -> Condition:
    """column: SQL; values of any number, which are one argument."""
    return Condition(f"{column} IN (SELECT value FROM json_each(?))", [_json(list(values))])


def compare(key: str, operator: str, value: Any, columns: Collection[str]) -> Condition:
    """key: of the metadata; columns: those keys that have a column."""
    if operator not in OPERATORS:
        raise ValueError(f"{operator!r} is none of the comparisons {', '.join(OPERATORS)}")
    if operator in ("in", "not in", "has any", "has all"):
        if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
            raise ValueError(f"{operator!r} of {key!r} takes a list, not {value!r}")
        value = list(value)
    if operator.startswith("has") or operator in ("empty", "text", "text nocase"):
        return _contained(key, operator, value)
    if key in columns and not isinstance(value, dict):
        return _of_column(quote(key), operator, value)
    return _of_json(path(key), operator, value)


def path(key: str) -> str:
    if '"' in key:
        raise ValueError(f"a filter cannot name the key {key!r}, which has a quote")
    return f'$."{key}"'


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def plain(value: Any) -> Any:
    """A value as a column holds it, and as json_extract returns it."""
    if isinstance(value, (list, tuple, dict)):
        return _json(value)
    return int(value) if isinstance(value, bool) else value


def _of_column(column: str, operator: str, value: Any) -> Condition:
    if operator == "exists":
        return Condition(f"{column} IS {'NOT ' if value else ''}NULL")
    if operator == "between":
        low, high = value
        return Condition(f"{column} BETWEEN ? AND ?", [plain(low), plain(high)])
    if operator == "in":
        return one_of(column, [plain(item) for item in value])
    if operator == "not in":
        found = one_of(column, [plain(item) for item in value])
        return Condition(f"NOT coalesce({found.sql}, 0)", found.arguments, False)
    if operator == "=" and value is None:
        return Condition(f"{column} IS NULL")
    if operator == "<>":
        if value is None:
            return Condition(f"{column} IS NOT NULL")
        return Condition(f"{column} IS NOT ?", [plain(value)])
    return Condition(f"{column} {operator.upper()} ?", [plain(value)])


def _of_json(at: str, operator: str, value: Any) -> Condition:
    found = _of_column("json_extract(metadata, ?)", operator, value)
    arguments = [at, *found.arguments]
    if operator in ORDERED or operator == "between":
        # SQLite orders values of several types: any text is more than any number.
        first = value if operator in ORDERED else value[0]
        types = "'text'" if isinstance(first, str) else "'integer', 'real', 'true', 'false'"
        return Condition(
            f"(json_type(metadata, ?) IN ({types}) AND {found.sql})", [at, *arguments], False
        )
    return Condition(found.sql, arguments, False)


def _contained(key: str, operator: str, value: Any) -> Condition:
    at = path(key)
    if operator == "empty":
        return Condition(
            "coalesce(json_extract(metadata, ?), '') IN ('', '[]')", [at], False
        )
    if operator == "text":
        return Condition("instr(json_extract(metadata, ?), ?) > 0", [at, value], False)
    if operator == "text nocase":
        return Condition(
            "instr(lower(json_extract(metadata, ?)), lower(?)) > 0", [at, value], False
        )
    if operator == "has":
        # In a text, a part of it.
        return Condition(
            "CASE json_type(metadata, ?) WHEN 'text' THEN instr(json_extract(metadata, ?), ?) > 0"
            " ELSE ? IN (SELECT value FROM json_each(metadata, ?)) END",
            [at, at, plain(value), plain(value), at], False,
        )
    parts = [_contained(key, "has", item) for item in value]
    return any_of(parts) if operator == "has any" else all_of(parts)
