"""Evidence: what is left out, what it weighs, and that any engine serves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from framing.inference.evidence import evidence, log_odds, parts
from framing.records import Paragraph, Prediction
from framing.schema import Schema


class Counter:
    """An engine whose logits are known: 2 for each "talks", -1 for each "war", in the label's column."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.read += texts
        rows = [[1, 0, 2 * text.count("talks") - text.count("war"), 0, 0, 0] for text in texts]
        return np.array(rows, np.float32)


def found(text: str) -> Prediction:
    paragraph = Paragraph("d:1", "d", 1, 0, len(text), text, "en")
    return Prediction(paragraph, {"kind": ("body",), "stance": ("talks",), "holder": ()}, {}, "m")


@given(st.text(max_size=400), st.integers(1, 20))
def test_parts_are_in_order_disjoint_and_bounded(text: str, most: int) -> None:
    spans = parts(text, most=most)
    assert len(spans) <= most
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(one[1] <= two[0] for one, two in zip(spans, spans[1:], strict=False))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Kyiv's army won't talk.", ["Kyiv's", "army", "won't", "talk"]),
        ("外交部发言人", ["外交", "部发", "言人"]),
        ("a b c d e", ["a", "b", "c", "d", "e"]),
    ],
)
def test_parts_are_words(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in parts(text)] == expected


def test_the_word_that_carries_a_label_has_its_weight(small_schema: Schema) -> None:
    engine = Counter()
    text = "They want talks and no war"
    weights = evidence(engine, small_schema, found(text), quiet=["kind.body"])
    assert list(weights) == ["stance.talks"]
    assert {text[start:end]: weight for start, end, weight in weights["stance.talks"] if weight} == {
        "talks": 2.0,
        "war": -1.0,
    }
    assert len(engine.read) == 1 + len(text.split())
    assert engine.read[3] == "They want  and no war"


def test_one_of_several_is_weighed_against_the_others(small_schema: Schema) -> None:
    odds = log_odds(np.array([[2, 1, 0, 0, 0, 0]], np.float32), small_schema)
    assert odds[0, :3].tolist() == pytest.approx([1, -1, 0])


def test_what_has_nothing_to_compare_has_no_evidence(small_schema: Schema) -> None:
    assert evidence(Counter(), small_schema, found("talks")) == {}
