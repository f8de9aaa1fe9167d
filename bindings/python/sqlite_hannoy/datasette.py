"""Datasette's plugin: every connection of Datasette has the extension."""

from typing import Any

from datasette import hookimpl

from ._loading import load_or_warn


@hookimpl
def prepare_connection(conn: Any) -> None:
    load_or_warn(conn)
