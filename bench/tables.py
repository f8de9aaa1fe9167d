"""Figures of a table that lies built on disk: memory, first queries, ten times the rows.

A set's last rows stay out of its table: the changes of `scale` are made of them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from statistics import mean, median
from typing import Any

from data import DataSet
from databases import Hannoy, blobs_of, insert
from measure import Entry, Run, at_recall, curves

CHILD = Path(__file__).with_name("child.py")
CHANGES = 1000
ROUNDS = 5  # of builds that are asked for
COMMITS = 34  # that build by themselves: at 900,000 rows every 17th links what the others added


def line(figure: str, data: str, value: str, detail: str) -> dict[str, str]:
    return {"figure": figure, "data": data, "value": value, "detail": detail}


def output_of(command: Sequence[Any], environment: Mapping[str, str] = os.environ) -> str:
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["the process ended"])[-1])
    return done.stdout


def child(*arguments: Any, prefetch: int = 0) -> dict[str, float]:
    environment = {k: v for k, v in os.environ.items() if k != "HANNOY_READER_PREFETCH_MEMORY"}
    if prefetch:
        environment["HANNOY_READER_PREFETCH_MEMORY"] = str(prefetch)
    return json.loads(output_of([sys.executable, CHILD, *arguments], environment))


def without_spare(data: DataSet) -> DataSet:
    spare = min(CHANGES * (ROUNDS + COMMITS), data.rows // 20)
    return data.part(data.rows - spare, len(data.query))


def built(run: Run, data: DataSet) -> tuple[Path, dict[str, float]]:
    """A database with the rows, built in a child; made once a run.  What the build took, too."""
    folder = run.folder / f"{data.name}-{data.rows}"
    path, told = folder / "table.db", folder / "build.json"
    if not told.exists():
        folder.mkdir()
        run.say(f"{data.name}: a table of {data.rows} rows")
        options = ", ".join(filter(None, ["autobuild=0", run.options]))
        table = Hannoy(path, data.dim, data.metric, options, run.pragmas)
        table.load(data.base)
        table.close()
        told.write_text(json.dumps(child("build", path, run.threads)), encoding="utf-8")
    return path, json.loads(told.read_text(encoding="utf-8"))


def memory(run: Run, data: DataSet) -> list[dict[str, str]]:
    data = without_spare(data)
    _, took = built(run, data)
    return [
        line("memory of a build, anonymous pages", data.name,
             f"{took['anonymous'] / 2**20:.0f} MiB",
             f"{took['anonymous'] / data.rows:.0f} bytes a vector; 400 a vector and 64 MiB are "
             f"{400 * data.rows / 2**20 + 64:.0f} MiB; with pages of files "
             f"{took['all'] / 2**20:.0f} MiB"),
    ]


# --------------------------------------------------------------------------------- first queries --


def query_file(run: Run, data: DataSet, turn: int, count: int) -> Path:
    path = run.folder / "queries"
    path.write_bytes(data.query[turn * count : (turn + 1) * count].tobytes())
    return path


def first_queries(
    run: Run, data: DataSet, path: Path, cold: bool, variants: list[int], count: int
) -> dict[int, dict[str, float]]:
    """Medians over fresh processes, for each of the bytes to prefetch; these take turns."""
    seen: dict[int, list[dict[str, float]]] = {variant: [] for variant in variants}
    for turn in range(min(9, len(data.query) // count)):
        for variant in variants:
            if cold:
                forget(path)
            queries = query_file(run, data, turn, count)
            times = child("query", path, queries, 4 * data.dim, run.pragmas, prefetch=variant)
            if turn or cold:  # the first one warms the page cache
                seen[variant].append(times)
    return {
        variant: {key: median(times[key] for times in runs) for key in runs[0]}
        for variant, runs in seen.items()
    }


def forget(path: Path) -> None:
    """Takes the files out of the page cache, for which nobody may have them open."""
    for file in (path, Path(f"{path}-hannoy")):
        with open(file, "rb") as opened:
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def first(run: Run, data: DataSet) -> list[dict[str, str]]:
    data = without_spare(data)
    path, _ = built(run, data)
    run.say(f"{data.name}: first queries")
    times = first_queries(run, data, path, False, [0], 1)[0]
    return [
        line("first query of a process, warm page cache", data.name, f"{times['first']:.2f} ms",
             f"{data.rows} rows; connecting and loading the extension {times['connect']:.2f} ms"),
    ]


def cold(run: Run, data: DataSet) -> list[dict[str, str]]:
    data = without_spare(data)
    path, _ = built(run, data)
    run.say(f"{data.name}: first queries from a cold cache")
    whole = Path(f"{path}-hannoy").stat().st_size
    variants = [0, 10 << 20, whole]
    queries = min(100, len(data.query) // 3)
    times = first_queries(run, data, path, True, variants, queries)
    return [
        line("first query, cold page cache", data.name, f"{times[variant]['first']:.1f} ms",
             f"HANNOY_READER_PREFETCH_MEMORY={variant}; the first {queries} queries together "
             f"{times[variant]['all']:.0f} ms; {data.rows} rows")
        for variant in variants
    ]


# ---------------------------------------------------------------------------------------- scale --


def scale(run: Run, data: DataSet) -> list[dict[str, str]]:
    """A query and a build of 1,000 changes at a tenth of the rows and at all of them."""
    large = without_spare(data)
    small = large.part(large.rows // 10, len(large.query))
    spare = data.base[large.rows :]
    tables = {}
    for part in (small, large):
        path, _ = built(run, part)
        copy = run.folder / f"scale-{part.rows}.db"
        for end in ("", "-hannoy"):
            shutil.copyfile(f"{path}{end}", f"{copy}{end}")
        tables[part.rows] = Hannoy(copy, data.dim, data.metric, "autobuild=0", run.pragmas)
    found = curves(run, {
        str(part.rows): Entry(tables[part.rows].search, part) for part in (small, large)
    })
    lines = query_lines(data.name, found)
    size = len(spare) // (ROUNDS + COMMITS)
    parts = [spare[first : first + size] for first in range(0, size * (ROUNDS + COMMITS), size)]
    asked = changes(run, tables, parts[:ROUNDS], asked_build)
    alone = changes(run, tables, parts[ROUNDS:], building_commit)
    for table in tables.values():
        table.close()
    lines.append(changes_line("COMMITs that build", data.name, size, alone, mean, "on average"))
    lines.append(changes_line("build asked for", data.name, size, asked, median, "median"))
    return lines


def changes_line(
    figure: str, name: str, size: int, times: dict[int, list[float]],
    middle: Callable[[list[float]], float], word: str,
) -> dict[str, str]:
    (small, few), (large, many) = times.items()
    return line(
        f"{figure}, of {size} new rows at 10 times the rows", name,
        f"{middle(many) / middle(few):.2f}",
        f"{word} {middle(few) * 1e3:.0f} ms at {small} rows, {middle(many) * 1e3:.0f} ms at "
        f"{large}; the longest {max(few) * 1e3:.0f} and {max(many) * 1e3:.0f} ms, of {len(few)}",
    )


def query_lines(name: str, found: dict[str, list[dict[str, Any]]]) -> list[dict[str, str]]:
    lines = []
    for wanted in (0.95, 0.98):
        few, many = (at_recall(curve, wanted) for curve in found.values())
        small, large = found
        if few and many:
            lines.append(line(
                f"query at 10 times the rows, recall {wanted}", name, f"{few / many:.2f}",
                f"{1e6 / few:.0f} µs at {small} rows, {1e6 / many:.0f} µs at {large}",
            ))
    return lines


def changes(
    run: Run, tables: dict[int, Hannoy], parts: list[Any],
    build: Callable[[Hannoy, Any, int], float],
) -> dict[int, list[float]]:
    times: dict[int, list[float]] = {rows: [] for rows in tables}
    for turn, part in enumerate(parts):
        run.say(f"builds of changes, {turn + 1} of {len(parts)}")
        for rows, table in tables.items():
            table.set("threads", run.threads)
            times[rows].append(build(table, part, next(FRESH)))
    return times


FRESH = count(10**9, CHANGES)  # rowids


def asked_build(table: Hannoy, part: Any, first: int) -> float:
    insert(table.connection, table.insert_sql, part, first)
    start = time.perf_counter()
    table.connection.execute("SELECT hannoy_build('v')").fetchall()
    return time.perf_counter() - start


def building_commit(table: Hannoy, part: Any, first: int) -> float:
    """Seconds of the COMMIT alone."""
    table.set("autobuild", len(part))
    table.connection.execute("BEGIN")
    table.connection.executemany(table.insert_sql, enumerate(blobs_of(part), first))
    start = time.perf_counter()
    table.connection.execute("COMMIT")
    return time.perf_counter() - start
