"""Documents into paragraphs with stable ids and languages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from framing.corpus.language import detect_languages
from framing.corpus.segmentation import segment
from framing.corpus.sources import stop
from framing.errors import FramingError
from framing.records import Document, Paragraph

MAX_CHARACTERS = 100_000
"""A longer paragraph is no paragraph: minified code, a data dump, a file without line ends."""


_TITLE = 200
"""Characters of a title that each paragraph carries: without a title of its own, a text's first line is taken."""


def split_document(document: Document) -> list[Paragraph]:
    """The document's paragraphs. The id of the n-th (from 1) is `document:n`, so it stays while the text above does."""
    spans = segment(document.text)
    for position, (start, end) in enumerate(spans, 1):
        if end - start > MAX_CHARACTERS:
            raise FramingError(
                f"{document.id}:{position}",
                f"a paragraph of {end - start:,} characters (limit {MAX_CHARACTERS:,})",
                "is this running text? break it into lines, one a paragraph",
            )
    texts = [document.text[start:end] for start, end in spans]
    hint = document.metadata.get("language", "")
    title = (document.metadata.get("title") or (texts[0] if texts else ""))[:_TITLE]
    date = document.metadata.get("date", "")
    languages = [hint] * len(texts) if document.metadata.get("language_is_known") else detect_languages(texts, hint)
    return [
        Paragraph(f"{document.id}:{position}", document.id, position, start, end, text, language, title, date)
        for position, ((start, end), text, language) in enumerate(zip(spans, texts, languages, strict=True), 1)
    ]


def split_documents(
    documents: Iterable[Document], reject: Callable[[FramingError, Any], None] = stop
) -> Iterator[Paragraph]:
    """All paragraphs; `reject` is told of a document that cannot be split, and by default raises."""
    for document in documents:
        try:
            paragraphs = split_document(document)
        except FramingError as fault:
            reject(fault, {"id": document.id})
            continue
        yield from paragraphs
