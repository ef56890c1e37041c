"""Records of predictions read back, as `framing predict` writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from framing.annotation.store import placed_labels
from framing.corpus.reading import decode, json_lines
from framing.corpus.sources import STDIN, find_files
from framing.errors import FramingError
from framing.records import Paragraph, Prediction
from framing.schema import Schema

_FACTS = ("title", "date", "source")


def are_tags(sources: Iterable[str | Path]) -> bool:
    """Whether the first file holds predictions and not texts; standard input is never looked into."""
    file = find_files(sources)[0]
    if str(file) == STDIN or file.suffix.lower() != ".jsonl":
        return False
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        first = next((line for line in lines if line.strip()), "")
    # a first line that is no JSON is reported by whoever reads the file whole
    return '"labels"' in first and '"text"' in first


def read_tags(
    sources: Iterable[str | Path], schema: Schema, documents: dict[str, dict[str, str]]
) -> Iterator[Prediction]:
    """Predictions of JSON Lines files in order; what the records say of their documents is put into `documents`."""
    seen: dict[str, str] = {}
    for file in find_files(sources):
        for place, record in json_lines(decode(file), str(file)):
            found = _prediction(record, place, schema)
            if found.paragraph.id in seen:
                finding = f"paragraph {found.paragraph.id!r} stands already at {seen[found.paragraph.id]}"
                raise FramingError(place, finding, "keep one of the two")
            seen[found.paragraph.id] = place
            facts = {key: str(record[key]) for key in _FACTS if record.get(key)}
            documents.setdefault(found.paragraph.document, {}).update(facts)
            yield found


def _prediction(record: Mapping[str, Any], place: str, schema: Schema) -> Prediction:
    for key, kind in (("id", str), ("text", str), ("labels", dict)):
        if not isinstance(record.get(key), kind):
            raise FramingError(place, f"the record has no {key!r}", "give what `framing predict` wrote")
    labels = placed_labels(record["labels"], place)
    unknown = [fault for fault in schema.violations(labels) if fault.startswith("unknown")]
    if unknown:
        cure = f"were these tags made with another schema than {schema.name!r}? give it with --schema"
        raise FramingError(place, unknown[0].partition(";")[0], cure)
    name, position = str(record["id"]), record.get("position") or 1
    if not isinstance(position, int):
        raise FramingError(place, f"position {position!r:.40} is no number", "write a number or leave it out")
    paragraph = Paragraph(
        name,
        str(record.get("document") or name),
        position,
        0,
        len(record["text"]),
        record["text"],
        str(record.get("language") or "und"),
    )
    return Prediction(paragraph, labels, _probabilities(record, place), str(record.get("model") or ""))


def _probabilities(record: Mapping[str, Any], place: str) -> dict[str, dict[str, float]]:
    try:
        return {
            str(facet): {str(label): float(share) for label, share in shares.items()}
            for facet, shares in (record.get("probabilities") or {}).items()
        }
    except (AttributeError, TypeError, ValueError):
        finding = "'probabilities' is not numbers by facet and label"
        raise FramingError(place, finding, "give what `framing predict` wrote, or leave them out") from None
