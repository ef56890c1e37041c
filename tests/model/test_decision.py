"""Labels from probabilities, with the schema's constraints kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from conftest import ROOT
from framing.model.calibration import Calibration
from framing.model.decision import decide
from framing.schema import Constraint, Schema
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
