from __future__ import annotations

import math

import pytest
from scipy import stats

from framing.evaluation.metrics import Score
from framing.summary import groups_note, spread, spread_metrics


def run(value: float) -> list[Score]:
    return [
        Score("stance", "", "", "macro_f1", value, 10, value - 0.1, value + 0.1),
        Score("stance", "", "en", "macro_f1", 0.0, 4),
        Score("stance", "talks", "", "f1", 0.1, 4),
    ]


def test_the_interval_is_that_of_students_t() -> None:
    values = [0.5, 0.6, 0.55, 0.65]
    found = spread(values)
    low, high = stats.t.interval(0.95, 3, loc=found.mean, scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_one_run_has_no_spread() -> None:
    found = spread([0.5])
    assert math.isnan(found.deviation)
    assert str(found) == ".500"
    assert spread_metrics([run(0.5)], "runs") == {"runs/headline": 0.5, "runs/stance/macro_f1": 0.5}


def test_whole_facets_are_summed_up_with_their_spread_beside() -> None:
    found = spread_metrics([run(0.4), run(0.6)], "folds")
    assert found["folds/stance/macro_f1"] == pytest.approx(0.5)
    assert found["folds/stance/macro_f1_sd"] == pytest.approx(0.1414, abs=1e-4)
    assert set(found) == {
        f"folds/{k}{e}" for k in ("headline", "stance/macro_f1") for e in ("", "_sd", "_low", "_high")
    }


def test_the_note_puts_the_best_configuration_first() -> None:
    note = groups_note({"model=a": [run(0.4), run(0.42)], "model=b": [run(0.6)]})
    rows = [line for line in note.splitlines() if line.startswith("| model")]
    assert rows[0].startswith("| model=b | 1 | .600")
    assert rows[1].startswith("| model=a | 2 | .410 ± .014 [")
