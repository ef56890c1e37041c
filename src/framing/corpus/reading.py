"""Files, folders, globs and standard input into documents, one at a time."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from framing.corpus.containers import Member, open_members
from framing.corpus.encoding import decode_text, decode_utf8
from framing.corpus.language import detect_languages
from framing.corpus.pages import declared_charset, read_html, read_markdown
from framing.corpus.sources import MEGABYTE, Reading, find_files, name_files
from framing.corpus.tables import Row, as_text, parse_object, read_rows, whole_unicode
from framing.errors import FramingError
from framing.records import Document, Paragraph

__all__ = ["decode", "find_files", "json_lines", "read_documents", "read_records"]

T = TypeVar("T")
TABLES = ("jsonl", "csv", "tsv", "parquet")


def read_documents(sources: Iterable[str | Path], reading: Reading | None = None) -> Iterator[Document]:
    """Every document of the sources; each file is read only when it is its turn, and a table row by row.

    The id of a document is its record's `id`, else the file's name without suffix, with `-row` in a table. Two
    documents of one id are a fault, since their paragraphs could not be told apart. By default the first fault is
    raised; `reading.reject` can let bad records pass.
    """
    reading = reading or Reading()
    seen = Seen()
    for member in _members(sources, reading):
        for place, document in _documents(member, reading):
            if seen.add(document.id):
                yield document
            else:
                finding = f"document id {document.id!r} is taken by one before it"
                reading.reject(FramingError(place, finding, "rename one of the two"), {"id": document.id})


def read_records(sources: Iterable[str | Path], reading: Reading | None = None) -> Iterator[Paragraph]:
    """Records `{"id", "text"}` of a table with each text taken as one paragraph, as it is."""
    reading = reading or Reading()
    seen = Seen()
    for member in _members(sources, reading):
        kind = "jsonl" if member.kind == "text" else member.kind
        if kind not in TABLES:
            finding = "holds a document, not records"
            reading.reject(FramingError(member.place, finding, "leave out `--unit paragraph`"), None)
            continue
        member = Member(member.place, member.base, kind, member.stream)
        for row in _tolerant(read_rows(member, reading), reading):
            try:
                paragraph = _paragraph(row, reading)
                if not seen.add(paragraph.id):
                    raise FramingError(row[0], f"id {paragraph.id!r} is taken by a record before it", "rename one")
            except FramingError as fault:
                reading.reject(fault, row[2])
                continue
            yield paragraph


def json_lines(text: str, name: str, first: int = 1) -> Iterator[tuple[str, dict[str, Any]]]:
    """`(file:line, object)` for each line that is not blank; raises FramingError at the first that is no object."""
    for number, line in enumerate(io.StringIO(text), first):
        if line.strip():
            yield f"{name}:{number}", parse_object(line, f"{name}:{number}")


def decode(file: Path) -> str:
    """The whole of a UTF-8 file (`-` is standard input), without byte order mark; FramingError for any other."""
    members = open_members(file, "", Reading(kind="text"))
    member = next(members)
    return decode_utf8(member.stream.read(), member.place)


class Seen:
    """Which ids there were, in eight bytes each: digests of 64 bits, sorted in arrays whose sizes double."""

    def __init__(self) -> None:
        self.recent: set[int] = set()
        self.runs: list[NDArray[np.uint64]] = []

    def add(self, name: str) -> bool:
        """Whether it is new. Two of ten million names are taken for one with a chance of three in a million."""
        value = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())
        if value in self.recent or any(self._has(run, value) for run in self.runs):
            return False
        self.recent.add(value)
        if len(self.recent) >= 1 << 14:
            run = np.fromiter(self.recent, np.uint64, len(self.recent))
            self.recent = set()
            while self.runs and len(self.runs[-1]) <= len(run):
                run = np.concatenate([self.runs.pop(), run])
            run.sort()
            self.runs.append(run)
        return True

    @staticmethod
    def _has(run: NDArray[np.uint64], value: int) -> bool:
        place = int(np.searchsorted(run, np.uint64(value)))
        return place < len(run) and int(run[place]) == value


def _members(sources: Iterable[str | Path], reading: Reading) -> Iterator[Member]:
    files = name_files(sources, reading.own, reading.say)
    reading.meter.expect(files)
    for file, base in files.items():
        yield from _tolerant(open_members(file, base, reading), reading)
        reading.meter.end(file)


def _tolerant(items: Iterator[T], reading: Reading) -> Iterator[T]:
    """The same; the fault that ends them early is told to `reject`."""
    while True:
        try:
            item = next(items)
        except StopIteration:
            return
        except FramingError as fault:
            reading.reject(fault, None)
            return
        yield item


def _documents(member: Member, reading: Reading) -> Iterator[tuple[str, Document]]:
    if member.kind in TABLES:
        for row in _tolerant(read_rows(member, reading), reading):
            try:
                document = _document(row, reading)
            except FramingError as fault:
                reading.reject(fault, row[2])
                continue
            yield row[0], document
        return
    try:
        document = _page(member, reading)
    except FramingError as fault:
        reading.reject(fault, None)
        return
    yield member.place, document


def _page(member: Member, reading: Reading) -> Document:
    data = member.stream.read(reading.max_bytes + 1)
    if len(data) > reading.max_bytes:
        raise _too_large(member.place, reading)
    declared = member.charset or (declared_charset(data) if member.kind == "html" else "")
    text = decode_text(data, member.place, reading.say, given=reading.encoding, declared=declared)
    if not text.strip():
        raise FramingError(member.place, "the file is empty", "remove it or put an article into it")
    if member.kind == "html":
        return read_html(text, member.place, member.base, member.url)
    if member.kind == "markdown":
        return read_markdown(text, member.base, member.place)
    return Document(member.base, whole_unicode(text), {"source": member.place})


def _too_large(place: str, reading: Reading) -> FramingError:
    finding = f"a document of more than {reading.max_bytes / MEGABYTE:g} MB"
    return FramingError(place, finding, "is it one text? `--max-document` raises the limit")


def _text(record: Mapping[str, Any], place: str, reading: Reading) -> str:
    key = reading.columns.text
    if record.get(key) is None:
        keys = ", ".join(map(str, record))
        raise FramingError(place, f"the record has no {key!r}", f"its keys are {keys[:300] or 'none'}; --text-column")
    text = as_text(record, key, place)
    if not text.strip():
        raise FramingError(place, "the text is empty", "remove the record or give it a text")
    if len(text) > reading.max_bytes:
        raise _too_large(place, reading)
    return text


def _named(row: Row, reading: Reading) -> tuple[str, dict[str, str]]:
    """The record's id, or one from its place, and what else is known about it, under the usual names."""
    place, default, record = row
    columns = reading.columns
    for name in columns.required[1:]:
        if name not in record:
            raise FramingError(place, f"the record has no {name!r}", f"its keys are {', '.join(map(str, record))}")
    special = {columns.title: "title", columns.date: "date", columns.language: "language"}
    facts = {
        special.get(key, str(key)): whole_unicode(str(value))
        for key, value in record.items()
        if key not in (columns.text, columns.id) and value is not None and value != ""
    }
    return as_text(record, columns.id, place) or default, facts


def _document(row: Row, reading: Reading) -> Document:
    text = _text(row[2], row[0], reading)
    name, facts = _named(row, reading)
    if facts.get("language"):
        facts["language_is_known"] = "yes"
    return Document(name, text, facts)


def _paragraph(row: Row, reading: Reading) -> Paragraph:
    place, _, record = row
    text = _text(record, place, reading)
    name, facts = _named(row, reading)
    try:
        position = int(record.get("position") or 1)
    except (TypeError, ValueError):
        finding = f"position {record.get('position')!r:.40} is no number"
        raise FramingError(place, finding, "write a number or leave it out") from None
    language = facts.get("language") or detect_languages([text])[0]
    document, title, date = facts.get("document", name), facts.get("title", ""), facts.get("date", "")
    return Paragraph(name, document, position, 0, len(text), text, language, title=title, date=date)
