"""Rows in: any text survives each kind of table, and a bad row is refused alone."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from framing.corpus.reading import Seen, read_documents, read_records
from framing.corpus.sources import Columns, Reading
from framing.corpus.tables import guard, unguard
from framing.errors import FramingError

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text.strip() != "")


def as_jsonl(rows: list[dict[str, str]], file: Path) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def as_csv(rows: list[dict[str, str]], file: Path, delimiter: str = ",") -> None:
    with file.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def as_parquet(rows: list[dict[str, Any]], file: Path) -> None:
    parquet.write_table(pyarrow.Table.from_pylist(rows), file)


WRITERS: dict[str, Callable[[list[dict[str, str]], Path], None]] = {
    "t.jsonl": as_jsonl,
    "t.csv": as_csv,
    "t.tsv": lambda rows, file: as_csv(rows, file, "\t"),
    "t.parquet": as_parquet,
}


class Tolerant:
    def __init__(self) -> None:
        self.faults: list[tuple[str, Any]] = []

    def __call__(self, fault: FramingError, record: Any) -> None:
        self.faults.append((str(fault), record))


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.lists(texts, min_size=1, max_size=4))
def test_any_text_survives_a_table(name: str, found: list[str], tmp_path: Path) -> None:
    rows = [{"id": f"r{n}", "text": text, "language": "xx"} for n, text in enumerate(found)]
    WRITERS[name](rows, tmp_path / name)
    paragraphs = list(read_records([tmp_path / name], Reading(encoding="utf-8")))
    assert [p.text for p in paragraphs] == found
    assert [p.id for p in paragraphs] == [f"r{n}" for n in range(len(found))]


@given(st.text() | st.text("'=+-@\t\r\nab"))
def test_the_formula_guard_is_reversible_and_leaves_no_formula(cell: str) -> None:
    assert unguard(guard(cell)) == cell
    assert not guard(cell).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_shows_in_the_header(delimiter: str, tmp_path: Path) -> None:
    as_csv([{"id": "a", "text": "One, two; three | four", "date": "2024-01-02"}], tmp_path / "t.csv", delimiter)
    (document,) = read_documents([tmp_path / "t.csv"])
    assert (document.id, document.text) == ("a", "One, two; three | four")
    assert document.metadata["date"] == "2024-01-02"


@pytest.mark.parametrize("name", WRITERS)
def test_columns_are_chosen_by_name_and_ids_made_of_the_row(name: str, tmp_path: Path) -> None:
    rows = [{"body": "One.", "head": "H", "id": ""}, {"body": "Two.", "head": "I", "id": ""}]
    WRITERS[name](rows, tmp_path / name)
    found = list(read_documents([tmp_path / name], Reading(Columns(text="body", title="head"))))
    assert [(d.id, d.text, d.metadata["title"]) for d in found] == [("t-1", "One.", "H"), ("t-2", "Two.", "I")]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.jsonl"])
def test_a_missing_column_is_told_with_those_there_are(name: str, tmp_path: Path) -> None:
    WRITERS[name]([{"id": "1", "body": "One.", "datum": "x"}], tmp_path / name)
    with pytest.raises(FramingError, match=r"body.*datum.*--text-column"):
        list(read_documents([tmp_path / name]))
    with pytest.raises(FramingError, match="'date2'"):
        list(read_documents([tmp_path / name], Reading(Columns(text="body", date="date2"))))


def test_bad_rows_are_rejected_alone(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('id,text\na,One.\nb,Two.,extra\nc,\n\nd,"Three\nlines."\na,Again.\n')
    (tmp_path / "u.jsonl").write_bytes(
        b'{"id": "e", "text": "Five."}\n{"id": \n[1]\n{"id": "f", "text": ["x"]}\n{"id": "g", "text": "z\xff"}\n'
        + b'{"id": 1'
        + b"0" * 5000
        + b', "text": "long number"}\n{"id": "h", "text": "\\ud800 half"}\n'
    )
    tolerant = Tolerant()
    found = list(read_documents([tmp_path], Reading(reject=tolerant)))
    assert [d.id for d in found] == ["a", "d", "e", "g", "h"] or [d.id for d in found] == ["a", "d", "e", "h"]
    assert found[-1].text == "\ufffd half"
    told = "\n".join(fault for fault, _ in tolerant.faults)
    for words in ("t.csv:3: 3 cells, but 2 columns", "t.csv:4: the text is empty", "t.csv:8: document id 'a' is taken"):
        assert words in told
    for words in ("u.jsonl:2: not JSON", "u.jsonl:3: a JSON list", "u.jsonl:4: 'text' is a list", "u.jsonl:6: "):
        assert words in told
    assert ["b", "Two.", "extra"] in [record for _, record in tolerant.faults]


def test_a_quote_left_open_ends_no_other_row_than_its_own(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('id,text\na,"open\n' + "b,x\n" * 3000)
    tolerant = Tolerant()
    list(read_documents([tmp_path], Reading(reject=tolerant, max_bytes=1000)))
    assert "is a quote left open?" in tolerant.faults[0][0]


def test_a_file_that_is_no_parquet_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 nonsense PAR1")
    with pytest.raises(FramingError, match="no readable Parquet file"):
        list(read_documents([tmp_path]))


def test_reading_holds_one_batch_of_a_parquet_file(tmp_path: Path) -> None:
    as_parquet([{"id": str(n), "text": f"Text {n}."} for n in range(5000)], tmp_path / "t.parquet")
    reading = Reading()
    documents = read_documents([tmp_path], reading)
    next(documents)
    size = (tmp_path / "t.parquet").stat().st_size
    assert 0 < reading.meter.done < size / 10
    assert sum(1 for _ in documents) == 4999
    assert reading.meter.done == reading.meter.total == size


@given(st.lists(st.integers(0, 40_000), max_size=200), st.integers(1, 3))
def test_ids_seen_are_known_again(numbers: list[int], times: int) -> None:
    seen, known = Seen(), set()
    for number in numbers * times:
        assert seen.add(str(number)) == (number not in known)
        known.add(number)


def test_many_ids_are_known_again() -> None:
    seen = Seen()
    assert all(seen.add(str(n)) for n in range(70_000))
    assert not any(seen.add(str(n)) for n in range(0, 70_000, 997))
    assert seen.add("new")
