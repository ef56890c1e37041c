"""The things that travel between the rooms: documents, paragraphs, annotations, predictions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

Labels = Mapping[str, tuple[str, ...]]
"""Facet id -> the labels chosen in it; a facet that is absent was not decided."""


def text_digest(text: str) -> str:
    """Twelve hex digits that change when the text does; white space at line ends and runs of it do not count."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Document:
    """One source text as read, with what is known about it (title, date, language, ...)."""

    id: str
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A span of a document: `document.text[start:end] == text`. `position` counts from 1."""

    id: str
    document: str
    position: int
    start: int
    end: int
    text: str
    language: str
    title: str = ""
    date: str = ""

    @property
    def digest(self) -> str:
        return text_digest(self.text)


@dataclass(frozen=True, slots=True)
class Annotation:
    """What one coder decided for one paragraph; `digest` is that of the text the decision was made on."""

    paragraph: str
    digest: str
    coder: str
    labels: Labels
    note: str = ""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a tagger says of one paragraph: the labels chosen and every label's probability."""

    paragraph: Paragraph
    labels: Labels
    probabilities: Mapping[str, Mapping[str, float]]
    model: str
