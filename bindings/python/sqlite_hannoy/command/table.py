"""A hannoy table, as the command sees it."""

import os
from contextlib import closing
from typing import Any, Dict, List, Optional

import click

from .._library import sqlite3
from .._loading import LoadError, load
from .._sql import insertion


def connect(path: str, make: bool = False) -> sqlite3.Connection:
    """Without `make` the database must exist."""
    if not make and not os.path.isfile(path):
        raise click.ClickException(f"there is no database {path}")
    try:
        if make:  # no database is made where the extension cannot be loaded
            with closing(sqlite3.connect(":memory:")) as memory:
                load(memory)
        # Transactions are the command's own.  A build runs in a thread with a connection of its
        # own.
        db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        load(db)
    except LoadError as error:
        raise click.ClickException(str(error)) from error
    return db


def names_of_tables(db: sqlite3.Connection) -> List[str]:
    rows = db.execute("SELECT name FROM hannoy_tables() WHERE schema = 'main' ORDER BY name")
    return [row[0] for row in rows]


class Table:
    """name; key: its column; vectors: the columns of vectors; columns: the others; types: all."""

    def __init__(self, db: sqlite3.Connection, name: str) -> None:
        self.db = db
        self.name = name
        try:
            info = self.info()
        except sqlite3.Error as error:
            raise click.ClickException(str(error)) from error
        rows = db.execute(
            "SELECT name, type FROM pragma_table_xinfo(?) WHERE hidden = 0", (name,)
        ).fetchall()
        names = [row[0] for row in rows]
        dims = {key[: -len(".dim")] for key in info if key.endswith(".dim")}
        if dims:
            self.vectors = [name for name in names if name in dims]
        elif "vector" in names[:2]:
            self.vectors = ["vector"]
        else:  # declared as for sqlite-vec: the table shows its key or its rowid first
            self.vectors = [next(row[0] for row in rows[1:] if row[1] == "BLOB")]
        self.key = names[0] if names[0] not in self.vectors else "rowid"
        self.columns = [name for name in names if name not in self.vectors and name != self.key]
        self.types = {"rowid": "INTEGER", **{name: type or "TEXT" for name, type in rows}}

    def info(self) -> Dict[str, Any]:
        """All keys of hannoy_info but `links`, which reads the whole graph."""
        return dict(
            self.db.execute(
                "SELECT key, value FROM hannoy_info(?) WHERE key <> 'links'"
                " AND key NOT LIKE '%.links'",
                (self.name,),
            ).fetchall()
        )

    def vector(self, column: Optional[str]) -> str:
        """The column of that name, or the only one."""
        if column is None and len(self.vectors) == 1:
            return self.vectors[0]
        if column in self.vectors:
            return str(column)
        raise click.ClickException(
            f"{self.name} has the vectors {', '.join(self.vectors)}; name one with --column"
        )

    def option(self, column: str, key: str) -> Any:
        info = self.info()
        return info.get(f"{column}.{key}", info.get(key))

    def command_statement(self) -> str:
        """Its only parameter is the command."""
        row = self.db.execute(
            "SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 1"
            " AND name IN (?, 'hannoy_command') ORDER BY name = 'hannoy_command' DESC",
            (self.name, self.name),
        ).fetchone()
        return insertion("INSERT", self.name, [row[0]])

    def command(self, text: str) -> None:
        self.db.execute(self.command_statement(), (text,))
