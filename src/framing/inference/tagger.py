"""A tagger: schema, engine and calibration; saved as a folder, loaded from one, and put to paragraphs."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from framing.config import ModelConfig
from framing.errors import FramingError, raise_all
from framing.inference.engine import Engine
from framing.model.bundled import cache_folder
from framing.model.calibration import Calibration, decide, probabilities
from framing.records import Paragraph, Prediction
from framing.schema import Schema
from framing.schema_file import read_schema, schema_to_yaml

if TYPE_CHECKING:
    from framing.model.classifier import Classifier

FORMAT = 1
FORMAT_COMPILED = 1
_CHUNK = 512
_FIRST_CHUNK = 32


@dataclass(frozen=True)
class Tagger:
    """The folder of a tagger:

    tagger.json         format, model configuration, fingerprints of schema and backbone
    schema.yaml         the labelling schema
    calibration.json    temperatures and thresholds
    weights.safetensors what was trained (half floats); the frozen rest comes from the backbone's checkpoint
    vocabulary.json     of the baseline only

    An exported tagger has, instead of weights and checkpoint, all that its engine reads: `engine` in tagger.json says
    which files of what size.
    """

    schema: Schema
    engine: Engine
    calibration: Calibration
    name: str

    def tag(self, paragraphs: Iterable[Paragraph]) -> Iterator[Prediction]:
        """Predictions in the order of the paragraphs, a chunk at a time: memory does not grow with their number.

        Chunks begin small, so that the first tags are there soon; larger ones waste less.
        """
        rest, size = iter(paragraphs), _FIRST_CHUNK
        while chunk := list(itertools.islice(rest, size)):
            yield from self.tag_chunk(chunk)
            size = min(2 * size, _CHUNK)

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
        if "engine" in facts:
            from framing.inference.compiled import CompiledEngine

            _check_files(folder, facts["engine"])
            compiled = CompiledEngine(folder, config, facts["engine"]["precision"])
            return Tagger(schema, compiled, calibration, name or facts["name"])
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


def _check_files(folder: Path, engine: dict[str, Any]) -> None:
    """Raises FramingError if an exported folder is of another format or a file is missing or cut short."""
    cure = "export the tagger again with `framing export`"
    kind = (engine.get("kind"), engine.get("format"))
    if kind != ("openvino", FORMAT_COMPILED):
        finding = f"an export of format {kind[0]} {kind[1]}, this program reads openvino {FORMAT_COMPILED}"
        raise FramingError(str(folder / "tagger.json"), finding, cure)
    faults = []
    for name, size in engine["files"].items():
        file = folder / name
        if not file.is_file():
            faults.append(FramingError(str(file), "is missing from this exported tagger", cure))
        elif file.stat().st_size != size:
            faults.append(FramingError(str(file), f"has {file.stat().st_size} bytes, was written with {size}", cure))
    raise_all(faults)


def kept_export(folder: Path) -> Path:
    """Where the export of the tagger in `folder` is kept if no other place is named: by all that the tagger is."""
    digest = hashlib.sha256(str(FORMAT_COMPILED).encode())
    for name in ("tagger.json", "schema.yaml", "calibration.json", "weights.safetensors"):
        file = folder / name
        digest.update(file.read_bytes() if file.is_file() else b"")
    return cache_folder() / "exports" / digest.hexdigest()[:16]


def load_fastest(folder: Path, name: str, *, as_trained: bool = False) -> Tagger:
    """The tagger in `folder`, or the kept export of it, named so that its predictions say which of the two they are."""
    kept = kept_export(folder)
    if not as_trained and kept.is_dir():
        precision = _read_facts(kept)["engine"]["precision"]
        return Tagger.load(kept, f"{name} {precision}")
    return Tagger.load(folder, name)


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
