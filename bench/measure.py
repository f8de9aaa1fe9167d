"""The comparison: builds and recall against speed.  What is compared takes turns; medians count."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from data import DataSet
from databases import Hannoy, K, Spec
from engines import ENGINES, OURS, Ended, Worker

ROWIDS = f"{OURS}, rowid"
AGAIN = (OURS, "hnswlib")  # built several times: the figures of builds are about these two
ENOUGH = 0.995  # a recall at which a list of ef ends


@dataclass
class Run:
    """What the command line asked for, and what this machine can."""

    folder: Path
    peers: list[str]
    efs: list[int]
    repeats: int
    builds: int
    threads: int
    options: str
    pragmas: str
    say: Callable[[str], None]
    notes: list[str] = field(default_factory=list)

    def spec(self, data: DataSet) -> Spec:
        """With the m and ef_construction that a hannoy table has by default, for all engines."""
        table = Hannoy(":memory:", data.dim, data.metric, self.options)
        info = table.info()
        table.close()
        m, ef = int(info["m"]), int(info["ef_construction"])
        return Spec(data.rows, data.dim, data.metric, m, ef, self.options, self.pragmas)


def recall(ids: np.ndarray, truth: np.ndarray) -> float:
    """The share of the K true neighbours that were found, over all queries."""
    found = sum(len(np.intersect1d(a, b)) for a, b in zip(ids, truth[:, :K]))
    return found / (len(ids) * K)


def at_recall(curve: Sequence[dict[str, Any]], wanted: float) -> float | None:
    """Queries a second where the curve crosses a recall: linear in recall, in log(speed).

    The fastest point where even the smallest ef finds more; None where no ef finds as much.
    """
    enough = [point["per_second"] for point in curve if point["recall"] >= wanted]
    if not enough:
        return None
    best = max(enough)
    for low, high in zip(curve, curve[1:]):
        if low["recall"] < wanted <= high["recall"]:
            share = (wanted - low["recall"]) / (high["recall"] - low["recall"])
            logs = math.log(low["per_second"]), math.log(high["per_second"])
            best = max(best, math.exp(logs[0] + share * (logs[1] - logs[0])))
    return best


def compare(run: Run, data: DataSet, generated: bool, with_curves: bool) -> dict[str, Any]:
    """All figures of one set.  Without curves only what the builds of hnswlib are measured for."""
    names = [name for name in (run.peers if with_curves else AGAIN)
             if name in run.peers and suits(name, data, generated)]
    spec = run.spec(data)
    folder = run.folder / "compare"
    workers, engines = build_all(run, data, spec, names, folder)
    result = {
        "name": data.name, "rows": data.rows, "dim": data.dim, "metric": data.metric,
        "queries": len(data.query), "m": spec.m, "ef_construction": spec.ef_construction,
        "plain_load": plain_load(run, data, spec), "engines": engines,
    }
    if with_curves and OURS in workers:
        result["default"] = default_search(workers[OURS], data, run.repeats)
        entries = entries_of(workers, data)
        for name, curve in curves(run, entries).items():
            engines.setdefault(name, {})["curve"] = curve
    for worker in workers.values():
        worker.close()
    shutil.rmtree(folder)
    return result


def suits(name: str, data: DataSet, generated: bool) -> bool:
    engine = ENGINES[name]
    return (data.metric in engine.metrics and data.rows <= engine.most_rows
            and (engine.generated or not generated))


# --------------------------------------------------------------------------------------- builds --


def build_all(
    run: Run, data: DataSet, spec: Spec, names: list[str], folder: Path
) -> tuple[dict[str, Worker], dict[str, dict[str, Any]]]:
    """Loads and builds in turns; the last of each engine is kept."""
    workers: dict[str, Worker] = {}
    loads: dict[str, list[float]] = {}
    builds: dict[str, list[float]] = {}
    sizes: dict[str, int | None] = {}
    for turn in range(run.builds):
        for name in names:
            if turn and (name not in AGAIN or name not in workers):
                continue
            if turn:
                workers.pop(name).close()
            run.say(f"{data.name}: building {name}, {turn + 1}")
            try:
                worker = Worker(name, folder / f"{name}{turn}", spec)
                loads.setdefault(name, []).append(worker.load(data.base))
                builds.setdefault(name, []).append(worker.build(run.threads))
                sizes[name] = worker.index_bytes()
                workers[name] = worker
            except Ended as error:
                run.notes.append(f"{data.name}: {error}")
    engines = {
        name: {"load": median(loads[name]), "build": median(builds[name]), "bytes": sizes[name]}
        for name in names if name in workers
    }
    return {name: workers[name] for name in engines}, engines


def plain_load(run: Run, data: DataSet, spec: Spec) -> float:
    """Seconds that the rows take into a table with a BLOB column."""
    worker = Worker("plain table", run.folder / "plain", spec)
    seconds = worker.load(data.base)
    worker.close()
    shutil.rmtree(run.folder / "plain")
    return seconds


# --------------------------------------------------------------------------------------- curves --


@dataclass
class Entry:
    """What one curve is drawn of."""

    search: Callable[[np.ndarray, int], tuple[np.ndarray, float]]
    data: DataSet
    exact: bool = False  # one ef and few queries do
    most_turns: int = 1000


def entries_of(workers: dict[str, Worker], data: DataSet) -> dict[str, Entry]:
    """Ours is measured twice: with the distances, and with rowids alone."""
    entries = {}
    for name, worker in workers.items():
        engine = ENGINES[name]
        entries[name] = Entry(worker.search, data, engine.exact, 2 if engine.slow else 1000)
    entries[ROWIDS] = Entry(workers[OURS].search_rowids, data)
    return entries


def curves(run: Run, entries: dict[str, Entry]) -> dict[str, list[dict[str, Any]]]:
    """Recall and queries a second for each entry and ef, the entries in turns for each ef.

    An entry's list ends with the first ef that finds ENOUGH.  One that fails is left out.
    """
    lists = {name: run.efs[:1] if entry.exact else run.efs for name, entry in entries.items()}
    seconds: dict[tuple[str, int], list[float]] = {}
    found: dict[tuple[str, int], float] = {}
    for turn in range(run.repeats):
        run.say(f"searching, {turn + 1} of {run.repeats}")
        for ef in run.efs:
            for name, entry in entries.items():
                if ef not in lists[name] or turn >= entry.most_turns:
                    continue
                query = entry.data.query[:50] if entry.exact else entry.data.query
                try:
                    ids, took = warm(entry.search, query, ef)
                except Ended as error:
                    run.notes.append(str(error))
                    lists[name] = []
                    continue
                seconds.setdefault((name, ef), []).append(took / len(query))
                found[name, ef] = recall(ids, entry.data.truth)
                if found[name, ef] >= ENOUGH:
                    lists[name] = [other for other in lists[name] if other <= ef]
    return {
        name: [{"ef": ef, "recall": found[name, ef], "per_second": 1 / median(seconds[name, ef])}
               for ef in lists[name]]
        for name in entries if lists[name]
    }


def warm(search: Callable, query: np.ndarray, ef: int | None) -> tuple[np.ndarray, float]:
    """Searches, after a few queries that are not timed."""
    search(query[:20], ef)
    return search(query, ef)


def default_search(worker: Worker, data: DataSet, repeats: int) -> dict[str, Any]:
    """Without an ef of the query's: with the one that the table has."""
    runs = [warm(worker.search, data.query, None) for _ in range(repeats)]
    return {
        "ef": str(worker.info()["ef"]),
        "recall": recall(runs[0][0], data.truth),
        "per_second": len(data.query) / median(seconds for _, seconds in runs),
    }
