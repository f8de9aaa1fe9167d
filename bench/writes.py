"""Figures of what writes: single-row commits, and loading in many transactions."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from statistics import median
from typing import Any

from data import DataSet
from databases import Hannoy, Plain, blobs_of
from measure import Run
from tables import line

SIZE = 1000


def commits(run: Run, data: DataSet) -> list[dict[str, str]]:
    """Single-row autocommit INSERTs in WAL mode against a plain table with the same BLOB."""
    lines = []
    for synchronous in ("FULL", "NORMAL"):
        rounds = commit_rounds(run, data, synchronous)
        plain = rounds.pop("plain table")
        for kind, values in rounds.items():
            ratios = sorted(value / other for value, other in zip(values, plain))
            lines.append(line(
                f"single-row INSERT, synchronous={synchronous}, {kind}", data.name,
                f"{median(ratios):.2f}",
                f"{median(values):.1f} µs, a plain table {median(plain):.1f} µs; "
                f"{ratios[0]:.2f} to {ratios[-1]:.2f}",
            ))
    return lines


def commit_rounds(
    run: Run, data: DataSet, synchronous: str, block: int = 100
) -> dict[str, list[float]]:
    """Microseconds of an INSERT in each round, by kind of table.

    Each round inserts SIZE rows into each table, a block at a time in turns, so that a round of the
    table that builds at COMMIT has its build in it.
    """
    blobs = blobs_of(data.base[: SIZE * run.repeats])
    size = min(SIZE, len(blobs) // run.repeats // block * block)
    folder = run.folder / "commits"
    folder.mkdir()
    tables: dict[str, Any] = {
        "plain table": Plain(folder),
        "autobuild=0": Hannoy(folder / "off.db", data.dim, data.metric, "autobuild=0"),
        "autobuild=1000": Hannoy(folder / "on.db", data.dim, data.metric, "autobuild=1000"),
    }
    for table in tables.values():
        table.connection.execute(f"PRAGMA synchronous = {synchronous}")
    result: dict[str, list[float]] = {kind: [] for kind in tables}
    for turn in range(run.repeats):
        run.say(f"{data.name}: commits with synchronous={synchronous}, {turn + 1}")
        seconds = dict.fromkeys(tables, 0.0)
        for first in range(turn * size, (turn + 1) * size, block):
            for kind, table in tables.items():
                seconds[kind] += insert_each(table, blobs, range(first, first + block))
        for kind, total in seconds.items():
            result[kind].append(total / size * 1e6)
    for table in tables.values():
        table.close()
    shutil.rmtree(folder)
    return result


def insert_each(table: Any, blobs: list[bytes], ids: range) -> float:
    execute, sql = table.connection.execute, table.insert_sql
    start = time.perf_counter()
    for i in ids:
        execute(sql, (i, blobs[i]))
    return time.perf_counter() - start


def in_transactions(table: Hannoy, sql: str, arguments: list[tuple], size: int = SIZE) -> float:
    """Seconds of running the statement with all arguments, so many a transaction."""
    start = time.perf_counter()
    for first in range(0, len(arguments), size):
        table.connection.execute("BEGIN")
        table.connection.executemany(sql, arguments[first : first + size])
        table.connection.execute("COMMIT")
    return time.perf_counter() - start


# --------------------------------------------------------------------------------------- growth --


def growth(run: Run, data: DataSet) -> list[dict[str, str]]:
    """Loading in commits of SIZE, with automatic builds, against one transaction."""
    folder = run.folder / "growth"
    folder.mkdir()
    rows = list(enumerate(blobs_of(data.base)))
    seconds = {}
    for size in (len(rows), SIZE):
        run.say(f"{data.name}: loading in transactions of {size}")
        table = Hannoy(folder / f"{size}.db", data.dim, data.metric, run.options, run.pragmas)
        table.set("threads", run.threads)
        seconds[size] = in_transactions(table, table.insert_sql, rows, size)
        final = table.index_bytes()
        table.close()
    shutil.rmtree(folder)
    run.say(f"{data.name}: counting what transactions of {SIZE} write")
    written = sidecar_writes(run, data, rows)
    one, many = seconds[len(rows)], seconds[SIZE]
    counted = f"{written / final:.1f}" if written >= final else "not available"
    return [
        line(f"loading in commits of {SIZE}, time against one commit", data.name,
             f"{many / one:.2f}", f"{len(rows)} rows: {many:.1f} s and {one:.1f} s"),
        line(f"loading in commits of {SIZE}, sidecar bytes written against its size", data.name,
             counted, f"{written / 2**20:.0f} MiB written, {final / 2**20:.0f} MiB long"),
    ]


def sidecar_writes(run: Run, data: DataSet, rows: list[tuple]) -> int:
    """Bytes written to the sidecar.

    The database is in memory, where SQLite writes no file, so that all the process writes meanwhile
    is its private sidecar.  Writes through a mapping would not be counted; the caller sees that.
    """
    table = Hannoy(":memory:", data.dim, data.metric, run.options, "temp_store=MEMORY")
    table.set("threads", run.threads)
    before = written_bytes()
    in_transactions(table, table.insert_sql, rows)
    written = written_bytes() - before
    table.close()
    return written


def written_bytes() -> int:
    for text in Path("/proc/self/io").read_text(encoding="ascii").splitlines():
        if text.startswith("wchar:"):
            return int(text.split()[1])
    return 0
