"""Recall against time: searches for stored rows with several ef, beside exact searches."""

import time
from dataclasses import dataclass
from typing import List, Optional

from .._sql import quote
from .table import Table

EFS = [10, 20, 50, 100, 200, 400]


@dataclass
class Point:
    ef: Optional[int]  # None: what the table is set to
    recall: float
    milliseconds: float


def measure(table: Table, column: str, queries: int, k: int) -> List[Point]:
    name, key, vector = map(quote, (table.name, table.key, column))
    count = table.info()["rows"]
    step = max(1, count // queries)
    given = [
        row[0]
        for i, row in enumerate(
            table.db.execute(f"SELECT {vector} FROM {name} WHERE {vector} IS NOT NULL")
        )
        if i % step == 0
    ][:queries]
    search = f"SELECT {key} FROM {name} WHERE knn_match({vector}, ?) AND k = ?"
    exact = [
        {row[0] for row in table.db.execute(f"{search} AND exact = 1", (query, k))}
        for query in given
    ]
    points = []
    for ef in [None, *(ef for ef in EFS if ef >= k)]:
        statement = search if ef is None else f"{search} AND ef = {ef}"
        hits = wanted = 0
        start = time.perf_counter()
        found = [
            {row[0] for row in table.db.execute(statement, (query, k))} for query in given
        ]
        seconds = time.perf_counter() - start
        for got, want in zip(found, exact):
            hits, wanted = hits + len(got & want), wanted + len(want)
        points.append(Point(ef, hits / max(1, wanted), 1000 * seconds / max(1, len(given))))
    return points


def plot(points: List[Point], width: int = 56, height: int = 12) -> str:
    """Recall upwards, milliseconds to the right; a star is what the table is set to."""
    low = min(point.recall for point in points)
    low = min(low, 0.99)
    longest = max(point.milliseconds for point in points)
    rows = [[" "] * (width + 1) for _ in range(height + 1)]
    for point in sorted(points, key=lambda point: point.ef is None):
        x = round(width * point.milliseconds / longest) if longest else 0
        y = round(height * (1 - point.recall) / (1 - low))
        rows[y][x] = "*" if point.ef is None else "o"
    lines = []
    for i, row in enumerate(rows):
        recall = 1 - i / height * (1 - low)
        lines.append(f"{recall:6.3f} |{''.join(row)}")
    lines.append("       +" + "-" * (width + 1))
    lines.append(f"        0{f'{longest:.3f} ms':>{width}}")
    return "\n".join(lines)
