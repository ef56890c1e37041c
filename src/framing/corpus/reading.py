"""Files, folders, globs and standard input into documents, one at a time."""

from __future__ import annotations

import glob
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from framing.corpus.language import detect_languages
from framing.corpus.layout import without_layout_tables
from framing.errors import FramingError
from framing.records import Document, Paragraph

SUFFIXES = (".txt", ".html", ".htm", ".jsonl")
STDIN = "-"


def find_files(sources: Iterable[str | Path]) -> list[Path]:
    """The files that paths, folders (searched through) and globs name, sorted within each source, each once."""
    found: dict[Path, None] = {}
    for source in sources:
        path = Path(source)
        if str(source) == STDIN or path.is_file():
            files = [path]
        elif path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
            if not files:
                raise FramingError(str(path), "no article in this folder", f"looked for {', '.join(SUFFIXES)}")
        else:
            files = sorted(Path(name) for name in glob.glob(str(source), recursive=True) if Path(name).is_file())  # noqa: PTH207
            if not files:
                raise FramingError(str(source), "no such file or folder", "check the path, quote a glob")
        for file in files:
            found.setdefault(file)
    return list(found)


def read_documents(sources: Iterable[str | Path]) -> Iterator[Document]:
    """Every document of the sources; each file is read only when it is its turn.

    The id of a document is its record's `id`, or the file's name without suffix; two documents of one id are an error,
    since their paragraphs could not be told apart.
    """
    seen: dict[str, str] = {}
    for file in find_files(sources):
        for place, document in _read_file(file):
            if document.id in seen:
                cure = "rename one of the two"
                raise FramingError(place, f"document id {document.id!r} is taken by {seen[document.id]}", cure)
            seen[document.id] = place
            yield document


def read_records(sources: Iterable[str | Path]) -> Iterator[Paragraph]:
    """JSON Lines of `{"id", "text"}` with each text taken as one paragraph, as it is."""
    for file in find_files(sources):
        for place, record in json_lines(decode(file), str(file)):
            text, record_id = str(_required(record, "text", place)), str(_required(record, "id", place))
            if not text.strip():
                raise FramingError(place, "the text is empty", "remove the record or give it a text")
            language = str(record.get("language") or detect_languages([text])[0])
            document = str(record.get("document") or record_id)
            position = record.get("position") or 1
            if not isinstance(position, int):
                raise FramingError(place, f"position {position!r:.40} is no number", "write a number or leave it out")
            yield Paragraph(record_id, document, position, 0, len(text), text, language, str(record.get("title", "")))


def json_lines(text: str, name: str, first: int = 1) -> Iterator[tuple[str, dict[str, Any]]]:
    """`(file:line, object)` for each line that is not blank; raises FramingError at the first that is no object."""
    for number, line in enumerate(io.StringIO(text), first):
        if not line.strip():
            continue
        place = f"{name}:{number}"
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            finding = f"not JSON ({error.msg} at column {error.colno})"
            raise FramingError(place, finding, "write one JSON object a line") from None
        if not isinstance(record, dict):
            raise FramingError(place, f"a JSON {type(record).__name__}, not an object", "write one JSON object a line")
        yield place, record


def _required(record: Mapping[str, Any], key: str, place: str) -> Any:
    if record.get(key) is None:
        raise FramingError(place, f"the record has no {key!r}", f"its keys are {', '.join(record) or 'none'}")
    return record[key]


def _read_file(file: Path) -> Iterator[tuple[str, Document]]:
    text = decode(file)
    if not text.strip():
        raise FramingError(_name(file), "the file is empty", "remove it or put an article into it")
    suffix = file.suffix.lower()
    if suffix == ".jsonl":
        for place, record in json_lines(text, str(file)):
            yield place, _document(record, place)
    elif suffix in (".html", ".htm"):
        yield str(file), _extract(text, file)
    else:
        stem = "stdin" if str(file) == STDIN else file.stem
        yield str(file), Document(stem, text, {"source": _name(file)})


def _document(record: Mapping[str, Any], place: str) -> Document:
    metadata = {key: str(value) for key, value in record.items() if key not in ("id", "text") and value is not None}
    if metadata.get("language"):
        metadata["language_is_known"] = "yes"
    return Document(str(_required(record, "id", place)), str(_required(record, "text", place)), metadata)


def _extract(html: str, file: Path) -> Document:
    """The page's main text: the furniture that is left is for the facet `kind` to find."""
    import trafilatura

    html = without_layout_tables(html)
    text = trafilatura.extract(html, favor_recall=True, include_comments=False, include_tables=True)
    if not text:
        raise FramingError(str(file), "no text found in this page", "is it an article? save its text as .txt")
    found = trafilatura.extract_metadata(html)
    facts = {"title": found.title, "date": found.date, "language": found.language, "source": found.url} if found else {}
    return Document(file.stem, text, {key: str(value) for key, value in facts.items() if value})


def _name(file: Path) -> str:
    return "standard input" if str(file) == STDIN else str(file)


def decode(file: Path) -> str:
    """The text of a file (`-` is standard input), without byte order mark; raises FramingError for what is no UTF-8."""
    data = sys.stdin.buffer.read() if str(file) == STDIN else file.read_bytes()
    if b"\x00" in data[:4096]:
        raise FramingError(_name(file), "a binary file, not text", f"give {', '.join(SUFFIXES)} files")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        finding = f"not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}"
        raise FramingError(f"{_name(file)}:{line}", finding, "save it as UTF-8 (iconv -t utf-8)") from None
