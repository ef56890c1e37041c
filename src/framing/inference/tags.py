"""Records of predictions read back, as `framing predict` writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from framing.annotation.store import placed_labels
from framing.corpus.containers import open_members
from framing.corpus.reading import TABLES, decode, json_lines
from framing.corpus.sources import STDIN, Reading, find_files, kind_of
from framing.corpus.tables import OWN_COLUMNS, read_rows
from framing.errors import FramingError
from framing.records import Paragraph, Prediction
from framing.schema import Schema

_FACTS = ("title", "date", "source")


def are_tags(sources: Iterable[str | Path]) -> bool:
    """Whether the first file holds predictions and not texts; standard input is never looked into.

    Raises FramingError for predictions in a table, which are not read back: as texts they would be tagged anew.
    """
    file = find_files(sources)[0]
    kind, _ = kind_of(file.name)
    if str(file) == STDIN or kind not in TABLES:
        return False
    members = open_members(file, "", Reading())  # a name for it keeps the file open
    _, _, first = next(read_rows(next(members), Reading()), ("", "", {}))
    if kind == "jsonl":
        return "labels" in first and "text" in first
    columns = tuple(first)
    if columns[: len(OWN_COLUMNS)] == OWN_COLUMNS and columns[-1] == "model":
        cure = "give the JSON Lines, or tag the texts anew with `framing predict`"
        raise FramingError(str(file), "a table of tags, which `framing read` does not read back", cure)
    return False


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
