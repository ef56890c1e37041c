"""`framing evaluate`: a prediction file against a gold file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from framing.cli.terminal import table


def evaluate(
    gold: Annotated[Path, typer.Option(help='JSON Lines of {"id", "language", "labels": {...}}.')],
    predictions: Annotated[Path, typer.Option(help="JSON Lines as `framing predict` writes them.")],
    as_json: Annotated[bool, typer.Option("--json", help="All scores as JSON.")] = False,
    labels: Annotated[bool, typer.Option("--labels", help="Show each label too.")] = False,
    languages: Annotated[bool, typer.Option("--languages", help="Show each language too.")] = False,
) -> None:
    """Score predictions against gold: F1, average precision, calibration error, with 95 % bootstrap intervals.

    framing data export --output gold.jsonl

    framing predict gold.jsonl --unit paragraph --output predictions.jsonl

    framing evaluate --gold gold.jsonl --predictions predictions.jsonl --labels

    A facet that `framing predict --abstain` left open is not scored; the column coverage says how much was decided.
    """
    from framing.evaluation.metrics import judge, read_records_file, score
    from framing.evaluation.report import facet_heads, facet_rows, label_rows, scores_to_json

    scores = score(judge(read_records_file(gold), read_records_file(predictions), str(predictions), selective=True))
    if as_json:
        typer.echo(json.dumps(scores_to_json(scores), indent=1))
        return
    table("Facets", facet_heads(scores), facet_rows(scores, languages))
    if labels:
        heads = ["facet", "label", "positives", "f1", "precision", "recall", "average_precision"]
        table("Labels", heads, label_rows(scores))
