"""What only a process of its own can show: the memory of a build, a first query.

    child.py build DATABASE THREADS
    child.py query DATABASE QUERIES BYTES PRAGMAS     # a file of float32 queries of so many bytes
    child.py passes DATABASE QUERIES BYTES COUNT      # COUNT times all of them, rowids alone

Prints one line of JSON.  Imports little, so that the process before the build is small.
"""

import json
import resource
import sqlite3
import sys
import threading
import time
from pathlib import Path

EXTENSION = Path(__file__).resolve().parent.parent / "hannoy.so"


def connect(path):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.enable_load_extension(True)
    connection.load_extension(str(EXTENSION))
    return connection


def status(key):
    """Bytes, of a line of /proc/self/status in kB."""
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    return 0


def build(path, threads):
    """Seconds, and bytes at the peak over those before.

    RssAnon leaves out the pages of mapped files, which the kernel takes back as it needs them.  It
    has no high-water mark, so a thread looks every millisecond.  VmHWM is the mark of all pages.
    """
    connection = connect(path)
    connection.execute(f"INSERT INTO v(v) VALUES ('threads={threads}')")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # VmHWM starts again
    before = {"anonymous": status("RssAnon"), "all": status("VmRSS")}
    peak, done = before["anonymous"], threading.Event()

    def watch():
        nonlocal peak
        while not done.wait(0.001):
            peak = max(peak, status("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    connection.execute("SELECT hannoy_build('v')").fetchall()
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    return {
        "seconds": seconds,
        "anonymous": peak - before["anonymous"],
        "all": status("VmHWM") - before["all"],
    }


def read_blobs(file, size):
    data = Path(file).read_bytes()
    return [data[at : at + size] for at in range(0, len(data), size)]


def query(path, queries, size, pragmas):
    """Milliseconds of connecting, of the first query, and of all of them without connecting."""
    blobs = read_blobs(queries, int(size))
    start = time.perf_counter()
    connection = connect(path)
    for pragma in filter(None, pragmas.split(",")):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    times = [time.perf_counter()]
    for blob in blobs:
        connection.execute("SELECT rowid, distance FROM v(?, 10)", (blob,)).fetchall()
        times.append(time.perf_counter())
    return {
        "connect": (times[0] - start) * 1e3,
        "first": (times[1] - times[0]) * 1e3,
        "all": (times[-1] - times[0]) * 1e3,
    }


def reads():
    """Page faults that read, and bytes read, by this process so far."""
    with open("/proc/self/io", encoding="ascii") as file:
        counts = dict(line.split(": ") for line in file)
    return resource.getrusage(resource.RUSAGE_SELF).ru_majflt, int(counts["read_bytes"])


def one_pass(connection, blobs):
    """Times in milliseconds, and what each query read and found, on average."""
    times, found = [], []
    faults, read = reads()
    for blob in blobs:
        start = time.perf_counter()
        rows = connection.execute("SELECT rowid FROM v(?, 10)", (blob,)).fetchall()
        times.append((time.perf_counter() - start) * 1e3)
        found.append([rowid for (rowid,) in rows])
    more_faults, more_read = reads()
    ordered = sorted(times)
    return {
        "first": times[0],
        "mean": sum(times) / len(times),
        "median": ordered[len(times) // 2],
        "p99": ordered[len(times) * 99 // 100],
        "faults": (more_faults - faults) / len(times),
        "pages": (more_read - read) / 4096 / len(times),
        "found": found,
    }


def passes(path, queries, size, count):
    """The first pass begins with the first query of this process."""
    blobs = read_blobs(queries, int(size))
    connection = connect(path)
    return [one_pass(connection, blobs) for _ in range(int(count))]


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    print(json.dumps({"build": build, "query": query, "passes": passes}[what](*rest)))
