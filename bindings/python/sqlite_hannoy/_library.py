"""The SQLite that the command and the stores open databases with.

It is Python's own, or pysqlite3 where that one is built without loadable extensions.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
else:
    import sqlite3

    if not hasattr(sqlite3.Connection, "enable_load_extension"):
        try:
            from pysqlite3 import dbapi2 as sqlite3
        except ImportError:
            pass  # load() says what to do

__all__ = ["sqlite3"]
