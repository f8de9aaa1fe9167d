"""Loads the extension into connections of Python's SQLite libraries."""

import inspect
import os
import sys
import warnings
from typing import Any, Awaitable, Optional

WAYS_OUT = (
    "Ways out: pip install pysqlite3-binary, which the command hannoy and the stores then take by "
    "themselves; apsw; Python from a Linux distribution, from Homebrew or from uv; or with pyenv, "
    "a Python that is built with PYTHON_CONFIGURE_OPTS=--enable-loadable-sqlite-extensions."
)


class LoadError(RuntimeError):
    """The extension could not be loaded; the message says why, and what to do."""


def loadable_path() -> str:
    """The path of the extension, for SQLite's load_extension()."""
    ending = {"win32": "dll", "darwin": "dylib"}.get(sys.platform, "so")
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "hannoy." + ending)


def load(connection: Any) -> Optional[Awaitable[None]]:
    """Loads the extension into a connection.

    connection: of sqlite3, pysqlite3, apsw or aiosqlite (``await load(connection)``), or a
    connection or an engine of SQLAlchemy.  Each connection that an engine opens from then on loads
    the extension.  Loading of other extensions is switched off again.
    """
    if _is_of(connection, "sqlalchemy"):
        return _load_sqlalchemy(connection)
    if inspect.iscoroutinefunction(getattr(connection, "load_extension", None)):
        return _load_async(connection)
    _load_dbapi(connection)
    return None


def load_or_warn(connection: Any) -> None:
    """For plugins: without the extension, their host goes on."""
    try:
        load(connection)
    except LoadError as error:
        warnings.warn(str(error), stacklevel=2)


def _is_of(value: Any, package: str) -> bool:
    return type(value).__module__.split(".")[0] == package


def _refusal(connection: Any) -> LoadError:
    return LoadError(
        f"{type(connection).__module__} of {sys.executable} is built without loadable extensions. "
        + WAYS_OUT
    )


def _failure(error: BaseException) -> LoadError:
    if "another SQLite library" in str(error):
        return LoadError(f"{error}; connections of sqlite3 and of apsw are of two libraries")
    return LoadError(f"{loadable_path()} could not be loaded: {error}")


def _load_dbapi(connection: Any) -> None:
    enable = getattr(connection, "enable_load_extension", None) or getattr(
        connection, "enableloadextension", None
    )
    read = getattr(connection, "load_extension", None) or getattr(
        connection, "loadextension", None
    )
    if enable is None or read is None:
        if not hasattr(connection, "cursor"):
            raise TypeError(f"{type(connection).__qualname__} is no SQLite connection")
        raise _refusal(connection)
    try:
        enable(True)
    except Exception as error:
        raise _refusal(connection) from error
    try:
        read(loadable_path())
    except Exception as error:
        raise _failure(error) from error
    finally:
        enable(False)


async def _load_async(connection: Any) -> None:
    try:
        await connection.enable_load_extension(True)
    except AttributeError as error:
        raise _refusal(connection) from error
    try:
        await connection.load_extension(loadable_path())
    except Exception as error:
        raise _failure(error) from error
    finally:
        await connection.enable_load_extension(False)


def _load_sqlalchemy(bind: Any) -> None:
    from sqlalchemy import event

    if hasattr(bind, "pool"):  # an engine
        engine = getattr(bind, "sync_engine", bind)
        event.listen(engine, "connect", lambda connection, record: _load_driver(connection))
        return
    bind = getattr(bind, "sync_connection", bind)
    if hasattr(bind, "get_bind"):  # a session
        bind = bind.connection()
    _load_driver(bind.connection.dbapi_connection)


def _load_driver(connection: Any) -> None:
    """connection: a driver's, or SQLAlchemy's adapter of an asynchronous one."""
    if hasattr(connection, "run_async"):
        connection.run_async(_load_async)
    else:
        _load_dbapi(connection)
