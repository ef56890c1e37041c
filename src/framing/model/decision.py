"""From probabilities to labels: thresholds, and the schema's constraints kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from framing.model.calibration import Calibration
from framing.records import Labels
from framing.schema import Schema


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
