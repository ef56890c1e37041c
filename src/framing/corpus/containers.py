"""Files as streams of bytes: what is compressed or packed is read as it comes, bounded, never unpacked to disk."""

from __future__ import annotations

import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

from framing.corpus.sources import MEGABYTE, STDIN, Reading, kind_of, readable, safe_id
from framing.errors import FramingError

ALLOWANCE = 100 * MEGABYTE
GROWTH = 300
"""What is unpacked may be 100 MB, or 300 times the bytes on disk: text shrinks 3 to 30 fold, a bomb a thousand fold."""
_BUFFER = 1 << 18


@dataclass(frozen=True)
class Member:
    """One thing to read: where it is (for messages), the id of its document, its kind, its bytes.

    `url` and `charset` are what a web archive tells of a page.
    """

    place: str
    base: str
    kind: str
    stream: io.BufferedReader[Any]
    url: str = ""
    charset: str = ""


def open_members(file: Path, base: str, reading: Reading) -> Iterator[Member]:
    """The file itself, unpacked if it is compressed; the pages of an archive one after the other.

    Raises FramingError where the whole file cannot be read; a bad member of an archive is rejected alone.
    """
    place = "standard input" if str(file) == STDIN else readable(str(file))
    kind, compression = kind_of(file.name)
    kind = reading.kind or kind
    with _open(file, place) as raw:
        if not kind and not compression:
            kind, compression = _sniff(raw.peek(4096)[:4096])
        if str(file) != STDIN:
            reading.meter.begin(raw.tell)
        if kind in ("zip", "parquet") and (compression or str(file) == STDIN):
            finding = f"a {kind} file cannot be read from {'a compressed file' if compression else 'a pipe'}"
            raise FramingError(place, finding, "give the file itself, unpacked")
        if kind == "zip":
            yield from _zip_members(raw, place, base, reading)
            return
        if kind == "warc":
            yield from _warc_pages(raw, Growth(place, raw.tell))
            return
        stream = raw if not compression else _unpacked(raw, compression, Growth(place, raw.tell))
        yield Member(place, base, kind or _sniff(stream.peek(4096)[:4096])[0] or "text", stream)


class Growth:
    """Counts what was unpacked; raises FramingError when it is out of all proportion to what was packed."""

    def __init__(self, place: str, packed: Callable[[], int]) -> None:
        self.place, self.packed, self.unpacked = place, packed, 0

    def add(self, count: int) -> None:
        self.unpacked += count
        if self.unpacked > ALLOWANCE and self.unpacked > GROWTH * self.packed():
            finding = f"grows more than {GROWTH}-fold when it is unpacked"
            raise FramingError(self.place, finding, "a bomb? if it is not, unpack it yourself and give what is in it")


class _Unpacking(io.RawIOBase):
    """A decompressor's stream: counted, and its many ways to fail made one."""

    def __init__(self, inner: Any, growth: Growth) -> None:
        self.inner, self.growth = inner, growth

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            part = self.inner.read(len(memoryview(buffer)))
        except (OSError, EOFError, RuntimeError, NotImplementedError, zlib.error, BadZipFile) as error:
            finding = f"the compressed data is damaged ({str(error) or type(error).__name__:.100})"
            raise FramingError(self.growth.place, finding, "get or pack the file again") from None
        memoryview(buffer)[: len(part)] = part
        self.growth.add(len(part))
        return len(part)


class _Counted(io.RawIOBase):
    """A pipe that tells how far it was read, as a file does, so that growth is measured alike."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.count = inner, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        read: int | None = self.inner.readinto(buffer)
        self.count += read or 0
        return read

    def tell(self) -> int:
        return self.count


def _open(file: Path, place: str) -> Any:
    if str(file) == STDIN:
        # its raw stream gives what there is; its buffered one would wait for a full buffer
        stdin: Any = sys.stdin.buffer
        return io.BufferedReader(_Counted(getattr(stdin, "raw", stdin)), _BUFFER)
    try:
        return file.open("rb", buffering=_BUFFER)
    except OSError as error:
        raise FramingError(place, str(error.strerror).lower(), "check the path and its permissions") from None


def _unpacked(raw: IO[bytes], compression: str, growth: Growth) -> io.BufferedReader[Any]:
    if compression == "gzip":
        import gzip

        return io.BufferedReader(_Unpacking(gzip.GzipFile(fileobj=raw), growth), _BUFFER)
    import pyarrow  # unlike the package zstandard it tells a file that was cut off

    return io.BufferedReader(_Unpacking(pyarrow.CompressedInputStream(raw, "zstd"), growth), _BUFFER)


def _sniff(head: bytes) -> tuple[str, str]:
    """Kind and compression of what has no telling name, by how it begins."""
    for magic, found in (
        (b"\x1f\x8b", ("", "gzip")),
        (b"\x28\xb5\x2f\xfd", ("", "zstd")),
        (b"PK\x03\x04", ("zip", "")),
        (b"PAR1", ("parquet", "")),
        (b"WARC/", ("warc", "")),
    ):
        if head.startswith(magic):
            return found
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "html", ""
    return ("jsonl" if start.startswith((b'{"', b"{'")) else "text"), ""


def _zip_members(raw: IO[bytes], place: str, base: str, reading: Reading) -> Iterator[Member]:
    try:
        archive = ZipFile(raw)
    except (BadZipFile, NotImplementedError, ValueError) as error:
        raise FramingError(place, f"no zip archive ({error})", "pack it again") from None
    raw.seek(0, io.SEEK_END)
    size = raw.tell()
    growth = Growth(place, lambda: size)  # of all members together: they may share their bytes
    for info in archive.infolist():
        kind, compression = kind_of(info.filename)
        if info.is_dir() or not (kind or compression):
            continue
        name = f"{place}!{info.filename}"
        if compression or kind in ("zip", "parquet", "warc"):
            reading.reject(
                FramingError(name, "an archive within an archive is not opened", "unpack the outer one"), None
            )
        elif info.flag_bits & 1:
            reading.reject(FramingError(name, "this member is encrypted", "unpack it yourself"), None)
        else:
            try:
                opened = archive.open(info)
            except (BadZipFile, NotImplementedError, OSError) as error:
                reading.reject(FramingError(name, f"cannot be unpacked ({error})", "pack it again"), None)
                continue
            with closing(opened):
                stream = io.BufferedReader(_Unpacking(opened, growth), _BUFFER)
                yield Member(name, f"{base}/{safe_id(info.filename)}", reading.kind or kind, stream)


def _warc_pages(raw: IO[bytes], growth: Growth) -> Iterator[Member]:
    try:
        from warcio.archiveiterator import ArchiveIterator
        from warcio.exceptions import ArchiveLoadFailed
    except ImportError:
        cure = "install framing[warc]"
        raise FramingError(growth.place, "web archives need the package warcio", cure) from None
    place, records, pages = growth.place, iter(ArchiveIterator(raw)), 0
    while True:
        try:
            record = next(records, None)
        except (ArchiveLoadFailed, OSError, EOFError, ValueError, zlib.error) as error:
            raise FramingError(place, f"the web archive is damaged ({str(error):.100})", "get it again") from None
        if record is None:
            if not pages:
                raise FramingError(place, "no page found in this web archive", "is it one, with responses of HTML?")
            return
        headers = record.http_headers
        kind = (headers.get_header("Content-Type") or "") if headers else ""
        if record.rec_type != "response" or "html" not in kind.lower() or headers.get_statuscode() != "200":
            continue
        url = record.rec_headers.get_header("WARC-Target-URI") or record.rec_headers.get_header("WARC-Record-ID")
        charset = kind.lower().partition("charset=")[2].partition(";")[0].strip("\"' ")
        stream = io.BufferedReader(_Unpacking(record.content_stream(), growth), _BUFFER)
        pages += 1
        yield Member(f"{place}!{url}", url, "html", stream, url, charset)
