"""A tagger: schema, engine and calibration; saved as a folder, loaded from one, and put to paragraphs."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from framing.config import ModelConfig
from framing.errors import FramingError
from framing.inference.engine import Engine
from framing.model.calibration import Calibration, probabilities
from framing.model.decision import decide
from framing.records import Paragraph, Prediction
from framing.schema import Schema
from framing.schema_file import read_schema, schema_to_yaml

if TYPE_CHECKING:
    from framing.model.classifier import Classifier

FORMAT = 2
_CHUNK = 512


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

    def tag(self, paragraphs: Iterable[Paragraph]) -> Iterator[Prediction]:
        """Predictions in the order of the paragraphs, a chunk at a time: memory does not grow with their number."""
        rest = iter(paragraphs)
        while chunk := list(itertools.islice(rest, _CHUNK)):
            yield from self.tag_chunk(chunk)

    def tag_chunk(self, chunk: list[Paragraph]) -> list[Prediction]:
        # The same text (furniture, agency copy) need not be read twice.
        texts = list(dict.fromkeys(paragraph.text for paragraph in chunk))
        scores = probabilities(self.engine.logits(texts), self.schema, self.calibration)
        decisions = decide(scores, self.schema, self.calibration)
        place = {text: number for number, text in enumerate(texts)}
        found = []
        for paragraph in chunk:
            row = place[paragraph.text]
            named = {
                facet.id: {
                    label.id: round(float(score), 4)
                    for label, score in zip(facet.labels, scores[row, self.schema.columns(facet.id)], strict=True)
                }
                for facet in self.schema.facets
            }
            found.append(Prediction(paragraph, decisions[row], named, self.name))
        return found

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
