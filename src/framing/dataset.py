"""Paragraphs with their targets: what a classifier learns from and is scored on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
