"""An output that survives its writer: a journal beside it that the same command goes on with."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from framing.corpus.sources import STDIN
from framing.errors import FramingError
from framing.inference.prediction import prediction_from_json, prediction_to_json, safe_json
from framing.inference.recent import Recent, Verdict
from framing.inference.tagger import CHUNK
from framing.inference.writing import Form, write_file
from framing.records import Paragraph, Prediction
from framing.schema import Schema

FORMAT = 1
_RESTART = "give the same again, or begin anew with --restart"


class Journal:
    """The files of an output on its way:

    OUTPUT.part        one JSON record a paragraph, only ever appended to
    OUTPUT.part.json   what it was begun with: inputs, options, model; made after the journal, removed last
    OUTPUT.rejected.jsonl.part   the bad records; made anew by each attempt, since each reads them again

    A journal that was cut off anywhere is cut back to its last whole chunk of paragraphs, since what is tagged together
    can depend on each other in the last digit; what follows then is what would have been. Use as a context.
    """

    def __init__(self, path: Path, schema: Schema) -> None:
        self.path, self.schema = path, schema
        self.part = path.with_name(path.name + ".part")
        self.state = path.with_name(path.name + ".part.json")
        self.kept = 0
        self.count = 0
        self.file: IO[bytes] | None = None

    def begin(self, facts: Mapping[str, Any], restart: bool) -> bool:
        """Open the journal and keep its whole chunks; False if the output was complete but for being tidied up.

        Raises FramingError if it was begun with other facts, or is being written by another process.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.is_dir():
            raise FramingError(str(self.path), "is a folder", "name a file for --output")
        begun = None if restart else self._begun(facts)
        if begun and not self.part.exists():
            self.state.unlink()
            return False
        self.file = self.part.open("r+b" if begun else "ab")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.file.close()
            self.file = None  # what lies there is the other's: nothing of it is tidied up
            raise FramingError(str(self.part), "another process is writing it", "wait for its end") from None
        end, self.kept = self._whole_chunks() if begun else (0, 0)
        self.count = self.kept
        self.file.truncate(end)
        self.file.seek(end)
        if not begun:
            beside = self.state.with_name(self.state.name + ".new")
            beside.write_text(json.dumps({"format": FORMAT, **facts}, indent=1), encoding="utf-8")
            beside.replace(self.state)
        return True

    def _begun(self, facts: Mapping[str, Any]) -> bool:
        """Whether the journal there is was begun with these facts; raises FramingError if with others."""
        if not self.state.exists():
            return False
        try:
            then = json.loads(self.state.read_text(encoding="utf-8"))
        except ValueError:
            raise FramingError(str(self.state), "is no state of an output", "begin anew with --restart") from None
        now = {"format": FORMAT, **facts}
        for key, value in now.items():
            if then.get(key) != value:
                finding = f"this output was begun with other {key} ({_short(then.get(key))}; now {_short(value)})"
                raise FramingError(str(self.part), finding, _RESTART)
        return True

    def _whole_chunks(self) -> tuple[int, int]:
        """Where the last whole chunk of readable records ends, and how many records that is."""
        assert self.file is not None
        position = end = count = kept = 0
        for line in self.file:
            try:
                if not line.endswith(b"\n") or "model" not in json.loads(line):
                    break
            except (ValueError, TypeError):
                break
            position += len(line)
            count += 1
            if count % CHUNK == 0:
                end, kept = position, count
        return end, kept

    def skip(self, paragraphs: Iterator[Paragraph], recent: Recent) -> Iterator[Paragraph]:
        """The paragraphs that are not in the journal; `recent` learns from those that are.

        Raises FramingError where the inputs give another text than the journal has.
        """
        with self.part.open(encoding="utf-8") as file:
            done = (prediction_from_json(json.loads(line)) for line in itertools.islice(file, self.kept))
            while chunk := list(itertools.islice(done, CHUNK)):
                for found in chunk:
                    self._compare(found.paragraph, next(paragraphs, None))
                known = {found.paragraph.text: found for found in chunk}
                recent.verdicts(
                    [found.paragraph.text for found in chunk],
                    lambda texts, known=known: [  # type: ignore[misc]
                        Verdict.of_record(known[text].labels, known[text].probabilities, self.schema) for text in texts
                    ],
                )
        return paragraphs

    def _compare(self, then: Paragraph, now: Paragraph | None) -> None:
        if now is None or (then.id, then.text) != (now.id, now.text):
            read = "the inputs end before" if now is None else f"the inputs have {now.id!r} in the place of"
            raise FramingError(str(self.part), f"{read} {then.id!r}, which is tagged already", _RESTART)

    def append(self, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        """Write each and hand it on; after each whole chunk the disk has it."""
        assert self.file is not None
        for found in predictions:
            line = (prediction_to_json(found, self.schema) + "\n").encode()
            try:
                self.file.write(line)
                self.count += 1
                if self.count % CHUNK == 0:
                    self._sync()
            except OSError as error:
                raise _cannot_write(self.part, error) from None
            yield found

    def _sync(self) -> None:
        assert self.file is not None
        self.file.flush()
        os.fsync(self.file.fileno())

    def finish(self, form: Form) -> None:
        """Give the output its form and its name, and remove the journal."""
        assert self.file is not None
        try:
            self._sync()
            if form == Form("jsonl"):
                self.part.replace(self.path)
            else:
                with self.part.open(encoding="utf-8") as lines:
                    write_file((prediction_from_json(json.loads(line)) for line in lines), self.schema, self.path, form)
                self.part.unlink()
        except OSError as error:
            raise _cannot_write(self.path, error) from None
        self.state.unlink()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        """Close; a journal in which nothing stands is removed with its state."""
        if self.file is None:
            return
        try:
            self.file.close()
        except OSError:
            pass  # what the full disk did not take is tagged again
        if self.part.exists() and self.count == 0:
            self.part.unlink()
            self.state.unlink(missing_ok=True)


class Rejects:
    """Bad records into a file beside the output: place, reason, the record. None are no file.

    Enter it as a context while the journal is held: until then what is added waits, for the file may be another
    process's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + ".rejected.jsonl")
        self.part = self.path.with_name(self.path.name + ".part")
        self.file: IO[str] | None = None
        self.waiting: list[str] | None = []

    def add(self, fault: FramingError, record: Any) -> None:
        reason = f"{fault.finding}; {fault.cure}"
        line = safe_json({"place": fault.place, "reason": reason, "record": _plain(record)}) + "\n"
        if self.waiting is not None:
            self.waiting.append(line)
        else:
            self._write(line)

    def _write(self, line: str) -> None:
        try:
            if self.file is None:
                self.file = self.part.open("w", encoding="utf-8")
            self.file.write(line)
        except OSError as error:
            raise _cannot_write(self.part, error) from None

    def finish(self) -> None:
        """Give the file its name; the one of an earlier run goes."""
        self.path.unlink(missing_ok=True)
        if self.file is not None:
            try:
                self.file.close()
                self.part.replace(self.path)
            except OSError as error:
                raise _cannot_write(self.path, error) from None

    def __enter__(self) -> Rejects:
        waiting, self.waiting = self.waiting or [], None
        for line in waiting:
            self._write(line)
        return self

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            with suppress(OSError):  # it is removed, and an error that ends the run is not to be hidden by this one
                self.file.close()
        self.part.unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> FramingError:
    finding = str(error.strerror or error).lower()
    return FramingError(str(path), finding, "make room and run the same command again: it goes on")


_LONGEST = 10_000


def _plain(value: Any) -> Any:
    """The record as JSON can hold it; very long texts are cut, since what is too long is often why it is here."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ... ({len(text):,} characters)"


def fingerprint_inputs(files: Iterable[Path]) -> str:
    """Names, sizes and times of change of all files; what comes from a pipe is compared text by text when going on."""
    digest, count, size = hashlib.sha256(), 0, 0
    for file in files:
        if str(file) == STDIN:
            digest.update(b"-\0")
            continue
        facts = file.stat()
        digest.update(f"{file.resolve()}\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
        count, size = count + 1, size + facts.st_size
    return f"{count} files, {size:,} bytes, {digest.hexdigest()[:12]}"


def fingerprint_folder(folder: Path) -> str:
    """What a tagger's folder holds, so that another model under the same name is another."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.is_file():
            with file.open("rb") as stream:
                digest.update(f"{file.name}\0{hashlib.file_digest(stream, 'sha256').hexdigest()}\0".encode())
    return digest.hexdigest()[:12]


def _short(value: Any) -> str:
    return f"{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"[:200]
