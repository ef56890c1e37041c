"""Decisions: temperatures, thresholds, and the schema's constraints."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from conftest import ROOT
from framing.dataset import LabelMatrix
from framing.evaluation.metrics import calibration_error
from framing.model.calibration import Calibration, decide, fit_calibration, probabilities
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


def test_a_temperature_mends_overconfident_logits() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, WIDTH)).astype(np.float32)
    truth = np.zeros_like(logits)
    for facet in SCHEMA.facets:
        columns = SCHEMA.columns(facet.id)
        if facet.choice == "one":
            noise = logits[:, columns] + rng.gumbel(size=logits[:, columns].shape)
            truth[np.arange(len(truth)), columns.start + noise.argmax(axis=1)] = 1
        else:
            truth[:, columns] = rng.random(logits[:, columns].shape) < 1 / (1 + np.exp(-logits[:, columns]))
    sharp = logits * 4
    fitted = fit_calibration(sharp, LabelMatrix(truth, np.ones_like(truth, np.bool_)), SCHEMA)
    for facet in SCHEMA.facets:
        columns = SCHEMA.columns(facet.id)
        assert 3.5 < fitted.temperatures[facet.id] < 4.6
        before = probabilities(sharp, SCHEMA, PLAIN)[:, columns].ravel().astype(float)
        after = probabilities(sharp, SCHEMA, fitted)[:, columns].ravel().astype(float)
        gold = truth[:, columns].ravel().astype(float)
        assert calibration_error(after, gold) < 0.02 < calibration_error(before, gold)


def test_a_threshold_follows_the_label_and_a_rare_one_follows_its_facet() -> None:
    rng = np.random.default_rng(1)
    logits = np.full((1000, WIDTH), -4, np.float32)
    truth = np.zeros_like(logits)
    columns = {label.id: n for n, label in enumerate(SCHEMA.labels)}
    truth[:, columns["body"]] = 1
    for name, positives, centre in (("sanctions", 300, -1.5), ("blame", 300, 1.5), ("ceasefire", 1, -3.9)):
        column = columns[name]
        truth[:positives, column] = 1
        logits[:, column] = np.where(truth[:, column] > 0, centre + 1, centre - 1) + rng.normal(0, 0.3, 1000)
    found = fit_calibration(logits, LabelMatrix(truth, np.ones_like(truth, np.bool_)), SCHEMA).thresholds
    assert found["stance.sanctions"] < 0.35 < found["stance.blame"]
    assert abs(found["stance.ceasefire"] - found["stance.deterrence"]) < 0.05, "deterrence has no positive: the facet's"


def test_a_calibration_survives_writing() -> None:
    assert Calibration.from_json(PLAIN.to_json()) == PLAIN
