"""Several coders' decisions into one target for each paragraph: the adjudicator's word, or the coders' shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from framing.records import Annotation, Labels
from framing.schema import Schema

ADJUDICATOR = "gold"
"""The coder id of decisions made by somebody who saw the other coders' and has the last word."""


def by_paragraph(annotations: Iterable[Annotation]) -> dict[str, list[Annotation]]:
    grouped: dict[str, list[Annotation]] = {}
    for annotation in annotations:
        grouped.setdefault(annotation.paragraph, []).append(annotation)
    return grouped


def target(annotations: Iterable[Annotation], schema: Schema) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """One paragraph's values (0..1, the share of coders for each label) and mask (whether anybody decided its facet).

    The adjudicator's decision, where there is one, replaces the shares; disagreement without one stays a soft label.
    """
    values = np.zeros(len(schema.labels), np.float32)
    mask = np.zeros(len(schema.labels), np.bool_)
    known = list(annotations)
    for facet in schema.facets:
        decided = [a for a in known if facet.id in a.labels]
        voters = [a for a in decided if a.coder == ADJUDICATOR] or decided
        columns = schema.columns(facet.id)
        if voters:
            mask[columns] = True
            votes = [[label.id in a.labels[facet.id] for label in facet.labels] for a in voters]
            values[columns] = np.mean(votes, axis=0)
    return values, mask


def decision(values: NDArray[np.float32], mask: NDArray[np.bool_], schema: Schema) -> Labels:
    """Hard labels of a target: what more than half of the coders chose; of a facet of choice `one`, the most chosen."""
    labels: dict[str, tuple[str, ...]] = {}
    for facet in schema.facets:
        columns = schema.columns(facet.id)
        if not mask[columns].any():
            continue
        if facet.choice == "one":
            labels[facet.id] = (facet.labels[int(values[columns].argmax())].id,)
        else:
            labels[facet.id] = tuple(
                label.id for label, value in zip(facet.labels, values[columns], strict=True) if value > 0.5
            )
    return labels


def gold(grouped: Mapping[str, list[Annotation]], schema: Schema) -> dict[str, Labels]:
    """Paragraph id -> adjudicated labels."""
    return {paragraph: decision(*target(annotations, schema), schema) for paragraph, annotations in grouped.items()}
