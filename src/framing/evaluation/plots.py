"""Pictures of scores and of training, as PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framing.evaluation.metrics import Judged, Score, f1

_COLOURS = ("#31688e", "#35b779", "#b5632a", "#7a5195", "#888888")


def _figure(width: float, height: float) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(width, height), layout="constrained")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot

    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def label_bars(scores: Sequence[Score], path: Path, title: str) -> None:
    """F1 of each label, facet by facet, with its interval and number of positives."""
    rows = [row for row in scores if row.label and row.metric == "f1"]
    facets = list(dict.fromkeys(row.facet for row in rows))
    figure, axes = _figure(8, 0.26 * len(rows) + 1.2)
    for place, row in enumerate(rows):
        colour = _COLOURS[facets.index(row.facet) % len(_COLOURS)]
        axes.barh(place, row.value, color=colour if row.support else "#dddddd", height=0.72)
        if row.low is not None and row.high is not None:
            axes.plot([row.low, row.high], [place, place], color="#222222", linewidth=1)
        axes.text(1.01, place, f"{row.support}", va="center", fontsize=8, color="#555555")
    axes.set_yticks(range(len(rows)), [f"{row.facet} · {row.label}" for row in rows], fontsize=8)
    axes.set_xlim(0, 1)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("F1 with 95 % interval (bootstrap over articles); right: positives", fontsize=8)
    axes.set_title(title, fontsize=10, loc="left")
    _save(figure, path)


def language_heatmap(judged: Judged, facet: str, path: Path) -> None:
    """F1 of each label of a facet in each language; empty where gold has none."""
    columns = judged.of(facet)
    languages = sorted(set(judged.languages))
    values = np.full((len(columns), len(languages)), np.nan)
    support = np.zeros_like(values)
    for n, language in enumerate(languages):
        rows = np.ix_(np.array(judged.languages) == language, columns)
        gold, chosen = judged.gold[rows] & judged.mask[rows], judged.chosen[rows] & judged.mask[rows]
        support[:, n] = gold.sum(axis=0)
        sums = [part.sum(axis=0).astype(np.float64) for part in (gold & chosen, gold, chosen)]
        values[:, n] = np.where(support[:, n] > 0, f1(*sums), np.nan)
    cells = [
        [f"{value:.2f}\n({count:.0f})" if count else "" for value, count in zip(*pair, strict=True)]
        for pair in zip(values, support, strict=True)
    ]
    labels = [judged.columns[column][1] for column in columns]
    _heatmap(values, labels, languages, cells, f"F1 by language: {facet} (gold positives)", path)


def cooccurrence(judged: Judged, facet: str, path: Path) -> None:
    """How often each gold label (row) is met by each predicted label (column), as a share of the gold label."""
    columns = judged.of(facet)
    gold = judged.gold[:, columns].astype(np.float64)
    share = gold.T @ judged.chosen[:, columns] / np.maximum(gold.sum(axis=0), 1)[:, None]
    share[gold.sum(axis=0) == 0] = np.nan
    labels = [judged.columns[column][1] for column in columns]
    cells = [["" if np.isnan(value) else f"{value:.2f}" for value in row] for row in share]
    _heatmap(share, labels, labels, cells, f"Predicted (column) where gold has (row): {facet}", path)


def _heatmap(
    values: NDArray[np.float64], rows: list[str], columns: list[str], cells: list[list[str]], title: str, path: Path
) -> None:
    figure, axes = _figure(0.62 * len(columns) + 2.4, 0.42 * len(rows) + 1.6)
    axes.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for y, line in enumerate(cells):
        for x, cell in enumerate(line):
            dark = values[y, x] > 0.6
            axes.text(x, y, cell, ha="center", va="center", fontsize=7, color="white" if dark else "#222222")
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right", fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.set_title(title, fontsize=10, loc="left")
    _save(figure, path)


def training_curves(steps: Sequence[tuple[int, float]], epochs: Sequence[tuple[int, float]], path: Path) -> None:
    """Loss at each step (a running mean over it) and the dev score at each epoch's end."""
    figure, axes = _figure(7, 3.4)
    numbers, losses = np.array([n for n, _ in steps]), np.array([loss for _, loss in steps])
    axes.plot(numbers, losses, color="#cccccc", linewidth=0.8)
    width = max(1, len(losses) // 25)
    if len(losses) >= width:
        smooth = np.convolve(losses, np.ones(width) / width, mode="valid")
        axes.plot(numbers[width - 1 :], smooth, color=_COLOURS[0], label="loss")
    axes.set_xlabel("step")
    axes.set_ylabel("loss", color=_COLOURS[0])
    right = axes.twinx()
    right.plot([n for n, _ in epochs], [s for _, s in epochs], color=_COLOURS[2], marker="o")
    right.set_ylabel("dev: mean average precision", color=_COLOURS[2])
    right.spines["top"].set_visible(False)
    axes.set_title("Training", fontsize=10, loc="left")
    _save(figure, path)


def corpus_pictures(found: dict[str, Any], folder: Path) -> list[Path]:
    """Of `annotation.statistics`: labels by language, labels that occur together, lengths. The files written."""
    folder.mkdir(parents=True, exist_ok=True)
    refs = [f"{row['facet']}.{row['label']}" for row in found["labels"] if row["label"]]
    languages = list(found["languages"])
    by_language = [found["label_by_language"].get(language, {}) for language in languages]
    counts = np.array([[known.get(ref, 0) for known in by_language] for ref in refs], float)
    share = counts / np.maximum([found["languages"][language] for language in languages], 1)
    cells = [[f"{count:.0f}" if count else "" for count in row] for row in counts]
    paths = [folder / name for name in ("labels_by_language.png", "labels_together.png", "lengths.png")]
    _heatmap(share, refs, languages, cells, "Paragraphs with each label (colour: share of the language)", paths[0])
    together = np.array([[found["together"].get(f"{a} {b}", 0) for b in refs] for a in refs], float)
    rate = together / np.maximum(np.diag(together), 1)[:, None]
    cells = [[f"{100 * value:.0f}" if value >= 0.005 else "" for value in row] for row in rate]
    _heatmap(rate, refs, refs, cells, "Of the paragraphs with the row's label, per cent with the column's", paths[1])
    figure, axes = _figure(7, 3.2)
    axes.hist(np.minimum(found["words"], 200), bins=40, color=_COLOURS[0])
    axes.set_xlabel("words in a paragraph (200 and more in the last bar)", fontsize=8)
    axes.set_ylabel("paragraphs", fontsize=8)
    _save(figure, paths[2])
    return paths
