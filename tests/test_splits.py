"""Splits: whole documents, each in one part, no text in two."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framing.dataset import Dataset, LabelMatrix
from framing.errors import FramingError
from framing.records import Paragraph
from framing.splits import (
    Split,
    cross_validation,
    fewer,
    leave_out,
    near_duplicates,
    read_split,
    shared_text,
    write_split,
)


def dataset(sizes: list[int], seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    paragraphs = [
        Paragraph(f"d{d}:{n}", f"d{d}", n, 0, 1, f"text {d} {n}", "nl" if d % 2 else "de")
        for d, size in enumerate(sizes)
        for n in range(1, size + 1)
    ]
    values = (rng.random((len(paragraphs), 5)) < 0.3).astype(np.float32)
    return Dataset(tuple(paragraphs), LabelMatrix(values, np.ones_like(values, np.bool_)))


@given(st.lists(st.integers(1, 6), min_size=3, max_size=24), st.integers(3, 8), st.integers(0, 99))
def test_every_document_tests_once_and_parts_never_share_one(sizes: list[int], folds: int, seed: int) -> None:
    data = dataset(sizes, seed)
    folds = min(folds, len(sizes))
    splits = list(cross_validation(data, folds, seed))
    tested = [document for split in splits for document in split.test]
    assert sorted(tested) == sorted(data.documents)
    for split in splits:
        parts = [set(split.train), set(split.dev), set(split.test)]
        assert set.union(*parts) == set(data.documents)
        assert sum(map(len, parts)) == len(data.documents)


def test_folds_are_alike_in_labels() -> None:
    data = dataset([1] * 100)
    rates = []
    for split in cross_validation(data, 5, 1):
        part = data.of_documents(split.test)
        rates.append(part.matrix.values.mean(axis=0))
    assert np.ptp(np.array(rates), axis=0).max() <= 0.1


def test_the_same_seed_deals_the_same(project: Path) -> None:
    data = dataset([3] * 20)
    assert list(cross_validation(data, 5, 7)) == list(cross_validation(data, 5, 7))
    assert list(cross_validation(data, 5, 7)) != list(cross_validation(data, 5, 8))


@pytest.mark.parametrize("folds", [2, 9])
def test_too_few_or_too_many_folds_are_refused(folds: int) -> None:
    with pytest.raises(FramingError, match="choose 3 to 8"):
        next(cross_validation(dataset([1] * 8), folds, 0))


@given(st.lists(st.integers(1, 4), min_size=6, max_size=20), st.integers(0, 99))
def test_what_is_left_out_tests_and_teaches_nothing(sizes: list[int], seed: int) -> None:
    data = dataset(sizes, seed)
    traits = {document: ["nl", "de", ""][number % 3] for number, document in enumerate(data.documents)}
    splits = dict(leave_out(data, traits, "language", None, seed))
    assert list(splits) == ["de", "nl"]
    for value, split in splits.items():
        assert set(split.test) == {document for document, own in traits.items() if own == value}
        known = [document for document in data.documents if traits[document]]
        assert sorted(split.train + split.dev + split.test) == sorted(known)
        assert split.dev
        assert split.train


def test_leaving_out_a_value_or_trait_that_no_article_has_is_refused_with_what_there_is() -> None:
    data = dataset([1] * 6)
    traits = dict.fromkeys(data.documents, "nl")
    with pytest.raises(FramingError, match="known are: nl"):
        list(leave_out(data, traits, "language", ("nI",), 0))
    with pytest.raises(FramingError, match="no article says its 'planet'"):
        list(leave_out(data, {}, "planet", None, 0))


def test_a_frozen_split_must_fit_the_documents(tmp_path: Path) -> None:
    data, file = dataset([1, 1, 1]), tmp_path / "s.json"
    write_split(Split(("d0",), ("d1",), ("d2",)), file)
    assert read_split(file, data).test == ("d2",)
    write_split(Split(("d0", "d9"), ("d1", "d0"), ()), file)
    with pytest.raises(FramingError, match="part 'test' is empty") as caught:
        read_split(file, data)
    assert len(str(caught.value).splitlines()) == 4
    file.write_text("{")
    with pytest.raises(FramingError, match="not a splits file"):
        read_split(file, data)


@given(st.lists(st.text("abcde ", min_size=5, max_size=40), min_size=2, max_size=8))
def test_near_duplicates_are_those_of_the_definition(texts: list[str]) -> None:
    def grams(text: str) -> set[str]:
        return {text[i : i + 5] for i in range(len(text) - 4)}

    normal = [re.sub(r"\s\s+", " ", text) for text in texts]
    expected = set()
    for i, one in enumerate(normal):
        for j in range(i + 1, len(normal)):
            a, b = grams(one), grams(normal[j])
            if a | b and len(a & b) / len(a | b) > 0.6:
                expected.add((i, j))
    assert {(i, j) for i, j, _ in near_duplicates(texts, 0.6)} == expected


@given(st.integers(1, 30), st.integers(1, 30))
def test_fewer_training_documents_are_part_of_more(one: int, two: int) -> None:
    split = Split(tuple(f"d{n}" for n in range(25)), ("a",), ("b",))
    small, large = (set(fewer(split, size).train) for size in sorted((one, two)))
    assert small <= large
    assert len(large) == min(25, max(one, two))


def test_text_that_two_parts_share_is_a_leak() -> None:
    long = "The ministers of both countries agreed on Tuesday to open the crossing for three days"
    rows = [
        ("a:1", long),
        ("b:1", long + " again."),
        ("c:1", "Quite another text that says nothing of ministers at all, and long"),
    ]
    paragraphs = tuple(Paragraph(i, i[0], 1, 0, 1, text, "en") for i, text in rows)
    data = Dataset(paragraphs, LabelMatrix(np.zeros((3, 1), np.float32), np.ones((3, 1), np.bool_)))
    leaks = shared_text(Split(("a",), ("b",), ("c",)), data)
    assert [(one, other) for one, other, _ in leaks] == [("a:1", "b:1")]
    assert shared_text(Split(("a", "b"), (), ("c",)), data) == []
