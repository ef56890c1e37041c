"""`framing data`: check, count and export the annotations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from framing.cli.options import Folder
from framing.cli.terminal import errors, output, table
from framing.records import Paragraph
from framing.schema import Schema

app = typer.Typer(help="Check, count and export annotations.", no_args_is_help=True)

SchemaFile = Annotated[Path, typer.Option("--schema", help="The labelling schema.")]
Sources = Annotated[list[Path], typer.Option("--source", help="Files or folders of texts; may be repeated.")]
Annotations = Annotated[list[Path], typer.Option("--annotations", help="Files or folders; may be repeated.")]
SCHEMA = Path("data/schema.yaml")
SOURCES = [Path("seeds"), Path("data/corpus")]
ANNOTATIONS = [Path("data/annotations")]


def _read(schema_file: Path, sources: list[Path], annotations: list[Path]) -> tuple[Schema, list[Paragraph], Any, Any]:
    from framing.annotation.store import read_annotations
    from framing.corpus.paragraphs import split_documents
    from framing.corpus.reading import read_documents
    from framing.schema_file import read_schema

    schema = read_schema(schema_file)
    paragraphs = list(split_documents(read_documents(sources)))
    placed, faults = read_annotations(annotations, schema)
    return schema, paragraphs, placed, faults


@app.command()
def check(schema_file: SchemaFile = SCHEMA, sources: Sources = SOURCES, annotations: Annotations = ANNOTATIONS) -> None:
    """Find every fault of the annotation files at once: place, finding, cure. Exit code 2 if there is one."""
    from framing.annotation.store import check_annotations

    _, paragraphs, placed, faults = _read(schema_file, sources, annotations)
    faults = [*faults, *check_annotations(placed, paragraphs)]
    for fault in faults:
        errors.print(str(fault), highlight=False, markup=False, soft_wrap=True)
    found = f"{len(faults)} faults" if faults else "no fault"
    output.print(f"{len(paragraphs)} paragraphs, {len(placed)} annotations: {found}", highlight=False)
    if faults:
        raise typer.Exit(2)


@app.command()
def stats(
    schema_file: SchemaFile = SCHEMA,
    sources: Sources = SOURCES,
    annotations: Annotations = ANNOTATIONS,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    figures: Annotated[Path | None, typer.Option(help="Also draw pictures into this folder.")] = None,
) -> None:
    """Count labels by facet, language and coder, and measure how far the coders agree."""
    from framing.annotation.statistics import statistics
    from framing.errors import raise_all

    schema, paragraphs, placed, faults = _read(schema_file, sources, annotations)
    raise_all(faults)
    found = statistics(paragraphs, [item.annotation for item in placed], schema)
    if as_json:
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        for title, rows in (("Coders", found["coders"]), ("Languages", found["languages"])):
            table(title, [title.lower()[:-1], "paragraphs"], [[name, str(n)] for name, n in rows.items()], 1)
        heads = ["facet", "label", "paragraphs", "share", "alpha", "coded twice"]
        table("Labels (adjudicated) and agreement (Krippendorff's alpha)", heads, _label_rows(found))
    if figures is not None:
        from framing.evaluation.plots import corpus_pictures

        for path in corpus_pictures(found, figures):
            errors.print(f"written: {path}", highlight=False)


def _label_rows(found: dict[str, Any]) -> list[list[str]]:
    rows = []
    for row in found["labels"]:
        alpha = "-" if row["alpha"] is None else f"{row['alpha']:.3f}"
        rows.append(
            [row["facet"], row["label"] or "(all)", str(row["count"]), f"{row['share']:.1%}", alpha, str(row["units"])]
        )
    return rows


@app.command()
def export(
    out: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    schema_file: SchemaFile = SCHEMA,
    sources: Sources = SOURCES,
    annotations: Annotations = ANNOTATIONS,
) -> None:
    """Write the gold as JSON Lines of {"id", "text", "language", "labels"}: what `framing evaluate --gold` reads."""
    from framing.annotation.adjudication import by_paragraph, gold
    from framing.annotation.store import check_annotations, labels_to_json
    from framing.errors import raise_all
    from framing.inference.prediction import whole_file

    schema, paragraphs, placed, faults = _read(schema_file, sources, annotations)
    raise_all([*faults, *check_annotations(placed, paragraphs)])
    decided = gold(by_paragraph(item.annotation for item in placed), schema)
    with whole_file(out) as file:
        for paragraph in paragraphs:
            labels = labels_to_json(decided[paragraph.id], schema)
            line = {"id": paragraph.id, "text": paragraph.text, "language": paragraph.language, "labels": labels}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    output.print(f"{len(paragraphs)} gold records in {out}", highlight=False)


@app.command()
def doubts(
    run: Annotated[str, typer.Argument(help="A run's name or id; of a cross-validation all folds are taken.")],
    facet: Annotated[list[str] | None, typer.Option(help="Only this facet; may be repeated.")] = None,
    top: Annotated[int, typer.Option(min=1, help="So many, the most doubtful first.")] = 25,
    out: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write them as JSON Lines, with their text.")
    ] = None,
    folder: Folder = None,
) -> None:
    """Codings that a tagger doubts which did not learn from them: what to read once more.

    framing train folds=5 name=check            every article tested by a tagger that did not see it

    framing data doubts check --facet stance    the codings it trusts least

    The tagger is often the one that is wrong. Change nothing without reading.
    """
    from framing.cli.train import tracking_config
    from framing.errors import FramingError, did_you_mean
    from framing.evaluation.comparison import recorded_system
    from framing.evaluation.doubts import doubts as find
    from framing.inference.prediction import safe_json, whole_file
    from framing.tracking.runs import recorded_run

    recorded = recorded_run(tracking_config(folder), run)
    system = recorded_system(recorded.name, recorded.folders, {**recorded.params, **recorded.tags})
    known = [f.id for f in system.schema.facets] if system.schema else []
    for name in facet or ():
        if name not in known:
            raise FramingError("--facet", f"no facet {name!r} in this run", did_you_mean(name, known))
    found = find(system.gold, system.predicted, facet)[:top]
    if out is not None:
        with whole_file(out) as file:
            for doubt in found:
                line: dict[str, Any] = {"id": doubt.record.id, "text": doubt.record.text, "facet": doubt.facet}
                line |= {"coded": doubt.coded, "tagged": doubt.tagged, "trust": round(doubt.trust, 4)}
                file.write(safe_json(line) + "\n")
        output.print(f"{len(found)} doubtful codings in {out}", highlight=False)
        return
    rows = [
        [d.record.id, d.facet, ", ".join(d.coded) or "-", ", ".join(d.tagged) or "-", f"{d.trust:.3f}"] for d in found
    ]
    table(f"{recorded.name}: codings to read once more", ["paragraph", "facet", "coded", "tagged", "trust"], rows, 4)


@app.command()
def split(
    out: Annotated[Path, typer.Option("--output", "-o", help="The splits file.")] = Path("data/splits.json"),
    verify: Annotated[
        bool, typer.Option("--check", help="Only check the file there is; exit code 2 if it leaks.")
    ] = False,
    test: Annotated[Path, typer.Option(help="All documents of this source are the test part.")] = Path("seeds"),
    dev: Annotated[str, typer.Option(help="Documents with this metadata are the dev part, KEY=VALUE.")] = "natural=yes",
    schema_file: SchemaFile = SCHEMA,
    sources: Sources = SOURCES,
    annotations: Annotations = ANNOTATIONS,
) -> None:
    """Freeze which articles train, choose (dev) and test; or check a frozen split for text that two parts share."""
    from framing.corpus.reading import read_documents
    from framing.dataset import build_dataset
    from framing.errors import FramingError, raise_all
    from framing.splits import Split, describe, empty_parts, read_split, shared_text, write_split

    schema, paragraphs, placed, faults = _read(schema_file, sources, annotations)
    raise_all(faults)
    dataset = build_dataset(paragraphs, [item.annotation for item in placed], schema)
    if verify:
        found = read_split(out, dataset)
    else:
        testing = {document.id for document in read_documents([test])}
        key, _, value = dev.partition("=")
        choosing = {d.id for d in read_documents(sources) if d.metadata.get(key) == value} - testing
        if not choosing:
            raise FramingError(f"--dev {dev}", "no document has this metadata", "name a key of the corpus files")
        rest = [document for document in dataset.documents if document not in testing | choosing]
        found = Split(tuple(rest), tuple(sorted(choosing)), tuple(sorted(testing)))
        raise_all(empty_parts(found, f"--test {test} --dev {dev}"))
    leaks = shared_text(found, dataset)
    for one, other, jaccard in leaks:
        errors.print(f"{one} and {other} share their text (Jaccard {jaccard:.2f})", highlight=False)
    parts = ", ".join(f"{part} {count}" for part, count in describe(found).items())
    output.print(f"articles: {parts}; {len(leaks) or 'no'} shared texts across parts", highlight=False)
    if leaks:
        raise typer.Exit(2)
    if not verify:
        write_split(found, out)
