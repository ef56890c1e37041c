"""Labels from probabilities, with the schema's constraints kept."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from conftest import ROOT
from framing.model.calibration import Calibration
from framing.model.decision import decide
from framing.schema import Constraint, Facet, Label, Schema
from framing.schema_file import read_schema

SCHEMA = read_schema(ROOT / "data" / "schema.yaml")
WIDTH = len(SCHEMA.labels)
PLAIN = Calibration.plain(SCHEMA)


@given(arrays(np.float32, (3, WIDTH), elements=st.floats(0.0009765625, 0.9990234375, width=32)))
def test_decisions_always_keep_the_schemas_constraints(scores: np.ndarray) -> None:  # type: ignore[type-arg]
    for labels in decide(scores, SCHEMA, PLAIN):
        assert SCHEMA.violations(labels) == []


def row(**given: float) -> np.ndarray:  # type: ignore[type-arg]
    values = {"body": 0.9, **given}
    return np.array([[values.get(label.id, 0.04) for label in SCHEMA.labels]], np.float32)


def test_the_cheapest_change_mends_a_broken_constraint() -> None:
    (labels,) = decide(row(sanctions=0.95, europe=0.45), SCHEMA, PLAIN)
    assert labels["holder"] == ("europe",), "a sure stance gets its likeliest holder"
    (labels,) = decide(row(sanctions=0.51, europe=0.04), SCHEMA, PLAIN)
    assert labels["stance"] == (), "a doubtful stance without any holder is given up"
    (labels,) = decide(row(body=0.3, boilerplate=0.7, sanctions=0.55, europe=0.6), SCHEMA, PLAIN)
    assert labels["kind"] == ("boilerplate",)
    assert labels["stance"] == labels["holder"] == ()
    (labels,) = decide(row(body=0.48, boilerplate=0.52, sanctions=0.99, europe=0.99), SCHEMA, PLAIN)
    assert labels["kind"] == ("body",), "sure stances outweigh a doubtful kind"


@pytest.mark.parametrize(
    "rule",
    [
        Constraint("stance", requires=("kind.body",)),
        Constraint("stance", excludes=("kind.boilerplate",)),
        Constraint("kind.headline", requires=("stance",)),
        Constraint("kind", requires=("stance",)),
    ],
)
def test_constraints_of_other_schemas_are_kept_too(rule: Constraint) -> None:
    schema = Schema("other", "", SCHEMA.facets, (rule,))
    rng = np.random.default_rng(2)
    scores = rng.random((300, WIDTH)).astype(np.float32) * 0.98 + 0.01
    for labels in decide(scores, schema, PLAIN):
        assert schema.violations(labels) == []


SMALL = (
    Facet("f", "F", "many", "", tuple(Label(name, "f", name, "") for name in "abcd")),
    Facet("k", "K", "one", "", tuple(Label(name, "k", name, "") for name in "xyz")),
)
REFS = ["f", "k", *(f"f.{name}" for name in "abcd"), *(f"k.{name}" for name in "xyz")]
RULES = st.builds(
    Constraint,
    st.sampled_from(REFS),
    excludes=st.lists(st.sampled_from(REFS), max_size=2).map(tuple),
    requires=st.lists(st.sampled_from(REFS), max_size=2).map(tuple),
)


@given(
    st.lists(RULES, min_size=1, max_size=4), arrays(np.float32, (1, 7), elements=st.floats(0.03125, 0.96875, width=32))
)
def test_no_other_decision_that_keeps_the_constraints_is_cheaper(rules: list[Constraint], scores: np.ndarray) -> None:  # type: ignore[type-arg]
    schema = Schema("small", "", SMALL, tuple(rules))
    odds = np.log(scores[0]) - np.log1p(-scores[0])

    def named(many: tuple[bool, ...], one: int) -> dict[str, tuple[str, ...]]:
        return {"f": tuple(name for name, yes in zip("abcd", many, strict=True) if yes), "k": ("xyz"[one],)}

    def cost(labels: dict[str, tuple[str, ...]]) -> float:
        """Beside the likeliest decision: what the labels of f lose, and the label of k."""
        own = sum(abs(odds[n]) for n, name in enumerate("abcd") if (name in labels["f"]) != (odds[n] >= 0))
        return float(own + odds[4:].max() - odds[4 + "xyz".index(labels["k"][0])])

    possible = [named(many, one) for many in itertools.product((False, True), repeat=4) for one in range(3)]
    kept = [labels for labels in possible if not schema.violations(labels)]
    (found,) = decide(scores, schema, Calibration.plain(schema))
    if kept:
        assert schema.violations(dict(found)) == []
        assert cost(dict(found)) == pytest.approx(min(cost(labels) for labels in kept), abs=1e-3)
    else:
        assert cost(dict(found)) == pytest.approx(0, abs=1e-3), "what cannot be mended stays as it was"
