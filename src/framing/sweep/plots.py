"""One picture of a sweep: its course, what mattered, and the score against each value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from framing.config import IntRange, Range
from framing.sweep.study import Row

_BLUE, _GREEN, _GREY = "#31688e", "#35b779", "#999999"


def picture(rows: Sequence[Row], space: Mapping[str, Range], importance: Mapping[str, float], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    done = [row for row in rows if row.score is not None]
    columns = 3
    lines = -(-(2 + len(space)) // columns)
    figure, grid = pyplot.subplots(lines, columns, figsize=(11, 2.7 * lines), layout="constrained", squeeze=False)
    panels = list(grid.flat)
    _course(panels[0], rows, done)
    _bars(panels[1], importance)
    for axes, key in zip(panels[2:], space, strict=False):
        _against(axes, done, key, space[key])
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    for axes in panels[2 + len(space) :]:
        axes.set_axis_off()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _course(axes: Any, rows: Sequence[Row], done: Sequence[Row]) -> None:
    best, line = 0.0, []
    for row in done:
        best = max(best, row.score or 0.0)
        line.append(best)
    axes.plot([row.number for row in done], [row.score for row in done], "o", color=_BLUE, markersize=4)
    axes.step([row.number for row in done], line, where="post", color=_GREEN, label="best so far")
    floor = min((row.score or 0.0 for row in done), default=0.0)
    for state, mark in (("pruned", "x"), ("failed", "v")):
        numbers = [row.number for row in rows if row.state == state]
        if numbers:
            axes.plot(numbers, [floor] * len(numbers), mark, color=_GREY, markersize=5, label=state)
    axes.legend(fontsize=7, frameon=False)
    axes.set_title("Score of each trial", fontsize=9, loc="left")


def _bars(axes: Any, importance: Mapping[str, float]) -> None:
    axes.set_title("Share of the variance explained", fontsize=9, loc="left")
    if not importance:
        axes.text(0.5, 0.5, "too few trials", ha="center", fontsize=8, color=_GREY, transform=axes.transAxes)
        return
    names = list(importance)[::-1]
    axes.barh(range(len(names)), [importance[name] for name in names], color=_BLUE, height=0.6)
    axes.set_yticks(range(len(names)), [name.rpartition(".")[2] for name in names])
    axes.set_xlim(0, 1)


def _against(axes: Any, done: Sequence[Row], key: str, found: Range) -> None:
    values = [row.values.get(key) for row in done]
    if found.kind == "categorical":
        names = [str(choice) for choice in found.choices]
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.5, len(names) - 0.5)
        values = [names.index(str(value)) for value in values]
    elif isinstance(found, IntRange):
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlim(found.low - 0.5, found.high + 0.5)
    elif found.kind == "log":
        axes.set_xscale("log")
    axes.plot(values, [row.score for row in done], "o", color=_BLUE, markersize=4)
    if done:
        best = max(range(len(done)), key=lambda n: done[n].score or 0.0)
        axes.plot(values[best], done[best].score, "o", color=_GREEN, markersize=7)
    axes.set_title(key, fontsize=9, loc="left")
