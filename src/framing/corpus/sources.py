"""Which files are read, of what kind each is, and how the user wants them read."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from framing.errors import FramingError

STDIN = "-"
KINDS = {
    ".txt": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".zip": "zip",
    ".warc": "warc",
}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns or keys that are read; all but `text` may be absent, unless they were named by the user."""

    text: str = "text"
    id: str = "id"
    title: str = "title"
    date: str = "date"
    language: str = "language"

    @property
    def required(self) -> list[str]:
        own = Columns()
        named = [getattr(self, key) for key in ("id", "title", "date", "language")]
        return [self.text, *(name for name in named if name not in (own.id, own.title, own.date, own.language))]


class Meter:
    """How far reading has come, in bytes of the files as they lie on disk; `total` is None for standard input."""

    def __init__(self) -> None:
        self.total: int | None = 0
        self.finished = 0
        self.current: Callable[[], int] = int

    @property
    def done(self) -> int:
        return self.finished + self.current()

    def expect(self, files: Iterable[Path]) -> None:
        files = list(files)
        self.total = None if Path(STDIN) in files else sum(file.stat().st_size for file in files)

    def begin(self, position: Callable[[], int]) -> None:
        self.current = position

    def end(self, file: Path) -> None:
        self.finished += file.stat().st_size if str(file) != STDIN else 0
        self.current = int


def stop(fault: FramingError, record: Any = None) -> None:
    """The strict way with a bad record: the first ends the reading."""
    raise fault


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True)
class Reading:
    """How inputs are read. `reject` is told each bad record and its fault; if it returns, reading goes on.

    `own` are the files that the command itself writes; see `name_files`.
    """

    columns: Columns = field(default_factory=Columns)
    kind: str = ""
    encoding: str = ""
    delimiter: str = ""
    max_bytes: int = 10 * MEGABYTE
    reject: Callable[[FramingError, Any], None] = stop
    say: Callable[[str], None] = _silent
    meter: Meter = field(default_factory=Meter)
    own: tuple[Path, ...] = ()


def kind_of(name: str) -> tuple[str, str]:
    """Kind and compression by the suffixes of a name, each "" if unknown or none."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    compression = COMPRESSIONS.get(suffixes[-1], "") if suffixes else ""
    if compression:
        suffixes.pop()
    return (KINDS.get(suffixes[-1], "") if suffixes else ""), compression


def stem_of(name: str) -> str:
    """The name without the suffixes that tell its kind: `news.jsonl.gz` -> `news`, `v1.2.txt` -> `v1.2`."""
    path = PurePosixPath(name)
    if path.suffix.lower() in COMPRESSIONS:
        path = path.with_suffix("")
        return path.stem if path.suffix.lower() in KINDS else path.name
    return path.stem


def readable(name: str) -> str:
    """A name of a file as text that any file can hold: bytes in it that are no UTF-8 stand as escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def safe_id(name: str) -> str:
    """A member's path as an id: its kind's suffix off, and nothing of a root, a drive or a way upwards left."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", ".", "..")]
    parts = [part for part in parts if not part.endswith(":")]
    return "/".join([*parts[:-1], stem_of(parts[-1])]) if parts else "unnamed"


def find_files(
    sources: Iterable[str | Path], own: Iterable[Path] = (), say: Callable[[str], None] = _silent
) -> list[Path]:
    """The files that paths, folders (searched through) and globs name, sorted within each source, each once.

    For `own` and `say` see `name_files`.
    """
    return list(name_files(sources, own, say))


def name_files(
    sources: Iterable[str | Path], own: Iterable[Path] = (), say: Callable[[str], None] = _silent
) -> dict[Path, str]:
    """The files and for each the id of its document: its name without suffix, below the folder that was searched.

    `news/a.txt` of the folder `news` is `a`, `news/2024/a.txt` is `2024/a`; where that is taken, the whole path.

    `own` are the files that the command itself writes. One that a folder or a glob holds is left out and `say` is told;
    one that is named raises FramingError, since writing it would destroy what was to be read.
    """
    found: dict[Path, str] = {}
    taken: set[str] = set()
    there, left_out = [file for file in own if file.exists()], ""
    for source in sources:
        for file, base in _expand(source):
            if any(file.samefile(written) for written in there if str(file) != STDIN):
                if file == Path(source):
                    raise FramingError(str(source), "is read and written at once", "name another file with --output")
                left_out = f"{file}"
                say(f"{left_out} is not read: this command writes it")
                continue
            if file in found:
                continue
            name = readable(base)
            if name in taken:
                name = readable(safe_id(file.as_posix()))
            taken.add(name)
            found[file] = name
    if left_out and not found:
        raise FramingError(left_out, "is all there is to read, and this command writes it", "name other sources")
    return found


def _expand(source: str | Path) -> list[tuple[Path, str]]:
    path = Path(source)
    if str(source) == STDIN:
        return [(path, "stdin")]
    if path.is_file():
        return [(path, stem_of(path.name))]
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if any(kind_of(file.name)) and file.is_file())
        root, cure = path, f"looked for {', '.join(KINDS)} and these with {' or '.join(COMPRESSIONS)}"
        finding = "no article in this folder"
    else:
        files = sorted(Path(name) for name in glob.glob(str(source), recursive=True) if Path(name).is_file())  # noqa: PTH207
        root, finding, cure = _fixed_part(path), "no such file or folder", "check the path, quote a glob"
    if not files:
        raise FramingError(str(source), finding, cure)
    return [(file, safe_id(file.relative_to(root).as_posix())) for file in files]


def _fixed_part(pattern: Path) -> Path:
    """The folder above the first wildcard of a glob."""
    fixed = Path(pattern.anchor)
    for part in pattern.relative_to(fixed).parts[:-1]:
        if glob.has_magic(part):
            break
        fixed /= part
    return fixed
