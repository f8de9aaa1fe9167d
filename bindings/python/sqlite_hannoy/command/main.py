"""The commands of `hannoy`: what each takes and prints."""

import json
import os
import time
from typing import Any, Iterator, List, Optional

import click
import numpy
from rich.console import Console
from rich.live import Live
from rich.table import Table as Grid

from .._sql import quote
from .._vectors import DTYPES
from . import building, recalls
from .batch import Batch
from .importing import Import, create, source_of
from .readers import READERS, Names, Reader
from .table import Table, connect, names_of_tables
from .writers import WRITERS, Writer

console = Console()
CHUNK = 10000


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sqlite-hannoy")
def main() -> None:
    """Imports, exports, builds and watches hannoy tables of a SQLite database."""


def open_reader(
    path: str, names: Names, from_table: Optional[str], index: Optional[int], name: Optional[str]
) -> Reader:
    if not os.path.exists(path):
        raise click.ClickException(f"there is no {path}")
    if from_table:
        from .sqlite_reader import open_table

        return open_table(path, from_table, names)
    if os.path.isdir(path) or path.endswith(".mdb"):
        from .lmdb_reader import LmdbReader

        folder = path if os.path.isdir(path) else os.path.dirname(path) or "."
        return LmdbReader(folder, index, name)
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in READERS:
        raise click.ClickException(
            f"{path} is none of {', '.join(READERS)}; --table reads a SQLite database, and an "
            "LMDB environment is a folder"
        )
    try:
        return READERS[suffix](path, names)
    except (ValueError, OSError) as error:
        raise click.ClickException(f"{path}: {error}") from error


def split(text: Optional[str]) -> Optional[List[str]]:
    return None if text is None else [part for part in text.split(",") if part]


@main.command("import")
@click.argument("database")
@click.argument("table")
@click.argument("source")
@click.option("--metric", help="Metric of a new table  [cosine; an LMDB index has its own].")
@click.option("--type", type=click.Choice([*DTYPES, "bit"]), help="Type of a new table [float32].")
@click.option("--option", "options", multiple=True, help="Of a new table, as m=32; repeat it.")
@click.option("--column", help="Column of the table that takes the vectors, if it has several.")
@click.option("--vector", help="Column of the source with the vectors  [the only list].")
@click.option("--id", "key", help="Column of the source with the ids  [id, if there is one].")
@click.option("--columns", help="Other columns to take, with commas; '' for none  [all].")
@click.option("--table", "from_table", help="SOURCE is a SQLite database; its table to read.")
@click.option("--index", type=int, help="SOURCE is an LMDB environment; the number of its index.")
@click.option("--name", help="Name of the LMDB database in the environment.")
@click.option("--replace", is_flag=True, help="Replace rows whose id exists.")
@click.option("--chunk", default=CHUNK, show_default=True, type=click.IntRange(1),
              help="Rows of a transaction.")
@click.option("--no-build", is_flag=True, help="Leave the rows outside the index.")
def import_(
    database: str, table: str, source: str, metric: Optional[str], type: Optional[str],
    options: List[str], column: Optional[str], vector: Optional[str], key: Optional[str],
    columns: Optional[str], from_table: Optional[str], index: Optional[int], name: Optional[str],
    replace: bool, chunk: int, no_build: bool,
) -> None:
    """Imports SOURCE into TABLE of DATABASE, which are made if they are missing.

    SOURCE: .npy, .fvecs, .bvecs, .parquet, .jsonl or .csv; a SQLite database with --table, also
    one of sqlite-vec or vectorlite; or the folder of an LMDB environment of the Rust crates hannoy
    and arroy.  After Ctrl-C, the same command goes on after the last row that was committed.
    """
    reader = open_reader(source, Names(vector, key, split(columns)), from_table, index, name)
    db = connect(database, make=True)
    exists = db.execute("SELECT 1 FROM sqlite_schema WHERE name = ? COLLATE NOCASE", (table,))
    if exists.fetchone() is None:
        create(db, table, reader, metric or reader.metric, type or reader.type, list(options))
    target = Table(db, table)
    missing = [column for column in reader.columns if column not in target.columns]
    if missing:
        raise click.ClickException(
            f"{table} has no column {', '.join(missing)}; --columns chooses what to take"
        )
    part = f"/{from_table or ''}/{index if index is not None else ''}/{name or ''}"
    job = Import(target, target.vector(column), source_of(source, part), replace)
    if job.done:
        console.print(f"goes on after row {job.done:,}")
    with building.bar(console) as progress:
        task = progress.add_task("importing", total=reader.total, completed=job.done, rate="")

        try:
            rows = job.run(reader, chunk, lambda count: building.advance(progress, task, count))
        except KeyboardInterrupt:
            raise click.ClickException(
                f"interrupted after row {job.done:,}; the same command goes on there"
            ) from None
    job.finish()
    console.print(f"{rows:,} rows imported into {table}")
    if not no_build:
        building.build(database, target, console)
        console.print(target.info()["state"])


def batches_of(table: Table, column: str, columns: List[str], size: int) -> Iterator[Batch]:
    type, dim = table.option(column, "type"), table.option(column, "dim")
    wanted = ", ".join(map(quote, [table.key, column, *columns]))
    rows = table.db.execute(
        f"SELECT {wanted} FROM {quote(table.name)} WHERE {quote(column)} IS NOT NULL"
    )
    while True:
        some = rows.fetchmany(size)
        if not some:
            return
        blob = b"".join(row[1] for row in some)
        if type == "bit":
            bits = numpy.frombuffer(blob, "u1").reshape(len(some), -1)
            vectors = numpy.unpackbits(bits, axis=1, bitorder="little")[:, :dim] * 2.0 - 1
        else:
            vectors = numpy.frombuffer(blob, DTYPES[type]).reshape(len(some), dim)
        yield Batch(
            vectors.astype("<f4"),
            [row[0] for row in some],
            {name: [row[2 + i] for row in some] for i, name in enumerate(columns)},
        )


def open_writer(
    source: Table, vector: str, rest: List[str], total: int, target: str,
    to_table: Optional[str], vec0: bool, index: Optional[int],
) -> Writer:
    names = (vector, source.key, rest, total)
    metric = source.option(vector, "metric")
    if to_table:
        from .sqlite_writer import SqliteWriter

        return SqliteWriter(target, to_table, source.types, metric if vec0 else None, *names)
    if index is not None:
        from .lmdb_writer import LmdbWriter

        return LmdbWriter(target, index, metric, *names)
    suffix = os.path.splitext(target)[1].lower()
    if suffix not in WRITERS:
        raise click.ClickException(
            f"{target} is none of {', '.join(WRITERS)}; --table writes to a SQLite database,"
            " --index to an LMDB environment"
        )
    return WRITERS[suffix](target, *names)


@main.command()
@click.argument("database")
@click.argument("table")
@click.argument("target")
@click.option("--column", help="The vector, if the table has several.")
@click.option("--columns", help="Other columns to write, with commas; '' for none  [all].")
@click.option("--table", "to_table", help="TARGET is a SQLite database; the table to make in it.")
@click.option("--vec0", is_flag=True, help="That table is one of sqlite-vec.")
@click.option("--index", type=int, help="TARGET is an LMDB environment; the number of the index.")
def export(
    database: str, table: str, target: str, column: Optional[str], columns: Optional[str],
    to_table: Optional[str], vec0: bool, index: Optional[int],
) -> None:
    """Exports TABLE of DATABASE to TARGET: .npy, .fvecs, .parquet, .jsonl or .csv.

    .npy and .fvecs have the vectors alone, in the order of the rows.  Bits become +1 and -1.
    With --table, TARGET is a SQLite database; with --index, the folder of an LMDB environment of
    the Rust crate hannoy, whose next build makes the graph.
    """
    source = Table(connect(database), table)
    vector = source.vector(column)
    rest = source.columns if columns is None else split(columns) or []
    if index is not None:
        rest = []
    for name in rest:
        if name not in source.columns:
            raise click.ClickException(f"{table} has no column {name}")
    source.db.execute("BEGIN")  # all of it is one snapshot
    total = source.db.execute(f"SELECT count({quote(vector)}) FROM {quote(table)}").fetchone()[0]
    writer = open_writer(source, vector, rest, total, target, to_table, vec0, index)
    try:
        with building.bar(console) as progress:
            task = progress.add_task("exporting", total=total, rate="")
            for batch in batches_of(source, vector, rest, CHUNK):
                writer.write(batch)
                building.advance(progress, task, len(batch))
        writer.finish()
    except KeyboardInterrupt:
        writer.abandon()
        raise click.ClickException(f"interrupted; {target} is as it was") from None
    except BaseException:
        writer.abandon()
        raise
    console.print(f"{total:,} rows exported to {target}")


@main.command()
@click.argument("database")
@click.argument("table")
def build(database: str, table: str) -> None:
    """Takes all changes of TABLE into its index."""
    target = Table(connect(database), table)
    console.print(f"{building.build(database, target, console):,} changes taken into the index")


@main.command()
@click.argument("database")
@click.argument("table")
def rebuild(database: str, table: str) -> None:
    """Makes the index of TABLE anew from all rows."""
    target = Table(connect(database), table)
    building.command(database, target, "rebuild", console)
    console.print(target.info()["state"])


@main.command()
@click.argument("database")
@click.argument("tables", nargs=-1)
def check(database: str, tables: List[str]) -> None:
    """Checks that rows, log and index of TABLES, or of all tables, fit together."""
    db = connect(database)
    for name in tables or names_of_tables(db):
        building.command(database, Table(db, name), "integrity-check", console)
        console.print(f"{name}: ok")


@main.command()
@click.argument("database")
@click.argument("tables", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(database: str, tables: List[str], as_json: bool) -> None:
    """Prints what hannoy_info says of TABLES, or of all tables."""
    db = connect(database)
    facts = {name: Table(db, name).info() for name in tables or names_of_tables(db)}
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for name, values in facts.items():
        grid = Grid("key", "value", title=name, title_justify="left")
        for key, value in values.items():
            grid.add_row(key, shown(value))
        console.print(grid)


def shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)


@main.command()
@click.argument("database")
@click.argument("table")
@click.option("--column", help="The vector, if the table has several.")
@click.option("--queries", default=200, show_default=True, type=click.IntRange(1))
@click.option("-k", default=10, show_default=True, type=click.IntRange(1))
def recall(database: str, table: str, column: Optional[str], queries: int, k: int) -> None:
    """Measures recall and time of searches for stored rows, for several ef, and plots them."""
    source = Table(connect(database), table)
    points = recalls.measure(source, source.vector(column), queries, k)
    grid = Grid("ef", f"recall@{k}", "ms")
    for point in points:
        name = "as set" if point.ef is None else str(point.ef)
        grid.add_row(name, f"{point.recall:.4f}", f"{point.milliseconds:.3f}")
    console.print(grid)
    click.echo(recalls.plot(points))


def states(db: Any) -> Grid:
    grid = Grid("table", "rows", "pending", "unlinked", "state")
    for name in names_of_tables(db):
        facts = Table(db, name).info()
        unlinked = sum(v or 0 for key, v in facts.items() if key.split(".")[-1] == "unlinked")
        grid.add_row(name, shown(facts["rows"]), shown(facts["pending"]), shown(unlinked),
                     str(facts["state"]))
    return grid


@main.command()
@click.argument("database")
@click.option("--seconds", default=1.0, show_default=True, help="Between two looks.")
@click.option("--times", type=click.IntRange(1), help="End after so many looks.")
def watch(database: str, seconds: float, times: Optional[int]) -> None:
    """Shows the states of all tables, until Ctrl-C.

    `state` says that another process builds until its build ends; `pending` is 0 then.
    """
    db = connect(database)
    with Live(states(db), console=console, auto_refresh=False) as live:
        looks = 1
        try:
            while times is None or looks < times:
                time.sleep(seconds)
                live.update(states(db), refresh=True)
                looks += 1
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
