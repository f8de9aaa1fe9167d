"""Parts of SQL statements."""

from typing import Sequence


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def insertion(verb: str, table: str, columns: Sequence[str]) -> str:
    """verb: INSERT or INSERT OR REPLACE.  The statement has a parameter for each column."""
    return (
        f"{verb} INTO {quote(table)}({', '.join(map(quote, columns))})"
        f" VALUES ({', '.join('?' * len(columns))})"
    )
