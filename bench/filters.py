#!/usr/bin/env python3
"""Measures searches with a filter: time and recall by how many rows pass, and where they lie.

Three kinds of filter: independent of the query; a region around the query; a region far from it.
hannoy has the filter as a column and as a set of rows, and with exact = 1; beside it hnswlib with a
filter function, vectorlite with `rowid in`, and sqlite-vec's exact scan with a metadata column.
Writes filters.md, filters.json and filters.svg into OUT.  DATA is a folder as for bench.py.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "hannoy"
matplotlib.rcParams["svg.fonttype"] = "none"
import matplotlib.pyplot as plt  # noqa: E402

import data as sets  # noqa: E402
from databases import EXTENSION, K, connect  # noqa: E402
from report import commit, processor  # noqa: E402

SHARES = (100, 50, 20, 10, 5, 2, 1, 0.1, 0.01)  # per cent of the rows that pass
KINDS = ("independent", "near the query", "far from the query")
UNITS = 10_000  # values of the column that a filter compares: x < share * UNITS
PIVOTS = 64
M, EF_CONSTRUCTION, EF = 16, 100, 64  # of the libraries; their ef finds 0.95 unfiltered and more

Search = Callable[[int], list[int]]


def position(data: sets.DataSet, reference: np.ndarray) -> np.ndarray:
    """A number below UNITS for each row: regions near the reference first, each together."""
    random = np.random.default_rng(1)
    pivots = data.base[random.integers(0, data.rows, PIVOTS)]
    order = np.argsort(np.argsort(-(pivots @ reference)))
    nearest = (data.base @ pivots.T).argmax(axis=1)
    place = np.argsort(np.argsort(order[nearest] + random.random(data.rows)))
    return place * UNITS // data.rows


class Filtered:
    """All engines over one set, with two columns to filter by."""

    def __init__(self, data: sets.DataSet, folder: Path, threads: int):
        self.data = data
        self.columns = {
            "scattered": np.random.default_rng(2).permutation(data.rows) * UNITS // data.rows,
            "region": position(data, data.query[0]),
        }
        self.connection = connect(folder / "hannoy.db", EXTENSION)
        self.connection.execute(
            f"CREATE VIRTUAL TABLE v USING hannoy(dim={data.dim}, metric=cosine, autobuild=0, "
            f"threads={threads}, scattered INTEGER, region INTEGER)")
        self.connection.execute("CREATE TEMP TABLE passing(id INTEGER PRIMARY KEY)")
        self.insert(self.connection,
                    "INSERT INTO v(rowid, vector, scattered, region) VALUES (?, ?, ?, ?)")
        self.connection.execute("INSERT INTO v(v) VALUES ('build')")
        self.hnswlib = self.vectorlite = self.sqlite_vec = None

    def insert(self, connection: Any, sql: str) -> None:
        scattered, region = self.columns["scattered"], self.columns["region"]
        rows = ((i, row.tobytes(), int(scattered[i]), int(region[i]))
                for i, row in enumerate(self.data.base))
        connection.execute("BEGIN")
        connection.executemany(sql, rows)
        connection.execute("COMMIT")

    def add_peers(self, threads: int) -> None:
        import hnswlib
        import sqlite_vec
        import vectorlite_py

        data = self.data
        self.hnswlib = hnswlib.Index("cosine", data.dim)
        self.hnswlib.init_index(data.rows, M=M, ef_construction=EF_CONSTRUCTION)
        self.hnswlib.set_num_threads(threads)
        self.hnswlib.add_items(data.base)
        self.hnswlib.set_num_threads(1)
        self.hnswlib.set_ef(EF)
        self.vectorlite = connect(":memory:", vectorlite_py.vectorlite_path())
        self.vectorlite.execute(
            f"CREATE VIRTUAL TABLE v USING vectorlite(e float32[{data.dim}] cosine, hnsw("
            f"max_elements={data.rows}, M={M}, ef_construction={EF_CONSTRUCTION}))")
        self.vectorlite.execute("CREATE TEMP TABLE passing(id INTEGER PRIMARY KEY)")
        self.vectorlite.execute("BEGIN")
        self.vectorlite.executemany("INSERT INTO v(rowid, e) VALUES (?, ?)",
                                    ((i, row.tobytes()) for i, row in enumerate(data.base)))
        self.vectorlite.execute("COMMIT")
        self.sqlite_vec = connect(":memory:", sqlite_vec.loadable_path())
        self.sqlite_vec.execute(
            f"CREATE VIRTUAL TABLE v USING vec0(e float[{data.dim}] distance_metric=cosine, "
            "scattered INTEGER, region INTEGER)")
        self.insert(self.sqlite_vec,
                    "INSERT INTO v(rowid, e, scattered, region) VALUES (?, ?, ?, ?)")

    def engines(self, column: str, limit: int, passing: np.ndarray) -> dict[str, Search]:
        """How each finds the neighbours of a query among the rows that pass."""
        queries = [row.tobytes() for row in self.data.query]
        allowed = set(passing.tolist())
        ids = [(int(i),) for i in passing]
        for connection in filter(None, (self.connection, self.vectorlite)):
            connection.execute("DELETE FROM passing")
            connection.executemany("INSERT INTO passing VALUES (?)", ids)
        found = "SELECT rowid, distance FROM v WHERE knn_match(vector, ?) AND k = 10"

        def ask(connection: Any, sql: str, *more: int) -> Search:
            return lambda q: [row[0] for row in connection.execute(sql, (queries[q], *more))]

        engines = {
            "hannoy, column": ask(self.connection, f"{found} AND {column} < ?", limit),
            "hannoy, rowid IN": ask(
                self.connection, f"{found} AND rowid IN (SELECT id FROM passing)"),
            "hannoy, exact": ask(self.connection, f"{found} AND {column} < ? AND exact = 1", limit),
        }
        if self.hnswlib:
            index, vectors = self.hnswlib, self.data.query
            engines["hnswlib, filter function"] = lambda q: index.knn_query(
                vectors[q], min(K, len(allowed)), filter=allowed.__contains__)[0][0].tolist()
            engines["vectorlite, rowid in"] = ask(
                self.vectorlite, "SELECT rowid, distance FROM v WHERE knn_search(e, knn_param(?, "
                f"{K}, {EF})) AND rowid IN (SELECT id FROM passing)")
            engines["sqlite-vec, column"] = ask(
                self.sqlite_vec, "SELECT rowid, distance FROM v WHERE e MATCH ? AND k = 10 AND "
                f"{column} < ?", limit)
        return engines


def measure_engine(search: Search, queries: list[int], truth: dict[int, set[int]],
                   budget: float) -> dict[str, float] | None:
    """Median time and recall; fewer queries where they take long."""
    times, hits, wanted = [], 0, 0
    began = time.perf_counter()
    for q in queries:
        start = time.perf_counter()
        try:
            found = search(q)
        except Exception:  # some give an error where too few are found
            found = []
        times.append(time.perf_counter() - start)
        hits += len(truth[q] & set(found))
        wanted += len(truth[q])
        if time.perf_counter() - began > budget:
            break
    return {"us": statistics.median(times) * 1e6, "recall": hits / max(wanted, 1)}


def measure(filtered: Filtered, count: int, budget: float, say: Callable[[str], None]) -> list[Any]:
    data = filtered.data
    likeness = data.query @ data.base.T  # of unit length, both
    to_reference = np.argsort(-(data.query @ data.query[0]))
    queries = {
        KINDS[0]: ("scattered", list(range(count))),
        KINDS[1]: ("region", to_reference[:count].tolist()),
        KINDS[2]: ("region", to_reference[-count:].tolist()),
    }
    points = []
    for kind, (column, chosen) in queries.items():
        for share in SHARES:
            limit = round(share * UNITS / 100)
            passing = np.flatnonzero(filtered.columns[column] < limit)
            k = min(K, len(passing))
            truth = {q: set(passing[np.argpartition(-likeness[q][passing], k - 1)[:k]].tolist())
                     for q in chosen}
            say(f"{kind}, {share} %: {len(passing)} rows pass")
            engines = filtered.engines(column, limit, passing)
            points.append({
                "kind": kind, "share": share, "matches": len(passing),
                "engines": {name: measure_engine(search, chosen, truth, budget)
                            for name, search in engines.items()},
            })
    return points


def write(results: dict[str, Any], path: Path) -> None:
    with path.open("w", encoding="utf-8") as out:
        out.write(f"# Searches with a filter\n\n{results['about']}\n\n    {results['command']}\n\n"
                  f"{results['data']}: k = {K}; median microseconds of a query on one thread, and "
                  f"recall@{K}. hnswlib and vectorlite search with ef = {EF}. The set of rows of "
                  "`rowid IN` is read by the statement each time.\n\n"
                  "![time by share](filters.svg)\n")
        for kind in KINDS:
            points = [point for point in results["points"] if point["kind"] == kind]
            names = list(points[0]["engines"])
            out.write(f"\n## A filter {kind}\n\n| rows that pass | {' | '.join(names)} |\n"
                      f"|---|{'---:|' * len(names)}\n")
            for point in points:
                cells = [f"{found['us']:.0f}, {found['recall']:.3f}"
                         for found in point["engines"].values()]
                out.write(f"| {point['share']} % ({point['matches']:,}) | {' | '.join(cells)} |\n")


def draw(results: dict[str, Any], path: Path) -> None:
    figure, panels = plt.subplots(1, len(KINDS), figsize=(13, 4), sharey=True, layout="constrained")
    for axes, kind in zip(panels, KINDS):
        points = [point for point in results["points"] if point["kind"] == kind]
        for name in points[0]["engines"]:
            own = name.startswith("hannoy, column")
            axes.plot([point["share"] for point in points],
                      [point["engines"][name]["us"] for point in points], label=name,
                      color="black" if own else None, linewidth=2.2 if own else 1.2, marker="o",
                      markersize=3)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.invert_xaxis()
        axes.set_title(kind)
        axes.set_xlabel("% of the rows pass")
    panels[0].set_ylabel("µs a query")
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", metavar="DATA")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--queries", type=int, default=100, help="of each point")
    parser.add_argument("--seconds", type=float, default=2, help="of each engine at each point")
    parser.add_argument("--threads", type=int, default=2, help="of builds")
    parser.add_argument("--alone", action="store_true", help="without peers")
    options = parser.parse_args()
    source = [each for path in options.data for each in sets.folders(path)] or [sets.words()]
    read = source[0].read()
    data = sets.DataSet(read.name, "cosine", sets.unit(read.base), sets.unit(read.query))

    def say(text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        say(f"{data.name}: {data.rows} rows")
        filtered = Filtered(data, Path(folder), options.threads)
        if not options.alone:
            filtered.add_peers(options.threads)
        points = measure(filtered, min(options.queries, len(data.query)), options.seconds, say)
    results = {
        "about": f"{datetime.date.today()}, {processor()}, commit {commit()}.",
        "command": f"bench/filters.py {data.name}",
        "data": f"{data.name}, {data.rows:,} × {data.dim}", "points": points,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1, ensure_ascii=False)
    (options.out / "filters.json").write_text(text + "\n", encoding="utf-8")
    write(results, options.out / "filters.md")
    draw(results, options.out / "filters.svg")
    print((options.out / "filters.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
