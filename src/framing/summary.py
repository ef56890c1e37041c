"""Many runs of one thing into one: mean, spread and interval of each score, as metrics and as a note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from framing.evaluation import report
from framing.evaluation.metrics import Score


@dataclass(frozen=True, slots=True)
class Spread:
    """Of one score over runs: `low` and `high` bound the 95 % interval of the mean by Student's t; NaN of one run."""

    mean: float
    deviation: float
    low: float
    high: float
    runs: int

    def __str__(self) -> str:
        if self.runs < 2:
            return _short(self.mean)
        return f"{_short(self.mean)} ± {_short(self.deviation)} [{_short(self.low)}, {_short(self.high)}]"


def spread(values: Sequence[float]) -> Spread:
    from scipy.stats import t

    numbers = np.asarray(values, np.float64)
    mean = float(numbers.mean())
    if len(numbers) < 2:
        return Spread(mean, np.nan, np.nan, np.nan, len(numbers))
    deviation = float(numbers.std(ddof=1))
    half = float(t.ppf(0.975, len(numbers) - 1)) * deviation / len(numbers) ** 0.5
    return Spread(mean, deviation, mean - half, mean + half, len(numbers))


def facet_values(scores: Sequence[Score]) -> dict[str, float]:
    """`headline` and `facet/metric` of whole facets, all languages together."""
    values = {f"{r.facet}/{r.metric}": r.value for r in scores if not r.label and not r.language}
    return {"headline": report.headline(scores), **values}


def spreads(runs: Sequence[Sequence[Score]]) -> dict[str, Spread]:
    """Of each score that every run has: one article may lack a facet."""
    values = [facet_values(scores) for scores in runs]
    return {key: spread([row[key] for row in values]) for key in values[0] if all(key in row for row in values)}


def spread_metrics(runs: Sequence[Sequence[Score]], prefix: str) -> dict[str, float]:
    """`prefix/headline`, `prefix/facet/metric` -> mean, and beside each its `_sd`, `_low` and `_high`."""
    named: dict[str, float] = {}
    for key, found in spreads(runs).items():
        named[f"{prefix}/{key}"] = found.mean
        if found.runs > 1:
            beside = {"sd": found.deviation, "low": found.low, "high": found.high}
            named |= {f"{prefix}/{key}_{name}": value for name, value in beside.items()}
    return named


def folds_note(pooled: Sequence[Score], folds: Sequence[Sequence[Score]]) -> str:
    """A cross-validation in a table: each facet once over all predictions, and as mean over folds."""
    found = spreads(folds)
    rows = []
    for facet in dict.fromkeys(row.facet for row in pooled):
        for metric in ("macro_f1", "micro_f1", "average_precision"):
            whole = next(
                (r for r in pooled if (r.facet, r.metric, r.label, r.language) == (facet, metric, "", "")), None
            )
            if whole is not None:
                over = found.get(f"{facet}/{metric}")
                rows.append([f"{facet} {metric}", report.number(whole), str(over) if over else "-"])
    head = (
        f"**Headline {_short(report.headline(pooled))}** (mean over facets of macro-F1), no article tested twice; "
        f"over the {len(folds)} folds {found['headline']}.\n\n"
    )
    foot = "\n\nPooled: bootstrap interval over articles. Folds: mean ± standard deviation [95 % t interval]."
    return head + markdown(["score", "pooled", f"over {len(folds)} folds"], rows) + foot


def groups_note(groups: Mapping[str, Sequence[Sequence[Score]]]) -> str:
    """A table, a row a group of runs that differ in the seed alone, best first: headline and macro-F1 of facets."""
    found = {name: spreads(runs) for name, runs in groups.items() if runs}
    if not found:
        return "No run ended well."
    keys = [key for key in next(iter(found.values())) if key == "headline" or key.endswith("/macro_f1")]
    order = sorted(found, key=lambda name: -found[name]["headline"].mean)
    rows = [
        [name, str(len(groups[name])), *(str(found[name][key]) if key in found[name] else "-" for key in keys)]
        for name in order
    ]
    heads = ["configuration", "runs", *(key.removesuffix("/macro_f1") for key in keys)]
    foot = "\n\nMacro-F1 on test: mean ± standard deviation [95 % t interval] over runs that differ in the seed alone."
    return markdown(heads, rows) + foot


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _short(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1)
