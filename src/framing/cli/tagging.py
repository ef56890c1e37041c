"""From inputs to tagged paragraphs: what is read, what is refused, what is gone on with."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from framing.cli.terminal import TerminalReporter, is_on_terminal, visible
from framing.cli.train import tracking_config
from framing.errors import FramingError
from framing.records import Paragraph, Prediction
from framing.schema import Schema

if TYPE_CHECKING:
    from framing.corpus.sources import Reading
    from framing.inference.tagger import Tagger

Unit = Literal["document", "paragraph"]
REJECTED = 3
"""Exit code: done, but some records were bad."""
_SOON = 32
_HOPELESS = 100
"""So many bad records before the first good one: it is the input as a whole that is wrong."""


class Gate:
    """Where bad records go. With `strict` the first ends the run; so do a hundred before the first good one."""

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.count = 0
        self.first: FramingError | None = None
        self.is_open = False
        self.keep: Callable[[FramingError, Any], None] = lambda fault, record: None

    def __call__(self, fault: FramingError, record: Any) -> None:
        if self.strict:
            raise fault
        self.first = self.first or fault
        self.count += 1
        if not self.is_open and self.count >= _HOPELESS:
            finding = f"{self.first.finding} (and the first {self.count} records are all bad)"
            raise FramingError(self.first.place, finding, self.first.cure)
        self.keep(fault, record)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tagger, and how it is to decide: other thresholds, or abstaining where it is not sure enough.

    model, folder: None for the champion, and for the folder of conf/tracking.
    """

    model: str | None
    folder: Path | None
    as_trained: bool = False
    quick: bool = False
    thresholds: Mapping[str, float] = field(default_factory=dict)
    risk: float | None = None

    @property
    def deciding(self) -> dict[str, Any]:
        """What an output depends on beside the tagger and its name, which says whether it reads quickly."""
        return {"thresholds": dict(self.thresholds), "risk": self.risk} if self.thresholds or self.risk else {}


def find_tagger(model: str | None, folder: Path | None) -> tuple[Path, str]:
    """Where the tagger lies that a folder or a reference to the registry names, and its name; else the champion's."""
    if model is not None and Path(model).is_dir():
        return Path(model), Path(model).name
    from framing.tracking.registry import resolve

    config = tracking_config(folder)
    return resolve(config, model or f"models:/{config.model_name}@champion")


def load_tagger(
    model: str | None, folder: Path | None, reporter: TerminalReporter, *, as_trained: bool = False
) -> tuple[Tagger, Path]:
    """The tagger that `find_tagger` finds, and where it lies."""
    reporter.say("loading the tagger")
    from framing.inference.tagger import load_fastest

    path, name = find_tagger(model, folder)
    return load_fastest(path, name, as_trained=as_trained), path


def parse_thresholds(words: Iterable[str]) -> dict[str, float]:
    """`stance.blame=0.3` and the like; raises FramingError on what is not NAME=NUMBER."""
    found = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            raise FramingError(f"--threshold {word}", "is not LABEL=NUMBER", "write stance.blame=0.3") from None
    return found


@dataclass
class Job:
    """One call of the command: what is read and how, which tagger, what becomes of bad records, who is told."""

    sources: list[str]
    unit: Unit
    reading: Reading
    wanted: Wanted
    gate: Gate
    reporter: TerminalReporter

    def paragraphs(self) -> Iterator[Paragraph]:
        """All paragraphs; raises FramingError if there is none. The first is read at once, before any model is."""
        from framing.corpus.paragraphs import split_documents
        from framing.corpus.reading import read_documents, read_records

        reading = replace(self.reading, reject=self.gate, say=self.reporter.say)
        if self.unit == "paragraph":
            found = read_records(self.sources, reading)
        else:
            found = split_documents(read_documents(self.sources, reading), self.gate)
        first = next(found, None)
        if first is None:
            nothing = FramingError(" ".join(self.sources), "no paragraph found", "is there text in it?")
            raise self.gate.first or nothing
        self.gate.is_open = True
        return _chain(first, found)

    def tagger(self) -> tuple[Tagger, Path]:
        wanted = self.wanted
        if wanted.quick and wanted.risk is not None:
            finding = "the risk is known for the closer reading only"
            raise FramingError("--quick with --abstain", finding, "leave one of the two out")
        tagger, path = load_tagger(wanted.model, wanted.folder, self.reporter, as_trained=wanted.as_trained)
        if wanted.quick and not tagger.sentence_weight:
            self.reporter.say(f"--quick changes nothing: {tagger.name} reads as a whole only")
        tagger = tagger.quickly() if wanted.quick else tagger
        return tagger.deciding(wanted.thresholds, wanted.risk), path

    def into_file(self, out: Path, kind: str, probabilities: bool | None, restart: bool) -> None:
        """Into a file of the kind that is given or that the suffix tells; what an earlier attempt left is kept."""
        from framing.cli.progress import TaggingProgress
        from framing.inference.recent import Recent
        from framing.inference.resuming import Journal, Rejects
        from framing.inference.writing import form_of

        form = form_of(out, kind, probabilities)
        rejects = Rejects(out)
        self.gate.keep = rejects.add
        # an earlier call's output may lie in the folder that is read
        self.reading = replace(self.reading, own=(out, rejects.path))
        paragraphs = self.paragraphs()
        tagger, path = self.tagger()
        with Journal(out, tagger.schema) as journal:
            if not journal.begin(self.facts(tagger, path), restart):
                self.reporter.say(f"{out} was complete already")
                return
            with rejects:
                recent = Recent()
                paragraphs = journal.skip(paragraphs, recent)
                if journal.kept:
                    self.reporter.say(f"going on after {journal.kept:,} paragraphs")
                progress = TaggingProgress(self.reading.meter, journal.kept)
                try:
                    for _ in progress.watch(journal.append(tagger.tag(paragraphs, recent))):
                        pass
                except KeyboardInterrupt:
                    self.reporter.say(f"{journal.count:,} paragraphs are kept: the same command goes on with them")
                    raise
                rejects.finish()
                journal.finish(form)
        self.reporter.say(f"{journal.count:,} paragraphs tagged in {out}")
        if self.gate.count:
            self.reporter.say(f"{self.gate.count:,} records rejected: {rejects.path} says why")

    def facts(self, tagger: Tagger, folder: Path) -> dict[str, Any]:
        """All that an output depends on."""
        from framing import __version__
        from framing.corpus.reading import find_files
        from framing.inference.resuming import fingerprint_folder, fingerprint_inputs

        reading = self.reading
        columns = {key: getattr(reading.columns, key) for key in ("text", "id", "title", "date", "language")}
        how = {key: getattr(reading, key) for key in ("kind", "encoding", "delimiter", "max_bytes")}
        return {
            "inputs": fingerprint_inputs(find_files(self.sources, reading.own)),
            "options": {"unit": self.unit, **how, "columns": columns, **self.wanted.deciding},
            "model": f"{tagger.name} {fingerprint_folder(folder)}",
            "program": __version__,
        }

    def predictions(self) -> tuple[Iterator[Prediction], Schema]:
        """All predictions as they come, bad records told as lines."""
        self.gate.keep = lambda fault, record: self.reporter.say(f"rejected: {fault}")
        paragraphs = self.paragraphs()
        tagger, _ = self.tagger()
        return tagger.tag(paragraphs, first=_SOON), tagger.schema

    def to_output(self, kind: str, probabilities: bool | None) -> None:
        """To standard output, in UTF-8 wherever it runs; a terminal is shown no control character."""
        if kind == "parquet":
            raise FramingError("--format parquet", "cannot be written to a pipe", "name a file with --output")
        from framing.cli.progress import TaggingProgress
        from framing.inference.writing import Form, write

        predictions, schema = self.predictions()
        form = Form(kind, "", kind == "jsonl" if probabilities is None else probabilities)
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", newline="")
        if is_on_terminal():
            write(predictions, schema, sys.stdout, form, visible)
        else:
            write(TaggingProgress(self.reading.meter, 0).watch(predictions), schema, sys.stdout, form)
        sys.stdout.flush()  # here a full disk can still be told, whatever the exit code will be


def _chain(first: Paragraph, rest: Iterator[Paragraph]) -> Iterator[Paragraph]:
    yield first
    yield from rest
