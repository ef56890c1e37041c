"""Is one system better than another on the same articles? Paired tests that draw and swap whole articles.

Paragraphs of one article are not independent, so the article is the unit throughout.

Interval: paired percentile bootstrap over articles (Efron and Tibshirani 1993, ch. 13; Koehn 2004 for paired systems).
p: approximate randomisation (Noreen 1989; Yeh 2000), the two systems' answers swapped article by article; all 2^n swaps
are gone through where there are no more of them than resamples, and then the test is exact.
Several p values are corrected together after Holm (1979).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from framing.evaluation.metrics import Bools, Floats, Judged, Score, f1

RESAMPLES = 10_000
ALPHA = 0.05
MIN_ARTICLES = 5
"""With fewer articles neither an interval nor a p is given: there is nothing to draw from."""

HEADLINE = "headline"
_BLOCK = 4_000_000
_TIE = 1e-12


@dataclass(frozen=True, slots=True)
class Difference:
    """First system minus second. `facet` "" is the headline, the mean of the facets' macro-F1; `label` "" a facet.

    low, high: 95 % interval. p: two-sided. p_better: one-sided, that the first is better. corrected: p after Holm,
    within its family. only_first, only_second: paragraphs on which just one decides as gold does (as in McNemar's
    table; counts only, since paragraphs are not independent).
    """

    facet: str
    label: str
    language: str
    metric: str
    first: float
    second: float
    articles: int
    support: int
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_better: float | None = None
    corrected: float | None = None
    only_first: int = 0
    only_second: int = 0

    @property
    def value(self) -> float:
        return self.first - self.second

    @property
    def shown(self) -> bool:
        """Whether the data show a difference at `ALPHA`."""
        return self.corrected is not None and self.corrected <= ALPHA


@dataclass(frozen=True, slots=True)
class _Counts:
    """Per article and label: right, in gold, chosen by each system; [articles x labels]."""

    gold: Floats
    hits: tuple[Floats, Floats]
    chosen: tuple[Floats, Floats]


def differences(first: Judged, second: Judged, seed: int = 0, resamples: int = RESAMPLES) -> list[Difference]:
    """All differences of two systems that were judged over the same columns and the same gold.

    Over all languages: the headline, facets and labels; then facets in each language. Families that Holm corrects:
    macro-F1 of the facets, their micro-F1, the labels, and the same in the languages. The headline is one question.
    """
    if first.columns != second.columns or first.ids != second.ids or not (first.gold == second.gold).all():
        raise ValueError("the two are not judged on the same paragraphs, labels and gold")
    if not first.columns:
        return []  # nobody gave a label
    languages = sorted(set(first.languages))
    found = []
    for language in ["", *languages] if len(languages) > 1 else [""]:
        rows = np.array([not language or own == language for own in first.languages])
        found += _slice(first, second, rows, language, np.random.default_rng(seed), resamples)
    return _corrected(found)


def _slice(
    first: Judged, second: Judged, rows: Bools, language: str, rng: np.random.Generator, resamples: int
) -> list[Difference]:
    names, place = np.unique(np.array(first.clusters)[rows], return_inverse=True)
    counts = _count(first, second, rows, place, len(names))
    keys = _keys(first)
    values = [_statistics(first, counts.hits[n].sum(0), counts.gold.sum(0), counts.chosen[n].sum(0)) for n in (0, 1)]
    observed = values[0] - values[1]
    enough = len(names) >= MIN_ARTICLES
    bounds = _interval(first, counts, rng, resamples) if enough else None
    shares = _randomisation(first, counts, observed, rng, resamples) if enough else None
    rights = [_right(judged, rows) for judged in (first, second)]
    found = []
    for n, (facet, label, metric) in enumerate(keys):
        if np.isnan(observed[n]) or (language and label):
            continue
        columns = _columns(first, facet, label)
        alone = [_alone(rights[one][:, columns], rights[1 - one][:, columns]) for one in (0, 1)]
        row = Difference(
            facet, label, language, metric, float(values[0][n]), float(values[1][n]), len(names),
            int(counts.gold[:, columns].sum()), only_first=alone[0], only_second=alone[1],
        )  # fmt: skip
        if bounds is not None and shares is not None:
            row = replace(row, p=float(shares[0][n]), p_better=float(shares[1][n]))
            # A label that stands in one or two articles is there in every draw, or the draw says nothing of it.
            if (counts.gold[:, columns].sum(axis=1) > 0).sum() >= MIN_ARTICLES:
                row = replace(row, low=float(bounds[0][n]), high=float(bounds[1][n]))
        found.append(row)
    return found


def _keys(judged: Judged) -> list[tuple[str, str, str]]:
    """(facet, label, metric) of each statistic, in the order in which `_statistics` gives them."""
    facets = [("", "", HEADLINE)]
    facets += [(facet, "", metric) for facet in judged.facets for metric in ("macro_f1", "micro_f1")]
    return facets + [(facet, label, "f1") for facet, label in judged.columns]


def _columns(judged: Judged, facet: str, label: str) -> NDArray[np.int64]:
    pairs = enumerate(judged.columns)
    return np.array([n for n, (own, name) in pairs if facet in ("", own) and label in ("", name)], np.int64)


def _count(first: Judged, second: Judged, rows: Bools, place: NDArray[np.intp], articles: int) -> _Counts:
    def summed(table: Bools) -> Floats:
        total = np.zeros((articles, table.shape[1]))
        np.add.at(total, place, table[rows].astype(np.float64))
        return total

    gold = first.gold & first.mask
    hits = (summed(gold & first.chosen), summed(gold & second.chosen))
    return _Counts(summed(gold), hits, (summed(first.chosen & first.mask), summed(second.chosen & second.mask)))


def _right(judged: Judged, rows: Bools) -> Bools:
    """[rows x labels]: decided as gold decides; what gold left open counts as right for everybody."""
    return np.asarray((judged.gold == judged.chosen) | ~judged.mask)[rows]


def _alone(own: Bools, other: Bools) -> int:
    return int((own.all(axis=1) & ~other.all(axis=1)).sum())


def _statistics(judged: Judged, hits: Floats, gold: Floats, chosen: Floats) -> Floats:
    """Totals [... x labels] -> statistics [... x keys]. A label without gold has no F1, a facet without no macro-F1."""
    labels = np.where(gold > 0, f1(hits, gold + 0 * hits, chosen), np.nan)
    facets, macros = [], []
    for facet in judged.facets:
        own = judged.of(facet)
        macros.append(_mean(labels[..., own]))
        sums = (part[..., own].sum(axis=-1) for part in (hits, gold + 0 * hits, chosen))
        facets += [macros[-1], f1(*sums)]
    headline = _mean(np.stack(macros, axis=-1))
    return np.concatenate([np.stack([headline, *facets], axis=-1), labels], axis=-1)


def _mean(values: Floats) -> Floats:
    """Mean over the last axis of what is not NaN."""
    known = ~np.isnan(values)
    number = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _interval(judged: Judged, counts: _Counts, rng: np.random.Generator, resamples: int) -> tuple[Floats, Floats]:
    articles = len(counts.gold)
    drawn = []
    for size in _blocks(resamples, articles):
        weights = rng.multinomial(articles, np.full(articles, 1 / articles), size=size).astype(np.float64)
        gold = weights @ counts.gold
        one, other = (_statistics(judged, weights @ counts.hits[n], gold, weights @ counts.chosen[n]) for n in (0, 1))
        drawn.append(one - other)
    low, high = _percentiles(np.concatenate(drawn))
    return low, high


def _percentiles(samples: Floats) -> tuple[Floats, Floats]:
    """2.5 and 97.5 % of each column, over the draws in which it is defined."""
    known = [column[~np.isnan(column)] for column in samples.T]
    bounds = [np.percentile(column, [2.5, 97.5]) if len(column) else np.full(2, np.nan) for column in known]
    return np.array([low for low, _ in bounds]), np.array([high for _, high in bounds])


def _randomisation(
    judged: Judged, counts: _Counts, observed: Floats, rng: np.random.Generator, resamples: int
) -> tuple[Floats, Floats]:
    """Shares of swaps with a difference as large as the observed: in either direction, and in the first's favour."""
    gold = counts.gold.sum(axis=0)
    hits, chosen = [part.sum(axis=0) for part in counts.hits], [part.sum(axis=0) for part in counts.chosen]
    either, better, total = np.zeros(len(observed)), np.zeros(len(observed)), 0
    for swaps in _swaps(len(counts.gold), rng, resamples):
        moved = swaps @ (counts.hits[1] - counts.hits[0]), swaps @ (counts.chosen[1] - counts.chosen[0])
        one = _statistics(judged, hits[0] + moved[0], gold, chosen[0] + moved[1])
        other = _statistics(judged, hits[1] - moved[0], gold, chosen[1] - moved[1])
        swapped = one - other
        either += (np.abs(swapped) >= np.abs(observed) - _TIE).sum(axis=0)
        better += (swapped >= observed - _TIE).sum(axis=0)
        total += len(swaps)
    if _exact(len(counts.gold), resamples):
        return either / total, better / total
    # What was observed is one of the possible swaps: without it a p of 0 could come out (Phipson and Smyth 2010).
    return (either + 1) / (total + 1), (better + 1) / (total + 1)


def _exact(articles: int, resamples: int) -> bool:
    return articles < 60 and 2**articles <= resamples


def _swaps(articles: int, rng: np.random.Generator, resamples: int) -> Iterator[Floats]:
    """Rows of 0 and 1, 1 where an article's answers are swapped: every one there is, or as many as `resamples`."""
    if _exact(articles, resamples):
        yield ((np.arange(2**articles)[:, None] >> np.arange(articles)) & 1).astype(np.float64)
        return
    for size in _blocks(resamples, articles):
        yield rng.integers(0, 2, (size, articles)).astype(np.float64)


def _blocks(resamples: int, articles: int) -> Iterator[int]:
    """Resamples in portions, so that memory does not grow with the number of articles."""
    size = max(1, min(resamples, _BLOCK // articles))
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def smallest_p(articles: int, resamples: int = RESAMPLES) -> float:
    """The smallest two-sided p that the test can give: with few articles no difference, however large, is below it."""
    return 2 / 2**articles if _exact(articles, resamples) else 2 / (resamples + 1)


def holm(values: Sequence[float]) -> list[float]:
    """p values corrected for being asked together (Holm 1979)."""
    order = np.argsort(values, kind="stable")
    steps = np.asarray(values, float)[order] * (len(values) - np.arange(len(values)))
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(values) else steps
    return [float(value) for value in corrected]


def _corrected(rows: Sequence[Difference]) -> list[Difference]:
    families: dict[tuple[str, bool], list[int]] = {}
    for number, row in enumerate(rows):
        if row.p is not None:
            families.setdefault((row.metric, bool(row.language)), []).append(number)
    found = list(rows)
    for members in families.values():
        values = holm([rows[number].p or 0.0 for number in members])
        for number, value in zip(members, values, strict=True):
            found[number] = replace(rows[number], corrected=value)
    return found


def headline_score(judged: Judged, seed: int = 0, resamples: int = RESAMPLES) -> Score:
    """One system's headline, the mean of the facets' macro-F1, with its bootstrap interval."""
    names, place = np.unique(np.array(judged.clusters), return_inverse=True)
    if not judged.columns:
        return Score("", "", "", HEADLINE, 0.0, 0)
    counts = _count(judged, judged, np.ones(len(judged.ids), np.bool_), place, len(names))
    tables = (counts.hits[0], counts.gold, counts.chosen[0])
    value = float(np.nan_to_num(_statistics(judged, *(table.sum(axis=0) for table in tables))[0]))
    found = Score("", "", "", HEADLINE, value, int(counts.gold.sum()))
    if len(names) < MIN_ARTICLES:
        return found
    rng = np.random.default_rng(seed)
    drawn = []
    for size in _blocks(resamples, len(names)):
        weights = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=size).astype(np.float64)
        drawn.append(_statistics(judged, *(weights @ table for table in tables))[:, :1])
    low, high = _percentiles(np.concatenate(drawn))
    return replace(found, low=float(low[0]), high=float(high[0]))
