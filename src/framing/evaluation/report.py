"""Scores as rows for a table, as metrics for a tracker, as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from framing.evaluation.metrics import Score

METRICS = ("macro_f1", "micro_f1", "average_precision", "calibration_error")
COVERAGE = "coverage"
"""Share of the paragraphs whose facet the tagger decided; only where it left some open."""


def metric_names(scores: Iterable[Score], part: str) -> dict[str, float]:
    """`part/facet/metric`, `part/facet/language/metric`, `part/facet/label/metric` -> value, bounds beside it."""
    named: dict[str, float] = {}
    for row in scores:
        where = "/".join(word for word in (part, row.facet, row.label or row.language) if word)
        named[f"{where}/{row.metric}"] = row.value
        if row.low is not None and row.high is not None and not row.language:
            named[f"{where}/{row.metric}_low"], named[f"{where}/{row.metric}_high"] = row.low, row.high
    return named


def scores_to_json(scores: Sequence[Score]) -> list[dict[str, Any]]:
    return [asdict(row) for row in scores]


def number(row: Score | None) -> str:
    """`.512 [.43, .59]`, the interval where there is one."""
    if row is None:
        return "-"
    value = f"{row.value:.3f}".removeprefix("0")
    if row.low is None or row.high is None:
        return value
    low, high = (f"{bound:.2f}".removeprefix("0") for bound in (row.low, row.high))
    return f"{value} [{low}, {high}]"


def facet_heads(scores: Sequence[Score]) -> list[str]:
    """The heads of `facet_rows`; coverage stands there only if something was left open."""
    waived = any(row.metric == COVERAGE for row in scores)
    return ["facet", "language", "positives", *METRICS, *([COVERAGE] if waived else [])]


def facet_rows(scores: Sequence[Score], languages: bool = False) -> list[list[str]]:
    """One row a facet (and a language, if asked): facet, language, positives, then the metrics of `facet_heads`."""
    metrics = facet_heads(scores)[3:]
    rows = []
    for facet in dict.fromkeys(row.facet for row in scores):
        for language in dict.fromkeys(row.language for row in scores if row.facet == facet and not row.label):
            if language and not languages:
                continue
            found = {r.metric: r for r in scores if (r.facet, r.language, r.label) == (facet, language, "")}
            support = str(next(iter(found.values())).support)
            rows.append([facet, language or "all", support, *(number(found.get(metric)) for metric in metrics)])
    return rows


def label_rows(scores: Sequence[Score]) -> list[list[str]]:
    """One row a label: facet, label, positives, F1 with interval, precision, recall, average precision."""
    rows = []
    for facet, label in dict.fromkeys((row.facet, row.label) for row in scores if row.label):
        found = {row.metric: row for row in scores if (row.facet, row.label) == (facet, label)}
        metrics = ("f1", "precision", "recall", "average_precision")
        rows.append([facet, label, str(found["f1"].support), *(number(found.get(metric)) for metric in metrics)])
    return rows


def headline(scores: Sequence[Score]) -> float:
    """The one number runs are ranked by: mean over facets of macro-F1."""
    values = [row.value for row in scores if row.metric == "macro_f1" and not row.language]
    return sum(values) / len(values) if values else 0.0


def run_note(model: str, data: str, parts: Mapping[str, int], best: Score, scores: Sequence[Score]) -> str:
    """A run in three lines, for a list of runs: model and data, the headline, the facets' macro-F1; with intervals."""
    counts = ", ".join(f"{name} {count}" for name, count in parts.items())
    facets = [f"{row[0]} {row[3]}" for row in facet_rows(scores)]
    return (
        f"**{model}** on **{data}** (articles: {counts})\n\n"
        f"mean macro-F1 **{number(best)}**\n\nmacro-F1: {'; '.join(facets)}"
    )


def headline_metrics(best: Score) -> dict[str, float]:
    """The headline on test and its interval as metrics."""
    named = {"test/headline": best.value}
    if best.low is not None and best.high is not None:
        named |= {"test/headline_low": best.low, "test/headline_high": best.high}
    return named
