"""Compressed files and archives: read as they come, bounded, and nothing of them opened that should stay shut."""

from __future__ import annotations

import gzip
import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from framing.corpus import containers
from framing.corpus.reading import read_documents
from framing.corpus.sources import Reading, name_files, safe_id, stem_of
from framing.errors import FramingError

RECORDS = b'{"id": "a", "text": "One."}\n{"id": "b", "text": "Two."}\n'
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "zst": lambda data: pyarrow.compress(data, "zstd", asbytes=True),
}
PAGE = "<html><head><title>{0}</title></head><body><article><p>{0}: the two ministers spoke at length about a truce.</p><p>Nobody knows more of it, said one of them on Monday.</p></article></body></html>"  # noqa: E501


def read(*files: Path, **options: object) -> tuple[list[str], list[str]]:
    faults: list[str] = []
    reading = Reading(reject=lambda fault, record: faults.append(str(fault)), **options)  # type: ignore[arg-type]
    return [document.id for document in read_documents(files, reading)], faults


@pytest.mark.parametrize("suffix", PACK)
def test_compressed_files_are_read_whole_even_in_several_parts(suffix: str, tmp_path: Path) -> None:
    half = RECORDS.index(b"\n") + 1
    (tmp_path / f"t.jsonl.{suffix}").write_bytes(PACK[suffix](RECORDS[:half]) + PACK[suffix](RECORDS[half:]))
    (tmp_path / f"n.txt.{suffix}").write_bytes(PACK[suffix](b"A text."))
    (tmp_path / f"untold.{suffix}").write_bytes(PACK[suffix](b'{"id": "c", "text": "Three."}'))
    assert read(tmp_path) == (["n", "a", "b", "c"], [])


@pytest.mark.parametrize("suffix", PACK)
def test_damaged_compression_is_told_and_what_came_before_is_kept(suffix: str, tmp_path: Path) -> None:
    many = b"".join(b'{"text": "Number %d of many."}\n' % n for n in range(40_000))
    packed = PACK[suffix](many)
    (tmp_path / f"t.jsonl.{suffix}").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "u.txt").write_text("Another text.")
    ids, faults = read(tmp_path)
    assert ids[-1] == "u"
    assert "damaged" in faults[0]
    (tmp_path / f"t.jsonl.{suffix}").write_bytes(packed[:20] + b"nonsense" * 100)
    _, faults = read(tmp_path)
    assert "damaged" in faults[0]


def test_a_zip_of_pages_is_read_member_by_member_and_nothing_in_it_is_trusted(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "pages.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("/etc/x.html", PAGE.format("Absolute"))
        archive.writestr("../../up.html", PAGE.format("Upwards"))
        archive.writestr("sub/t.jsonl", RECORDS)
        archive.writestr("picture.png", b"\x89PNG")
        archive.writestr("inner.zip", b"PK")
        archive.writestr("inner.txt.gz", gzip.compress(b"x"))
        archive.writestr("big.txt", b"x" * 2000)
    before = sorted(tmp_path.rglob("*"))
    ids, faults = read(tmp_path / "pages.zip", max_bytes=1000)
    assert ids == ["pages/etc/x", "pages/up", "a", "b"]
    assert sorted(tmp_path.rglob("*")) == before
    assert [fault.partition("!")[2].partition(":")[0] for fault in faults] == ["inner.zip", "inner.txt.gz", "big.txt"]
    assert "an archive within an archive" in faults[0]


@pytest.mark.parametrize("suffix", ["gz", "zst", "zip"])
def test_a_bomb_is_stopped(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "ALLOWANCE", 1_000_000)
    zeros = b"0" * 5_000_000
    if suffix == "zip":
        with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(4):
                archive.writestr(f"{number}.csv", b"text\n" + zeros)
    else:
        (tmp_path / f"bomb.csv.{suffix}").write_bytes(PACK[suffix](b"text\n" + zeros))
    ids, faults = read(tmp_path, max_bytes=1000)
    assert ids == []
    assert "grows more than 300-fold" in faults[-1]


def test_a_pipe_may_grow_as_a_file_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "ALLOWANCE", 1_000)
    many = b"".join(b'{"text": "Number %d of many."}\n' % n for n in range(1000))
    with (tmp_path / "crawl.warc").open("wb") as file:
        writer = WARCWriter(file, gzip=False)
        for number in range(3):
            headers = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.0")
            payload = io.BytesIO(PAGE.format(f"Title {number}").encode() * 3)
            url = f"http://news.example/{number}"
            writer.write_record(writer.create_warc_record(url, "response", payload=payload, http_headers=headers))
    crawl = (tmp_path / "crawl.warc").read_bytes()
    for data, count in ((gzip.compress(many), 1000), (PACK["zst"](many), 1000), (crawl, 3)):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        ids, faults = read(Path("-"))
        assert (len(ids), faults) == (count, [])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(b"0" * 5_000_000))))
    assert "grows more than 300-fold" in read(Path("-"))[1][0]


def test_a_web_archive_gives_its_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "crawl.warc.gz").open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        for name, kind, status in (("ä", "text/html; charset=iso-8859-1", "200 OK"), ("p", "image/png", "200 OK")):
            headers = StatusAndHeaders(status, [("Content-Type", kind)], protocol="HTTP/1.0")
            payload = io.BytesIO(PAGE.format(f"Title {name}").encode("latin-1"))
            url = f"http://news.example/{name}"
            writer.write_record(writer.create_warc_record(url, "response", payload=payload, http_headers=headers))
    (document,) = read_documents([tmp_path])
    assert document.id.startswith("http://news.example/")
    assert document.metadata["title"] == "Title ä"
    (tmp_path / "crawl.warc.gz").write_bytes(b"no archive at all" * 100)
    assert "no page found" in read(tmp_path)[1][0]
    monkeypatch.setitem(sys.modules, "warcio.archiveiterator", None)
    assert "install framing[warc]" in read(tmp_path)[1][0]


def test_what_a_pipe_holds_shows_in_its_first_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    for data, ids in (
        (b"A plain text.", ["stdin"]),
        (RECORDS, ["a", "b"]),
        (gzip.compress(RECORDS), ["a", "b"]),
        (PAGE.format("A page").encode(), ["stdin"]),
    ):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert read(Path("-")) == (ids, [])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"PK\x03\x04" + bytes(100))))
    with pytest.raises(FramingError, match="cannot be read from a pipe"):
        list(read_documents(["-"]))


def test_ids_are_names_below_the_folder_and_never_taken_twice(tmp_path: Path) -> None:
    for name in ("a.txt", "sub/a.txt", "other/a.txt", "v1.2.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert list(name_files([tmp_path]).values()) == ["a", "other/a", "sub/a", "v1.2"]
    assert list(name_files([f"{tmp_path}/*/a.txt"]).values()) == ["other/a", "sub/a"]
    named = list(name_files([tmp_path / "a.txt", tmp_path / "sub" / "a.txt"]).values())
    assert named[0] == "a"
    assert named[1].endswith("/sub/a")
    assert [stem_of(name) for name in ("n.jsonl.gz", "n.gz", "v1.2.txt")] == ["n", "n", "v1.2"]
    assert safe_id("C:\\..\\windows\\x.txt") == "windows/x"
    assert safe_id("..") == "unnamed"
