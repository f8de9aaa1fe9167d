"""The plots: recall against speed for each set, build times, bytes a vector."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "hannoy"  # the same figures give the same file
matplotlib.rcParams["svg.fonttype"] = "none"  # text stays text: a fifth of the bytes
import matplotlib.pyplot as plt  # noqa: E402

from engines import ENGINES, OURS  # noqa: E402
from measure import ROWIDS  # noqa: E402

NAMES = [OURS, ROWIDS, *(name for name in ENGINES if name != OURS)]
COLOURS = matplotlib.color_sequences["tab10"]
LEAST_RECALL = 0.8


def draw(results: dict[str, Any], folder: Path) -> None:
    sets = results["sets"]
    for result in sets:
        if "default" in result:
            draw_curves(result, folder / f"{result['name']}.svg")
    if sets:
        draw_bars(sets, folder / "builds.svg", "seconds to load and build", load_and_build)
        draw_bars(sets, folder / "bytes.svg", "bytes of the index a vector", bytes_a_vector)


def colour(name: str) -> Any:
    """The same for an engine in every plot; ours stand out."""
    if name in (OURS, ROWIDS):
        return "black"
    return COLOURS[NAMES.index(name) % len(COLOURS)]


def save(figure: Any, path: Path) -> None:
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def draw_curves(result: dict[str, Any], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(8, 5))
    for name in NAMES:
        curve = result["engines"].get(name, {}).get("curve", [])
        points = [point for point in curve if point["recall"] >= LEAST_RECALL]
        own = name in (OURS, ROWIDS)
        if not points:
            continue
        axes.plot(
            [point["recall"] for point in points], [point["per_second"] for point in points],
            label=name, color=colour(name), marker="o", markersize=4 if own else 3,
            linewidth=2.2 if own else 1.2, linestyle="--" if name == ROWIDS else "-",
        )
    axes.set_yscale("log")
    axes.set_xlim(LEAST_RECALL, 1.003)
    for wanted in (0.95, 0.98):
        axes.axvline(wanted, color="0.8", linewidth=0.8, zorder=0)
    axes.grid(axis="y", which="both", color="0.92", linewidth=0.6)
    axes.set_xlabel("recall@10")
    axes.set_ylabel("queries/s on one thread")
    axes.set_title(f"{result['name']}: {result['rows']:,} × {result['dim']}, {result['metric']}")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    save(figure, path)


def load_and_build(engine: dict[str, Any], rows: int) -> float:
    return engine.get("load", 0.0) + engine.get("build", 0.0)


def bytes_a_vector(engine: dict[str, Any], rows: int) -> float:
    return (engine.get("bytes") or 0) / rows


Value = Callable[[dict[str, Any], int], float]


def draw_bars(sets: list[dict[str, Any]], path: Path, label: str, value: Value) -> None:
    """A panel for each set, a bar for each engine that has a value."""
    figure, panels = plt.subplots(
        1, len(sets), figsize=(1 + 3 * len(sets), 4), squeeze=False, layout="constrained"
    )
    for axes, result in zip(panels[0], sets):
        values = {name: value(engine, result["rows"])
                  for name, engine in result["engines"].items()}
        names = [name for name in reversed(NAMES) if values.get(name)]
        bars = axes.barh(names, [values[name] for name in names], color=list(map(colour, names)))
        axes.bar_label(bars, fmt="{:.3g}", padding=2, fontsize=8)
        axes.margins(x=0.2)
        axes.set_title(result["name"])
        axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(label)
    save(figure, path)
