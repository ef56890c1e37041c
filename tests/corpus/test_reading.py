"""Reading: files, folders, globs and pages; each kind of bad input has one clear message."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from conftest import ROOT
from framing.corpus.paragraphs import split_document, split_documents
from framing.corpus.reading import find_files, read_documents, read_records
from framing.errors import FramingError
from framing.records import Document


def test_the_seed_articles_come_out_whole() -> None:
    documents = list(read_documents([ROOT / "seeds"]))
    paragraphs = list(split_documents(documents))
    assert len(documents) == 5
    assert len(paragraphs) == 127
    for document in documents:
        own = [p for p in paragraphs if p.document == document.id]
        assert all(document.text[p.start : p.end] == p.text for p in own)
        assert "".join("".join(p.text.split()) for p in own) == "".join(document.text.split())
    languages = {d.id[:3]: {p.language for p in paragraphs if p.document == d.id} for d in documents}
    assert languages == {"000": {"nl"}, "001": {"de"}, "002": {"nl"}, "003": {"en"}, "004": {"nl"}}


def test_paragraph_ids_are_the_document_and_its_place() -> None:
    paragraphs = split_document(Document("d", "One.\nTwo.\n\nThree."))
    assert [p.id for p in paragraphs] == ["d:1", "d:2", "d:3"]


def test_folders_globs_and_files_are_found_once_in_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "c.pdf", "sub/d.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [f.name for f in find_files([tmp_path, tmp_path / "a.txt"])] == ["a.txt", "b.txt", "d.jsonl"]
    assert [f.name for f in find_files([str(tmp_path / "*.txt")])] == ["a.txt", "b.txt"]


def test_a_page_gives_its_main_text(tmp_path: Path) -> None:
    body = "".join(f"<p>Paragraph {n} tells at some length what the two ministers said that day.</p>" for n in range(5))
    page = (
        f"<html lang=en><head><title>Talks</title></head><body><nav>Home | Sport</nav><article>{body}</article></body>"
    )
    (tmp_path / "page.html").write_text(page)
    (document,) = read_documents([tmp_path])
    assert "Paragraph 4 tells" in document.text
    assert "<p>" not in document.text
    assert len(split_document(document)) == 5


def test_json_lines_keep_their_metadata_and_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "d.jsonl"
    file.write_text(json.dumps({"id": "x", "text": "One.\nTwo.", "date": "2024-01-02", "language": "en"}) + "\n\n")
    (document,) = read_documents([file])
    assert document.metadata["date"] == "2024-01-02"
    assert [p.language for p in split_document(document)] == ["en", "en"]


def test_records_are_taken_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    file.write_text(json.dumps({"id": "p1", "text": "Two lines\nin one record."}) + "\n")
    (paragraph,) = read_records([file])
    assert (paragraph.id, paragraph.text, paragraph.language) == ("p1", "Two lines\nin one record.", "en")


@pytest.mark.parametrize(
    ("name", "content", "finding"),
    [
        ("empty.txt", b"  \n", "the file is empty"),
        ("binary.txt", b"\x7fELF\x00\x01", "a binary file"),
        ("damaged.txt", b"first\n" + bytes(range(128, 256)) * 9, "damaged.txt:2: not UTF-8: byte 0x80 at offset 6"),
        ("line.txt", b"x" * 5_000_000, "a paragraph of 5,000,000 characters"),
        ("bad.jsonl", b'{"id": "a", "text": "t"}\n{"id": ', "bad.jsonl:2: not JSON"),
        ("list.jsonl", b"[1]\n", "a JSON list, not an object"),
        ("keys.jsonl", b'{"id": "a", "body": "t"}\n', "the record has no 'text'"),
        ("twice.jsonl", b'{"id": "a", "text": "t"}\n{"id": "a", "text": "u"}\n', "'a' is taken by"),
        ("blank.html", b"<html><body></body></html>", "no text found"),
    ],
)
def test_bad_input_has_one_clear_message(name: str, content: bytes, finding: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FramingError) as caught:
        list(split_documents(read_documents([tmp_path / name])))
    assert finding in str(caught.value)
    assert caught.value.cure
    assert "\n" not in str(caught.value)


def test_names_of_files_that_are_no_utf8_become_ids_that_a_file_can_hold(tmp_path: Path) -> None:
    for name in (b"caf\xe9.txt", b"caf\xe8.txt"):
        (tmp_path / os.fsdecode(name)).write_text("A text.")
    documents = list(read_documents([tmp_path]))
    assert [document.id for document in documents] == ["caf\\xe8", "caf\\xe9"]
    assert documents[0].metadata["source"] == f"{tmp_path}/caf\\xe8.txt"


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FramingError, match="no such file"):
        find_files(["nowhere/none.txt"])
