"""Builds with a progress bar: in a thread, while this one asks hannoy_info how far it is."""

import threading
from typing import Any, List

import click
from rich.console import Console
from rich.progress import (
    BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn,
)

from .._library import sqlite3
from .table import Table, connect

POLL_SECONDS = 0.1


def bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeElapsedColumn(), TextColumn("left"),
        TimeRemainingColumn(), console=console,
    )


def rate_of(progress: Progress, task: Any) -> str:
    speed = progress.tasks[progress.task_ids.index(task)].speed
    return f"{speed:,.0f}/s" if speed else ""


def advance(progress: Progress, task: Any, rows: int) -> None:
    progress.advance(task, rows)
    progress.update(task, rate=rate_of(progress, task))


def run(path: str, table: Table, statement: str, arguments: List[Any], console: Console) -> Any:
    """Runs a statement that takes long in a connection of its own; Ctrl-C interrupts it."""
    worker = connect(path)
    results: List[Any] = []

    def work() -> None:
        try:
            results.append(worker.execute(statement, arguments).fetchone())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=work)
    with bar(console) as progress:
        task = progress.add_task("starting", total=None, rate="")
        thread.start()
        phase = ""
        try:
            while thread.is_alive():
                thread.join(POLL_SECONDS)
                phase = show(progress, task, table, phase)
        except KeyboardInterrupt:
            worker.interrupt()
            thread.join()
            raise click.ClickException(
                "interrupted; the table and its index are as they were, and a later build goes on"
            ) from None
        progress.update(task, description="done", total=1, completed=1, rate="")
    worker.close()
    if isinstance(results[0], BaseException):
        raise click.ClickException(str(results[0])) from results[0]
    return results[0]


def show(progress: Progress, task: Any, table: Table, before: str) -> str:
    try:
        info = table.info()
    except sqlite3.OperationalError:
        return before  # busy: the next look tells
    phase, done, total = info["phase"] or "", info["done"], info["total"]
    if not phase:
        return before
    if phase != before:
        progress.reset(task, description=phase, total=total or None, rate="")
    progress.update(task, completed=done, total=total or None, rate=rate_of(progress, task))
    return phase


def build(path: str, table: Table, console: Console) -> int:
    return int(run(path, table, "SELECT hannoy_build(?)", [table.name], console)[0])


def command(path: str, table: Table, text: str, console: Console) -> None:
    run(path, table, table.command_statement(), [text], console)
