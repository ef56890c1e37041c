"""Paragraphs with their targets: what a classifier learns from and is scored on."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from framing.annotation.adjudication import by_paragraph, target
from framing.records import Annotation, Paragraph
from framing.schema import Schema


@dataclass(frozen=True, slots=True)
class LabelMatrix:
    """values [paragraphs x labels] in 0..1 and their mask: soft labels and undecided facets are no special case."""

    values: NDArray[np.float32]
    mask: NDArray[np.bool_]

    def select(self, rows: Sequence[int] | NDArray[np.int64]) -> LabelMatrix:
        return LabelMatrix(self.values[rows], self.mask[rows])


@dataclass(frozen=True)
class Dataset:
    paragraphs: tuple[Paragraph, ...]
    matrix: LabelMatrix

    def __len__(self) -> int:
        return len(self.paragraphs)

    @cached_property
    def texts(self) -> list[str]:
        return [paragraph.text for paragraph in self.paragraphs]

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hex digits over texts, ids and targets, in order."""
        digest = hashlib.sha256()
        for paragraph in self.paragraphs:
            digest.update(f"{paragraph.id}\t{paragraph.digest}\n".encode())
        digest.update(self.matrix.values.tobytes() + self.matrix.mask.tobytes())
        return digest.hexdigest()[:12]

    def select(self, rows: Sequence[int]) -> Dataset:
        return Dataset(tuple(self.paragraphs[row] for row in rows), self.matrix.select(list(rows)))

    def of_documents(self, documents: Iterable[str]) -> Dataset:
        wanted = set(documents)
        return self.select([row for row, p in enumerate(self.paragraphs) if p.document in wanted])

    def with_rows(self, more: Dataset) -> Dataset:
        values = np.concatenate([self.matrix.values, more.matrix.values])
        mask = np.concatenate([self.matrix.mask, more.matrix.mask])
        return Dataset(self.paragraphs + more.paragraphs, LabelMatrix(values, mask))

    @cached_property
    def documents(self) -> list[str]:
        return list(dict.fromkeys(paragraph.document for paragraph in self.paragraphs))


def build_dataset(paragraphs: Iterable[Paragraph], annotations: Iterable[Annotation], schema: Schema) -> Dataset:
    """The annotated ones of the paragraphs, with the target that their annotations amount to."""
    grouped = by_paragraph(annotations)
    known = [paragraph for paragraph in paragraphs if paragraph.id in grouped]
    targets = [target(grouped[paragraph.id], schema) for paragraph in known]
    shape = (len(known), len(schema.labels))
    values = np.array([values for values, _ in targets], np.float32).reshape(shape)
    mask = np.array([mask for _, mask in targets], np.bool_).reshape(shape)
    return Dataset(tuple(known), LabelMatrix(values, mask))


_LONGEST_PAIR = 900
"""Characters."""


def joined_neighbours(dataset: Dataset, schema: Schema, share: float, seed: int) -> Dataset:
    """Paragraphs that are two neighbours of one article in one, with the labels of either: what training may add.

    Real paragraphs tell more at once than written ones; a joined pair shows a label beside what does not belong to it,
    and its labels need no reading. A share of all neighbours is drawn; a pair must agree where one label is chosen,
    and be no longer than a long paragraph.
    """
    single = np.zeros(len(schema.labels), np.bool_)
    for facet in schema.facets:
        if facet.choice == "one":
            single[schema.columns(facet.id)] = True
    values, mask = dataset.matrix.values, dataset.matrix.mask
    order = sorted(
        range(len(dataset)), key=lambda row: (dataset.paragraphs[row].document, dataset.paragraphs[row].position)
    )
    rng = np.random.default_rng((seed, len(order)))
    pairs = []
    for one, two in itertools.pairwise(order):
        first, second = dataset.paragraphs[one], dataset.paragraphs[two]
        if first.document != second.document or second.position != first.position + 1 or rng.random() >= share:
            continue
        fits = len(first.text) + len(second.text) < _LONGEST_PAIR
        if fits and (np.abs(values[one] - values[two])[single] < 0.5).all():
            pairs.append((one, two))
    if not pairs:
        return dataset.select([])
    ones, twos = (list(rows) for rows in zip(*pairs, strict=True))
    paragraphs = tuple(_joined(dataset.paragraphs[one], dataset.paragraphs[two]) for one, two in pairs)
    return Dataset(paragraphs, LabelMatrix(np.maximum(values[ones], values[twos]), mask[ones] & mask[twos]))


def _joined(first: Paragraph, second: Paragraph) -> Paragraph:
    return replace(first, id=f"{first.id}+", end=second.end, text=f"{first.text} {second.text}")
