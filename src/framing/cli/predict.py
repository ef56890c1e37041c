"""`framing predict`: texts in, tagged paragraphs out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape
from rich.text import Text

from framing.cli.options import Folder, Model
from framing.cli.tagging import REJECTED, Gate, Job, Unit, Wanted, parse_thresholds
from framing.cli.terminal import GROUP_COLOURS, TerminalReporter, is_on_terminal, output, visible
from framing.errors import FramingError
from framing.records import Prediction
from framing.schema import Schema

InputFormat = Literal["text", "markdown", "html", "jsonl", "csv", "tsv", "parquet", "zip", "warc"]
_IN, _OUT, _BAD = "Input", "Output", "Bad records and interruptions"


_Sources = Annotated[
    list[str],
    typer.Argument(
        help="Files, folders, globs, or - for standard input: .txt .md .html .jsonl .csv .tsv "
        "(each also .gz or .zst, or in a .zip), .parquet, .warc (with framing\\[warc])."
    ),
]
_AsTrained = Annotated[
    bool, typer.Option("--as-trained", help="Do not take the faster form that `framing export` has made.")
]
_Quick = Annotated[
    bool,
    typer.Option(
        "--quick",
        help="Read each paragraph as a whole only: twice as fast, a little less good; not with --abstain.",
    ),
]
_Threshold = Annotated[
    list[str] | None,
    typer.Option(help="LABEL=NUMBER or FACET=NUMBER, as in stance.blame=0.3, in place of the tagger's own."),
]
_Abstain = Annotated[
    float | None,
    typer.Option(
        metavar="RISK",
        help="Leave a facet of a paragraph open where the tagger is not sure enough, so that of what it decides at "
        "most this share should be wrong, as in 0.1.",
    ),
]
_Out = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Write this file: .jsonl .csv .tsv (each also .gz or .zst), .parquet, or .html: a page to read; "
        "- is standard output, as without it.",
        rich_help_panel=_OUT,
    ),
]
_Form = Annotated[
    Literal["table", "jsonl", "csv", "tsv", "parquet", "html"] | None,
    typer.Option("--format", help="What to write, whatever the suffix; table is for reading.", rich_help_panel=_OUT),
]
_Probabilities = Annotated[
    bool | None,
    typer.Option(
        "--probabilities/--no-probabilities",
        help="Every label's probability: in JSON Lines unless refused, in tables (columns facet.label) if wanted.",
        rich_help_panel=_OUT,
    ),
]
_Unit = Annotated[
    Unit,
    typer.Option(
        help="document: split each text into paragraphs. paragraph: take records {id, text} as they are.",
        rich_help_panel=_IN,
    ),
]
_TextColumn = Annotated[str, typer.Option(help="The column or key of the text.", rich_help_panel=_IN)]
_IdColumn = Annotated[str, typer.Option(help="Of the id, if there is one; else FILE-ROW.", rich_help_panel=_IN)]
_TitleColumn = Annotated[str, typer.Option(help="Of the title, if there is one.", rich_help_panel=_IN)]
_DateColumn = Annotated[str, typer.Option(help="Of the date, if there is one.", rich_help_panel=_IN)]
_LanguageColumn = Annotated[
    str, typer.Option(help="Of the language, if there is one; else it is detected.", rich_help_panel=_IN)
]
_InputFormat = Annotated[
    InputFormat | None,
    typer.Option(help="What the sources are, whatever their suffix (a pipe has none).", rich_help_panel=_IN),
]
_Encoding = Annotated[
    str,
    typer.Option(help="Of the input, as in cp1251; else UTF-8, and if it is not, detected.", rich_help_panel=_IN),
]
_Delimiter = Annotated[
    str, typer.Option(help="Of CSV; else the one of , ; tab | that the header shows.", rich_help_panel=_IN)
]
_MaxDocument = Annotated[
    float,
    typer.Option(help="Reject a longer text, in megabytes, from 0.001 to 1000.", rich_help_panel=_BAD),
]
_Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first bad record.", rich_help_panel=_BAD)]
_Restart = Annotated[
    bool,
    typer.Option("--restart", help="Begin the output anew, whatever is kept of it.", rich_help_panel=_BAD),
]


def predict(
    sources: _Sources,
    model: Model = None,
    folder: Folder = None,
    as_trained: _AsTrained = False,
    quick: _Quick = False,
    threshold: _Threshold = None,
    abstain: _Abstain = None,
    out: _Out = None,
    form: _Form = None,
    probabilities: _Probabilities = None,
    unit: _Unit = "document",
    text_column: _TextColumn = "text",
    id_column: _IdColumn = "id",
    title_column: _TitleColumn = "title",
    date_column: _DateColumn = "date",
    language_column: _LanguageColumn = "language",
    input_format: _InputFormat = None,
    encoding: _Encoding = "",
    delimiter: _Delimiter = "",
    max_document: _MaxDocument = 10,
    strict: _Strict = False,
    restart: _Restart = False,
) -> None:
    """Tag paragraphs: one record each, with labels and every label's probability.

    framing predict article.txt                         a table on a terminal, JSON Lines in a pipe

    framing predict news/ --output tags.jsonl           a folder into a file

    framing predict news/ --output page.html            a page to read them on, labels in the margin

    framing predict tweets.csv --text-column body -o tags.csv   a table into a table

    cat page.html | framing predict -                   standard input

    framing predict gold.jsonl --unit paragraph -o p.jsonl   records {"id", "text"} as they are

    An interrupted --output (Ctrl-C, kill, full disk) is completed by the same command again. Bad records go to
    OUTPUT.rejected.jsonl, with place and reason, and the rest is tagged.

    Exit codes: 0 done; 2 bad input as a whole, nothing written; 3 done, but some records were rejected.
    """
    from framing.corpus.encoding import known_encoding
    from framing.corpus.sources import MEGABYTE, Columns, Reading

    if delimiter == "\\t":
        delimiter = "\t"
    if len(delimiter) > 1:
        raise FramingError(f"--delimiter {delimiter!r}", "more than one character", "write one, as in ';'")
    if not 0.001 <= max_document <= 1000:  # nan is not either; a document is held whole
        raise FramingError(f"--max-document {max_document:g}", "out of range", "write megabytes from 0.001 to 1000")
    reading = Reading(
        columns=Columns(text_column, id_column, title_column, date_column, language_column),
        kind=input_format or "",
        encoding=known_encoding(encoding) if encoding else "",
        delimiter=delimiter,
        max_bytes=int(max_document * MEGABYTE),
    )
    with TerminalReporter() as reporter:
        wanted = Wanted(model, folder, as_trained, quick, parse_thresholds(threshold or []), abstain)
        job = Job(sources, unit, reading, wanted, Gate(strict), reporter)
        if out is not None and str(out) != "-":
            job.into_file(out, form or "", probabilities, restart)
        elif form == "table" or (form is None and is_on_terminal()):
            _show(*job.predictions())
        else:
            job.to_output(form or "jsonl", probabilities)
    if job.gate.count:
        raise typer.Exit(REJECTED)


def _show(predictions: Iterable[Prediction], schema: Schema) -> None:
    """Paragraph by paragraph: its labels, coloured by group, with probabilities, then the start of its text."""
    colours = {label.ref: GROUP_COLOURS.get(label.group, "cyan") for label in schema.labels}
    document = ""
    for found in predictions:
        paragraph = found.paragraph
        if paragraph.document != document:
            document = paragraph.document
            output.print(f"\n[bold]{escape(visible(document))}[/]", highlight=False)
        line = Text(f"{paragraph.position:>4} {visible(paragraph.language)} ")
        for facet in schema.facets:
            if facet.id not in found.labels:
                line.append(f" {facet.id}? ", style="dim italic")
            for label in found.labels.get(facet.id, ()):
                if facet.choice == "one" and label == facet.labels[0].id:
                    continue
                share = found.probabilities[facet.id][label]
                line.append(f" {label} ", style=f"bold {colours[f'{facet.id}.{label}']}")
                line.append(f"{share:.2f} ".removeprefix("0"), style="dim")
        output.print(line, soft_wrap=True)
        text = visible(" ".join(paragraph.text.split()))
        output.print(Text("        " + text, style="dim"), no_wrap=True, overflow="ellipsis")
