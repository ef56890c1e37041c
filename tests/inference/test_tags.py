"""Records of predictions come back as they were written; each fault has its place."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from framing.errors import FramingError
from framing.inference.prediction import write_predictions
from framing.inference.tags import are_tags, read_tags
from framing.inference.writing import form_of, write_file
from framing.records import Paragraph, Prediction
from framing.schema import Schema

TOLD = Prediction(
    Paragraph("a:1", "a", 1, 0, 2, "t.", "en"),
    {"kind": ("body",), "stance": ("talks",), "holder": ("north",)},
    {
        "kind": {"body": 0.9, "furniture": 0.1},
        "stance": {"talks": 0.7, "attack": 0.2},
        "holder": {"north": 0.8, "south": 0.1},
    },
    "m",
)
GOOD = {"id": "a:1", "document": "a", "position": 1, "text": "t", "labels": {"stance": ["talks"]}}


def test_records_come_back_as_they_were_written(small_schema: Schema, tmp_path: Path) -> None:
    labels = {"kind": ("body",), "stance": ("talks",), "holder": ("north",)}
    shares = {"kind": {"body": 0.9, "furniture": 0.1}, "stance": {"talks": 0.7, "attack": 0.2}}
    told = [Prediction(Paragraph(f"a:{n}", "a", n, 0, 4, "x\u2028yz", "en"), labels, shares, "m") for n in (1, 2)]
    file = io.StringIO()
    write_predictions(told, small_schema, file)
    (tmp_path / "tags.jsonl").write_text(file.getvalue(), encoding="utf-8")
    assert are_tags([tmp_path / "tags.jsonl"])
    assert list(read_tags([tmp_path / "tags.jsonl"], small_schema, {})) == told


@pytest.mark.parametrize("name", ["t.ndjson", "t.jsonl.gz", "t.jsonl.zst", "t.JSONL"])
def test_records_are_known_whatever_their_suffix(name: str, small_schema: Schema, tmp_path: Path) -> None:
    write_file([TOLD], small_schema, tmp_path / name, form_of(tmp_path / name))
    assert are_tags([tmp_path / name])
    assert list(read_tags([tmp_path / name], small_schema, {})) == [TOLD]


@pytest.mark.parametrize("name", ["t.csv", "t.tsv.gz", "t.parquet"])
@pytest.mark.parametrize("probabilities", [True, False])
def test_a_table_of_tags_is_refused_and_not_taken_for_texts(
    name: str, probabilities: bool, small_schema: Schema, tmp_path: Path
) -> None:
    file = tmp_path / name
    write_file([TOLD], small_schema, file, form_of(file, probabilities=probabilities))
    with pytest.raises(FramingError, match="a table of tags.*give the JSON Lines"):
        are_tags([file])
    (tmp_path / "texts.csv").write_text("id,document,position,text,language\na,a,1,One.,en\n")
    (tmp_path / "none.csv").write_text("id,text\n")
    (tmp_path / "labelled.csv").write_text("text,labels\nOne.,good\n")
    assert not are_tags([tmp_path / "labelled.csv"])
    assert not are_tags([tmp_path / "texts.csv"])
    assert not are_tags([tmp_path / "none.csv"])


def test_texts_are_no_tags_and_facts_of_documents_are_kept(small_schema: Schema, tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text('{"id": "a", "text": "t"}\n')
    (tmp_path / "a.txt").write_text('"labels" "text"')
    assert not are_tags([tmp_path / "texts.jsonl"])
    assert not are_tags([tmp_path / "a.txt"])
    assert not are_tags(["-"])
    (tmp_path / "tags.jsonl").write_text(json.dumps({**GOOD, "date": "2024-01-02", "source": "x/y.txt"}))
    documents: dict[str, dict[str, str]] = {}
    (found,) = read_tags([tmp_path / "tags.jsonl"], small_schema, documents)
    assert documents == {"a": {"date": "2024-01-02", "source": "x/y.txt"}}
    assert (found.probabilities, found.model, found.paragraph.language) == ({}, "", "und")


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"text": None}, "the record has no 'text'"),
        ({"labels": {"stance": ["war"]}}, "unknown label 'war'"),
        ({"labels": {"mood": []}}, "unknown facet 'mood'"),
        ({"labels": {"stance": 5}}, "facet 'stance' holds 5"),
        ({"position": "one"}, "position 'one' is no number"),
        ({"probabilities": {"stance": [1]}}, "'probabilities' is not numbers"),
        ({"probabilities": {"stance": {"talks": "high"}}}, "'probabilities' is not numbers"),
    ],
)
def test_a_fault_has_its_place_and_cure(
    change: dict[str, object], finding: str, small_schema: Schema, tmp_path: Path
) -> None:
    (tmp_path / "tags.jsonl").write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(FramingError, match=finding) as caught:
        list(read_tags([tmp_path / "tags.jsonl"], small_schema, {}))
    assert caught.value.place.endswith("tags.jsonl:1")
    assert caught.value.cure


def test_a_paragraph_stands_once(small_schema: Schema, tmp_path: Path) -> None:
    (tmp_path / "tags.jsonl").write_text(f"{json.dumps(GOOD)}\n{json.dumps(GOOD)}\n")
    with pytest.raises(FramingError, match=r"'a:1' stands already at .*tags.jsonl:1"):
        list(read_tags([tmp_path / "tags.jsonl"], small_schema, {}))
