"""Many coders, one target."""

from __future__ import annotations

import numpy as np
import pytest

from framing.annotation.adjudication import decision, target
from framing.annotation.agreement import agreement
from framing.annotation.statistics import statistics
from framing.records import Annotation, Labels, Paragraph
from framing.schema import Schema


def by(coder: str, paragraph: str = "d:1", **labels: tuple[str, ...]) -> Annotation:
    return Annotation(paragraph, "x", coder, labels)


def test_disagreement_becomes_a_soft_label(small_schema: Schema) -> None:
    values, mask = target([by("a", stance=("talks",)), by("b", stance=("talks", "attack"))], small_schema)
    assert values[small_schema.columns("stance")].tolist() == [1.0, 0.5]
    assert mask[small_schema.columns("stance")].all()
    assert not mask[small_schema.columns("kind")].any(), "nobody decided the kind"


def test_the_adjudicator_has_the_last_word(small_schema: Schema) -> None:
    votes = [by("a", stance=("talks",)), by("b", stance=("attack",)), by("gold", stance=("attack",))]
    values, mask = target(votes, small_schema)
    assert decision(values, mask, small_schema) == {"stance": ("attack",)}


def test_more_than_half_decides(small_schema: Schema) -> None:
    votes = [by("a", kind=("body",)), by("b", kind=("body",)), by("c", kind=("furniture",))]
    assert decision(*target(votes, small_schema), small_schema) == {"kind": ("body",)}


def test_alpha_agrees_with_a_published_example(small_schema: Schema) -> None:
    """Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", A: two observers, binary data, alpha .095."""
    first, second = "0100000000", "1110010010"
    observations = []
    for number, (a, b) in enumerate(zip(first, second, strict=True)):
        for coder, value in (("meg", a), ("owen", b)):
            chosen: Labels = {"stance": ("talks",) if value == "1" else ()}
            observations.append(Annotation(f"d:{number}", "x", coder, chosen))
    rows = {(row.facet, row.label): row for row in agreement(observations, small_schema)}
    assert rows["stance", "talks"].alpha == pytest.approx(0.095, abs=0.001)
    assert rows["stance", "talks"].units == 10
    assert rows["stance", "attack"].alpha is None, "nobody ever chose it"


def test_the_adjudicator_does_not_count_as_a_coder(small_schema: Schema) -> None:
    votes = [by("a", stance=("talks",)), by("gold", stance=())]
    assert all(row.units == 0 for row in agreement(votes, small_schema))


def test_statistics_count_the_adjudicated_layer(small_schema: Schema) -> None:
    paragraphs = [Paragraph(f"d:{n}", "d", n, 0, 1, "one two three", "en") for n in (1, 2)]
    votes = [by("a", "d:1", stance=("talks",), holder=("north",)), by("a", "d:2", stance=(), holder=())]
    found = statistics(paragraphs, votes, small_schema)
    counts = {(row["facet"], row["label"]): row["count"] for row in found["labels"]}
    assert counts["stance", "talks"] == 1
    assert counts["stance", ""] == 1
    assert found["languages"] == {"en": 2}
    assert np.mean(found["words"]) == 3
