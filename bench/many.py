"""Many queries in one statement, against a statement each."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from data import DataSet
from databases import Hannoy, blobs_of
from measure import Run
from tables import built, line, without_spare

JOINED = "SELECT q.id, n.rowid, n.distance FROM queries q, v(q.vector, 10) n"
SINGLE = "SELECT rowid, distance FROM v(?, 10)"


def seconds(work: Callable[[], Any]) -> float:
    gc.disable()
    start = time.perf_counter()
    work()
    taken = time.perf_counter() - start
    gc.enable()
    return taken


def many(run: Run, data: DataSet) -> list[dict[str, str]]:
    """The same queries in the same order; the two ways take turns."""
    path, _ = built(run, without_spare(data))
    table = Hannoy(path, data.dim, data.metric, pragmas=run.pragmas)
    connection = table.connection
    queries = blobs_of(data.query)
    connection.execute("CREATE TEMP TABLE queries(id INTEGER PRIMARY KEY, vector BLOB)")
    connection.executemany("INSERT INTO queries VALUES (?, ?)", enumerate(queries))

    def one_statement() -> None:
        connection.execute(JOINED).fetchall()

    def a_statement_each() -> None:
        for query in queries:
            connection.execute(SINGLE, (query,)).fetchall()

    one_statement()
    pairs = [(seconds(one_statement), seconds(a_statement_each)) for _ in range(run.repeats)]
    joined, single = (median(pair[i] for pair in pairs) / len(queries) * 1e6 for i in range(2))
    table.close()
    return [line("a query of one statement over many, against a statement each", data.name,
                 f"{joined / single:.2f}", f"{joined:.1f} and {single:.1f} us a query")]
