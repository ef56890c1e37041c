"""Predictions as records of a file, written line by line and whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from framing.annotation.store import labels_to_json
from framing.records import Prediction
from framing.schema import Schema


def prediction_to_json(found: Prediction, schema: Schema) -> str:
    """One output record: the paragraph, its labels, and every label's probability."""
    paragraph = found.paragraph
    return json.dumps(
        {
            "id": paragraph.id,
            "document": paragraph.document,
            "position": paragraph.position,
            "text": paragraph.text,
            "language": paragraph.language,
            "labels": labels_to_json(found.labels, schema),
            "probabilities": found.probabilities,
            "model": found.model,
        },
        ensure_ascii=False,
    )


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
