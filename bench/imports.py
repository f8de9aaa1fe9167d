"""Measures `hannoy import` against the same INSERTs by a program in C, bench/insert_rows.c.

    imports.py INSERT_ROWS [--rows 200000] [--dim 768] [--repeats 5]

It runs in an environment that has the package sqlite-hannoy with the extra cli.  Runs alternate,
and what is compared is processor time, without and with the start of Python, which does not depend
on the rows.  The exit code is 1 if the rows of a file of plain numbers take more than the limit;
parquet has to be decoded, and is shown beside.
"""

import argparse
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

import numpy
import pyarrow
import pyarrow.parquet

import sqlite_hannoy

LIMIT = 1.3
CHUNK = 10000
PLAIN, DECODED = ["npy", "fvecs"], ["parquet"]


def write_files(folder, rows, dim):
    vectors = numpy.random.default_rng(1).normal(size=(rows, dim)).astype("<f4")
    numpy.save(folder / "v.npy", vectors)
    kind = numpy.dtype([("dim", "<i4"), ("numbers", "<f4", (dim,))])
    records = numpy.empty(rows, kind)
    records["dim"], records["numbers"] = dim, vectors
    records.tofile(folder / "v.fvecs")
    lists = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.reshape(-1)), dim)
    pyarrow.parquet.write_table(pyarrow.table({"vector": lists}), folder / "v.parquet")


def seconds(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def program():
    return os.path.join(os.path.dirname(sys.executable), "hannoy")


def run(insert_rows, folder, kind):
    database = folder / "app.db"
    for file in folder.glob("app.db*"):
        file.unlink()
    if kind == "C":
        return seconds([insert_rows, sqlite_hannoy.loadable_path(), database,
                        folder / "v.fvecs", str(CHUNK)])
    if kind == "start":
        return seconds([program(), "--version"])
    return seconds([program(), "import", database, "notes", folder / f"v.{kind}", "--no-build",
                    "--chunk", str(CHUNK)])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("insert_rows")
    parser.add_argument("--rows", type=int, default=200000)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    times = {kind: [] for kind in ["C", "start", *PLAIN, *DECODED]}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_files(folder, options.rows, options.dim)
        for _ in range(options.repeats):
            for kind in times:
                times[kind].append(run(options.insert_rows, folder, kind))
    print(f"{options.rows:,} rows of {options.dim}, seconds of a processor, medians")
    print(f"INSERTs in C  {statistics.median(times['C']):6.2f}")
    start = statistics.median(times["start"])
    print(f"Python starts {start:6.2f}")
    worst = 0
    for kind in [*PLAIN, *DECODED]:
        pairs = list(zip(times[kind], times["C"]))
        whole = statistics.median(a / b for a, b in pairs)
        ratio = statistics.median((a - start) / b for a, b in pairs)
        print(f"{kind:12}  {statistics.median(times[kind]):6.2f}  {ratio:.2f} times for the rows, "
              f"{whole:.2f} with the start")
        worst = max(worst, ratio if kind in PLAIN else 0)
    print(f"largest ratio of plain numbers {worst:.2f}, limit {LIMIT}")
    sys.exit(worst > LIMIT)


if __name__ == "__main__":
    main()
