"""The engines side by side, each in a process of its own.

So that one that ends its process ends nothing else, and thread pools and global state of one do not
meet those of another.  Seconds are taken inside, around what is measured alone.
"""

from __future__ import annotations

import importlib.metadata
import multiprocessing
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from databases import Hannoy, Plain, Spec, SqliteVec, Vectorlite
from libraries import (
    Faiss,
    FaissSq8,
    HannoyRust,
    Hnswlib,
    Svs,
    SvsLvq,
    Usearch,
    UsearchInt8,
)

OURS = "hannoy-sqlite"


@dataclass(frozen=True)
class Engine:
    make: Callable[[Path, Spec], Any]
    package: str = ""  # on PyPI
    metrics: tuple[str, ...] = ("cosine", "euclidean")
    most_rows: int = 10**9  # left out of larger sets, which would take it too long
    generated: bool = True  # measured on generated sets too
    exact: bool = False  # scans: needs no list of ef, and few queries
    slow: bool = False  # searched with twice, however many repeats there are
    instead_of: str = ""  # measured only where that one does not run


ENGINES = {
    OURS: Engine(Hannoy.peer),
    "hnswlib": Engine(Hnswlib, "hnswlib"),
    "vectorlite": Engine(Vectorlite, "vectorlite-py"),
    "faiss": Engine(Faiss, "faiss-cpu"),
    "faiss-sq8": Engine(FaissSq8, "faiss-cpu"),
    "usearch": Engine(Usearch, "usearch", most_rows=100_000),
    # Its int8 is scaled for cosine; other metrics would lose what exceeds 1.
    "usearch-i8": Engine(UsearchInt8, "usearch", metrics=("cosine",)),
    "svs-lvq4x8": Engine(SvsLvq, "scalable-vs"),
    "svs-f16": Engine(Svs, "scalable-vs", instead_of="svs-lvq4x8"),
    # Minutes to build, where the others take seconds.
    "hannoy-rust": Engine(HannoyRust, "hannoy", most_rows=100_000, generated=False, slow=True),
    "sqlite-vec": Engine(SqliteVec, "sqlite-vec", exact=True),
}
QUICK = (OURS, "hnswlib", "vectorlite", "faiss-sq8", "usearch-i8", "svs-lvq4x8", "svs-f16")
MAKERS: dict[str, Callable[[Path, Spec], Any]] = {
    "plain table": lambda folder, spec: Plain(folder),
}
MAKERS.update({name: engine.make for name, engine in ENGINES.items()})


class Ended(Exception):
    """An engine that failed or ended its process."""


class Worker:
    """An engine in another process: its methods, and close()."""

    def __init__(self, name: str, folder: Path, spec: Spec):
        folder.mkdir(parents=True, exist_ok=True)
        context = multiprocessing.get_context("spawn")
        self.name = name
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, name, folder, spec), daemon=True)
        self.process.start()
        other.close()
        self.receive()

    def __getattr__(self, method: str) -> Callable:
        return partial(self.call, method)

    def call(self, method: str, *arguments: Any) -> Any:
        try:
            self.pipe.send((method, arguments))
        except OSError as error:
            raise Ended(f"{self.name} ended its process") from error
        return self.receive()

    def receive(self) -> Any:
        try:
            failed, answer = self.pipe.recv()
        except (EOFError, OSError) as error:
            raise Ended(f"{self.name} ended its process") from error
        if failed:
            raise Ended(f"{self.name}: {answer}")
        return answer

    def close(self) -> None:
        self.pipe.close()
        self.process.join()


def serve(pipe: Any, name: str, folder: Path, spec: Spec) -> None:
    """Answers calls until the other end is closed."""
    try:
        engine = MAKERS[name](folder, spec)
        pipe.send((False, None))
        while True:
            method, arguments = pipe.recv()
            pipe.send((False, getattr(engine, method)(*arguments)))
    except EOFError:
        pass
    except Exception as error:
        pipe.send((True, f"{type(error).__name__}: {error}"))


# ------------------------------------------------------------------------------- what runs here --


def available(names: list[str]) -> tuple[list[str], list[str]]:
    """The engines among `names` that run here, and sentences about those that do not."""
    found: list[str] = []
    notes: list[str] = []
    for name in names:
        if ENGINES[name].instead_of in found:
            continue
        trouble = try_out(name)
        if trouble:
            notes.append(f"{name} is left out: {trouble}")
        else:
            found.append(name)
    return found, notes


def try_out(name: str) -> str:
    """What is wrong with an engine, run on a few vectors in a process of its own; or nothing."""
    done = subprocess.run(
        [sys.executable, __file__, name], capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return ""
    said = (done.stderr + done.stdout).strip().splitlines()
    return said[-1] if said else f"its process ended with {done.returncode}"


def run_few(name: str) -> None:
    vectors = np.random.default_rng(1).standard_normal((500, 32), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        engine = MAKERS[name](Path(folder), Spec(len(vectors), 32, "cosine", 16, 64))
        engine.load(vectors)
        engine.build(2)
        engine.search(vectors[:10], 20)


def version(name: str) -> str:
    try:
        return importlib.metadata.version(ENGINES[name].package)
    except importlib.metadata.PackageNotFoundError:
        return "?"


if __name__ == "__main__":
    run_few(sys.argv[1])
