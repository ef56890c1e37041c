"""Abstention: confidence limits that keep a promised risk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framing.dataset import LabelMatrix
from framing.errors import FramingError
from framing.model.abstention import Track, confidences
from framing.model.calibration import Calibration
from framing.model.decision import decide
from framing.schema import Schema


def test_confidence_is_the_probability_that_a_facets_set_is_right(small_schema: Schema) -> None:
    scores = np.array([[0.9, 0.1, 0.8, 0.3, 0.6, 0.5]], np.float32)
    labels = {"kind": ("body",), "stance": ("talks",), "holder": ("north", "south")}
    found = confidences(scores, [labels], small_schema)
    np.testing.assert_allclose(found, [[0.9, 0.8 * 0.7, 0.6 * 0.5]], rtol=1e-5)


def test_the_wrong_ones_among_decisions_kept_are_fewer_than_the_risk(small_schema: Schema) -> None:
    rng = np.random.default_rng(0)

    def drawn(count: int) -> tuple[np.ndarray, LabelMatrix]:  # type: ignore[type-arg]
        scores = rng.beta(0.4, 0.4, (count, 6)).astype(np.float32)
        scores[:, :2] = [0.99, 0.01]
        truth = (rng.random(scores.shape) < scores).astype(np.float32)
        truth[:, :2] = [1, 0]
        return scores, LabelMatrix(truth, np.ones_like(truth, np.bool_))

    free = Schema("free", "", small_schema.facets, ())
    plain = Calibration.plain(free)
    scores, targets = drawn(4000)
    limits = Track.of(scores, decide(scores, free, plain), targets, free).limits(0.1)
    fresh, truth = drawn(20000)
    decisions = decide(fresh, free, plain)
    kept = confidences(fresh, decisions, free)[:, 1] >= limits["stance"]
    said = np.array([["talks" in d["stance"], "attack" in d["stance"]] for d in decisions])
    wrong = (said != (truth.values[:, 2:4] > 0.5)).any(axis=1)
    assert wrong.mean() > 0.2, "without abstention it errs more often"
    assert wrong[kept].mean() <= 0.1
    assert 0.2 < kept.mean() < 1, "and it does not abstain from everything"


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=60), st.floats(0.01, 0.5), st.floats(0.01, 0.5))
def test_a_higher_risk_never_abstains_more(pairs: list[tuple[float, bool]], one: float, other: float) -> None:
    pairs.sort(key=lambda pair: -pair[0])
    track = Track({"f": [sure for sure, _ in pairs]}, {"f": [int(right) for _, right in pairs]})
    low, high = sorted((one, other))
    # bisection may stop at another step, but never keeps fewer for a laxer promise at the same steps
    assert track.limits(high)["f"] <= track.limits(low)["f"]
    assert Track.from_json(track.to_json()) == track


def test_a_risk_that_is_no_share_is_refused() -> None:
    with pytest.raises(FramingError, match="between 0 and 1"):
        Track({}, {}).limits(10)


def test_coders_that_are_split_over_one_label_do_not_make_every_decision_wrong(small_schema: Schema) -> None:
    free = Schema("free", "", small_schema.facets, ())
    scores = np.array([[0.9, 0.1, 0.1, 0.1, 0.1, 0.1]] * 4, np.float32)
    values = np.array([[0.5, 0.5, 0, 0, 0, 0]] * 4, np.float32)
    decisions = decide(scores, free, Calibration.plain(free))
    track = Track.of(scores, decisions, LabelMatrix(values, np.ones_like(values, np.bool_)), free)
    assert track.right["kind"] == [1, 1, 1, 1]
