"""Paragraphs with targets: neighbours as one, rows added."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from framing.dataset import Dataset, LabelMatrix, joined_neighbours
from framing.records import Paragraph
from framing.schema import Constraint, Facet, Label, Schema


def schema(*constraints: Constraint) -> Schema:
    def labels(facet: str, *names: str) -> tuple[Label, ...]:
        return tuple(Label(name, facet, name, f"what {name} is") for name in names)

    kind = Facet("kind", "Kind", "one", "", labels("kind", "body", "furniture"))
    return Schema("tiny", "", (kind, Facet("stance", "Stance", "many", "", labels("stance", "a", "b"))), constraints)


def dataset(rows: list[tuple[str, int, str, set[str]]]) -> Dataset:
    """Rows of document, position, kind and stances."""
    paragraphs = tuple(Paragraph(f"{d}:{n}", d, n, 0, 4, f"{d}{n}", "en") for d, n, _, _ in rows)
    values = np.array([[k == "body", k == "furniture", "a" in s, "b" in s] for _, _, k, s in rows], np.float32)
    return Dataset(paragraphs, LabelMatrix(values, np.ones_like(values, np.bool_)))


def test_two_neighbours_of_one_kind_become_one_text_with_the_labels_of_both() -> None:
    data = dataset(
        [("d", 1, "body", {"a"}), ("d", 2, "body", {"b"}), ("d", 3, "furniture", set()), ("e", 4, "body", set())]
    )
    found = joined_neighbours(data, schema(), 1.0, 0)
    assert found.texts == ["d1 d2"]
    assert found.matrix.values.tolist() == [[1, 0, 1, 1]]


def test_a_pair_that_would_break_a_constraint_is_passed_over() -> None:
    data = dataset([("d", 1, "body", {"a"}), ("d", 2, "body", {"b"}), ("d", 3, "body", {"b"})])
    found = joined_neighbours(data, schema(Constraint("stance.a", excludes=("stance.b",))), 1.0, 0)
    assert found.texts == ["d2 d3"]


def test_where_one_label_is_chosen_the_coders_shares_stay_shares() -> None:
    data = dataset([("d", 1, "body", set()), ("d", 2, "body", set()), ("d", 3, "furniture", set())])
    data.matrix.values[:, :2] = [[0.75, 0.25], [0.5625, 0.4375], [0.4375, 0.5625]]
    found = joined_neighbours(data, schema(), 1.0, 0)
    assert found.texts == ["d1 d2"]
    assert found.matrix.values[0, :2].tolist() == [0.65625, 0.34375]


def test_a_label_that_one_of_the_two_leaves_undecided_is_undecided() -> None:
    data = dataset([("d", 1, "body", {"a"}), ("d", 2, "body", set())])
    data.matrix.mask[1, 2:] = False
    assert joined_neighbours(data, schema(), 1.0, 0).matrix.mask.tolist() == [[True, True, False, False]]


@given(st.floats(0, 1), st.integers(0, 9))
def test_pairs_are_drawn_alike_for_a_seed_and_are_no_more_than_the_share_allows(share: float, seed: int) -> None:
    data = dataset([("d", n, "body", set()) for n in range(1, 30)])
    found = joined_neighbours(data, schema(), share, seed)
    assert found.texts == joined_neighbours(data, schema(), share, seed).texts
    assert len(found) <= 28
    assert (len(found) > 0) or share < 0.5
    both = data.with_rows(found)
    assert len(both) == len(data) + len(found)
    assert both.matrix.values.shape == both.matrix.mask.shape == (len(both), 4)


def test_a_facet_that_one_of_the_two_leaves_undecided_says_nothing_against_the_pair() -> None:
    data = dataset([("d", 1, "body", {"a"}), ("d", 2, "furniture", {"b"}), ("d", 3, "furniture", set())])
    data.matrix.mask[0, :2] = False
    data.matrix.values[0, :2] = 0
    found = joined_neighbours(data, schema(Constraint("kind.furniture", requires=("stance.b",))), 1.0, 0)
    assert found.texts == ["d1 d2", "d2 d3"]
    assert found.matrix.mask.tolist() == [[False, False, True, True], [True] * 4]
