"""Predictions as JSON Lines, CSV, TSV or Parquet, one by one, or as a page to read."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from framing.corpus.sources import COMPRESSIONS
from framing.corpus.tables import OWN_COLUMNS, guard
from framing.errors import FramingError
from framing.inference.prediction import prediction_to_json
from framing.reading_view import Notes, write_page
from framing.records import Prediction
from framing.schema import Schema

SEPARATOR = "|"
"""Between the labels of a facet in one cell; no label id holds it."""

OPEN = "?"
"""In a cell: the tagger left this facet to a person."""

FORMATS = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".html": "html",
}  # fmt: skip

_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Form:
    """What an output is: its format, how it is compressed, and whether every label's probability is in it."""

    kind: str
    compression: str = ""
    probabilities: bool = True


def form_of(path: Path, given: str = "", probabilities: bool | None = None) -> Form:
    """The form by suffix, or the one that is given. JSON Lines has probabilities unless they are not wanted."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compression = COMPRESSIONS.get(suffixes[-1], "") if suffixes else ""
    if compression:
        suffixes.pop()
    kind = given or (FORMATS.get(suffixes[-1], "") if suffixes else "jsonl")
    if kind == "table":
        raise FramingError("--format table", "is for reading on a terminal", "leave out --output, or choose another")
    if not kind:
        known = f"{', '.join(FORMATS)}, these with {' or '.join(COMPRESSIONS)}"
        raise FramingError(str(path), f"unknown kind of output {suffixes[-1]!r}", f"write {known}, or give --format")
    if kind == "parquet" and compression:
        raise FramingError(str(path), "Parquet is compressed inside", "leave out the last suffix")
    return Form(kind, compression, kind == "jsonl" if probabilities is None else probabilities)


def write_file(predictions: Iterable[Prediction], schema: Schema, path: Path, form: Form) -> None:
    """Write the file under another name beside `path`, then rename it."""
    beside = path.with_name(path.name + ".new")
    try:
        if form.kind == "parquet":
            with beside.open("wb") as file:
                _write_parquet(predictions, schema, file, form.probabilities)
        else:
            with _text_file(beside, form.compression) as text:
                write(predictions, schema, text, form)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write(
    predictions: Iterable[Prediction],
    schema: Schema,
    file: IO[str],
    form: Form,
    show: Callable[[str], str] | None = None,
) -> None:
    """Write text, a prediction at a time; `show` is put to each cell of a table that a terminal will show."""
    if form.kind == "jsonl":
        for found in predictions:
            file.write(prediction_to_json(found, schema, probabilities=form.probabilities) + "\n")
        return
    if form.kind == "html":
        documents: dict[str, dict[str, str]] = {}
        write_page(_noted(predictions, documents), schema, file, notes=Notes(documents))
        return
    rows = csv.writer(file, delimiter="\t" if form.kind == "tsv" else ",", lineterminator="\r\n")
    for row in _rows(predictions, schema, form.probabilities):
        rows.writerow([show(cell) if show else cell for cell in row])


def _noted(predictions: Iterable[Prediction], documents: dict[str, dict[str, str]]) -> Iterator[Prediction]:
    """The same predictions; what their paragraphs know of their documents is put into `documents`."""
    for found in predictions:
        own = found.paragraph
        documents.setdefault(own.document, {"title": own.title, "date": own.date})
        yield found


def columns(schema: Schema, probabilities: bool) -> list[str]:
    """The header of a table: the paragraph, a column a facet, if wanted a column `facet.label` a label, the model."""
    shares = [label.ref for label in schema.labels] if probabilities else []
    return [*OWN_COLUMNS, "title", "date", *(facet.id for facet in schema.facets), *shares, "model"]


def _rows(predictions: Iterable[Prediction], schema: Schema, probabilities: bool) -> Iterator[list[str]]:
    yield columns(schema, probabilities)
    for found in predictions:
        own = found.paragraph
        texts = [own.id, own.document, str(own.position), own.text, own.language, own.title, own.date]
        chosen = [
            SEPARATOR.join(found.labels[facet.id]) if facet.id in found.labels else OPEN for facet in schema.facets
        ]
        shares = [str(found.probabilities[label.facet][label.id]) for label in schema.labels] if probabilities else []
        yield [guard(cell) for cell in (*texts, *chosen, *shares, found.model)]


def _write_parquet(predictions: Iterable[Prediction], schema: Schema, file: IO[bytes], probabilities: bool) -> None:
    """A facet of choice `one` is a string, of choice `many` a list of strings; a row group has 1,024 rows."""
    import pyarrow as arrow
    from pyarrow import parquet

    many = arrow.list_(arrow.string())
    types = {name: arrow.string() for name in columns(schema, False)}
    types |= {"position": arrow.int64()}
    types |= {facet.id: many for facet in schema.facets if facet.choice == "many"}
    model = types.pop("model")
    types |= {label.ref: arrow.float64() for label in schema.labels} if probabilities else {}
    fields = arrow.schema({**types, "model": model})
    with parquet.ParquetWriter(file, fields, compression="zstd") as writer:
        rows: list[dict[str, Any]] = []
        for found in predictions:
            rows.append(_record(found, schema, probabilities))
            if len(rows) == _ROWS:
                writer.write_batch(arrow.RecordBatch.from_pylist(rows, fields))
                rows.clear()
        if rows:
            writer.write_batch(arrow.RecordBatch.from_pylist(rows, fields))


def _record(found: Prediction, schema: Schema, probabilities: bool) -> dict[str, Any]:
    own = found.paragraph
    record: dict[str, Any] = {key: getattr(own, key) for key in (*OWN_COLUMNS, "title", "date")}
    for facet in schema.facets:
        chosen = found.labels.get(facet.id)
        record[facet.id] = None if chosen is None else list(chosen) if facet.choice == "many" else "".join(chosen)
    if probabilities:
        record |= {label.ref: found.probabilities[label.facet][label.id] for label in schema.labels}
    return record | {"model": found.model}


@contextmanager
def _text_file(path: Path, compression: str) -> Iterator[IO[str]]:
    with path.open("wb") as raw:
        packed: Any = raw
        if compression == "gzip":
            import gzip

            packed = gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0)  # the same input gives the same bytes
        elif compression == "zstd":
            import pyarrow

            packed = pyarrow.CompressedOutputStream(raw, "zstd")
        text = io.TextIOWrapper(packed, encoding="utf-8", newline="")
        yield text
        text.flush()
        text.detach()
        if packed is not raw:
            packed.close()
