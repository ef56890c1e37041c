"""Bytes into text: UTF-8 first, a declared encoding next, a detected one last, and never a silent replacement."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable
from typing import IO, Any

from framing.errors import FramingError

BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What news was written in before UTF-8; without this list short texts are taken for rare code pages.
_CANDIDATES = """cp1252 cp1250 cp1251 koi8_r koi8_u cp1253 cp1254 cp1255 cp1256 cp1257 iso8859_2 iso8859_5 iso8859_9
gb18030 big5 shift_jis euc_jp euc_kr cp866""".split()
_USUAL = "cp1252"
_SAMPLE = 200_000
_CURE = "name its encoding with --encoding, or save it as UTF-8 (iconv -t utf-8)"

Say = Callable[[str], None]


def detect_encoding(data: bytes) -> str | None:
    """The likeliest encoding of text that is no UTF-8, by charset-normalizer; None if nothing fits.

    Where Windows-1252 explains the bytes as well as the best guess does, it is taken: a text with few accents fits
    several code pages alike, and this is what browsers assume too.
    """
    from charset_normalizer import from_bytes

    matches = from_bytes(data[:_SAMPLE], cp_isolation=_CANDIDATES)
    best = matches.best()
    if best is None:
        return None
    for match in matches:
        if match.encoding == _USUAL and match.chaos <= best.chaos + 0.003 and match.coherence >= best.coherence:
            return _USUAL
    return best.encoding


def decode_text(data: bytes, place: str, say: Say, *, given: str = "", declared: str = "") -> str:
    """A whole text without byte order mark. `given` is the user's word and binds; `declared` is the page's own.

    Raises FramingError for binary data and for bytes that no encoding explains.
    """
    if given:
        return _decode(data, given, place)
    for bom, name in BOMS:
        if data.startswith(bom):
            return _decode(data, name, place).removeprefix("\ufeff")
    try:
        return decode_utf8(data, place)
    except FramingError:
        for guess in () if is_binary(data) else (declared, detect_encoding(data)):
            text = _try(data, guess)
            if text is not None:
                say(f"{place}: not UTF-8, read as {guess} (--encoding NAME overrules)")
                return text
        raise


def decode_utf8(data: bytes, place: str) -> str:
    """Text without byte order mark; raises FramingError for what is binary or no UTF-8."""
    if is_binary(data):
        raise FramingError(
            place, "a binary file, not text", "give a file of a kind that `framing predict --help` lists"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        finding = f"not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}"
        raise FramingError(f"{place}:{line}", finding, _CURE) from None


def _try(data: bytes, encoding: str | None) -> str | None:
    try:
        return data.decode(encoding) if encoding else None
    except (ValueError, LookupError):  # some codecs of Python (undefined, idna) raise other errors than the usual one
        return None


def _decode(data: bytes, encoding: str, place: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeError as error:
        raise FramingError(place, _unfit(encoding, error), _CURE) from None


def _unfit(encoding: str, error: UnicodeError) -> str:
    """What is wrong with bytes that are not in this encoding."""
    if isinstance(error, UnicodeDecodeError):
        return f"not {encoding}: byte 0x{error.object[error.start]:02x} at offset {error.start}"
    return f"not {encoding} ({error!s:.80})"


def known_encoding(name: str) -> str:
    """The name, if Python knows it as one of text (base64 is none); raises FramingError."""
    try:
        "a".encode(name)
        return codecs.lookup(name).name
    except (LookupError, ValueError):
        cure = "write a name like utf-8, cp1251, koi8-r, gb18030"
        raise FramingError(f"--encoding {name}", "no such encoding", cure) from None


def is_binary(data: bytes) -> bool:
    """Whether the bytes begin as no text does. A null here and there is dirt in a text; many are not."""
    head = data[:4096]
    return head.startswith((b"\x7fELF", b"%PDF", b"PK\x03\x04", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"PAR1")) or (
        head.count(b"\x00") > len(head) // 20
    )


class Lines:
    """The lines of a stream, decoded one by one, none held; `next` raises FramingError for a bad line and then goes on.

    A file is UTF-8 until a line is not. If all before it was ASCII, the encoding is detected there and kept; if not,
    the line is damaged and is refused alone. `number` is that of the last line, from 1; `limit` is in bytes.
    """

    def __init__(self, stream: io.BufferedReader[Any], place: str, say: Say, *, given: str = "", limit: int) -> None:
        self.stream, self.place, self.say, self.limit = stream, place, say, limit
        self.number = 0
        self.raw = b""
        self.encoding = given
        self.is_ascii = not given
        self.wide: io.TextIOWrapper | None = None

    def __iter__(self) -> Lines:
        return self

    @property
    def damaged(self) -> str:
        """The start of the last line, bytes that are no text as escapes."""
        return self.raw[:1000].decode("utf-8", "backslashreplace").rstrip("\r\n")

    def __next__(self) -> str:
        self.number += 1
        if self.wide is not None or self.encoding.startswith(("utf-16", "utf-32")):
            return self._wide_line()
        self.raw = self.stream.readline(self.limit + 1)
        if not self.raw:
            raise StopIteration
        if self.number == 1 and self._starts_wide():
            return self._wide_line()
        if len(self.raw) > self.limit and not self.raw.endswith(b"\n"):
            self._skip_line()
            raise FramingError(f"{self.place}:{self.number}", f"a line of more than {self.limit:,} bytes", _LONG)
        return self._decoded(self.raw)

    def _decoded(self, raw: bytes) -> str:
        if raw.isascii():
            return raw.decode("ascii")
        try:
            text = raw.decode(self.encoding or "utf-8")
        except UnicodeError as error:
            if not self.is_ascii:
                finding = _unfit(self.encoding or "utf-8", error)
                raise FramingError(f"{self.place}:{self.number}", finding, _CURE) from None
            self.is_ascii = False
            # one line is little to go by: what lies read ahead in the buffer helps
            self.encoding = detect_encoding(raw + self.stream.peek(_SAMPLE)) or ""
            place = f"{self.place}:{self.number}"
            return decode_text(raw, place, self.say, declared=self.encoding)
        self.is_ascii = False
        return text.removeprefix("\ufeff") if self.number == 1 else text

    def _starts_wide(self) -> bool:
        name = next((name for bom, name in BOMS if self.raw.startswith(bom)), "utf-8")
        if name == "utf-8":
            return False
        self.encoding = name
        self.stream = io.BufferedReader(_Joined(self.raw, self.stream))
        return True

    def _wide_line(self) -> str:
        if self.wide is None:
            self.wide = io.TextIOWrapper(self.stream, self.encoding, newline="\n")
        try:
            line = self.wide.readline(self.limit)
        except UnicodeDecodeError as error:
            raise FramingError(f"{self.place}:{self.number}", f"not {self.encoding}: {error.reason}", _CURE) from None
        if not line:
            raise StopIteration
        return line

    def _skip_line(self) -> None:
        while part := self.stream.readline(1 << 16):
            if part.endswith(b"\n"):
                return


_LONG = "is it one record a line? --max-document sets the limit"


class _Joined(io.RawIOBase):
    """Bytes that were read already, then the rest of their stream."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self.head, self.rest = io.BytesIO(head), rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        part = self.head.read(len(view)) or self.rest.read(len(view))
        view[: len(part)] = part
        return len(part)
