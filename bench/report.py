"""The results as Markdown, and what ran where."""

from __future__ import annotations

import datetime
import os
import platform
import sqlite3
import subprocess
from pathlib import Path
from typing import Any, TextIO

from databases import EXTENSION, K, connect
from engines import ENGINES, OURS, version
from measure import ROWIDS, Run, at_recall
from tables import line

RECALLS = (0.9, 0.95, 0.98, 0.99)


def builds_sentence(builds: int) -> str:
    if builds == 1:
        return "Each is\nbuilt once."
    return f"hannoy-sqlite and hnswlib are\nbuilt {builds} times, the others once."


def about(run: Run, rows: int | None) -> dict[str, Any]:
    """What ran, where and when."""
    connection = connect(":memory:", EXTENSION)
    (hannoy,) = connection.execute("SELECT hannoy_version()").fetchone()
    connection.close()
    return {
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "system": platform.platform(),
        "hannoy": hannoy,
        "commit": commit(),
        "SQLite": sqlite3.sqlite_version,
        "peers": {name: version(name) for name in run.peers if ENGINES[name].package},
        "threads": run.threads,
        "repeats": run.repeats,
        "builds": run.builds,
        "options": run.options,
        "pragmas": run.pragmas,
        "rows": rows,
    }


def processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        names = [text.split(":")[1].strip() for text in info if text.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def commit() -> str:
    """The commit that is checked out; with a plus sign where files differ, but for the results."""
    return git("rev-parse", "--short", "HEAD") + (
        "+" if git("status", "--porcelain", "-uno", "--", ":/", ":!/bench/results") else ""
    ) or "?"


def git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parent,
    )
    return done.stdout.strip()


# ------------------------------------------------------------------------------------- Markdown --


def write(results: dict[str, Any], path: Path) -> None:
    with open(path, "w", encoding="utf-8") as out:
        write_head(out, results)
        write_ratios(out, results["sets"])
        for result in results["sets"]:
            write_set(out, result)
        write_lines(out, [*set_lines(results["sets"]), *results["lines"]])
        if results.get("kernels"):
            out.write(f"## Kernels\n\n{results['kernels']}\n")


def table(out: TextIO, header: list[str], rows: list[list[str]]) -> None:
    out.write("| " + " | ".join(header) + " |\n")
    out.write("|---" + "|---:" * (len(header) - 1) + "|\n")
    for row in rows:
        out.write("| " + " | ".join(row) + " |\n")
    out.write("\n")


def write_head(out: TextIO, results: dict[str, Any]) -> None:
    about = results["about"]
    peers = ", ".join(f"{name} {number}" for name, number in about["peers"].items())
    out.write(f"# Figures of {about['date']}\n\n")
    out.write(f"Made by `{results['command']}` on {about['processor']}, {about['system']}.\n"
              f"hannoy {about['hannoy']} ({about['commit']}), SQLite {about['SQLite']}; "
              f"{peers}.\n\n")
    out.write(
        f"All graphs are built with the m and ef_construction that a hannoy table has by default\n"
        f"(SVS: degree 2m, window 100), with {about['threads']} threads where the engine can; "
        f"k = {K}. Queries run warm, on one\nthread, in one order, engines in turns for each ef; "
        f"each speed is the median of {about['repeats']} turns (2 for\nhannoy-rust). "
        "hannoy-sqlite, vectorlite and sqlite-vec answer SQL from Python, a statement a query; "
        "the\nothers take all queries in one call. sqlite-vec scans, so 50 queries do. "
        + builds_sentence(about.get("builds", 1)) + "\n\n"
    )
    for key in ("options", "pragmas", "rows"):
        if about[key]:
            out.write(f"- {key}: `{about[key]}`\n")
    for note in results["notes"]:
        out.write(f"- {note}\n")
    out.write("\n")


def ratio(a: float | None, b: float | None) -> str:
    return f"{a / b:.2f}" if a and b else "-"


def speeds(result: dict[str, Any], wanted: float) -> dict[str, float | None]:
    return {name: at_recall(engine["curve"], wanted)
            for name, engine in result["engines"].items() if "curve" in engine}


def write_ratios(out: TextIO, sets: list[dict[str, Any]]) -> None:
    """The table to look at first."""
    sets = [result for result in sets if "default" in result]
    if not sets:
        return
    out.write("## Queries a second of hannoy-sqlite over those of the others\n\n")
    names = [name for name in [*ENGINES, ROWIDS] if name != OURS and any(
        "curve" in result["engines"].get(name, {}) for result in sets)]
    for wanted in (0.95, 0.98):
        rows = []
        for result in sets:
            found = speeds(result, wanted)
            cells = [ratio(found.get(OURS), found.get(name)) for name in names]
            rows.append([result["name"], *cells])
        table(out, [f"at recall {wanted}", *names], rows)


def write_set(out: TextIO, result: dict[str, Any]) -> None:
    out.write(f"## {result['name']}: {result['rows']:,} × {result['dim']}, {result['metric']}\n\n"
              f"{result['queries']:,} queries, m = {result['m']}, "
              f"ef_construction = {result['ef_construction']}.\n\n")
    if "default" in result:
        default = result["default"]
        out.write(f"![recall against queries a second]({result['name']}.svg)\n\n"
                  f"With the table's own ef, {default['ef']}: recall@10 {default['recall']:.4f}, "
                  f"{default['per_second']:.0f} queries/s.\n\n")
        write_speeds(out, result)
    write_builds(out, result)
    if "default" in result:
        write_curves(out, result)


def write_speeds(out: TextIO, result: dict[str, Any]) -> None:
    found = [speeds(result, wanted) for wanted in RECALLS]
    rows = []
    for name in found[0]:
        cells = [f"{speed[name]:.0f}" if speed[name] else "-" for speed in found]
        ratios = [ratio(speed.get(OURS), speed[name]) for speed in found]
        rows.append([name, *cells, *ratios])
    header = [f"q/s at {wanted}" for wanted in RECALLS]
    table(out, ["engine", *header, *(f"ratio at {wanted}" for wanted in RECALLS)], rows)


def write_builds(out: TextIO, result: dict[str, Any]) -> None:
    """The ratios are of hannoy-sqlite's time to the engine's for everything."""
    raw = result["rows"] * result["dim"] * 4
    engines = {name: engine for name, engine in result["engines"].items() if "build" in engine}
    own = engines.get(OURS)
    rows = []
    for name, engine in engines.items():
        whole = engine["load"] + engine["build"]
        size = engine["bytes"]
        rows.append([
            name, f"{engine['load']:.2f}", f"{engine['build']:.2f}",
            ratio(own and own["build"], whole if name != OURS else engine["build"]),
            ratio(own and own["load"] + own["build"], whole),
            f"{size / result['rows']:.0f}" if size else "-", ratio(size, raw),
        ])
    out.write("Load is 0 where the library takes rows as it builds, build where an INSERT builds. "
              "The bytes of an\nindex hold the vectors too, except hannoy-sqlite's: its database "
              "does, and the sidecar has codes.\n\n")
    table(out, ["engine", "load, s", "build, s", "our build / it", "our load + build / it",
                "index bytes a vector", "of float32"], rows)


def write_curves(out: TextIO, result: dict[str, Any]) -> None:
    """Recall and speed of each ef."""
    curves = {name: {point["ef"]: point for point in engine["curve"]}
              for name, engine in result["engines"].items() if "curve" in engine}
    rows = []
    for ef in sorted({ef for curve in curves.values() for ef in curve}):
        points = [curve.get(ef) for curve in curves.values()]
        rows.append([str(ef), *(f"{p['recall']:.4f}, {p['per_second']:.0f}" if p else ""
                                for p in points)])
    table(out, ["ef: recall, q/s", *curves], rows)


def set_lines(sets: list[dict[str, Any]]) -> list[dict[str, str]]:
    """What the comparison says about ours alone and against hnswlib."""
    lines = []
    for result in sets:
        name, own = result["name"], result["engines"].get(OURS)
        if not own:
            continue
        whole, raw = own["load"] + own["build"], result["rows"] * result["dim"] * 4
        if "hnswlib" in result["engines"]:
            other = result["engines"]["hnswlib"]["build"]
            lines += [
                line("build against hnswlib's, time", name, f"{own['build'] / other:.2f}",
                     f"{own['build']:.2f} s and {other:.2f} s"),
                line("load and build against hnswlib's build, time", name, f"{whole / other:.2f}",
                     f"{whole:.2f} s and {other:.2f} s; loading a plain table "
                     f"{result['plain_load']:.2f} s"),
            ]
        lines.append(line("sidecar against raw float32, bytes", name, f"{own['bytes'] / raw:.2f}",
                          f"{own['bytes'] / result['rows']:.0f} bytes a vector"))
        speed = speeds(result, 0.95)
        with_distance, alone = speed.get(OURS), speed.get(ROWIDS)
        if with_distance and alone:
            lines.append(line("SELECT rowid against SELECT rowid, distance, recall 0.95", name,
                              f"{alone / with_distance:.2f}",
                              f"{alone:.0f} and {with_distance:.0f} queries/s"))
    return lines


def write_lines(out: TextIO, lines: list[dict[str, str]]) -> None:
    if not lines:
        return
    out.write("## Further figures\n\n")
    out.write("| figure | data | measured | |\n|---|---|---:|---|\n")
    for each in lines:
        out.write(f"| {each['figure']} | {each['data']} | {each['value']} | {each['detail']} |\n")
    out.write("\n")
