"""Which codings a tagger doubts that did not learn from them: what a coder should read once more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from framing.evaluation.metrics import Record

_WEIGHT = 0.8
"""Of each next lower trust in the running mean: the least trusted label decides most."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A facet of a paragraph: what was coded, what the tagger says, and the trust in the coding, 0 to 1."""

    record: Record
    facet: str
    coded: tuple[str, ...]
    tagged: tuple[str, ...]
    trust: float


def doubts(
    gold: Mapping[str, Record], predicted: Mapping[str, Record], facets: Iterable[str] | None = None
) -> list[Doubt]:
    """Facets in which tagger and coding differ, the least trusted coding first.

    Trust is that of multi-label confident learning (Thyagarajan et al. 2022): a label's is its probability if it was
    coded and the rest if not; a facet's is their exponential moving average from the highest to the lowest.
    Records without a prediction or without probabilities are passed over.
    """
    wanted = None if facets is None else set(facets)
    found = []
    for record_id, record in gold.items():
        other = predicted.get(record_id)
        for facet, coded in record.labels.items():
            shares = other.probabilities.get(facet, {}) if other else {}
            if other is None or not shares or (wanted is not None and facet not in wanted):
                continue
            tagged = tuple(other.labels.get(facet, ()))
            if set(tagged) != set(coded):
                trust = _trust([share if label in coded else 1 - share for label, share in shares.items()])
                found.append(Doubt(record, facet, tuple(coded), tagged, trust))
    return sorted(found, key=lambda doubt: (doubt.trust, doubt.record.id, doubt.facet))


def _trust(values: Sequence[float]) -> float:
    mean, *rest = sorted(values, reverse=True)
    for value in rest:
        mean = _WEIGHT * value + (1 - _WEIGHT) * mean
    return mean
