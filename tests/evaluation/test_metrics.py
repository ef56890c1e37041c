"""Scores agree with their definitions and with scikit-learn's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from framing.errors import FramingError
from framing.evaluation.metrics import Record, bootstrap_weights, calibration_error, judge, read_records_file, score
from framing.evaluation.report import facet_heads, facet_rows, headline, label_rows, metric_names

LABELS = ("a", "b", "c")
SETS = st.lists(st.tuples(st.sets(st.sampled_from(LABELS)), st.sets(st.sampled_from(LABELS))), min_size=1, max_size=30)


def records(sets: list[set[str]], probabilities: bool = False) -> dict[str, Record]:
    found = {}
    for number, chosen in enumerate(sets):
        shares = {"f": {label: 0.9 if label in chosen else 0.1 for label in LABELS}} if probabilities else {}
        labels = {"f": tuple(sorted(chosen))}
        found[str(number)] = Record(str(number), "nl" if number % 2 else "de", f"d{number // 3}", labels, shares)
    return found


@given(SETS)
def test_f1_is_scikit_learns(sets: list[tuple[set[str], set[str]]]) -> None:
    judged = judge(records([g for g, _ in sets]), records([p for _, p in sets], probabilities=True))
    scores = {(row.label, row.metric): row for row in score(judged) if not row.language}
    gold, chosen = judged.gold, judged.chosen
    assert scores["", "micro_f1"].value == pytest.approx(f1_score(gold, chosen, average="micro", zero_division=0))
    occurring = gold.any(axis=0)
    if occurring.any():
        each = f1_score(gold, chosen, average=None, zero_division=0)
        assert scores["", "macro_f1"].value == pytest.approx(np.asarray(each)[occurring].mean())
    for row in scores.values():
        if row.low is not None and row.high is not None:
            assert 0 <= row.low <= row.high <= 1


def test_perfect_predictions_score_one_in_every_language() -> None:
    sets = [{"a"}, {"b"}, {"a", "c"}, set(), {"c"}, {"b"}]
    rows = score(judge(records(sets), records(sets, probabilities=True)))
    assert {row.value for row in rows if row.metric in ("macro_f1", "micro_f1", "average_precision")} == {1.0}
    assert {row.language for row in rows} == {"", "nl", "de"}
    assert headline(rows) == 1.0


def test_what_a_tagger_left_open_is_not_scored_and_shows_as_coverage() -> None:
    gold = records([{"a"}, {"b"}, {"a"}, {"c"}])
    predicted = records([{"a"}, {"b"}, {"a"}, {"c"}])
    predicted["3"] = Record("3", "nl", "d1", {}, {})
    scores = [row for row in score(judge(gold, predicted, selective=True)) if not row.language]
    found = {(row.label, row.metric): row.value for row in scores}
    assert found["", "coverage"] == 0.75
    assert found["", "micro_f1"] == 1.0
    assert facet_heads(scores)[-1] == "coverage"
    assert [row[-1] for row in facet_rows(scores)] == [".750"]
    # beside another system silence is no answer
    plain = [row for row in score(judge(gold, predicted)) if not row.language]
    assert [row.value for row in plain if row.metric == "micro_f1"] == [pytest.approx(6 / 7)]
    assert facet_heads(plain)[-1] == "calibration_error"


def test_the_interval_is_wider_when_documents_are_fewer() -> None:
    rng = np.random.default_rng(0)
    sets = [({"a"}, {"a"} if rng.random() < 0.7 else set()) for _ in range(60)]
    many = {str(n): Record(str(n), "de", f"d{n}", {"f": tuple(g)}, {}) for n, (g, _) in enumerate(sets)}
    few = {key: Record(r.id, r.language, f"d{int(key) // 20}", r.labels, {}) for key, r in many.items()}
    predicted = records([p for _, p in sets])

    def width(gold: dict[str, Record]) -> float:
        (row,) = [r for r in score(judge(gold, predicted)) if r.metric == "micro_f1" and not r.language]
        assert row.low is not None
        assert row.high is not None
        return row.high - row.low

    assert width(many) > 0.05
    assert width(few) != width(many)


def test_the_bootstrap_draws_whole_documents() -> None:
    weights = bootstrap_weights(["x", "x", "y", "z"], seed=1, resamples=200)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert weights[:, 1:].sum(axis=1).tolist() == [3.0] * 200


def test_calibration_error_of_known_cases() -> None:
    assert calibration_error(np.array([0.0, 1.0]), np.array([0.0, 1.0])) == 0
    assert calibration_error(np.full(10, 0.8), np.repeat([1.0, 0.0], 5)) == pytest.approx(0.3)


def test_an_undecided_facet_is_left_out() -> None:
    gold = {"1": Record("1", "de", "d", {"f": ("a",)}, {}), "2": Record("2", "de", "d", {}, {})}
    predicted = records([set(), set(), {"a"}])
    rows = score(judge(gold, predicted))
    (row,) = [r for r in rows if r.metric == "micro_f1" and not r.language]
    assert row.support == 1


def test_perfect_predictions_have_a_perfect_interval_however_rare_the_labels() -> None:
    gold = {str(n): Record(str(n), "de", f"d{n}", {"f": (label,)}, {}) for n, label in enumerate("abc")}
    for row in score(judge(gold, gold)):
        assert row.low in (None, 1.0)


def test_a_facet_that_gold_never_decides_has_no_scores() -> None:
    gold = {"1": Record("1", "de", "d", {"f": ("a",)}, {})}
    predicted = {"1": Record("1", "de", "d", {"f": ("a",), "g": ("x",)}, {})}
    assert {row.facet for row in score(judge(gold, predicted))} == {"f"}


def test_files_are_read_and_their_faults_named(tmp_path: Path) -> None:
    gold, predictions = tmp_path / "gold.jsonl", tmp_path / "p.jsonl"
    lines = [{"id": f"d:{n}", "language": "en", "labels": {"kind": "body", "stance": ["x"]}} for n in range(3)]
    gold.write_text("".join(json.dumps(line) + "\n" for line in lines))
    predictions.write_text(json.dumps(lines[0]) + "\n")
    with pytest.raises(FramingError, match="2 of 3 gold records have no prediction, first 'd:1'"):
        judge(read_records_file(gold), read_records_file(predictions))
    predictions.write_text(gold.read_text() * 2)
    with pytest.raises(FramingError, match="stands twice"):
        read_records_file(predictions)
    predictions.write_text('{"id": 1}\n')
    with pytest.raises(FramingError, match="no 'labels'"):
        read_records_file(predictions)
    assert read_records_file(gold)["d:1"].document == "d"


@pytest.mark.parametrize("share", ["high", "0.5", None, [0.5]])
def test_a_probability_that_is_no_number_is_named(share: object, tmp_path: Path) -> None:
    record = {"id": "a", "labels": {"stance": ["x"]}, "probabilities": {"stance": {"x": share}}}
    (tmp_path / "p.jsonl").write_text(json.dumps(record))
    with pytest.raises(FramingError, match=r"p.jsonl:1: the probability of stance.x is .*; write a number"):
        read_records_file(tmp_path / "p.jsonl")


def test_rows_and_names_of_a_report() -> None:
    sets = [{"a"}, {"b"}, {"a", "c"}]
    rows = score(judge(records(sets), records([{"a"}, {"a"}, {"c"}], probabilities=True)))
    names = metric_names(rows, "test")
    assert names["test/f/a/f1"] == pytest.approx(0.5)
    assert "test/f/nl/macro_f1" in names
    assert "test/f/macro_f1_low" in names
    assert [row[:3] for row in facet_rows(rows)] == [["f", "all", "4"]]
    assert [row[1] for row in label_rows(rows)] == ["a", "b", "c"]
