#!/usr/bin/env python3
"""Measures hannoy through SQL beside other libraries and extensions, in one run on one machine.

Each DATA is a folder with base.npy and query.npy (float16 or float32, [rows, dim]) and truth.npy
([queries, 10 or more] row numbers in base, nearest first), or a folder of such folders, with
":euclidean" behind it where the metric is not cosine.  Without DATA the words of the demo are
measured.  Generated sets are always measured beside them.

Writes README.md, results.json and plots into the folder OUT.  Databases lie in a temporary folder
(TMPDIR).  Sets beyond 400,000 rows are not compared with peers: they are for what grows with rows.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import data as sets
import engines
import many
import plots
import recalls
import report
import tables
import writes
from databases import EXTENSION
from measure import Run, compare

COMPARE_ROWS = 400_000
KERNELS = Path(__file__).resolve().parent.parent / "build" / "release" / "bench" / "kernels"


@dataclass(frozen=True)
class Figure:
    measure: Callable[[Run, sets.DataSet], list[dict[str, str]]]
    of: str  # which sets: see places_of


FIGURES = {
    "commits": Figure(writes.commits, "real"),
    "codes": Figure(recalls.codes, "compared"),
    "churn": Figure(recalls.churn, "first"),
    "growth": Figure(writes.growth, "largest compared"),
    "memory": Figure(tables.memory, "real"),
    "many": Figure(many.many, "real"),
    "first": Figure(tables.first, "largest"),
    "cold": Figure(tables.cold, "largest"),
    "scale": Figure(tables.scale, "largest"),
}
PARTS = ("builds", "curves", *FIGURES, "kernels")
QUICK_PARTS = "builds,curves,commits,codes,memory,first,kernels"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="*", metavar="DATA")
    parser.add_argument("--out", type=Path, required=True, help="folder of what is written")
    parser.add_argument("--render", action="store_true",
                        help="measure nothing: write report and plots from OUT's results.json")
    parser.add_argument("--quick", action="store_true",
                        help="20,000 rows of the first set, fewer peers, ef and figures")
    parser.add_argument("--parts", help=f"what to measure, of {','.join(PARTS)} (builds: only "
                        "hnswlib is built beside hannoy, unless there are curves too)")
    parser.add_argument("--peers", help=f"of {','.join(engines.ENGINES)}")
    parser.add_argument("--rows", type=int, help="only so many rows of each set")
    parser.add_argument("--efs", help="list of ef to search with")
    parser.add_argument("--repeats", type=int, default=3, help="of searches and commit rounds")
    parser.add_argument("--builds", type=int, help="of hannoy and hnswlib (2; quick: 1)")
    parser.add_argument("--threads", type=int, default=2, help="of builds")
    parser.add_argument("--options", default="", help='of the hannoy tables, as "type=float16"')
    parser.add_argument("--pragmas", default="", help='of its connections: "mmap_size=1000000000"')
    return parser.parse_args()


def settle(options: argparse.Namespace) -> None:
    """Gives what was not told its value, which --quick decides."""
    quick = options.quick
    efs = "10,20,40,80,160" if quick else "10,14,20,28,40,56,80,112,160,224,320,448,640,896"
    options.efs = [int(ef) for ef in (options.efs or efs).split(",")]
    options.parts = (options.parts or (QUICK_PARTS if quick else ",".join(PARTS))).split(",")
    known = engines.QUICK if quick else tuple(engines.ENGINES)
    options.peers = options.peers.split(",") if options.peers else list(known)
    options.builds = options.builds or (1 if quick else 2)
    options.rows = options.rows or (20_000 if quick else None)
    for value, allowed in ((options.parts, PARTS), (options.peers, engines.ENGINES)):
        unknown = set(value) - set(allowed)
        if unknown:
            sys.exit(f"bench: no {', '.join(sorted(unknown))}; there are {', '.join(allowed)}")


def say(text: str) -> None:
    """Progress, to standard error."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def command() -> str:
    """What was called, with the names of folders alone: where they lie tells nothing."""
    words = [Path(word).name if "/" in word else word for word in sys.argv[1:]]
    return shlex.join(["bench/bench.py", *words])


def sources_of(options: argparse.Namespace) -> list[sets.Source]:
    found = [source for path in options.data for source in sets.folders(path)] or [sets.words()]
    return found[:1] if options.quick else found + sets.generated()


def render(out: Path) -> None:
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    report.write(results, out / "README.md")
    plots.draw(results, out)


class Bench:
    """One run: its results, which are written after every step."""

    def __init__(self, options: argparse.Namespace, run: Run):
        self.options, self.run = options, run
        self.results: dict[str, Any] = {
            "about": report.about(run, options.rows),
            "command": command(),
            "notes": run.notes, "sets": [], "lines": [],
        }

    def save(self) -> None:
        out = self.options.out
        out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.results, indent=1, ensure_ascii=False)
        (out / "results.json").write_text(text + "\n", encoding="utf-8")
        render(out)

    def measure(self, source: sets.Source, places: set[str]) -> None:
        data = source.read()
        rows = min(self.options.rows or data.rows, data.rows)
        data = data.part(rows, len(data.query))
        parts = self.options.parts
        if rows <= COMPARE_ROWS and ("builds" in parts or "curves" in parts):
            result = compare(self.run, data, source.generated, "curves" in parts)
            self.results["sets"].append(result)
            self.save()
        for name, figure in FIGURES.items():
            if name in parts and figure.of in places:
                self.results["lines"] += attempt(name, figure, self.run, data)
                self.save()


def attempt(name: str, figure: Figure, run: Run, data: sets.DataSet) -> list[dict[str, str]]:
    """A figure that cannot be had is a line that says so: the others are still wanted."""
    try:
        return figure.measure(run, data)
    except Exception as error:
        say(f"{name}: {error}")
        return [tables.line(name, data.name, "not available", str(error))]


def places_of(source: sets.Source, sources: list[sets.Source]) -> set[str]:
    """What a set is among those that are not generated."""
    real = [other for other in sources if not other.generated]
    compared = [other for other in real if other.rows <= COMPARE_ROWS]
    largest = sorted(real, key=lambda other: other.rows)[-1:]
    largest_compared = sorted(compared, key=lambda other: other.rows)[-1:]
    groups = {"real": real, "compared": compared, "first": real[:1], "largest": largest,
              "largest compared": largest_compared}
    return {name for name, group in groups.items() if source in group}


def kernels() -> str:
    say("kernels")
    done = subprocess.run([KERNELS], capture_output=True, text=True, check=False)
    return done.stdout


def main() -> None:
    options = arguments()
    settle(options)
    if options.render:
        render(options.out)
        return
    if not EXTENSION.exists():
        sys.exit("bench: hannoy.so is not built: run make first")
    sources = sources_of(options)
    say("trying out the engines")
    peers, notes = engines.available(options.peers)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), peers, options.efs, options.repeats, options.builds,
                  options.threads, options.options, options.pragmas, say, notes)
        bench = Bench(options, run)
        for source in sources:
            bench.measure(source, places_of(source, sources))
    if "kernels" in options.parts and KERNELS.exists():
        bench.results["kernels"] = kernels()
    bench.save()
    print((options.out / "README.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
