#!/usr/bin/env python3
"""Measures searches in a sidecar that is larger than memory, and from a cold page cache.

Each line is a process of its own, in a control group with less memory than the sidecar takes; pages
of files count there.  The shares are those of 300, 150 and 100 MiB at 818,650 rows of 256
dimensions.  A second pass over the queries is what a program meets that goes on for long.  Beside
them stand the same queries with all pages in memory, and what the disk itself can read.  Writes
memory.md and memory.json into OUT.  DATA is a folder as for bench.py; TABLE may be a database that
has it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import data as sets
from databases import Hannoy, K
from measure import recall
from report import commit, processor
from tables import CHILD, forget, output_of

HERE = Path(__file__).resolve().parent
GROUP = HERE.parent / "sql_tests" / "in_memory.sh"
DISK = HERE.parent / "build" / "release" / "bench" / "random_reads"
SHARES = (0.65, 0.33, 0.22)  # of the sidecar
PROCESS = 12 << 20  # bytes that the process takes beside pages of files
MIB = 1 << 20


def make_table(path: Path, data: sets.DataSet) -> None:
    table = Hannoy(path, data.dim, data.metric, "autobuild=0")
    table.load(data.base)
    table.connection.execute("INSERT INTO v(v) VALUES ('build')")
    table.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    table.close()


def searches(
    path: Path, queries: Path, dim: int, passes: int, mib: int | None, cold: bool, ask: str
) -> list[dict[str, Any]]:
    if cold:
        forget(path)
    group = [GROUP, mib] if mib else []
    command = [*group, sys.executable, CHILD, "passes", path, queries, 4 * dim, passes]
    return json.loads(output_of(command, os.environ | {"HANNOY_READER_ASK": ask}))


def measure(path: Path, data: sets.DataSet, queries: Path, passes: int) -> list[dict[str, Any]]:
    sidecar = Path(f"{path}-hannoy").stat().st_size
    cases = [("all in memory", None, False, "")]
    cases += [(f"cold, room for all{word}", None, True, ask)
              for word, ask in ((", by faults", "never"), ("", ""))]
    for share in SHARES:
        mib = round((share * sidecar + PROCESS) / MIB)
        cases += [(f"{mib} MiB, {share:.0%} of the sidecar{word}", mib, True, ask)
                  for word, ask in ((", by faults", "never"), ("", ""))]
    lines = []
    for name, mib, cold, ask in cases:
        print(name, file=sys.stderr)
        if not cold:
            searches(path, queries, data.dim, 1, mib, cold, ask)
        for number, told in enumerate(searches(path, queries, data.dim, passes, mib, cold, ask), 1):
            found = told.pop("found")
            lines.append({"memory": name, "pass": number, **told,
                          "recall": recall(found, data.truth)})
    return lines


def table_of(lines: list[dict[str, Any]]) -> str:
    warm = next(line for line in reversed(lines) if line["memory"] == "all in memory")
    rows = ["| memory | pass | median | times warm | mean | p99 | first query | faults | "
            "pages read | recall |", "|---|---|---|---|---|---|---|---|---|---|"]
    for line in lines:
        rows.append(
            f"| {line['memory']} | {line['pass']} | {line['median']:.2f} ms | "
            f"{line['median'] / warm['median']:.1f} | {line['mean']:.2f} ms | "
            f"{line['p99']:.1f} ms | {line['first']:.1f} ms | {line['faults']:.1f} | "
            f"{line['pages']:.1f} | {line['recall']:.4f} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", type=Path, help="a database whose table v has DATA's rows")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--passes", type=int, default=2)
    options = parser.parse_args()
    try:
        output_of([GROUP, 64, "true"])
    except RuntimeError as reason:
        raise SystemExit(f"bench: {reason}") from None
    data = sets.folders(options.data)[0].read()
    data = data.part(data.rows, min(options.queries, len(data.query)))
    with tempfile.TemporaryDirectory(dir=options.out.parent) as folder:
        path = options.table or Path(folder) / "table.db"
        if not options.table:
            make_table(path, data)
        queries = Path(folder) / "queries"
        queries.write_bytes(data.query.tobytes())
        disk = {int(n): float(pages) for n, pages in
                (line.split() for line in output_of([DISK, f"{path}-hannoy"]).splitlines())}
        lines = measure(path, data, queries, options.passes)
        told = {"date": f"{datetime.date.today()}", "commit": commit(), "processor": processor(),
                "data": data.name, "rows": data.rows, "dim": data.dim,
                "sidecar": Path(f"{path}-hannoy").stat().st_size, "disk": disk, "lines": lines}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "memory.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    reads = ", ".join(f"{pages:,.0f} with {n}" for n, pages in disk.items())
    text = (f"# Larger than memory\n\n{data.name}, {data.rows:,} rows of {data.dim} dimensions; "
            f"sidecar {told['sidecar'] / MIB:.0f} MiB; {told['processor']}; commit "
            f"{told['commit']}, {told['date']}.\n\nThe disk reads so many random pages of 4 KiB a "
            f"second, past the page cache, with so many threads: {reads}.\n\n"
            f"{len(data.query)} queries of the default recall for the rowids of the {K} nearest.  "
            "\"By faults\": `HANNOY_READER_ASK=never`.  Figures are a query's; faults are those "
            f"that read.\n\n{table_of(lines)}\n")
    (options.out / "memory.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
