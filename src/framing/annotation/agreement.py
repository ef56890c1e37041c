"""How far coders agree: Krippendorff's alpha (Krippendorff 2019, ch. 12; nominal) for each facet and label."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import krippendorff
import numpy as np
from numpy.typing import NDArray

from framing.annotation.adjudication import ADJUDICATOR, by_paragraph
from framing.records import Annotation
from framing.schema import Schema


@dataclass(frozen=True, slots=True)
class Agreement:
    """`alpha` is None where it is undefined: nobody overlapped, or everybody always said the same.

    `label` is "" for a facet; a facet's alpha of choice `many` is over all its yes/no decisions. `units` are the
    paragraphs that were coded twice or more.
    """

    facet: str
    label: str
    alpha: float | None
    units: int


def agreement(annotations: Iterable[Annotation], schema: Schema) -> list[Agreement]:
    """Alpha of every facet, then of each of its labels, without the adjudicator, who saw what the others said."""
    independent = [a for a in annotations if a.coder != ADJUDICATOR]
    coders = sorted({a.coder for a in independent})
    shared = {p: group for p, group in by_paragraph(independent).items() if len(group) > 1}
    votes = np.full((len(coders), len(shared), len(schema.labels)), np.nan)
    for column, group in enumerate(shared.values()):
        for a in group:
            for facet_id, chosen in a.labels.items():
                ids = [label.id for label in schema.facet(facet_id).labels]
                votes[coders.index(a.coder), column, schema.columns(facet_id)] = [label in chosen for label in ids]
    rows = []
    for facet in schema.facets:
        columns = schema.columns(facet.id)
        facet_votes = votes[:, :, columns]
        if facet.choice == "one":
            table = np.where(np.isnan(facet_votes).any(axis=2), np.nan, facet_votes.argmax(axis=2))
        else:
            table = facet_votes.reshape(len(coders), -1)
        rows.append(Agreement(facet.id, "", _alpha(table), len(shared)))
        for offset, label in enumerate(facet.labels):
            rows.append(Agreement(facet.id, label.id, _alpha(facet_votes[:, :, offset]), len(shared)))
    return rows


def _alpha(table: NDArray[np.float64]) -> float | None:
    """Of a table [coders x units] with NaN where nobody voted."""
    if table.size == 0 or len(np.unique(table[~np.isnan(table)])) < 2:
        return None
    return float(krippendorff.alpha(reliability_data=table, level_of_measurement="nominal"))
