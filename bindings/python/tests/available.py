"""What the tests need and this Python may lack."""

import importlib.util
import sqlite3

# SQLite's own Python module loads extensions only where it was built so.
LOADS = hasattr(sqlite3.connect(":memory:"), "enable_load_extension")


def has(name):
    return importlib.util.find_spec(name) is not None
