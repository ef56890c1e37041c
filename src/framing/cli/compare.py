"""`framing compare`: which of several runs or prediction files is better, in what, and how sure that is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from framing.cli.options import Folder
from framing.cli.terminal import errors, output, table
from framing.cli.train import tracking_config
from framing.errors import FramingError


def compare(
    systems: Annotated[
        list[str],
        typer.Argument(
            help="Two or more runs (id, start of an id, or name) or prediction files; the first is the yardstick."
        ),
    ],
    gold: Annotated[Path | None, typer.Option(help="The gold file that prediction files are judged by.")] = None,
    page: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write a page (HTML) to read and filter.")
    ] = None,
    log: Annotated[
        bool, typer.Option("--log", help="Keep the page in the store, under the newest of the runs.")
    ] = False,
    labels: Annotated[bool, typer.Option("--labels", help="Show each label too.")] = False,
    languages: Annotated[bool, typer.Option("--languages", help="Show each language too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False,
    folder: Folder = None,
) -> None:
    """Compare systems on the articles they share, with paired tests that take the article as the unit.

    framing compare tfidf-corpus-s1 bundled-corpus-s1            two runs by name

    framing compare 7ab309 d004ae --labels                       by the start of their ids, label by label

    framing compare a.jsonl b.jsonl --gold gold.jsonl            prediction files

    framing compare 7ab309 d004ae --output compare.html --log    a page with examples, kept in the store too
    """
    from framing.evaluation import comparison as room
    from framing.evaluation import findings as words

    if len(systems) < 2:
        raise FramingError("framing compare", "one system is nothing to compare", "name two runs or prediction files")
    known, newest = _read(systems, gold, folder)
    found = room.compare(known)
    said, warned = words.findings(found), words.warnings(found)
    if as_json:
        typer.echo(json.dumps(room.comparison_to_json(found, said, warned), indent=1))
    else:
        _show(found, said, warned, labels=labels, languages=languages)
    if page is not None or log:
        _write_page(found, page, newest if log else None, folder)
    if log and newest is None:
        errors.print("not logged: prediction files belong to no run", style="yellow")


def _read(references: list[str], gold: Path | None, folder: Path | None) -> tuple[list[Any], str | None]:
    """The systems, and the id of the newest run among them."""
    from framing.evaluation.comparison import file_system, recorded_system
    from framing.evaluation.metrics import read_records_file
    from framing.tracking.runs import recorded_run

    if gold is not None and not any(Path(reference).is_file() for reference in references):
        finding = "it judges prediction files, and only runs are named: each brings the gold it was tested on"
        raise FramingError(f"--gold {gold}", finding, "leave it out, or name prediction files")
    records = read_records_file(gold) if gold is not None else None
    systems, runs = [], []
    for reference in references:
        if Path(reference).is_file():
            if records is None:
                raise FramingError(reference, "a prediction file needs the gold that judges it", "add --gold FILE")
            systems.append(file_system(Path(reference), records))
            continue
        if reference.endswith(".jsonl"):
            raise FramingError(reference, "no such file", "check the path")
        run = recorded_run(tracking_config(folder), reference)
        runs.append(run)
        systems.append(recorded_system(run.name, run.folders, {**run.params, **run.tags}))
    return _named_apart(systems, references), max(runs, key=lambda run: run.started).id if runs else None


def _named_apart(systems: list[Any], references: list[str]) -> list[Any]:
    """Names that tell the systems apart: where two are the same, the folder in which their paths differ."""
    from dataclasses import replace

    names = [system.name for system in systems]
    alike = [n for n, name in enumerate(names) if names.count(name) > 1]
    apart = dict(zip(alike, _differing_part([references[n] for n in alike]), strict=True))
    told = [apart.get(n, name) for n, name in enumerate(names)]
    told = [name if told.count(name) == 1 else f"{name} ({n})" for n, name in enumerate(told, 1)]
    return [replace(system, name=name) for system, name in zip(systems, told, strict=True)]


def _differing_part(references: list[str]) -> list[str]:
    """Of paths (or other words) the last part that no two share; the words themselves if there is none."""
    parts = [Path(reference).parts[::-1] for reference in references]
    for column in zip(*parts, strict=False):
        if len(set(column)) == len(column):
            return [part.removesuffix(".jsonl") for part in column]
    return references


def _show(found: Any, said: list[str], warned: list[str], *, labels: bool, languages: bool) -> None:
    from framing.evaluation import findings as words

    for pair in found.pairs:
        heads = ["facet", "language", "metric", pair.first, pair.second, "difference", "p", "corrected", "articles"]
        title = f"{pair.first} minus {pair.second}, {len(found.gold)} paragraphs of {found.articles} articles"
        table(title, heads, words.facet_rows(pair, languages), 3)
        if labels:
            heads = ["facet", "label", "positives", pair.first, pair.second, "difference", "corrected"]
            heads += [f"only {pair.first} right", f"only {pair.second} right"]
            table("Labels: F1", heads, words.label_rows(pair), 2)
    for line in said:
        output.print(line, highlight=False, markup=False, style="bold", soft_wrap=True)
    for line in warned:
        output.print(f"warning: {line}", highlight=False, markup=False, style="yellow", soft_wrap=True)
    errors.print(words.methods(found.systems), highlight=False, markup=False, style="dim", soft_wrap=True)


def _write_page(found: Any, page: Path | None, run_id: str | None, folder: Path | None) -> None:
    import tempfile

    from framing.evaluation.comparison_page import comparison_page
    from framing.inference.prediction import whole_file
    from framing.tracking.runs import log_file

    text = comparison_page(found)
    if page is not None:
        with whole_file(page) as file:
            file.write(text)
        errors.print(f"written: {page}", highlight=False, markup=False)
    if run_id is not None:
        with tempfile.TemporaryDirectory() as place:
            own = Path(place) / ("-vs-".join(system.name for system in found.systems).replace("/", "_")[:120] + ".html")
            own.write_text(text, encoding="utf-8")
            log_file(tracking_config(folder), run_id, own, "compare")
        errors.print(f"logged as compare/{own.name} under run {run_id}", highlight=False, markup=False)
