"""`framing read`: tags, or texts that are tagged first, as one page to read."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from framing.cli.options import Folder, Model
from framing.cli.tagging import load_tagger
from framing.cli.terminal import TerminalReporter
from framing.errors import FramingError
from framing.reading_view import Notes, quiet_labels, write_page
from framing.records import Document, Paragraph, Prediction
from framing.schema import Schema

if TYPE_CHECKING:
    from framing.corpus.sources import Reading
    from framing.inference.evidence import Spans
    from framing.inference.tagger import Tagger

_MANY = 20_000


_Sources = Annotated[
    list[str],
    typer.Argument(
        help="Records of framing predict (.jsonl, also .gz or .zst), or texts, folders, globs, - to tag first."
    ),
]
_Out = Annotated[Path, typer.Option("--output", "-o", help="The page; - is standard output.")]
_Title = Annotated[str, typer.Option(help="What stands at the top of the page.")]
_Show = Annotated[bool, typer.Option("--open", help="Show the page in the browser.")]
_Words = Annotated[
    bool,
    typer.Option(
        "--evidence",
        help="Let each label show which words weighed: every paragraph is read once more for each of its words "
        "(64 at most), so this takes some 20 times as long as tagging.",
    ),
]
_Schema = Annotated[Path, typer.Option(help="The schema that the records were made with.")]


def read(
    sources: _Sources,
    out: _Out = Path("reading.html"),
    title: _Title = "",
    show: _Show = False,
    words: _Words = False,
    schema: _Schema = Path("data/schema.yaml"),
    model: Model = None,
    folder: Folder = None,
) -> None:
    """Make one page to read articles on, with the labels of each paragraph in the margin.

    The page needs no network and no server: it can be sent, kept and printed.

    framing read tags.jsonl                            what framing predict wrote

    framing read seeds --open                          texts: tagged first, then shown

    framing read news/ -o news.html --title "May 2024"   a folder, with an overview by holder, language and time

    framing read article.txt --evidence                also the words that weighed
    """
    from framing.corpus.sources import Reading, find_files
    from framing.inference.prediction import whole_file
    from framing.inference.tags import are_tags, read_tags
    from framing.schema_file import read_schema

    documents: dict[str, dict[str, str]] = {}
    evidence: dict[str, dict[str, Spans]] = {}
    notes = Notes(documents, evidence)
    own = () if str(out) == "-" else (out,)
    with TerminalReporter() as reporter:
        files = find_files(sources, own, reporter.say)
        if are_tags(files):
            known = read_schema(schema)
            tagger = _maker(model, folder, schema, known, reporter) if words else None
            predictions: Iterable[Prediction] = read_tags(files, known, documents)
        else:
            tagger = load_tagger(model, folder, reporter)[0]
            known = tagger.schema
            predictions = tagger.tag(_paragraphs(sources, Reading(own=own), documents))
        if tagger and words:
            predictions = _weighed(predictions, tagger, evidence)
        watched = _watched(predictions, reporter, 32 if words else 512 if tagger else 10_000)
        if str(out) == "-":
            write_page(watched, known, sys.stdout, title=title, notes=notes)
            return
        with whole_file(out) as file:
            count = write_page(watched, known, file, title=title, notes=notes)
        if count > _MANY:
            reporter.say(f"{count} paragraphs on one page: a browser gets slow beyond {_MANY}; give fewer texts a page")
        reporter.say(f"{count} paragraphs to read in {out}")
    if show:
        webbrowser.open(out.resolve().as_uri())


def _maker(model: str | None, folder: Path | None, file: Path, schema: Schema, reporter: TerminalReporter) -> Tagger:
    """The tagger that made records by this schema, to be asked which words weighed."""
    tagger = load_tagger(model, folder, reporter)[0]
    if tagger.schema.fingerprint != schema.fingerprint:
        raise FramingError(str(file), f"is not the schema of {tagger.name}", "give the model that made the records")
    return tagger


def _paragraphs(sources: list[str], reading: Reading, documents: dict[str, dict[str, str]]) -> Iterator[Paragraph]:
    """The sources' paragraphs; what is known about each document is put into `documents`."""
    from framing.corpus.paragraphs import split_documents
    from framing.corpus.reading import read_documents

    def noted() -> Iterator[Document]:
        for document in read_documents(sources, reading):
            documents[document.id] = dict(document.metadata)
            yield document

    return split_documents(noted())


def _weighed(
    predictions: Iterable[Prediction], tagger: Tagger, found: dict[str, dict[str, Spans]]
) -> Iterator[Prediction]:
    """The same predictions, each with its evidence put into `found` first."""
    from framing.inference.evidence import evidence

    quiet = quiet_labels(tagger.schema)
    for prediction in predictions:
        found[prediction.paragraph.id] = evidence(tagger, tagger.schema, prediction, quiet=quiet)
        yield prediction


def _watched(predictions: Iterable[Prediction], reporter: TerminalReporter, every: int) -> Iterator[Prediction]:
    for count, found in enumerate(predictions, 1):
        if count % every == 0:
            reporter.say(f"{count} paragraphs")
        yield found
