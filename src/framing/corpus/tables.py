"""Rows of JSON Lines, CSV, TSV and Parquet, one at a time; a bad row is rejected alone."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from typing import Any

from framing.corpus.containers import Member
from framing.corpus.encoding import Lines
from framing.corpus.sources import Reading
from framing.errors import FramingError, did_you_mean

Row = tuple[str, str, dict[str, Any]]
"""Where the row is (`file:line`), an id for it if it has none of its own (`file-row`), its values by column."""

DELIMITERS = ",;\t|"
_BATCH = 128
_GUARD_SIGNS = "=+-@\t\r\n＝＋－＠"


def guard(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe before one of `= + - @`, tab or line end.

    A cell that begins with apostrophes and then such a sign gets one more, so that `unguard` gives back any text.
    """
    return f"'{cell}" if cell.lstrip("'")[:1] in tuple(_GUARD_SIGNS) else cell


def unguard(cell: str) -> str:
    """The inverse of `guard`."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'")[:1] in tuple(_GUARD_SIGNS) else cell


OWN_COLUMNS = ("id", "document", "position", "text", "language")
"""How the header of a table begins that `framing predict` wrote: its cells are guarded."""


def read_rows(member: Member, reading: Reading) -> Iterator[Row]:
    """The rows of a member of kind jsonl, csv, tsv or parquet. Raises FramingError if it is none, or lacks a column."""
    if member.kind == "jsonl":
        yield from _json_rows(member, reading)
    elif member.kind == "parquet":
        yield from _parquet_rows(member, reading)
    else:
        yield from _delimited_rows(member, reading)


def parse_object(line: str, place: str) -> dict[str, Any]:
    """The JSON object of a line; raises FramingError."""
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        finding = f"not JSON ({error.msg} at column {error.colno})"
        raise FramingError(place, finding, "write one JSON object a line") from None
    except (ValueError, RecursionError) as error:
        raise FramingError(place, f"not readable JSON ({error!s:.80})", "write plain JSON") from None
    if not isinstance(record, dict):
        raise FramingError(place, f"a JSON {type(record).__name__}, not an object", "write one JSON object a line")
    return record


def _lines(member: Member, reading: Reading) -> Lines:
    # a character may take six bytes as an escape, and other columns stand beside the text
    limit = 4 * reading.max_bytes
    return Lines(member.stream, member.place, reading.say, given=reading.encoding, limit=limit)


def _json_rows(member: Member, reading: Reading) -> Iterator[Row]:
    lines = _lines(member, reading)
    while True:
        line = ""
        try:
            line = next(lines)
            if line.strip():
                record = parse_object(line, f"{member.place}:{lines.number}")
                yield f"{member.place}:{lines.number}", f"{member.base}-{lines.number}", record
        except StopIteration:
            return
        except FramingError as fault:
            if not line and not fault.place.startswith(f"{member.place}:"):
                raise
            reading.reject(fault, line.rstrip("\r\n") or lines.damaged)


def _delimited_rows(member: Member, reading: Reading) -> Iterator[Row]:
    lines = _lines(member, reading)
    csv.field_size_limit(4 * reading.max_bytes)
    first = next(lines, "")
    delimiter = reading.delimiter or ("\t" if member.kind == "tsv" else _delimiter(first, reading))
    rows = csv.reader(_Again(first, lines), delimiter=delimiter)
    header = [name.strip() for name in next(rows, [])]
    _check_header(header, member.place, reading)
    is_own = tuple(header[: len(OWN_COLUMNS)]) == OWN_COLUMNS
    number = 0
    while True:
        place = f"{member.place}:{lines.number + 1}"
        number += 1
        cells: list[str] = []
        try:
            cells = next(rows)
            if not cells:
                number -= 1
                continue
            if len(cells) > len(header):
                finding = f"{len(cells)} cells, but {len(header)} columns"
                raise FramingError(place, finding, "put quotes around a cell that holds the delimiter")
            values = [unguard(cell) for cell in cells] if is_own else cells
            yield place, f"{member.base}-{number}", dict(zip(header, values, strict=False))
        except StopIteration:
            return
        except csv.Error as error:
            reading.reject(FramingError(place, f"no row of a table ({error})", "is a quote left open?"), None)
        except FramingError as fault:
            if not cells and not fault.place.startswith(f"{member.place}:"):
                raise
            reading.reject(fault, cells or lines.damaged)


class _Again:
    """A line that was looked at, then the rest; unlike a generator it outlives an error in the rest."""

    def __init__(self, first: str, rest: Lines) -> None:
        self.first, self.rest = first, rest

    def __iter__(self) -> _Again:
        return self

    def __next__(self) -> str:
        if self.first:
            first, self.first = self.first, ""
            return first
        return next(self.rest)


def _delimiter(header: str, reading: Reading) -> str:
    """The delimiter that makes the text's column appear in the header; else the one that makes most columns."""

    def columns(delimiter: str) -> list[str]:
        return next(csv.reader([header], delimiter=delimiter), [])

    return max(DELIMITERS, key=lambda d: (reading.columns.text in columns(d), len(columns(d))))


def _check_header(header: list[str], place: str, reading: Reading) -> None:
    if not any(header):
        raise FramingError(place, "the file is empty", "its first row names the columns, then a row for each text")
    for name in reading.columns.required:
        if name not in header:
            raise missing_column(name, header, place, reading)
        if header.count(name) > 1:
            raise FramingError(place, f"two columns are named {name!r}", "rename one of them")


def missing_column(name: str, header: list[str], place: str, reading: Reading) -> FramingError:
    known = ", ".join(repr(column)[:60] for column in header[:40]) or "none"
    option = next(key for key in ("text", "id", "title", "date", "language") if getattr(reading.columns, key) == name)
    near = did_you_mean(name, header) if name != "text" else ""
    hint = near if near.startswith("did you mean") else f"--{option}-column says which holds the {option}"
    return FramingError(place, f"there is no column {name!r}; the columns are {known}", hint)


def _parquet_rows(member: Member, reading: Reading) -> Iterator[Row]:
    import pyarrow as arrow
    from pyarrow import parquet

    size, number, count = member.stream.seek(0, 2), 0, 1
    # columns lie one after another, so the place in the file says little about how much is done
    reading.meter.begin(lambda: size * number // count)
    try:
        # Buffered and not read ahead, a column is held a page at a time, not a row group at a time.
        file = parquet.ParquetFile(member.stream, buffer_size=1 << 20, pre_buffer=False)
        count = max(1, file.metadata.num_rows)
        fields = file.schema_arrow
        _check_header(fields.names, member.place, reading)
        wanted = [field.name for field in fields if not arrow.types.is_nested(field.type)]
        for batch in file.iter_batches(_BATCH, columns=wanted, use_threads=False):
            for record in batch.to_pylist():
                number += 1
                yield f"{member.place}:{number}", f"{member.base}-{number}", record
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        finding = f"no readable Parquet file ({str(error).splitlines()[0]:.120})"
        raise FramingError(member.place, finding, "write it again") from None


def as_text(record: Mapping[str, Any], key: str, place: str) -> str:
    """A value that is text or a number, as text; "" if it is absent. Raises FramingError for a list or an object."""
    value = record.get(key)
    if value is None:
        return ""
    if isinstance(value, list | dict | bytes):
        raise FramingError(place, f"{key!r} is a {type(value).__name__}, not text", "give a text")
    return whole_unicode(str(value))


def whole_unicode(text: str) -> str:
    """The text with halves of characters, which JSON can spell and no file can hold, as U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
