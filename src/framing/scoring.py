"""A tagger put to a part of the data: predictions, gold, scores and figures as files of a folder."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from framing.annotation.adjudication import decision
from framing.annotation.store import labels_to_json
from framing.dataset import Dataset
from framing.evaluation import plots, report
from framing.evaluation.metrics import Judged, Record, Score, judge, score
from framing.inference.prediction import prediction_to_json
from framing.inference.tagger import Tagger
from framing.records import Prediction
from framing.schema import Schema


def score_part(
    tagger: Tagger, data: Dataset, folder: Path, logits: NDArray[np.float32] | None = None
) -> tuple[Judged, list[Score], dict[str, Record], dict[str, Record]]:
    """Tag a part, write predictions and gold as files, and score them; `logits`: what it gave before."""
    folder.mkdir(parents=True)
    predictions = list(tagger.tag(data.paragraphs)) if logits is None else tagger.tag_logits(data.paragraphs, logits)
    gold, predicted = gold_records(data, tagger.schema), predicted_records(predictions)
    with (folder / "predictions.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(prediction_to_json(found, tagger.schema) + "\n" for found in predictions)
    with (folder / "gold.jsonl").open("w", encoding="utf-8") as file:
        for p, record in zip(data.paragraphs, gold.values(), strict=True):
            labels = labels_to_json(record.labels, tagger.schema)
            line = {"id": p.id, "text": p.text, "language": p.language, "labels": labels}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    judged = judge(gold, predicted)
    scores = score(judged)
    (folder / "scores.json").write_text(json.dumps(report.scores_to_json(scores), indent=1))
    return judged, scores, gold, predicted


def gold_records(data: Dataset, schema: Schema) -> dict[str, Record]:
    """Paragraph id -> what is right, as `judge` wants it."""
    rows = zip(data.paragraphs, data.matrix.values, data.matrix.mask, strict=True)
    return {p.id: Record(p.id, p.language, p.document, decision(values, mask, schema), {}) for p, values, mask in rows}


def predicted_records(predictions: Iterable[Prediction]) -> dict[str, Record]:
    """Paragraph id -> what a tagger says, as `judge` wants it."""
    return {
        found.paragraph.id: Record(
            found.paragraph.id,
            found.paragraph.language,
            found.paragraph.document,
            found.labels,
            found.probabilities,
        )
        for found in predictions
    }


def draw(judged: Judged, scores: list[Score], folder: Path, title: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    plots.label_bars(scores, folder / "labels.png", title)
    for facet in judged.facets:
        plots.language_heatmap(judged, facet, folder / f"{facet}_by_language.png")
        plots.cooccurrence(judged, facet, folder / f"{facet}_confusion.png")
