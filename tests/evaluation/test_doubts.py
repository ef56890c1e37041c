"""Codings that a tagger doubts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framing.evaluation.doubts import doubts
from framing.evaluation.metrics import Record


def record(name: str, stance: tuple[str, ...], shares: dict[str, float] | None = None) -> Record:
    return Record(name, "en", name, {"stance": stance}, {"stance": shares or {}})


def test_the_coding_that_the_tagger_trusts_least_comes_first_and_agreement_is_no_doubt() -> None:
    gold = {name: record(name, ("a",)) for name in ("sure", "torn", "against")}
    predicted = {
        "sure": record("sure", ("a",), {"a": 0.9, "b": 0.1}),
        "torn": record("torn", ("a", "b"), {"a": 0.6, "b": 0.6}),
        "against": record("against", ("b",), {"a": 0.02, "b": 0.97}),
    }
    found = doubts(gold, predicted)
    assert [(doubt.record.id, doubt.tagged) for doubt in found] == [("against", ("b",)), ("torn", ("a", "b"))]
    assert found[0].trust == pytest.approx(0.8 * 0.02 + 0.2 * 0.03)
    assert doubts(gold, predicted, ["frame"]) == []


def test_a_record_without_prediction_or_probabilities_is_passed_over() -> None:
    gold = {"x": record("x", ("a",)), "y": record("y", ("a",))}
    assert doubts(gold, {"x": record("x", ())}) == []


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=8))
def test_trust_lies_between_the_least_and_the_most_trusted_label(rows: list[tuple[bool, float]]) -> None:
    coded = tuple(f"l{n}" for n, (yes, _) in enumerate(rows) if yes)
    shares = {f"l{n}": share for n, (_, share) in enumerate(rows)}
    found = doubts({"x": record("x", coded)}, {"x": record("x", ("other",), shares)})
    trusts = [share if yes else 1 - share for yes, share in rows]
    assert min(trusts) - 1e-9 <= found[0].trust <= max(trusts) + 1e-9
