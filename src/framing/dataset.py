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
    its labels together must keep the schema's constraints, and it must be no longer than a long paragraph. No source
    holds such a text: its span runs from the first to the second.
    """
    values, mask = dataset.matrix.values, dataset.matrix.mask
    paragraphs = dataset.paragraphs
    order = sorted(range(len(dataset)), key=lambda row: (paragraphs[row].document, paragraphs[row].position))
    rng = np.random.default_rng((seed, len(order)))
    pairs, targets = [], []
    for one, two in itertools.pairwise(order):
        first, second = paragraphs[one], paragraphs[two]
        if first.document != second.document or second.position != first.position + 1 or rng.random() >= share:
            continue
        both = _of_both(values[one], values[two], mask[one] & mask[two], schema)
        if both is not None and len(first.text) + len(second.text) < _LONGEST_PAIR:
            pairs.append((one, two))
            targets.append(both)
    if not pairs:
        return dataset.select([])
    ones, twos = (list(rows) for rows in zip(*pairs, strict=True))
    joined = tuple(_joined(paragraphs[one], paragraphs[two]) for one, two in pairs)
    return Dataset(joined, LabelMatrix(np.stack(targets), mask[ones] & mask[twos]))


def _of_both(
    one: NDArray[np.float32], two: NDArray[np.float32], decided: NDArray[np.bool_], schema: Schema
) -> NDArray[np.float32] | None:
    """Targets [labels] of two texts as one; None if they cannot be one. A facet not decided in both is open in it."""
    both = np.maximum(one, two)
    labels: dict[str, tuple[str, ...]] = {}
    for facet in schema.facets:
        columns = schema.columns(facet.id)
        if not decided[columns].all():
            continue
        if facet.choice == "one":
            if one[columns].argmax() != two[columns].argmax():
                return None
            both[columns] = (one[columns] + two[columns]) / 2
            labels[facet.id] = (facet.labels[int(both[columns].argmax())].id,)
        else:
            labels[facet.id] = tuple(label.id for label, v in zip(facet.labels, both[columns], strict=True) if v > 0.5)
    return None if schema.violations(labels) else both


def _joined(first: Paragraph, second: Paragraph) -> Paragraph:
    return replace(first, id=f"{first.id}+", end=second.end, text=f"{first.text} {second.text}")
