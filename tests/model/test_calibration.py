"""Calibrated probabilities and thresholds."""

from __future__ import annotations

import numpy as np
import pytest

from conftest import ROOT
from framing.dataset import LabelMatrix
from framing.errors import FramingError
from framing.evaluation.metrics import calibration_error
from framing.model.calibration import Calibration, fit_calibration, probabilities
from framing.schema_file import read_schema

SCHEMA = read_schema(ROOT / "data" / "schema.yaml")
WIDTH = len(SCHEMA.labels)
PLAIN = Calibration.plain(SCHEMA)


def test_slopes_mend_overconfident_logits() -> None:
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
        assert all(0.2 < fitted.slopes[label.ref] < 0.3 for label in facet.labels)
        before = probabilities(sharp, SCHEMA, PLAIN)[:, columns].ravel().astype(float)
        after = probabilities(sharp, SCHEMA, fitted)[:, columns].ravel().astype(float)
        gold = truth[:, columns].ravel().astype(float)
        assert calibration_error(after, gold) < 0.02 < calibration_error(before, gold)


def test_an_intercept_mends_a_label_whose_probabilities_are_too_high() -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(-1, 2, size=(4000, WIDTH)).astype(np.float32)
    truth = (rng.random(logits.shape) < 1 / (1 + np.exp(-(logits - 1.5)))).astype(np.float32)
    truth[:, SCHEMA.columns("kind")] = np.eye(4, dtype=np.float32)[0]
    fitted = fit_calibration(logits, LabelMatrix(truth, np.ones_like(truth, np.bool_)), SCHEMA)
    assert all(-1.9 < fitted.intercepts[label.ref] < -1.1 for label in SCHEMA.facet("stance").labels)
    means = probabilities(logits, SCHEMA, fitted).mean(axis=0)
    np.testing.assert_allclose(means[4:], truth.mean(axis=0)[4:], atol=0.01)


def test_a_rare_labels_threshold_is_its_facets() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(-3, 1, size=(2000, WIDTH)).astype(np.float32)
    truth = np.zeros_like(logits)
    columns = {label.id: n for n, label in enumerate(SCHEMA.labels)}
    truth[:, columns["body"]] = 1
    for name, positives in (("sanctions", 600), ("blame", 600), ("ceasefire", 1)):
        truth[:positives, columns[name]] = 1
        logits[:positives, columns[name]] += 3
    found = fit_calibration(logits, LabelMatrix(truth, np.ones_like(truth, np.bool_)), SCHEMA).thresholds
    assert abs(found["stance.ceasefire"] - found["stance.deterrence"]) < 0.05, "deterrence has no positive: the facet's"


def test_thresholds_are_overridden_by_label_or_facet() -> None:
    found = PLAIN.with_thresholds({"stance": 0.3, "stance.blame": 0.8}).thresholds
    assert found["stance.blame"] == 0.8
    assert found["stance.sanctions"] == 0.3
    assert found["frame.conflict"] == 0.5
    with pytest.raises(FramingError, match="did you mean 'stance.blame'"):
        PLAIN.with_thresholds({"stance.blam": 0.3})
    with pytest.raises(FramingError, match="not a probability"):
        PLAIN.with_thresholds({"stance": 1.5})
    with pytest.raises(FramingError, match="no such label with a threshold"):
        PLAIN.with_thresholds({"kind.body": 0.5})


def test_a_calibration_survives_writing() -> None:
    assert Calibration.from_json(PLAIN.to_json()) == PLAIN


def test_a_label_that_dev_never_has_is_corrected_as_the_others_are() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3000, WIDTH)).astype(np.float32) - 2
    truth = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.float32)
    stance = SCHEMA.columns("stance")
    absent = SCHEMA.labels[stance.start]
    truth[:, stance.start] = 0
    fitted = fit_calibration(logits + 1.5, LabelMatrix(truth, np.ones_like(truth, np.bool_)), SCHEMA)
    others = [fitted.intercepts[label.ref] for label in SCHEMA.labels[stance][1:]]
    assert fitted.intercepts[absent.ref] == pytest.approx(np.mean(others))
    assert fitted.intercepts[absent.ref] == pytest.approx(-1.5, abs=0.3)
