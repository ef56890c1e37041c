"""Predictions as one page to read: self-contained, no network, text never markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import urlsplit

from framing.errors import FramingError
from framing.records import Prediction
from framing.schema import Facet, Schema

TEMPLATE = Path(__file__).with_suffix(".html")

Weights = Sequence[tuple[int, int, float]]
"""Spans of a paragraph's text (offsets in characters) and what each adds to a label's log-odds."""

_DATE = re.compile(r"(?<!\d)(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?!\d)")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Notes:
    """What a page may show beside the predictions.

    documents: facts by document id (`title`, `source`, `date`); evidence: by paragraph id, then by `facet.label`;
    home: where a link "another article" leads, if there is one.
    """

    documents: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    evidence: Mapping[str, Mapping[str, Weights]] = field(default_factory=dict)
    home: str = ""


def write_page(
    predictions: Iterable[Prediction], schema: Schema, file: IO[str], *, title: str = "", notes: Notes | None = None
) -> int:
    """Write the page; how many paragraphs it shows. Paragraphs are written as they come, so memory does not grow.

    Raises FramingError if there is none, or for a label or facet that the schema lacks.
    """
    notes = notes or Notes()
    template = TEMPLATE.read_text(encoding="utf-8")
    head, tail = template.split("{{data}}")
    documents: dict[str, dict[str, Any]] = {}
    models: dict[str, None] = {}
    count = 0
    for count, found in enumerate(predictions, 1):
        if count == 1:
            shown = title or f"{schema.name}: reading view"
            head = head.replace("{{policy}}", policy(template)).replace("{{title}}", escape(shown))
            file.write(_SURROGATE.sub("\ufffd", head))
            start = {"title": shown, "home": notes.home, "schema": _schema(schema)}
            file.write(_safe(start)[:-1] + ',"paragraphs":[')
        record = _paragraph(found, schema, documents, notes)
        file.write(("," if count > 1 else "") + _safe(record))
        models[found.model] = None
    if not count:
        raise FramingError("reading view", "no paragraph to show", "is there text in the sources?")
    file.write(f'],"documents":{_safe(list(documents.values()))},"models":{_safe([m for m in models if m])}}}{tail}')
    return count


def policy(template: str) -> str:
    """The page's Content-Security-Policy: its own script and style by their digests, and nothing else at all."""
    digests = {}
    for tag in ("script", "style"):
        # a data block has attributes and is not run; the code has none
        (code,) = re.findall(f"<{tag}>(.*?)</{tag}>", template, re.DOTALL)
        digests[tag] = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digests['script']}'; style-src 'sha256-{digests['style']}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _safe(value: Any) -> str:
    """JSON that can stand inside an element of a page: nothing in it can end the element or open a comment."""
    plain = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for char in "<>&\u2028\u2029":
        plain = plain.replace(char, f"\\u{ord(char):04x}")
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", plain)


def _paragraph(found: Prediction, schema: Schema, documents: dict[str, dict[str, Any]], notes: Notes) -> dict[str, Any]:
    """`d` document, `n` position, `l` language, `t` text, `c` columns chosen, `p` probabilities in thousandths."""
    paragraph = found.paragraph
    wrong = schema.violations({facet: chosen for facet, chosen in found.labels.items() if chosen})
    unknown = [fault for fault in wrong if fault.startswith("unknown")]
    if unknown:
        raise FramingError(paragraph.id, unknown[0], f"this page was asked for with the schema {schema.name!r}")
    if paragraph.document not in documents:
        facts = notes.documents.get(paragraph.document, {})
        documents[paragraph.document] = _document(paragraph.document, facts, len(documents))
        title = facts.get("title") or paragraph.title
        documents[paragraph.document]["title"] = "" if title.strip() == paragraph.text.strip() else title
    record: dict[str, Any] = {
        "d": documents[paragraph.document]["number"],
        "n": paragraph.position,
        "l": paragraph.language,
        "t": paragraph.text,
        "c": [schema.select(f"{facet}.{label}").start for facet, chosen in found.labels.items() for label in chosen],
    }
    if found.probabilities:
        shares = [found.probabilities.get(label.facet, {}).get(label.id, 0.0) for label in schema.labels]
        record["p"] = [round(1000 * share) for share in shares]
    if paragraph.id in notes.evidence:
        record["e"] = {schema.select(ref).start: weights for ref, weights in notes.evidence[paragraph.id].items()}
    return record


def _document(name: str, facts: Mapping[str, str], number: int) -> dict[str, Any]:
    source = facts.get("source", "")
    if "://" not in source and PurePosixPath(source).is_absolute():
        # a page is passed on: where the files lie on this machine is nobody's business
        source = "/".join(PurePosixPath(source).parts[-2:])
    date = _DATE.search(facts.get("date", "")) or _DATE.search(name) or _DATE.search(source)
    return {"id": name, "number": number, "source": source, "origin": _origin(source), "date": date[0] if date else ""}


def _origin(source: str) -> str:
    """Where articles come from, as far as it groups them: the host of an address, the folder of a file."""
    host = urlsplit(source).hostname if "://" in source else None
    if host:
        return host.removeprefix("www.")
    folder = str(PurePosixPath(source.replace("\\", "/")).parent)
    return folder if folder != "." else ""


def quiet_labels(schema: Schema) -> list[str]:
    """References of labels not worth a note beside every paragraph: the usual sort of text (`kind.body`)."""
    kind, _ = _furniture(schema)
    return [kind.labels[0].ref] if kind else []


def _schema(schema: Schema) -> dict[str, Any]:
    """The schema as the page needs it, with the parts its facets play; all of it follows from the file."""
    rows = _rows(schema)
    kind, furniture = _furniture(schema)
    return {
        "name": schema.name,
        "fingerprint": schema.fingerprint,
        "rows": rows.id,
        "columns": _partner(schema, rows),
        "kind": kind.id if kind else "",
        "furniture": furniture,
        "quiet": [schema.select(ref).start for ref in quiet_labels(schema)],
        "facets": [
            {
                "id": facet.id,
                "name": facet.name,
                "short": facet.id.replace("_", " "),
                "description": facet.description.strip(),
                "labels": [
                    {
                        "id": label.id,
                        "name": label.name,
                        "definition": label.definition.strip(),
                        "not": label.not_when.strip(),
                        "group": label.group,
                    }
                    for label in facet.labels
                ],
            }
            for facet in schema.facets
        ],
    }


def _rows(schema: Schema) -> Facet:
    """The facet the page is about: the first with groups, else the first of choice many, else the first."""
    grouped = [facet for facet in schema.facets if any(label.group for label in facet.labels)]
    several = [facet for facet in schema.facets if facet.choice == "many"]
    return (grouped or several or list(schema.facets))[0]


def _partner(schema: Schema, rows: Facet) -> str:
    """The facet that the constraints tie to the first (whose stance it is), else another one, else none."""
    for rule in schema.constraints:
        ends = [ref.partition(".")[0] for ref in (rule.when, *rule.requires)]
        others = [end for end in ends if end != rows.id]
        if rule.requires and rows.id in ends and others:
            return others[0]
    rest = [facet.id for facet in schema.facets if facet.id != rows.id]
    return next((name for name in rest if schema.facet(name).choice == "many"), rest[0] if rest else "")


def _furniture(schema: Schema) -> tuple[Facet | None, list[int]]:
    """The facet that sets text aside, and the columns of its labels that exclude whole facets."""
    for facet in schema.facets:
        found = [
            schema.select(rule.when).start
            for rule in schema.constraints
            if rule.when.startswith(f"{facet.id}.") and any("." not in ref for ref in rule.excludes)
        ]
        if facet.choice == "one" and found:
            return facet, found
    return None, []
