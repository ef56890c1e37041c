"""Whether an exported tagger says what the trained one says, and the refusal of one that does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framing.annotation.adjudication import decision
from framing.dataset import Dataset
from framing.errors import FramingError
from framing.evaluation.metrics import f1
from framing.model.calibration import Calibration, probabilities
from framing.model.decision import decide
from framing.records import Labels
from framing.schema import Schema

MAX_CHANGED = 0.01
"""Share of the decisions (paragraph x label) that may differ."""

MAX_LOSS = 0.005
"""What a facet's macro-F1 may lose."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """An exported tagger against the trained one on the dev part: `trained` and `exported` are macro-F1 by facet."""

    paragraphs: int
    decisions: int
    changed: int
    trained: dict[str, float]
    exported: dict[str, float]

    @property
    def share(self) -> float:
        return self.changed / max(1, self.decisions)

    def loss(self, facet: str) -> float:
        return self.trained[facet] - self.exported[facet]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "share_changed": self.share}

    def refusal(self) -> str:
        """What is too much, in words; "" if nothing is."""
        found = []
        if self.share > MAX_CHANGED:
            found.append(f"{self.share:.2%} of {self.decisions} decisions differ (limit {MAX_CHANGED:.0%})")
        for facet in self.trained:
            if self.loss(facet) > MAX_LOSS:
                values = f"macro-F1 {self.trained[facet]:.4f} became {self.exported[facet]:.4f}"
                found.append(f"{facet}: {values} (limit -{MAX_LOSS})")
        return ", ".join(found)


class Refused(FramingError):
    """An export that the quality gate does not let through."""

    def __init__(self, precision: str, agreement: Agreement, refusal: str) -> None:
        cure = "try --precision auto, which goes on with a finer one, or --precision bf16"
        super().__init__(f"export as {precision}", f"refused: {refusal}", cure)
        self.agreement = agreement


def compare(
    trained: NDArray[np.float32], exported: NDArray[np.float32], dev: Dataset, schema: Schema, calibration: Calibration
) -> Agreement:
    """Two engines' logits [paragraphs x labels] of the dev part, decided with the same temperatures and thresholds."""
    one, other = (
        _table(decide(probabilities(logits, schema, calibration), schema, calibration), schema)
        for logits in (trained, exported)
    )
    rows = zip(dev.matrix.values, dev.matrix.mask, strict=True)
    gold = _table([decision(values, mask, schema) for values, mask in rows], schema)
    return Agreement(
        paragraphs=len(dev),
        decisions=one.size,
        changed=int((one != other).sum()),
        trained=_macro_f1(gold, one, dev, schema),
        exported=_macro_f1(gold, other, dev, schema),
    )


def _table(labels: Sequence[Labels], schema: Schema) -> NDArray[np.bool_]:
    return np.array([[label.id in row.get(label.facet, ()) for label in schema.labels] for row in labels], np.bool_)


def _macro_f1(gold: NDArray[np.bool_], chosen: NDArray[np.bool_], dev: Dataset, schema: Schema) -> dict[str, float]:
    """As `framing evaluate` counts it: over the labels that occur, on the paragraphs whose facet is decided."""
    found = {}
    for facet in schema.facets:
        columns = schema.columns(facet.id)
        rows = dev.matrix.mask[:, columns].any(axis=1)
        right, said = gold[rows, columns].astype(float), chosen[rows, columns].astype(float)
        occurring = right.sum(axis=0) > 0
        if occurring.any():
            values = f1((right * said).sum(axis=0), right.sum(axis=0), said.sum(axis=0))
            found[facet.id] = float(values[occurring].mean())
    return found
