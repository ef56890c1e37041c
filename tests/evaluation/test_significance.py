"""Paired tests: known cases, what must hold of any pair, and p values that are right when nothing differs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from framing.evaluation.metrics import Judged, Record, columns_of, judge, score
from framing.evaluation.report import headline
from framing.evaluation.significance import (
    HEADLINE,
    Difference,
    differences,
    headline_score,
    holm,
    smallest_p,
)

LABELS = ("a", "b", "c")
Chosen = Sequence[set[str]]


def records(sets: Chosen, articles: int, languages: Sequence[str]) -> dict[str, Record]:
    return {
        str(n): Record(
            str(n), languages[n % articles % len(languages)], f"d{n % articles}", {"f": tuple(sorted(own))}, {}
        )
        for n, own in enumerate(sets)
    }


def pair(
    gold: Chosen, one: Chosen, two: Chosen, articles: int, languages: Sequence[str] = ("de",)
) -> tuple[Judged, Judged]:
    known = [records(sets, articles, languages) for sets in (gold, one, two)]
    columns = columns_of([record for own in known for record in own.values()])
    return judge(known[0], known[1], columns=columns), judge(known[0], known[2], columns=columns)


def rows(found: list[Difference]) -> dict[tuple[str, str, str, str], Difference]:
    return {(row.facet, row.label, row.language, row.metric): row for row in found}


def answers(rng: np.random.Generator, gold: Chosen, right: float) -> list[set[str]]:
    """Gold, with each label kept with the chance `right` and else another one."""
    return [{x if rng.random() < right else str(rng.choice(LABELS)) for x in own} for own in gold]


def golden(rng: np.random.Generator, count: int) -> list[set[str]]:
    return [{str(rng.choice(LABELS))} for _ in range(count)]


def test_systems_that_say_the_same_differ_by_nothing_with_p_one() -> None:
    gold = golden(np.random.default_rng(0), 60)
    same = answers(np.random.default_rng(1), gold, 0.7)
    for row in differences(*pair(gold, same, same, 12), resamples=500):
        assert row.value == row.low == row.high == 0
        assert row.p == row.p_better == row.corrected == 1
        assert not row.shown
        assert row.only_first == row.only_second == 0


def test_a_clear_difference_has_a_small_p_and_an_interval_above_nothing() -> None:
    rng = np.random.default_rng(0)
    gold = golden(rng, 200)
    found = rows(
        differences(*pair(gold, answers(rng, gold, 0.9), answers(rng, gold, 0.3), 40, ("de", "nl")), resamples=2000)
    )
    row = found["f", "", "", "macro_f1"]
    assert row.shown
    assert row.p is not None
    assert row.low is not None
    assert row.p < 0.005
    assert row.low > 0.2
    assert row.only_first > row.only_second
    assert found["f", "a", "", "f1"].shown
    assert found["", "", "", HEADLINE].value == pytest.approx(row.value), "of one facet the headline is its macro-F1"
    assert ("f", "", "de", "macro_f1") in found


def test_with_five_articles_the_test_is_exact_and_cannot_show_a_difference() -> None:
    rng = np.random.default_rng(0)
    gold = golden(rng, 100)
    nothing: list[set[str]] = [set() for _ in gold]
    row = rows(differences(*pair(gold, gold, nothing, 5)))["f", "", "", "macro_f1"]
    assert row.value == 1
    assert row.p == smallest_p(5) == 2 / 2**5
    assert row.p_better == 1 / 2**5
    assert not row.shown


def test_fewer_articles_give_neither_interval_nor_p() -> None:
    gold = golden(np.random.default_rng(0), 40)
    for row in differences(*pair(gold, gold, [set() for _ in gold], 4)):
        assert row.low is row.high is row.p is row.p_better is row.corrected is None


SETS = st.lists(st.tuples(*[st.sets(st.sampled_from(LABELS))] * 3), min_size=6, max_size=40)


@given(SETS, st.integers(5, 12))
@hypothesis_settings(max_examples=25)
def test_swapping_the_systems_turns_every_sign(sets: list[tuple[set[str], set[str], set[str]]], articles: int) -> None:
    gold, one, two = ([own[n] for own in sets] for n in range(3))
    first, second = pair(gold, one, two, articles)
    there, back = (rows(differences(*both, resamples=300)) for both in ((first, second), (second, first)))
    assert there.keys() == back.keys()
    for key, row in there.items():
        other = back[key]
        assert row.value == pytest.approx(-other.value)
        assert (row.p, row.corrected) == (other.p, other.corrected)
        assert (row.only_first, row.only_second) == (other.only_second, other.only_first)
        if row.low is not None and row.high is not None:
            assert other.low is not None
            assert other.high is not None
            assert (row.low, row.high) == (pytest.approx(-other.high), pytest.approx(-other.low))


@given(SETS)
@hypothesis_settings(max_examples=25)
def test_values_are_those_of_the_scores(sets: list[tuple[set[str], set[str], set[str]]]) -> None:
    gold, one, two = ([own[n] for own in sets] for n in range(3))
    first, second = pair(gold, one, two, 4, ("de", "nl"))
    scores = [{(s.facet, s.label, s.language, s.metric): s.value for s in score(own)} for own in (first, second)]
    for key, row in rows(differences(first, second)).items():
        if row.metric != HEADLINE:
            assert (row.first, row.second) == (pytest.approx(scores[0][key]), pytest.approx(scores[1][key]))
    assert headline_score(first).value == pytest.approx(headline(score(first)))


def test_p_is_right_where_nothing_differs() -> None:
    """Two systems of one quality, 200 times: p at most .05 in about a twentieth of them, at most .2 in a fifth."""
    rng = np.random.default_rng(7)
    found = []
    for _ in range(200):
        gold = golden(rng, 40)
        first, second = pair(gold, answers(rng, gold, 0.6), answers(rng, gold, 0.6), 8)
        row = rows(differences(first, second, resamples=256))["f", "", "", "macro_f1"]
        found.append(row.p)
    shares = [np.mean([p is not None and p <= level for p in found]) for level in (0.05, 0.2)]
    # Three standard errors of a share over 200 tries.
    assert shares[0] <= 0.05 + 3 * (0.05 * 0.95 / 200) ** 0.5
    assert abs(shares[1] - 0.2) <= 3 * (0.2 * 0.8 / 200) ** 0.5


def test_holm_corrects_as_he_did() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_a_corrected_p_is_never_smaller_and_keeps_the_order(values: list[float]) -> None:
    corrected = holm(values)
    assert all(after >= before for before, after in zip(values, corrected, strict=True))
    ranked = [corrected[n] for n in np.argsort(values, kind="stable")]
    assert ranked == sorted(ranked)


def test_systems_that_were_not_judged_alike_are_refused() -> None:
    gold = golden(np.random.default_rng(0), 12)
    first, _ = pair(gold, gold, gold, 6)
    other, _ = pair(gold[:6], gold[:6], gold[:6], 6)
    with pytest.raises(ValueError, match="not judged on the same"):
        differences(first, other)
