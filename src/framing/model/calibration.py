"""From logits to decisions: a temperature for each facet, a threshold for each label, the schema's constraints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from framing.dataset import LabelMatrix
from framing.records import Labels
from framing.schema import Facet, Schema

_RARE = 20.0
"""With this many positives on dev, a label's threshold lies half-way between the facet's and its own best."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """temperatures by facet id; thresholds by `facet.label`, for the facets of choice `many`."""

    temperatures: Mapping[str, float]
    thresholds: Mapping[str, float]

    @staticmethod
    def plain(schema: Schema) -> Calibration:
        many = [label.ref for facet in schema.facets if facet.choice == "many" for label in facet.labels]
        return Calibration({facet.id: 1.0 for facet in schema.facets}, dict.fromkeys(many, 0.5))

    def to_json(self) -> str:
        return json.dumps({"temperatures": dict(self.temperatures), "thresholds": dict(self.thresholds)}, indent=1)

    @staticmethod
    def from_json(text: str) -> Calibration:
        values = json.loads(text)
        return Calibration(values["temperatures"], values["thresholds"])


def probabilities(logits: NDArray[np.float32], schema: Schema, calibration: Calibration) -> NDArray[np.float32]:
    """[texts x labels]: softmax within a facet of choice `one`, sigmoid for each label of the others."""
    result = np.empty_like(logits)
    for facet in schema.facets:
        columns = schema.columns(facet.id)
        result[:, columns] = _squash(logits[:, columns] / calibration.temperatures[facet.id], facet)
    return result


def _squash(logits: NDArray[np.float32], facet: Facet) -> NDArray[np.float32]:
    if facet.choice == "one":
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(exponents / exponents.sum(axis=1, keepdims=True), np.float32)
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), np.float32)


def fit_calibration(logits: NDArray[np.float32], targets: LabelMatrix, schema: Schema) -> Calibration:
    """Temperatures that minimise the dev set's loss (Guo et al. 2017) and thresholds that maximise its F1.

    A label's own best threshold is drawn towards the one that is best for all labels of its facet together, the more
    the fewer positives dev has of it. Facets without any decided paragraph keep temperature 1 and threshold 0.5.
    """
    plain = Calibration.plain(schema)
    temperatures, thresholds = dict(plain.temperatures), dict(plain.thresholds)
    for facet in schema.facets:
        columns = schema.columns(facet.id)
        decided = targets.mask[:, columns].all(axis=1)
        if not decided.any():
            continue
        facet_logits, values = logits[decided, columns], targets.values[decided, columns]
        temperatures[facet.id] = _temperature(facet_logits, values, facet)
        if facet.choice == "many":
            scores = _squash(facet_logits / temperatures[facet.id], facet)
            truth = values > 0.5
            common = _best_threshold(scores.ravel(), truth.ravel())
            for offset, label in enumerate(facet.labels):
                positives = float(truth[:, offset].sum())
                own = _best_threshold(scores[:, offset], truth[:, offset]) if positives else common
                trust = positives / (positives + _RARE)
                thresholds[label.ref] = _expit(trust * _logit(own) + (1 - trust) * _logit(common))
    return Calibration(temperatures, thresholds)


def _temperature(logits: NDArray[np.float32], values: NDArray[np.float32], facet: Facet) -> float:
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        p = np.clip(_squash(logits / np.float32(np.exp(log_temperature)), facet), 1e-7, 1 - 1e-7)
        if facet.choice == "one":
            return float(-(values * np.log(p)).sum(axis=1).mean())
        return float(-(values * np.log(p) + (1 - values) * np.log1p(-p)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2.5, 2.5), method="bounded").x))


def _best_threshold(scores: NDArray[np.float32], truth: NDArray[np.bool_]) -> float:
    """The threshold of highest F1, half-way between the two scores that it separates."""
    if not truth.any():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(truth[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + truth.sum())
    ranked = scores[order]
    f1[:-1][ranked[:-1] == ranked[1:]] = -1  # no threshold lies between equal scores
    best = int(f1.argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float(np.clip((ranked[best] + below) / 2, 0.02, 0.98))


def _logit(p: float) -> float:
    p = min(max(float(p), 1e-6), 1 - 1e-6)
    return float(np.log(p / (1 - p)))


def _expit(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


# ---- deciding --------------------------------------------------------------------------------------------------


def decide(scores: NDArray[np.float32], schema: Schema, calibration: Calibration) -> list[Labels]:
    """Labels of each row of probabilities [texts x labels], with the schema's constraints kept.

    Where a row's own labels break a constraint, the cheapest change mends it: cost is the distance of a label's
    probability from its threshold, in log-odds.
    """
    limits = _limits(schema, calibration)
    chosen = scores >= limits
    for facet in schema.facets:
        if facet.choice == "one":
            columns = schema.columns(facet.id)
            chosen[:, columns] = False
            chosen[np.arange(len(scores)), columns.start + scores[:, columns].argmax(axis=1)] = True
    margins = np.log(scores + 1e-6) - np.log1p(1e-6 - scores) - np.log(limits) + np.log1p(-limits)
    for row in np.flatnonzero(_broken(chosen, schema)):
        _mend(chosen[row], margins[row], schema)
    return [_names(row, schema) for row in chosen]


def _limits(schema: Schema, calibration: Calibration) -> NDArray[np.float32]:
    return np.array([calibration.thresholds.get(label.ref, 0.5) for label in schema.labels], np.float32)


def _broken(chosen: NDArray[np.bool_], schema: Schema) -> NDArray[np.bool_]:
    """Which rows break a constraint."""
    broken = np.zeros(len(chosen), np.bool_)
    for rule in schema.constraints:
        holds = chosen[:, schema.select(rule.when)].any(axis=1)
        for ref in rule.excludes:
            broken |= holds & chosen[:, schema.select(ref)].any(axis=1)
        if rule.requires:
            met = np.any([chosen[:, schema.select(ref)].any(axis=1) for ref in rule.requires], axis=0)
            broken |= holds & ~met
    return broken


def _mend(chosen: NDArray[np.bool_], margins: NDArray[np.float32], schema: Schema) -> None:
    """Change one row in place, constraint after constraint, until it breaks none or nothing more helps."""
    for _ in range(2 * len(schema.constraints)):
        if not _broken(chosen[None], schema)[0]:
            return
        for rule in schema.constraints:
            when = _columns_of(schema, rule.when)
            if not chosen[when].any():
                continue
            excluded = [c for ref in rule.excludes for c in _columns_of(schema, ref) if chosen[c]]
            if excluded:
                if _cost(chosen, margins, schema, when) < _cost(chosen, margins, schema, excluded):
                    _drop(chosen, margins, schema, when)
                    continue
                _drop(chosen, margins, schema, excluded)
            required = [c for ref in rule.requires for c in _columns_of(schema, ref)]
            if required and not chosen[required].any():
                best = required[int(margins[required].argmax())]
                if _cost(chosen, margins, schema, when) <= -margins[best]:
                    _drop(chosen, margins, schema, when)
                else:
                    chosen[_rivals(schema, best)] = False
                    chosen[best] = True


def _columns_of(schema: Schema, ref: str) -> list[int]:
    return list(range(len(schema.labels)))[schema.select(ref)]


def _rivals(schema: Schema, column: int) -> list[int]:
    """The other labels of a column's facet where one must be chosen; nothing where any number may."""
    facet = schema.facet(schema.labels[column].facet)
    return [c for c in _columns_of(schema, facet.id) if c != column] if facet.choice == "one" else []


def _cost(chosen: NDArray[np.bool_], margins: NDArray[np.float32], schema: Schema, columns: Sequence[int]) -> float:
    """Of giving up what is chosen among `columns`."""
    cost = 0.0
    for column in columns:
        if chosen[column]:
            others = _rivals(schema, column)
            rivals = [rival for rival in others if rival not in columns]
            if others and not rivals:
                return float("inf")  # one label of this facet must stay
            cost += float(margins[column] - margins[rivals].max()) if rivals else max(0.0, float(margins[column]))
    return cost


def _drop(chosen: NDArray[np.bool_], margins: NDArray[np.float32], schema: Schema, columns: Sequence[int]) -> None:
    for column in columns:
        if chosen[column]:
            chosen[column] = False
            rivals = [rival for rival in _rivals(schema, column) if rival not in columns]
            if rivals:
                chosen[rivals[int(margins[rivals].argmax())]] = True


def _names(row: NDArray[np.bool_], schema: Schema) -> Labels:
    return {
        facet.id: tuple(label.id for label, yes in zip(facet.labels, row[schema.columns(facet.id)], strict=True) if yes)
        for facet in schema.facets
    }
