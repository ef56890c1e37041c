"""Scores of predictions against gold, for each facet, label and language, with bootstrap intervals. It reads files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framing.annotation.store import placed_labels
from framing.corpus.reading import decode, json_lines
from framing.errors import FramingError
from framing.records import Labels

RESAMPLES = 1000
_BINS = 15

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """Gold and predicted decisions, row by row. Columns are `(facet, label)`; a probability that is not given is NaN.

    mask: what is judged. left_open: what gold decides and the tagger would not (`framing predict --abstain`); it is not
    judged. `clusters` are the documents: rows of one article are not independent, so the bootstrap draws articles.
    """

    columns: tuple[tuple[str, str], ...]
    gold: Bools
    chosen: Bools
    mask: Bools
    left_open: Bools
    probabilities: Floats
    languages: tuple[str, ...]
    clusters: tuple[str, ...]
    ids: tuple[str, ...]

    def of(self, facet: str) -> NDArray[np.int64]:
        return np.array([n for n, (name, _) in enumerate(self.columns) if name == facet], np.int64)

    @property
    def facets(self) -> list[str]:
        return list(dict.fromkeys(facet for facet, _ in self.columns))


@dataclass(frozen=True, slots=True)
class Score:
    """One number. `label` "" is a whole facet, `language` "" all of them; `low` and `high` bound the 95 % interval."""

    facet: str
    label: str
    language: str
    metric: str
    value: float
    support: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a gold or prediction file."""

    id: str
    language: str
    document: str
    labels: Labels
    probabilities: Mapping[str, Mapping[str, float]]
    text: str = ""


def read_records_file(path: Path) -> dict[str, Record]:
    """Id -> record of a JSON Lines file of `{"id", "language", "labels", ...}`."""
    if not path.is_file():
        raise FramingError(str(path), "no such file", "check the path")
    records: dict[str, Record] = {}
    for place, line in json_lines(decode(path), str(path)):
        if not isinstance(line.get("labels"), dict) or "id" not in line:
            raise FramingError(place, "no 'id' or no 'labels' object", 'write {"id", "language", "labels": {...}}')
        shares = line.get("probabilities") or {}
        if not isinstance(shares, dict) or not all(isinstance(known, dict) for known in shares.values()):
            raise FramingError(place, "'probabilities' is no object of objects", 'write {"facet": {"label": 0.5}}')
        for facet, known in shares.items():
            for label, share in known.items():
                if not isinstance(share, int | float):
                    finding = f"the probability of {facet}.{label} is {share!r:.40}"
                    raise FramingError(place, finding, "write a number, or leave it out")
        record_id = str(line["id"])
        if record_id in records:
            raise FramingError(place, f"id {record_id!r} stands twice", "keep one of the two")
        document = str(line.get("document") or record_id.rpartition(":")[0] or record_id)
        language = str(line.get("language") or "und")
        labels = placed_labels(line["labels"], place)
        records[record_id] = Record(record_id, language, document, labels, shares, str(line.get("text") or ""))
    if not records:
        raise FramingError(str(path), "the file is empty", "write one record a line")
    return records


def columns_of(records: Iterable[Record]) -> tuple[tuple[str, str], ...]:
    """The `(facet, label)` that records name, facet by facet."""
    order: dict[tuple[str, str], None] = {}
    for record in records:
        for facet, known in record.probabilities.items():
            order.update(dict.fromkeys((facet, label) for label in known))
        for facet, chosen in record.labels.items():
            order.update(dict.fromkeys((facet, label) for label in chosen))
    facets = [facet for facet in dict.fromkeys(facet for facet, _ in order)]
    return tuple(sorted(order, key=lambda column: facets.index(column[0])))


def judge(
    gold: Mapping[str, Record],
    predicted: Mapping[str, Record],
    place: str = "predictions",
    columns: tuple[tuple[str, str], ...] | None = None,
    *,
    selective: bool = False,
) -> Judged:
    """Bring the two together by id; every gold record needs a prediction, predictions without gold are left out.

    `columns` are given where several systems are judged alike; else they are what the two name. With `selective` a
    facet that predictions name elsewhere and leave out here is not judged; else it counts as no label given, so that
    nobody gains by silence where systems are compared.
    """
    missing = [record_id for record_id in gold if record_id not in predicted]
    if missing:
        finding = f"{len(missing)} of {len(gold)} gold records have no prediction, first {missing[0]!r}"
        raise FramingError(place, finding, "tag the gold file's texts with --unit paragraph")
    columns = columns or columns_of([*(predicted[record_id] for record_id in gold), *gold.values()])

    def table(read: Any, kind: Any = np.bool_) -> Any:
        rows = [[read(gold[i], predicted[i], facet, label) for facet, label in columns] for i in gold]
        return np.array(rows, kind).reshape(len(gold), len(columns))

    decided = table(lambda g, p, facet, label: facet in g.labels)
    named = {facet for record_id in gold for facet in predicted[record_id].labels} if selective else set()
    left_open = decided & table(lambda g, p, facet, label: facet in named and facet not in p.labels)
    return Judged(
        columns=columns,
        gold=table(lambda g, p, facet, label: label in g.labels.get(facet, ())),
        chosen=table(lambda g, p, facet, label: label in p.labels.get(facet, ())),
        mask=decided & ~left_open,
        left_open=left_open,
        probabilities=table(lambda g, p, facet, label: p.probabilities.get(facet, {}).get(label, np.nan), np.float64),
        languages=tuple(record.language for record in gold.values()),
        clusters=tuple(record.document for record in gold.values()),
        ids=tuple(gold),
    )


def score(judged: Judged, seed: int = 0) -> list[Score]:
    """All scores: facets over all languages, then in each, then labels."""
    rows: list[Score] = []
    languages = sorted(set(judged.languages))
    everything = np.ones(len(judged.ids), np.bool_)
    for facet in judged.facets:
        rows += _facet_scores(judged, facet, "", everything, seed)
        for language in languages if len(languages) > 1 else []:
            rows += _facet_scores(judged, facet, language, np.array(judged.languages) == language, seed)
        rows += _label_scores(judged, facet, seed)
    return rows


def bootstrap_weights(clusters: Sequence[str], seed: int, resamples: int = RESAMPLES) -> Floats:
    """[resamples x rows]: how often each row is drawn when whole clusters are drawn with replacement."""
    names, place = np.unique(np.array(clusters), return_inverse=True)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    return draws[:, place].astype(np.float64)


def _counts(judged: Judged, facet: str, rows: Bools) -> tuple[Floats, Floats, Floats]:
    """True positives, gold positives, chosen ones, each [rows x labels] as 0 or 1."""
    columns = judged.of(facet)
    pick = np.ix_(np.flatnonzero(rows & judged.mask[:, columns].any(axis=1)), columns)
    gold, chosen = judged.gold[pick], judged.chosen[pick]
    return (gold & chosen).astype(np.float64), gold.astype(np.float64), chosen.astype(np.float64)


def f1(hits: Floats, gold: Floats, chosen: Floats) -> Floats:
    """2 TP / (gold + chosen); 0 where both are empty."""
    total = gold + chosen
    return np.divide(2 * hits, total, out=np.zeros_like(total), where=total > 0)


def _interval(samples: Floats) -> tuple[float, float]:
    low, high = np.percentile(samples, [2.5, 97.5])
    return float(low), float(high)


def _facet_scores(judged: Judged, facet: str, language: str, rows: Bools, seed: int) -> list[Score]:
    hits, gold, chosen = _counts(judged, facet, rows)
    if not len(gold):
        return []
    kept = np.flatnonzero(rows & judged.mask[:, judged.of(facet)].any(axis=1))
    weights = bootstrap_weights([judged.clusters[row] for row in kept], seed)
    occurring = gold.sum(axis=0) > 0
    support = int(gold.sum())
    found = []

    def add(metric: str, value: float, samples: Floats | None = None) -> None:
        low, high = _interval(samples) if samples is not None else (None, None)
        found.append(Score(facet, "", language, metric, value, support, low, high))

    sums = [table.sum(axis=0) for table in (hits, gold, chosen)]
    drawn = [weights @ table for table in (hits, gold, chosen)]
    if occurring.any():
        # A label that does not occur in gold has no recall to speak of: the macro mean is over those that do.
        # So too in each draw of the bootstrap: a label whose documents were not drawn has none there.
        present = drawn[1] > 0
        samples = (f1(*drawn) * present).sum(axis=1) / np.maximum(present.sum(axis=1), 1)
        add("macro_f1", float(f1(*sums)[occurring].mean()), samples[present.any(axis=1)])
    micro = f1(*(np.array([part.sum()]) for part in sums))
    add("micro_f1", float(micro[0]), f1(*(part.sum(axis=1) for part in drawn)))
    waived = int((rows & judged.left_open[:, judged.of(facet)].any(axis=1)).sum())
    if waived:
        add("coverage", len(kept) / (len(kept) + waived))
    known = judged.probabilities[np.ix_(kept, judged.of(facet))]
    if not np.isnan(known).any():
        precision = [_average_precision(known[:, n], gold[:, n]) for n in np.flatnonzero(occurring)]
        if precision:
            add("average_precision", float(np.mean(precision)))
        add("calibration_error", calibration_error(known.ravel(), gold.ravel()))
    return found


def _label_scores(judged: Judged, facet: str, seed: int) -> list[Score]:
    rows: Bools = np.asarray(judged.mask[:, judged.of(facet)].any(axis=1))
    if not rows.any():
        return []
    hits, gold, chosen = _counts(judged, facet, rows)
    weights = bootstrap_weights([judged.clusters[row] for row in np.flatnonzero(rows)], seed)
    drawn_gold = weights @ gold
    samples = f1(weights @ hits, drawn_gold, weights @ chosen)
    values = f1(hits.sum(axis=0), gold.sum(axis=0), chosen.sum(axis=0))
    found = []
    for place, column in enumerate(judged.of(facet)):
        label, support = judged.columns[column][1], int(gold[:, place].sum())
        low, high = _interval(samples[drawn_gold[:, place] > 0, place]) if support else (None, None)
        right, called = hits[:, place].sum(), chosen[:, place].sum()
        found.append(Score(facet, label, "", "f1", float(values[place]), support, low, high))
        found.append(Score(facet, label, "", "precision", float(right / called) if called else 0.0, support))
        found.append(Score(facet, label, "", "recall", float(right / support) if support else 0.0, support))
        known = judged.probabilities[rows, column]
        if support and not np.isnan(known).any():
            precision = _average_precision(known, gold[:, place])
            found.append(Score(facet, label, "", "average_precision", precision, support))
    return found


def _average_precision(scores: Floats, truth: Floats) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, scores))


def calibration_error(probabilities: Floats, truth: Floats) -> float:
    """Expected calibration error (Naeini et al. 2015) over bins of equal width: mean of |stated - observed| rate."""
    bins = np.minimum((probabilities * _BINS).astype(int), _BINS - 1)
    error = 0.0
    for number in range(_BINS):
        inside = bins == number
        if inside.any():
            error += inside.mean() * abs(probabilities[inside].mean() - truth[inside].mean())
    return float(error)
