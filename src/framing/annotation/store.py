"""Annotation files <-> Annotations: stand-off JSON Lines, checked against the schema and the paragraphs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framing.corpus.reading import decode, find_files, json_lines
from framing.errors import FramingError, did_you_mean
from framing.records import Annotation, Labels, Paragraph
from framing.schema import Schema

KEYS = ("id", "digest", "coder", "labels", "note")


@dataclass(frozen=True, slots=True)
class Placed:
    """An annotation and where it stands, `file:line`."""

    place: str
    annotation: Annotation


def labels_to_json(labels: Labels, schema: Schema) -> dict[str, str | list[str]]:
    """The file's form: one id for a facet of choice `one`, a list of ids in schema order for the others."""
    plain: dict[str, str | list[str]] = {}
    for facet in schema.facets:
        if facet.id in labels:
            chosen = [label.id for label in facet.labels if label.id in labels[facet.id]]
            plain[facet.id] = chosen[0] if facet.choice == "one" and chosen else chosen
    return plain


def labels_from_json(value: Mapping[str, Any]) -> Labels:
    """The inverse of `labels_to_json`, of any file: a facet that is null or absent was not decided."""
    return {
        str(facet): (chosen,) if isinstance(chosen, str) else tuple(str(label) for label in chosen)
        for facet, chosen in value.items()
        if chosen is not None
    }


def placed_labels(value: Mapping[str, Any], place: str) -> Labels:
    """`labels_from_json` of a record at a place; raises FramingError for a facet that holds no label ids."""
    for facet, chosen in value.items():
        if not isinstance(chosen, str | list | None):
            raise FramingError(place, f"facet {facet!r} holds {chosen!r:.40}", "write a label id or a list of them")
    return labels_from_json(value)


def read_annotations(sources: Iterable[str | Path], schema: Schema) -> tuple[list[Placed], list[FramingError]]:
    """All readable annotations of the files and all faults of the others: of JSON, of keys, of labels, doubles."""
    placed: list[Placed] = []
    faults: list[FramingError] = []
    seen: dict[tuple[str, str], str] = {}
    for file in find_files(sources):
        for number, line in enumerate(io.StringIO(decode(file)), 1):
            try:
                for _, record in json_lines(line, str(file), number):
                    annotation = _parse(record, f"{file}:{number}", schema)
                    key = (annotation.paragraph, annotation.coder)
                    if key in seen:
                        finding = f"{annotation.coder!r} annotated {annotation.paragraph!r} already at {seen[key]}"
                        raise FramingError(f"{file}:{number}", finding, "keep one of the two")
                    seen[key] = f"{file}:{number}"
                    placed.append(Placed(f"{file}:{number}", annotation))
            except FramingError as fault:
                faults.append(fault)
    return placed, faults


def _parse(record: Mapping[str, Any], place: str, schema: Schema) -> Annotation:
    for key in record:
        if key not in KEYS:
            raise FramingError(place, f"unknown key {key!r}", did_you_mean(key, KEYS))
    for key in KEYS[:4]:
        if not record.get(key):
            raise FramingError(place, f"the record has no {key!r}", f"it needs {', '.join(KEYS[:4])}")
    if not isinstance(record["labels"], dict):
        raise FramingError(place, "'labels' is no object", 'write {"facet": ["label", ...], ...}')
    labels = placed_labels(record["labels"], place)
    wrong = schema.violations(labels)
    if wrong:
        finding, _, cure = wrong[0].partition("; ") if len(wrong) == 1 else (" | ".join(wrong), "", "")
        raise FramingError(place, finding, cure)
    note = str(record.get("note") or "")
    return Annotation(str(record["id"]), str(record["digest"]), str(record["coder"]), labels, note)


def check_annotations(placed: Sequence[Placed], paragraphs: Sequence[Paragraph]) -> list[FramingError]:
    """Faults between annotations and texts: a paragraph that is not there, a text that has changed, none at all."""
    by_id = {paragraph.id: paragraph for paragraph in paragraphs}
    faults = []
    for item in placed:
        paragraph = by_id.get(item.annotation.paragraph)
        if paragraph is None:
            finding = f"there is no paragraph {item.annotation.paragraph!r}"
            faults.append(FramingError(item.place, finding, "remove the record or give its source text"))
        elif paragraph.digest != item.annotation.digest:
            finding = f"paragraph {paragraph.id!r} has changed (digest {paragraph.digest} now)"
            faults.append(FramingError(item.place, finding, "read the text again, decide, and renew the digest"))
    covered = {item.annotation.paragraph for item in placed}
    for paragraph in paragraphs:
        if paragraph.id not in covered:
            faults.append(FramingError(paragraph.id, f"not annotated: {paragraph.text!r:.60}", "annotate it"))
    return faults


def annotation_to_json(annotation: Annotation, schema: Schema) -> str:
    record: dict[str, Any] = {
        "id": annotation.paragraph,
        "digest": annotation.digest,
        "coder": annotation.coder,
        "labels": labels_to_json(annotation.labels, schema),
    }
    if annotation.note:
        record["note"] = annotation.note
    return json.dumps(record, ensure_ascii=False)
