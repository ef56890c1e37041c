"""From probabilities to labels: thresholds, and the schema's constraints kept."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from framing.model.calibration import Calibration
from framing.records import Labels
from framing.schema import Schema


def decide(scores: NDArray[np.float32], schema: Schema, calibration: Calibration) -> list[Labels]:
    """Labels of each row of probabilities [texts x labels], with the schema's constraints kept.

    Where a row's own labels break a constraint, the cheapest change mends it: cost is the distance of a label's
    probability from its threshold, in log-odds. Constraints that cannot be kept together leave a row as it was.
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
        chosen[row] = _Mending(chosen[row], margins[row], schema).run()
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


class _Mending:
    """The cheapest change of one row of decisions after which no constraint is broken, by branch and bound.

    A broken rule can be mended by giving up what sets it off, by giving up what it excludes, or by taking one of the
    labels that it requires. Each way is gone through; what a step has settled, later steps leave alone, and a way that
    already costs more than the best one is left. So it ends, and what it finds is the cheapest that such steps reach.
    """

    def __init__(self, chosen: NDArray[np.bool_], margins: NDArray[np.float32], schema: Schema) -> None:
        self.before, self.margins, self.schema = chosen, margins.astype(np.float64), schema
        self.best: NDArray[np.bool_] | None = None
        self.best_cost = float("inf")
        self.steps = 0

    def run(self) -> NDArray[np.bool_]:
        """The row mended; as it was where the constraints cannot be kept."""
        self._search(self.before, np.zeros(len(self.before), np.bool_))
        return self.before if self.best is None else self.best

    def _search(self, row: NDArray[np.bool_], settled: NDArray[np.bool_]) -> None:
        self.steps += 1
        cost = self._cost(row)
        if cost >= self.best_cost or self.steps > _MOST_STEPS:
            return
        changes = self._changes(row)
        if changes is None:
            self.best, self.best_cost = row, cost
            return
        ways = [way for taken, given_up in changes for way in self._ways(row, settled, taken, given_up)]
        for changed, known in sorted(ways, key=lambda way: self._cost(way[0])):
            self._search(changed, known)

    def _changes(self, row: NDArray[np.bool_]) -> list[tuple[list[int], list[int]]] | None:
        """For the first broken rule, what each way to mend it takes and gives up; None if no rule is broken."""
        for rule in self.schema.constraints:
            when = [c for c in _columns_of(self.schema, rule.when) if row[c]]
            if not when:
                continue
            named = {c for ref in rule.excludes for c in _columns_of(self.schema, ref)}  # refs may overlap
            excluded = sorted(c for c in named if row[c])
            if excluded:
                return [([], when), ([], excluded)]
            required = sorted({c for ref in rule.requires for c in _columns_of(self.schema, ref)})
            if required and not row[required].any():
                return [([], when), *(([c], []) for c in required)]
        return None

    def _ways(
        self, row: NDArray[np.bool_], settled: NDArray[np.bool_], taken: list[int], given_up: list[int]
    ) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        """Rows after the change and what is settled in them; several where another label must take a place."""
        row, settled = row.copy(), settled.copy()
        for column in taken:
            rivals = [c for c in _rivals(self.schema, column) if row[c]]
            if settled[[column, *rivals]].any():
                return
            row[rivals], row[column] = False, True
            settled[[column, *rivals]] = True
        vacant = []
        for column in given_up:
            if settled[column]:
                return
            row[column], settled[column] = False, True
            if rivals := _rivals(self.schema, column):
                vacant.append([c for c in rivals if not settled[c] and c not in given_up])
        for heirs in itertools.product(*vacant):
            changed, known = row.copy(), settled.copy()
            changed[list(heirs)] = known[list(heirs)] = True
            yield changed, known

    def _cost(self, row: NDArray[np.bool_]) -> float:
        """Of a row beside what the probabilities say, in log-odds; what scores alike is not changed without need."""
        changed = row != self.before
        return float((self.margins * (self.before.astype(float) - row)).sum() + 1e-6 * changed.sum())


_MOST_STEPS = 20_000
"""Far more than any codebook needs: a bound for rules written to be hard."""


def _columns_of(schema: Schema, ref: str) -> list[int]:
    return list(range(len(schema.labels)))[schema.select(ref)]


def _rivals(schema: Schema, column: int) -> list[int]:
    """The other labels of a column's facet where one must be chosen; nothing where any number may."""
    facet = schema.facet(schema.labels[column].facet)
    return [c for c in _columns_of(schema, facet.id) if c != column] if facet.choice == "one" else []


def _names(row: NDArray[np.bool_], schema: Schema) -> Labels:
    return {
        facet.id: tuple(label.id for label, yes in zip(facet.labels, row[schema.columns(facet.id)], strict=True) if yes)
        for facet in schema.facets
    }
