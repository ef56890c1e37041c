"""Predictions as records of a file, written line by line and whole or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from framing.annotation.store import labels_from_json, labels_to_json
from framing.records import Paragraph, Prediction
from framing.schema import Schema

# What a terminal or an editor obeys instead of showing: controls, line separators, marks that turn the reading order.
_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def safe_json(record: Mapping[str, Any]) -> str:
    """One line of JSON in which control characters and marks of direction stand as escapes."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", json.dumps(record, ensure_ascii=False))


def prediction_to_json(found: Prediction, schema: Schema, *, probabilities: bool = True) -> str:
    """One output record: the paragraph, its labels, and every label's probability."""
    paragraph = found.paragraph
    record: dict[str, Any] = {
        "id": paragraph.id,
        "document": paragraph.document,
        "position": paragraph.position,
        "text": paragraph.text,
        "language": paragraph.language,
        "title": paragraph.title,
        "date": paragraph.date,
        "labels": labels_to_json(found.labels, schema),
    }
    if probabilities:
        record["probabilities"] = found.probabilities
    record["model"] = found.model
    return safe_json(record)


def prediction_from_json(record: Mapping[str, Any]) -> Prediction:
    """The inverse of `prediction_to_json`; the span in the document is not kept."""
    text = record["text"]
    paragraph = Paragraph(
        id=record["id"],
        document=record["document"],
        position=record["position"],
        start=0,
        end=len(text),
        text=text,
        language=record["language"],
        title=record["title"],
        date=record["date"],
    )
    return Prediction(paragraph, labels_from_json(record["labels"]), record["probabilities"], record["model"])


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """A file that appears under its name only when the block ends well: written beside, then renamed."""
    beside = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with beside.open("w", encoding="utf-8") as file:
            yield file
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_predictions(predictions: Iterable[Prediction], schema: Schema, file: IO[str]) -> int:
    """Write one record a line; how many there were."""
    return sum(file.write(prediction_to_json(found, schema) + "\n") > 0 for found in predictions)
