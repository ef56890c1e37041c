"""A tagger: schema, engine and calibration; saved as a folder, loaded from one, and put to paragraphs."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter

from framing.config import ModelConfig
from framing.errors import FramingError
from framing.inference.engine import Engine
from framing.inference.recent import Recent, Verdict
from framing.model.calibration import Calibration, probabilities
from framing.model.decision import decide
from framing.records import Paragraph, Prediction
from framing.schema import Schema
from framing.schema_file import read_schema, schema_to_yaml

if TYPE_CHECKING:
    from framing.model.classifier import Classifier

FORMAT = 2
CHUNK = 512
"""Paragraphs that are tagged together: an output goes on after whole chunks, so that it is what it would have been."""


@dataclass(frozen=True)
class Tagger:
    """The folder of a tagger:

    tagger.json         format, model configuration, fingerprints of schema and backbone
    schema.yaml         the labelling schema
    calibration.json    slopes, intercepts and thresholds
    weights.safetensors what was trained (half floats); the frozen rest comes from the backbone's checkpoint
    vocabulary.json     of the baseline only
    """

    schema: Schema
    engine: Engine
    calibration: Calibration
    name: str

    def tag(self, paragraphs: Iterable[Paragraph], recent: Recent | None = None) -> Iterator[Prediction]:
        """Predictions in the order of the paragraphs, a chunk at a time: memory does not grow with their number.

        The same text (furniture, agency copy) need not be read twice: `recent` remembers the last 20,000.
        """
        recent = recent if recent is not None else Recent()
        rest = iter(paragraphs)
        while chunk := list(itertools.islice(rest, CHUNK)):
            yield from self.tag_chunk(chunk, recent)

    def tag_chunk(self, chunk: list[Paragraph], recent: Recent) -> list[Prediction]:
        verdicts = recent.verdicts([paragraph.text for paragraph in chunk], self._judge)
        return [
            Prediction(paragraph, verdict.labels, verdict.named(self.schema), self.name)
            for paragraph, verdict in zip(chunk, verdicts, strict=True)
        ]

    def _judge(self, texts: list[str]) -> list[Verdict]:
        scores = probabilities(self.engine.logits(texts), self.schema, self.calibration)
        decisions = decide(scores, self.schema, self.calibration)
        return [
            Verdict(labels, np.array([round(float(share), 4) for share in row]))
            for labels, row in zip(decisions, scores, strict=True)
        ]

    @staticmethod
    def load(folder: Path, name: str = "") -> Tagger:
        """Raises FramingError if the folder holds no tagger or one that does not fit this program or machine."""
        facts = _read_facts(folder)
        schema = read_schema(folder / "schema.yaml")
        calibration = Calibration.from_json((folder / "calibration.json").read_text())
        config = TypeAdapter[Any](ModelConfig).validate_python(facts["model"])
        if config.kind == "tfidf":
            from framing.model.baseline import Baseline

            baseline = Baseline(schema, config)
            baseline.load(folder)
            return Tagger(schema, baseline, calibration, name or facts["name"])
        from framing.model.classifier import Classifier
        from framing.model.weights import load_weights

        classifier = Classifier(schema, config)
        if classifier.checkpoint.fingerprint != facts["backbone"]:
            finding = f"made on backbone {facts['backbone']}, here is {classifier.checkpoint.fingerprint}"
            raise FramingError(str(folder), finding, "install the same encoder, or train again")
        load_weights(classifier, folder / "weights.safetensors")
        classifier.use_fastest_precision()
        return Tagger(schema, classifier, calibration, name or facts["name"])


def _read_facts(folder: Path) -> dict[str, Any]:
    file = folder / "tagger.json"
    if not file.is_file():
        raise FramingError(str(folder), "holds no tagger (no tagger.json)", "give the folder that a training run saved")
    facts: dict[str, Any] = json.loads(file.read_text())
    if facts.get("format") != FORMAT:
        raise FramingError(str(file), f"format {facts.get('format')!r}, this program reads {FORMAT}", "train again")
    return facts


def save_tagger(tagger: Tagger, config: ModelConfig, folder: Path) -> None:
    """Write the folder beside its place and rename it."""
    beside = folder.with_name(folder.name + ".part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    facts: dict[str, Any] = {
        "format": FORMAT,
        "name": tagger.name,
        "schema": tagger.schema.fingerprint,
        "model": config.model_dump(mode="json"),
    }
    (beside / "schema.yaml").write_text(schema_to_yaml(tagger.schema), encoding="utf-8")
    (beside / "calibration.json").write_text(tagger.calibration.to_json())
    if config.kind == "tfidf":
        tagger.engine.save(beside)  # type: ignore[attr-defined]
    else:
        from framing.model.weights import save_weights

        classifier: Classifier = tagger.engine  # type: ignore[assignment]
        facts["backbone"] = classifier.checkpoint.fingerprint
        save_weights(classifier, beside / "weights.safetensors")
    (beside / "tagger.json").write_text(json.dumps(facts, indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)
