"""The plugin of sqlite-utils: its command and its Database have the extension."""

from typing import Any

from sqlite_utils import hookimpl

from ._loading import load_or_warn


@hookimpl
def prepare_connection(conn: Any) -> None:
    load_or_warn(conn)
