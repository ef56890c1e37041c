"""Predictions out: every format gives back any text and the labels, and no cell starts a formula."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from framing.corpus.reading import read_records
from framing.corpus.sources import Reading
from framing.errors import FramingError
from framing.inference.prediction import prediction_from_json, prediction_to_json
from framing.inference.writing import Form, columns, form_of, write, write_file
from framing.records import Paragraph, Prediction
from framing.schema import Schema

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text.strip() != "")
HOSTILE = [
    "=1+1",
    "'=1",
    "+a",
    "-a",
    "@a",
    "\ta",
    "\ra",
    "'t Is",
    "\x00 null",
    "\u202e turned \u2066",
    "a\x1b[31mb",
    "|;,\"'",
]


def predicted(text: str, number: int = 1) -> Prediction:
    labels = {"kind": ("body",), "stance": ("talks", "attack"), "holder": ()}
    shares = {"kind": {"body": 0.9, "furniture": 0.1}, "stance": {"talks": 0.75, "attack": 0.6}}
    shares["holder"] = {"north": 0.0001, "south": 1.0}
    paragraph = Paragraph(f"d:{number}", "d", number, 0, len(text), text, "en", title=text[:20], date="2024-01-02")
    return Prediction(paragraph, labels, shares, "models:/framing/1")


@given(texts)
def test_a_record_is_one_line_that_gives_the_prediction_back(small_schema: Schema, text: str) -> None:
    line = prediction_to_json(predicted(text), small_schema)
    assert prediction_from_json(json.loads(line)) == predicted(text)
    assert not any(c < " " or "\x7f" <= c < "\xa0" or c in "\u2028\u2029\u202e\u2066\ufeff" for c in line)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv", ".parquet", ".jsonl.gz", ".csv.gz", ".tsv.zst"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.lists(texts, max_size=4))
def test_what_is_written_reads_back(suffix: str, found: list[str], small_schema: Schema, tmp_path: Path) -> None:
    every = [*HOSTILE, *found]
    path = tmp_path / f"out{suffix}"
    predictions = [predicted(text, n) for n, text in enumerate(every, 1)]
    write_file(iter(predictions), small_schema, path, form_of(path))
    read = list(read_records([path], Reading(encoding="utf-8")))
    assert [(p.id, p.text, p.title, p.date) for p in read] == [
        (f"d:{n}", text, text[:20], "2024-01-02") for n, text in enumerate(every, 1)
    ]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_a_table_has_a_column_a_facet_and_no_formula(kind: str, small_schema: Schema) -> None:
    file = io.StringIO(newline="")
    write([predicted(text) for text in HOSTILE], small_schema, file, Form(kind, probabilities=True))
    rows = list(csv.DictReader(io.StringIO(file.getvalue(), newline=""), delimiter="\t" if kind == "tsv" else ","))
    assert list(rows[0]) == columns(small_schema, True)
    assert (rows[0]["kind"], rows[0]["stance"], rows[0]["holder"]) == ("body", "talks|attack", "")
    assert (rows[0]["stance.talks"], rows[0]["holder.south"]) == ("0.75", "1.0")
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert [row["text"] for row in rows if row["text"].startswith("'t")] == ["'t Is"]


def test_parquet_has_lists_and_a_row_group_at_a_time(small_schema: Schema, tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    write_file((predicted("x", n) for n in range(2500)), small_schema, path, form_of(path, "", True))
    table = parquet.read_table(path)
    assert parquet.ParquetFile(path).num_row_groups == 3
    assert table["stance"][0].as_py() == ["talks", "attack"]
    assert table["stance.talks"].type == pyarrow.float64()


def test_compressed_output_is_the_same_each_time(small_schema: Schema, tmp_path: Path) -> None:
    for name in ("a.csv.gz", "b.csv.gz"):
        write_file([predicted("x")], small_schema, tmp_path / name, form_of(tmp_path / name))
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.csv.gz").read_bytes()).startswith(b"id,document")


@pytest.mark.parametrize(("name", "given"), [("a.xlsx", ""), ("a.parquet.gz", ""), ("a.csv", "table")])
def test_an_output_that_cannot_be_is_told(name: str, given: str) -> None:
    with pytest.raises(FramingError):
        form_of(Path(name), given)
    assert form_of(Path("P")) == Form("jsonl", "", True)
    assert form_of(Path("a.xlsx"), "csv") == Form("csv", "", False)
