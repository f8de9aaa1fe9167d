#!/usr/bin/env python3
"""Measures how long a COMMIT takes while rows are loaded and linked.

Each round loads the first rows of DATA, in commits of --batch, into a plain table, into one whose
rows the linker links, and into one that is linked by its COMMITs.  The rounds follow each other, so
that the machine is as busy for all of them, and medians over the rounds are compared.  Beside them
stand the recall and the distances of a search when all is linked, and those of a build in one go:
by default, where each has the effort of its own calibration, and with the same ef.
Writes commit_times.md into OUT.  DATA is a folder as for bench.py.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import data as sets
from databases import Hannoy, K
from report import commit, processor

KINDS = {
    "plain table": None,
    "links behind the COMMIT": "background=1",
    "links by the COMMIT": "background=0",
    "one build": "autobuild=0",
}
QUERIES = 500
EF = 40
COMPARED = ("p99", "worst", "worked", "most")


def info(table: Hannoy, key: str) -> object:
    sql = "SELECT value FROM hannoy_info('v') WHERE key = ?"
    return table.connection.execute(sql, (key,)).fetchone()[0]


def commits(table: Hannoy, kind: str, base: np.ndarray, batch: int) -> np.ndarray:
    """Milliseconds of each, and those of a processor."""
    took = []
    for first in range(0, len(base), batch):
        rows = [(first + i + 1, row.tobytes()) for i, row in enumerate(base[first:first + batch])]
        start = np.array([time.perf_counter(), time.thread_time()])
        table.connection.execute("BEGIN IMMEDIATE")
        table.connection.executemany(
            f"INSERT INTO {'p' if KINDS[kind] is None else 'v'}(rowid, vector) VALUES (?, ?)", rows)
        table.connection.execute("COMMIT")
        end = np.array([time.perf_counter(), time.thread_time()])
        took.append((end - start) * 1000)
    return np.array(took).T


def search(table: Hannoy, data: sets.DataSet, ef: int | None) -> tuple[float, float]:
    """(recall, distances of a query)"""
    found = distances = 0
    for query, truth in zip(data.query, data.truth):
        rows = table.connection.execute(
            "SELECT rowid FROM v WHERE knn_match(vector, ?) AND k = ?" + " AND ef = ?" * bool(ef),
            (query.tobytes(), K, ef)[:3 if ef else 2])
        found += len({row[0] - 1 for row in rows} & set(truth[:K].tolist()))
        distances += int(str(info(table, "last_distances")))
    return found / K / len(data.query), distances / len(data.query)


def one_round(folder: Path, data: sets.DataSet, batch: int, kind: str) -> dict[str, float]:
    table = Hannoy(folder / "test.db", data.dim, data.metric, KINDS[kind] or "autobuild=0")
    table.connection.execute("PRAGMA journal_mode = WAL").fetchall()
    table.connection.execute("PRAGMA synchronous = NORMAL")
    table.connection.execute("CREATE TABLE p(rowid INTEGER PRIMARY KEY, vector BLOB)")
    start = time.perf_counter()
    took, worked = commits(table, kind, data.base, batch)
    if kind == "one build":
        table.connection.execute("SELECT hannoy_build('v')").fetchall()
    while KINDS[kind] and info(table, "linker") != "idle":
        time.sleep(0.02)
    seconds = time.perf_counter() - start
    figures = {"median": float(np.median(took)), "p99": float(np.percentile(took, 99)),
               "worst": float(max(took)), "worked": float(np.percentile(worked, 99)),
               "most": float(max(worked)), "seconds": seconds}
    if KINDS[kind]:
        figures["recall"], figures["distances"] = search(table, data, None)
        figures["recall_ef"], figures["distances_ef"] = search(table, data, EF)
    table.close()
    return figures


def row_of(kind: str, rounds: Sequence[dict[str, float]], plain: dict[str, float]) -> str:
    middle = {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
    cells = [kind]
    if kind == "one build":
        cells += [""] * 5
    else:
        cells += [f"{middle['median']:.1f}"]
        cells += [f"{middle[key]:.1f} ({middle[key] / plain[key]:.2f})" for key in COMPARED]
    cells += [f"{middle['seconds']:.1f}"]
    for of in ("", "_ef"):
        cells += [f"{middle['recall' + of]:.4f}", f"{middle['distances' + of]:.0f}"] \
            if KINDS[kind] else ["", ""]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("data")
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--rows", type=int, default=30000)
    options.add_argument("--batch", type=int, default=100)
    options.add_argument("--rounds", type=int, default=5)
    o = options.parse_args()
    data = sets.folders(o.data)[0].read().part(o.rows, QUERIES)
    rounds: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for number in range(o.rounds):
        for kind in KINDS:
            with tempfile.TemporaryDirectory() as folder:
                rounds[kind].append(one_round(Path(folder), data, o.batch, kind))
            print(number + 1, kind, {k: round(v, 3) for k, v in rounds[kind][-1].items()},
                  flush=True)
    plain = {key: statistics.median(r[key] for r in rounds["plain table"])
             for key in COMPARED}
    lines = [f"# Times of a COMMIT, {data.name}, {data.rows} rows of {data.dim} dimensions", "",
             f"Milliseconds of a COMMIT of {o.batch} rows, with synchronous=NORMAL, in brackets "
             f"the ratio to the plain table's; medians of {o.rounds} rounds. {processor()}, "
             f"{commit()}. Written by `make bench-commits`.", "",
             "| | median | 99 % | worst | 99 %, of a processor | worst, of a processor | "
             "seconds until linked | recall | distances a search | "
             f"recall, ef = {EF} | distances, ef = {EF} |", "|---|" + "---|" * 10]
    lines += [row_of(kind, rounds[kind], plain) for kind in KINDS]
    (o.out / "commit_times.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
