"""Figures of recall at the same ef: kinds of codes, and a table that has seen many changes."""

from __future__ import annotations

import shutil
import sqlite3
from statistics import mean

import numpy as np

from data import DataSet, exact
from databases import Hannoy
from measure import Entry, Run, at_recall, curves
from tables import line
from writes import in_transactions

CHURN_ROWS = 60_000


KINDS = ("int4", "int8", "float32")


def codes(run: Run, data: DataSet) -> list[dict[str, str]]:
    """Recall and speed with codes of 4 and 8 bits against float32 codes."""
    folder = run.folder / "codes"
    folder.mkdir()
    tables = {}
    for kind in KINDS:
        run.say(f"{data.name}: building with codes={kind}")
        options = f"autobuild=0, codes={kind}"
        try:
            tables[kind] = Hannoy(folder / f"{kind}.db", data.dim, data.metric, options)
        except sqlite3.Error as error:
            shutil.rmtree(folder)
            return [line(f"codes={kind} against codes=float32", data.name, "not available",
                         str(error))]
        tables[kind].load(data.base)
        tables[kind].build(run.threads)
    found = curves(run, {kind: Entry(table.search, data) for kind, table in tables.items()})
    for table in tables.values():
        table.close()
    shutil.rmtree(folder)
    return [text for kind in KINDS[:-1] for text in against_float32(data, kind, found)]


def against_float32(
    data: DataSet, kind: str, found: dict[str, list[dict[str, float]]]
) -> list[dict[str, str]]:
    pairs = list(zip(found[kind], found["float32"]))
    losses = [a["recall"] - b["recall"] for a, b in pairs]
    lines = [
        line(f"recall of codes={kind} less that of codes=float32, on average", data.name,
             f"{mean(losses):+.4f}", "of the same ef; each table has a graph of its own"),
        line(f"recall of codes={kind} less that of codes=float32, worst ef", data.name,
             f"{min(losses):+.4f}",
             "; ".join(f"ef {a['ef']}: {a['recall']:.4f}, {b['recall']:.4f}" for a, b in pairs)),
    ]
    fast, slow = at_recall(found[kind], 0.95), at_recall(found["float32"], 0.95)
    if fast and slow:
        lines.append(line(f"speed of codes={kind} against codes=float32, recall 0.95", data.name,
                          f"{fast / slow:.2f}", f"{fast:.0f} and {slow:.0f} queries/s"))
    return lines


def churn(run: Run, data: DataSet) -> list[dict[str, str]]:
    """Recall after a random half was deleted and as many other rows came, against a fresh build.

    Two thirds of the rows are loaded and built; of these a random half is deleted and the last
    third inserted, 1,000 rows a transaction with automatic builds, as an application would.
    """
    third = min(data.rows, CHURN_ROWS) // 3
    gone = np.random.default_rng(2).permutation(2 * third)[:third]
    kept = np.setdiff1d(np.arange(3 * third), gone)
    base = data.base[: 3 * third]
    truth = kept[exact(base[kept], data.query, data.metric)]
    left = DataSet(data.name, data.metric, base, data.query, truth)
    folder = run.folder / "churn"
    folder.mkdir()

    run.say(f"{data.name}: churn")
    churned = Hannoy(folder / "churned.db", data.dim, data.metric, run.options)
    churned.load(base[: 2 * third])
    churned.build(run.threads)
    in_transactions(churned, "DELETE FROM v WHERE rowid = ?", [(int(i),) for i in gone])
    new = [(i, base[i].tobytes()) for i in range(2 * third, 3 * third)]
    in_transactions(churned, Hannoy.insert_sql, new)
    churned.build(run.threads)
    fresh = Hannoy(folder / "fresh.db", data.dim, data.metric, run.options)
    rows = [(int(i), base[i].tobytes()) for i in kept]
    in_transactions(fresh, Hannoy.insert_sql, rows, len(rows))
    fresh.build(run.threads)

    found = curves(run, {
        "churned": Entry(churned.search, left), "fresh": Entry(fresh.search, left),
    })
    churned.close()
    fresh.close()
    shutil.rmtree(folder)
    pairs = list(zip(found["churned"], found["fresh"]))
    least = min(pairs, key=lambda pair: pair[0]["recall"] - pair[1]["recall"])
    return [line(
        "recall after churn less that of a fresh build, worst ef", data.name,
        f"{least[0]['recall'] - least[1]['recall']:+.4f}",
        "; ".join(f"ef {a['ef']}: {a['recall']:.4f}, {b['recall']:.4f}" for a, b in pairs),
    )]
