"""Nearest-neighbour search in SQLite.

    import sqlite3, sqlite_hannoy
    connection = sqlite3.connect("app.db")
    sqlite_hannoy.load(connection)

Then SQL has the module: CREATE VIRTUAL TABLE notes USING hannoy(dim=384, metric=cosine).
"""

from ._loading import LoadError, load, loadable_path
from ._vectors import deserialize, serialize

__all__ = ["LoadError", "deserialize", "load", "loadable_path", "serialize"]
