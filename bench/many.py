"""Many queries in one statement, beside a statement each and hnswlib's call for a batch."""

from __future__ import annotations

import gc
import shutil
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from data import DataSet
from databases import Hannoy, K, blobs_of
from engines import Ended, Worker
from measure import Entry, Run, at_recall, curves, recall, suits
from tables import built, line, without_spare

JOINED = f"SELECT q.id, n.rowid, n.distance FROM queries q, v(q.vector, {K}) n"
SINGLE = f"SELECT rowid, distance FROM v(?, {K})"
FIGURE = "a query of one statement over many"


def seconds(work: Callable[[], Any]) -> float:
    gc.disable()
    start = time.perf_counter()
    work()
    taken = time.perf_counter() - start
    gc.enable()
    return taken


class Ways:
    """The same queries in the same order, asked in several ways."""

    def __init__(self, table: Hannoy, data: DataSet):
        self.connection, self.data = table.connection, data
        self.queries = blobs_of(data.query)
        self.connection.execute("CREATE TEMP TABLE queries(id INTEGER PRIMARY KEY, vector BLOB)")
        self.connection.executemany("INSERT INTO queries VALUES (?, ?)", enumerate(self.queries))

    def one_statement(self) -> list[tuple[int, int, float]]:
        return self.connection.execute(JOINED).fetchall()

    def prepared_once(self) -> None:
        for query in self.queries:
            self.connection.execute(SINGLE, (query,)).fetchall()

    def prepared_each_time(self) -> None:
        """Each text is another one, so that none is found among those that Python keeps."""
        for i, query in enumerate(self.queries):
            self.connection.execute(f"{SINGLE} -- {i}", (query,)).fetchall()

    def recall(self) -> float:
        ids = np.full((len(self.queries), K), -1, np.int64)
        found = np.zeros(len(self.queries), np.int64)
        for query, rowid, _ in self.one_statement():
            ids[query, found[query]] = rowid
            found[query] += 1
        return recall(ids, self.data.truth)


def many(run: Run, data: DataSet) -> list[dict[str, str]]:
    """The ways take turns."""
    data = without_spare(data)
    path, _ = built(run, data)
    table = Hannoy(path, data.dim, data.metric, pragmas=run.pragmas)
    ways = Ways(table, data)
    found = ways.recall()
    order = (ways.one_statement, ways.prepared_once, ways.prepared_each_time)
    turns = [[seconds(way) for way in order] for _ in range(run.repeats)]
    table.close()
    joined, once, each = (median(turn[i] for turn in turns) / len(data.query) * 1e6
                          for i in range(len(order)))
    return [
        line(f"{FIGURE}, against a statement each, prepared once", data.name,
             f"{joined / once:.2f}", f"{joined:.1f} and {once:.1f} us a query"),
        line(f"{FIGURE}, against a statement each, prepared each time", data.name,
             f"{joined / each:.2f}", f"{joined:.1f} and {each:.1f} us a query"),
        *batch(run, data, joined, found),
    ]


def batch(run: Run, data: DataSet, joined: float, found: float) -> list[dict[str, str]]:
    """hnswlib, all queries in one call on one thread, at the recall that ours found."""
    figure = f"{FIGURE}, against a query of hnswlib's batch, at recall {found:.3f}"
    if "hnswlib" not in run.peers or not suits("hnswlib", data, generated=False):
        return []
    run.say(f"{data.name}: building hnswlib")
    folder = run.folder / "many"
    worker = Worker("hnswlib", folder, run.spec(data))
    try:
        worker.load(data.base)
        worker.build(run.threads)
        curve = curves(run, {"hnswlib": Entry(worker.search, data)}).get("hnswlib", [])
    except Ended as error:
        return [line(figure, data.name, "not available", str(error))]
    finally:
        worker.close()
        shutil.rmtree(folder)
    speed = at_recall(curve, found)
    if not speed:
        return [line(figure, data.name, "not available", "hnswlib finds less")]
    return [line(figure, data.name, f"{joined * speed / 1e6:.2f}",
                 f"{joined:.1f} and {1e6 / speed:.1f} us a query")]
