"""When to leave a decision to a person: confidence limits that keep wrong decisions below a chosen share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from framing.dataset import LabelMatrix
from framing.errors import FramingError
from framing.records import Labels
from framing.schema import Schema

_DOUBT = 0.05
"""How often, over dev sets drawn anew, the promised risk may be exceeded."""


def confidences(scores: NDArray[np.float32], decisions: Sequence[Labels], schema: Schema) -> NDArray[np.float32]:
    """[texts x facets]: the probability that a facet's whole set of labels is right, its labels taken as independent.

    For a facet of choice `one`, the probability of the label chosen.
    """
    found = np.ones((len(scores), len(schema.facets)), np.float32)
    for place, facet in enumerate(schema.facets):
        part = scores[:, schema.columns(facet.id)]
        chosen = np.array([[label.id in labels[facet.id] for label in facet.labels] for labels in decisions], np.bool_)
        chosen = chosen.reshape(part.shape)
        if facet.choice == "one":
            found[:, place] = (part * chosen).sum(axis=1)
        else:
            found[:, place] = np.where(chosen, part, 1 - part).prod(axis=1)
    return found


@dataclass(frozen=True, slots=True)
class Track:
    """By facet, what dev showed: the confidence of each decision and whether its whole set was right, surest first."""

    confidence: Mapping[str, Sequence[float]]
    right: Mapping[str, Sequence[int]]

    @staticmethod
    def of(scores: NDArray[np.float32], decisions: Sequence[Labels], targets: LabelMatrix, schema: Schema) -> Track:
        sure = confidences(scores, decisions, schema)
        confidence, right = {}, {}
        for place, facet in enumerate(schema.facets):
            columns = schema.columns(facet.id)
            decided = np.asarray(targets.mask[:, columns].all(axis=1))
            rows = np.flatnonzero(decided)
            values = targets.values[rows][:, columns]
            truth = values > 0.5
            if facet.choice == "one":  # coders may have been split, and yet one label was chosen most
                truth = np.eye(len(facet.labels), dtype=np.bool_)[values.argmax(axis=1)]
            chosen = [decisions[row][facet.id] for row in range(len(decisions)) if decided[row]]
            said = np.array([[label.id in labels for label in facet.labels] for labels in chosen], np.bool_)
            order = np.argsort(-sure[rows, place], kind="stable")
            confidence[facet.id] = [round(float(value), 5) for value in sure[rows, place][order]]
            right[facet.id] = [int(value) for value in (said.reshape(truth.shape) == truth).all(axis=1)[order]]
        return Track(confidence, right)

    def limits(self, risk: float) -> dict[str, float]:
        """By facet, the confidence below which to abstain so that at most `risk` of the decisions kept are wrong.

        Selection with guaranteed risk (Geifman and El-Yaniv 2017): by bisection over the number of decisions kept,
        the largest one whose exact binomial bound (Clopper and Pearson 1934) on the wrong ones stays below the risk, at
        95 % confidence shared among the steps. 1.1, a limit that nothing reaches, where dev shows no such number. The
        promise holds for texts like dev's, and a little less than that: dev has chosen epoch and thresholds too, and
        paragraphs of one article are counted as independent.
        """
        if not 0 < risk < 1:
            raise FramingError(f"risk {risk:g}", "not a share of wrong decisions", "give one between 0 and 1, as 0.1")
        return {facet: _limit(sure, self.right[facet], risk) for facet, sure in self.confidence.items()}

    def to_json(self) -> str:
        return json.dumps({"confidence": dict(self.confidence), "right": dict(self.right)})

    @staticmethod
    def from_json(text: str) -> Track:
        values = json.loads(text)
        return Track(values["confidence"], values["right"])


def _limit(confidence: Sequence[float], right: Sequence[int], risk: float) -> float:
    from scipy.stats import beta

    # equal confidences are kept or left together
    ends = [place + 1 for place, sure in enumerate(confidence) if [sure] != list(confidence[place + 1 : place + 2])]
    wrong = np.concatenate([[0], np.cumsum(1 - np.asarray(right, np.int64))])
    share = _DOUBT / max(1, len(ends).bit_length())
    best, low, high = 0, 0, len(ends) - 1
    while low <= high:
        middle = (low + high) // 2
        kept = ends[middle]
        errors = int(wrong[kept])
        bound = 1.0 if errors == kept else float(beta.ppf(1 - share, errors + 1, kept - errors))
        if bound <= risk:
            best, low = kept, middle + 1
        else:
            high = middle - 1
    return confidence[best - 1] if best else 1.1
