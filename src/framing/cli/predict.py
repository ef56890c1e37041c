"""`framing predict`: texts in, tagged paragraphs out."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.text import Text

from framing.cli.terminal import GROUP_COLOURS, TerminalReporter, output
from framing.cli.train import tracking_config
from framing.errors import FramingError
from framing.records import Paragraph, Prediction
from framing.schema import Schema

if TYPE_CHECKING:
    from framing.inference.tagger import Tagger

CHAMPION = "models:/framing@champion"


def predict(
    sources: Annotated[
        list[str], typer.Argument(help="Files (.txt .html .jsonl), folders, globs, or - for standard input.")
    ],
    model: Annotated[str, typer.Option(help="A tagger's folder, runs:/ID, models:/NAME/VERSION or @alias.")] = CHAMPION,
    out: Annotated[Path | None, typer.Option("--output", "-o", help="Write JSON Lines to this file.")] = None,
    unit: Annotated[
        Literal["document", "paragraph"],
        typer.Option(help="document: split each text into paragraphs. paragraph: take records {id, text} as they are."),
    ] = "document",
    folder: Annotated[Path, typer.Option(help="The tracking folder.")] = Path("runs"),
    as_trained: Annotated[
        bool, typer.Option("--as-trained", help="Do not take the faster form that `framing export` has made.")
    ] = False,
) -> None:
    """Tag paragraphs: one record each, with labels and every label's probability.

    framing predict article.txt                         a table on a terminal, JSON Lines in a pipe

    framing predict news/ --output tags.jsonl           a folder into a file

    cat page.txt | framing predict -                    standard input

    framing predict gold.jsonl --unit paragraph -o p.jsonl   records {"id", "text"} as they are
    """
    from framing.corpus.paragraphs import split_documents
    from framing.corpus.reading import find_files, read_documents, read_records
    from framing.tracking.registry import resolve

    find_files(sources)

    def read() -> Iterator[Paragraph]:
        return read_records(sources) if unit == "paragraph" else split_documents(read_documents(sources))

    def load() -> Tagger:
        from framing.inference.tagger import load_fastest

        where = Path(model)
        path, name = (where, where.name) if where.is_dir() else resolve(tracking_config(folder), model)
        return load_fastest(path, name, as_trained=as_trained)

    with TerminalReporter() as reporter, ThreadPoolExecutor(1) as beside:
        reporter.say("loading the tagger")
        loading = beside.submit(load)
        if "-" not in sources:
            # A fault in the last file must not cost the hours that the others took: reading is cheap, tagging is not.
            deque(read(), maxlen=0)
        paragraphs = _not_empty(read(), sources)
        from framing.inference.prediction import whole_file, write_predictions

        tagger = loading.result()
        predictions = _watched(tagger.tag(paragraphs), reporter)
        if out is not None:
            with whole_file(out) as file:
                count = write_predictions(predictions, tagger.schema, file)
            reporter.say(f"{count} paragraphs tagged in {out}")
            return
        if not output.is_terminal:
            write_predictions(predictions, tagger.schema, sys.stdout)
            return
        found = list(predictions)
    _show(found, tagger.schema)


def _not_empty(paragraphs: Iterator[Paragraph], sources: list[str]) -> Iterator[Paragraph]:
    """The same; raises FramingError if there is none."""
    first = next(paragraphs, None)
    if first is None:
        raise FramingError(" ".join(sources), "no paragraph found", "is there text in it?")
    return _chain(first, paragraphs)


def _chain(first: Paragraph, rest: Iterator[Paragraph]) -> Iterator[Paragraph]:
    yield first
    yield from rest


def _watched(predictions: Iterable[Prediction], reporter: TerminalReporter) -> Iterator[Prediction]:
    for count, found in enumerate(predictions, 1):
        if count % 512 == 0:
            reporter.say(f"{count} paragraphs")
        yield found


def _show(predictions: list[Prediction], schema: Schema) -> None:
    """Paragraph by paragraph: its labels, coloured by group, with probabilities, then the start of its text."""
    colours = {label.ref: GROUP_COLOURS.get(label.group, "cyan") for label in schema.labels}
    document = ""
    for found in predictions:
        paragraph = found.paragraph
        if paragraph.document != document:
            document = paragraph.document
            output.print(f"\n[bold]{escape(document)}[/]", highlight=False)
        line = Text(f"{paragraph.position:>4} {paragraph.language} ")
        for facet in schema.facets:
            for label in found.labels.get(facet.id, ()):
                if facet.choice == "one" and label == facet.labels[0].id:
                    continue
                share = found.probabilities[facet.id][label]
                line.append(f" {label} ", style=f"bold {colours[f'{facet.id}.{label}']}")
                line.append(f"{share:.2f} ".removeprefix("0"), style="dim")
        output.print(line, soft_wrap=True)
        text = " ".join(paragraph.text.split())
        output.print(Text("        " + text, style="dim"), no_wrap=True, overflow="ellipsis")
