"""From logits to calibrated probabilities, and a threshold for each label."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from framing.dataset import LabelMatrix
from framing.errors import FramingError, did_you_mean
from framing.schema import Facet, Schema

_RARE = 100.0
"""With this many positives on dev, a label's threshold lies half-way between the facet's and its own best.

Chosen by fitting on one half of the corpus's dev articles and scoring on the other, six times: of 0, 10, 20, 50, 100,
300 and no own threshold at all, 100 had the highest mean F1 over facets, though by less than .01.
"""

_STIFFNESS = 20.0
"""What it costs, in nats over all of dev, to move a label's slope by a factor of e from its facet's."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """By `facet.label`: a label's log-odds are `slope * logit + intercept`; it is chosen from `threshold` upwards.

    Facets of choice `one` have one slope for all their labels (a temperature), no intercept and no threshold.
    """

    slopes: Mapping[str, float]
    intercepts: Mapping[str, float]
    thresholds: Mapping[str, float]

    @staticmethod
    def plain(schema: Schema) -> Calibration:
        refs = [label.ref for label in schema.labels]
        many = [label.ref for facet in schema.facets if facet.choice == "many" for label in facet.labels]
        return Calibration(dict.fromkeys(refs, 1.0), dict.fromkeys(refs, 0.0), dict.fromkeys(many, 0.5))

    def with_thresholds(self, wanted: Mapping[str, float]) -> Calibration:
        """The same with other thresholds; a facet's id stands for all its labels.

        Raises FramingError on what has no threshold, and on one that is not between 0 and 1.
        """
        thresholds = dict(self.thresholds)
        for name, value in wanted.items():
            refs = [ref for ref in thresholds if name in (ref, ref.partition(".")[0])]
            if not refs:
                known = [*dict.fromkeys(ref.partition(".")[0] for ref in thresholds), *thresholds]
                raise FramingError(f"threshold {name}", "no such label with a threshold", did_you_mean(name, known))
            if not 0 < value < 1:
                raise FramingError(f"threshold {name}={value:g}", "not a probability", "give one between 0 and 1")
            thresholds |= dict.fromkeys(refs, value)
        return Calibration(self.slopes, self.intercepts, thresholds)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @staticmethod
    def from_json(text: str) -> Calibration:
        return Calibration(**json.loads(text))


def probabilities(logits: NDArray[np.float32], schema: Schema, calibration: Calibration) -> NDArray[np.float32]:
    """[texts x labels]: softmax within a facet of choice `one`, sigmoid for each label of the others."""
    refs = [label.ref for label in schema.labels]
    slopes = np.array([calibration.slopes[ref] for ref in refs], np.float32)
    intercepts = np.array([calibration.intercepts[ref] for ref in refs], np.float32)
    result = logits * slopes + intercepts
    for facet in schema.facets:
        columns = schema.columns(facet.id)
        result[:, columns] = _squash(result[:, columns], facet)
    return result


def _squash(logits: NDArray[np.float32], facet: Facet) -> NDArray[np.float32]:
    if facet.choice == "one":
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(exponents / exponents.sum(axis=1, keepdims=True), np.float32)
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), np.float32)


def fit_calibration(logits: NDArray[np.float32], targets: LabelMatrix, schema: Schema) -> Calibration:
    """Slopes and intercepts that minimise the dev set's loss, and thresholds that maximise its F1.

    A facet of choice `one` gets a temperature (Guo et al. 2017), each label of the others a line of its own (Platt
    1999) whose slope is held near the facet's temperature. Learning with weighted positives makes probabilities too
    high; the intercepts take that back. A label's own best threshold is drawn towards the one that is best for all
    labels of its facet together, the more the fewer positives dev has of it. Facets without any decided paragraph
    keep the plain values.
    """
    plain = Calibration.plain(schema)
    slopes, intercepts, thresholds = dict(plain.slopes), dict(plain.intercepts), dict(plain.thresholds)
    for facet in schema.facets:
        columns = schema.columns(facet.id)
        decided = targets.mask[:, columns].all(axis=1)
        if not decided.any():
            continue
        facet_logits, values = logits[decided, columns], targets.values[decided, columns]
        slope = 1 / _temperature(facet_logits, values, facet)
        slopes |= {label.ref: slope for label in facet.labels}
        if facet.choice == "one":
            continue
        found = [_line(column, value, slope) for column, value in zip(facet_logits.T, values.T, strict=True)]
        # What learning adds to the logits of all labels is taken from those too that dev cannot tell anything of.
        usual = float(np.mean([line[1] for line in found if line] or [0.0]))
        lines = [line or (slope, usual) for line in found]
        scores = _squash(facet_logits * np.array(lines, np.float32)[:, 0] + np.array(lines, np.float32)[:, 1], facet)
        truth = values > 0.5
        common = _best_threshold(scores.ravel(), truth.ravel())
        for offset, label in enumerate(facet.labels):
            slopes[label.ref], intercepts[label.ref] = lines[offset]
            positives = float(truth[:, offset].sum())
            own = _best_threshold(scores[:, offset], truth[:, offset]) if positives else common
            trust = positives / (positives + _RARE)
            thresholds[label.ref] = _expit(trust * _logit(own) + (1 - trust) * _logit(common))
    return Calibration(slopes, intercepts, thresholds)


def _line(logits: NDArray[np.float32], values: NDArray[np.float32], slope: float) -> tuple[float, float] | None:
    """Slope and intercept for one label; None for a label that dev always or never has."""
    from scipy.optimize import minimize

    if not 0 < values.mean() < 1:
        return None
    z, y = logits.astype(np.float64), values.astype(np.float64)

    def loss(line: NDArray[np.float64]) -> float:
        odds = np.exp(line[0]) * z + line[1]
        return float((np.logaddexp(0, odds) - y * odds).sum() + _STIFFNESS * (line[0] - np.log(slope)) ** 2)

    found = minimize(loss, np.array([np.log(slope), 0.0]), method="L-BFGS-B", bounds=[(-3, 3), (-10, 10)]).x
    return float(np.exp(found[0])), float(found[1])


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
