"""A tagger: schema, engine and calibration; saved as a folder, loaded from one, and put to paragraphs."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from framing.config import ModelConfig
from framing.dataset import Dataset
from framing.errors import FramingError, raise_all
from framing.inference.engine import Engine
from framing.inference.recent import Recent, Verdict
from framing.model.abstention import Track, confidences
from framing.model.bundled import cache_folder
from framing.model.calibration import Calibration, fit_calibration, probabilities
from framing.model.decision import decide
from framing.model.sentences import read_closely
from framing.records import Paragraph, Prediction
from framing.schema import Schema
from framing.schema_file import read_schema, schema_to_yaml

if TYPE_CHECKING:
    from framing.model.classifier import Classifier

FORMAT = 2
FORMAT_COMPILED = 1
ABSTENTION = "abstention.json"
QUICK = "calibration_quick.json"
CHUNK = 512
"""Paragraphs that are tagged together: an output goes on after whole chunks, so that it is what it would have been."""


@dataclass(frozen=True)
class Tagger:
    """The folder of a tagger:

    tagger.json         format, model configuration, fingerprints of schema and backbone
    schema.yaml         the labelling schema
    calibration.json    slopes, intercepts and thresholds
    calibration_quick.json  the same for texts read as a whole only, of a tagger that also reads sentence by sentence
    abstention.json     how sure and how right it was on dev, from which limits of confidence are found
    weights.safetensors what was trained (half floats); the frozen rest comes from the backbone's checkpoint
    vocabulary.json     of the baseline only

    An exported tagger has, instead of weights and checkpoint, all that its engine reads: `engine` in tagger.json says
    which files of what size.
    """

    schema: Schema
    engine: Engine
    calibration: Calibration
    name: str
    track: Track | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    """By facet, the confidence below which it does not decide."""
    sentence_weight: float = 0.0
    """How far the sentence in which a label shows most counts beside the text as a whole."""
    quick_calibration: Calibration | None = None
    """For texts read as a whole only."""

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[texts x labels], read as closely as this tagger reads: what its calibration is for."""
        return read_closely(self.engine.logits, texts, self.sentence_weight)

    def quickly(self) -> Tagger:
        """The same tagger reading texts as a whole only: about twice as fast, and a little less good."""
        if not self.sentence_weight:
            return self
        if self.quick_calibration is None:
            raise FramingError(
                f"tagger {self.name!r}", "has no calibration for --quick", "leave it out, or train again"
            )
        return Tagger(self.schema, self.engine, self.quick_calibration, f"{self.name} quick")

    def deciding(self, thresholds: Mapping[str, float], risk: float | None) -> Tagger:
        """The same tagger with other thresholds (by label or facet), or that leaves to a person what it is unsure of.

        With `risk`, at most that share of the decisions that it keeps should be wrong; a facet left open is absent from
        a prediction's labels. Raises FramingError on unknown labels, and where dev cannot vouch for a risk.
        """
        calibration = self.calibration.with_thresholds(thresholds)
        if risk is None:
            return replace(self, calibration=calibration)
        if self.track is None:
            raise FramingError(f"tagger {self.name!r}", "has no record of its errors on dev", "train it again")
        if thresholds:
            finding = "the risk is known for the tagger's own thresholds only"
            raise FramingError("--abstain with --threshold", finding, "give one of the two")
        return replace(self, limits=self.track.limits(risk))

    def tag(
        self, paragraphs: Iterable[Paragraph], recent: Recent | None = None, *, first: int | None = None
    ) -> Iterator[Prediction]:
        """Predictions in the order of the paragraphs, a chunk at a time: memory does not grow with their number.

        With `first`, chunks begin with so few and double: who waits for the first tags wants few, and larger ones
        waste less.

        The same text (furniture, agency copy) need not be read twice: `recent` remembers the last 20,000.
        """
        recent = recent if recent is not None else Recent()
        rest, size = iter(paragraphs), first or CHUNK
        while chunk := list(itertools.islice(rest, size)):
            yield from self.tag_chunk(chunk, recent)
            size = min(2 * size, CHUNK)

    def tag_chunk(self, chunk: list[Paragraph], recent: Recent) -> list[Prediction]:
        verdicts = recent.verdicts([p.text for p in chunk], lambda texts: self._judge(self.logits(texts)))
        return self._predictions(chunk, verdicts)

    def tag_logits(self, paragraphs: Sequence[Paragraph], logits: NDArray[np.float32]) -> list[Prediction]:
        """Predictions of paragraphs whose logits [paragraphs x labels] this tagger's `logits` has given before."""
        return self._predictions(paragraphs, self._judge(logits))

    def _predictions(self, paragraphs: Sequence[Paragraph], verdicts: Sequence[Verdict]) -> list[Prediction]:
        return [
            Prediction(paragraph, verdict.labels, verdict.named(self.schema), self.name)
            for paragraph, verdict in zip(paragraphs, verdicts, strict=True)
        ]

    def _judge(self, logits: NDArray[np.float32]) -> list[Verdict]:
        scores = probabilities(logits, self.schema, self.calibration)
        decisions = decide(scores, self.schema, self.calibration)
        if self.limits:
            facets = [facet.id for facet in self.schema.facets]
            floor = [self.limits.get(facet, 0.0) for facet in facets]
            decisions = [
                {facet: labels[facet] for facet, own, least in zip(facets, sure, floor, strict=True) if own >= least}
                for labels, sure in zip(decisions, confidences(scores, decisions, self.schema).tolist(), strict=True)
            ]
        return [Verdict.of(labels, row) for labels, row in zip(decisions, scores, strict=True)]

    @staticmethod
    def load(folder: Path, name: str = "") -> Tagger:
        """Raises FramingError if the folder holds no tagger or one that does not fit this program or machine."""
        facts = _read_facts(folder)
        schema = read_schema(folder / "schema.yaml")
        calibration = Calibration.from_json((folder / "calibration.json").read_text())
        history = folder / ABSTENTION
        track = Track.from_json(history.read_text()) if history.is_file() else None
        facts["model"].setdefault("sentence_weight", 0.0)  # saved before there was such a weight
        config = TypeAdapter[Any](ModelConfig).validate_python(facts["model"])
        quick = folder / QUICK
        closely: dict[str, Any] = {
            "sentence_weight": config.sentence_weight,
            "quick_calibration": Calibration.from_json(quick.read_text()) if quick.is_file() else None,
        }
        if config.kind == "tfidf":
            from framing.model.baseline import Baseline

            baseline = Baseline(schema, config)
            baseline.load(folder)
            return Tagger(schema, baseline, calibration, name or facts["name"], track, **closely)
        if "engine" in facts:
            from framing.inference.compiled import CompiledEngine

            _check_files(folder, facts["engine"])
            compiled = CompiledEngine(folder, config, facts["engine"]["precision"])
            return Tagger(schema, compiled, calibration, name or facts["name"], track, **closely)
        from framing.model.classifier import Classifier
        from framing.model.weights import load_weights

        classifier = Classifier(schema, config)
        if classifier.checkpoint.fingerprint != facts["backbone"]:
            finding = f"made on backbone {facts['backbone']}, here is {classifier.checkpoint.fingerprint}"
            raise FramingError(str(folder), finding, "install the same encoder, or train again")
        load_weights(classifier, folder / "weights.safetensors")
        classifier.use_fastest_precision()
        return Tagger(schema, classifier, calibration, name or facts["name"], track, **closely)


def uncalibrated(schema: Schema, engine: Engine, *, name: str, sentence_weight: float) -> Tagger:
    """A tagger that takes logits for log-odds: nothing is annotated to know better by."""
    plain = Calibration.plain(schema)
    return Tagger(schema, engine, plain, name, sentence_weight=sentence_weight, quick_calibration=plain)


def calibrated(
    schema: Schema, engine: Engine, *, name: str, dev: Dataset, sentence_weight: float
) -> tuple[Tagger, NDArray[np.float32]]:
    """A tagger whose probabilities, thresholds and limits of confidence come from the dev part.

    With it that part's logits [paragraphs x labels]: reading it takes as long as tagging it.
    """
    whole = engine.logits(dev.texts)
    logits = read_closely(engine.logits, dev.texts, sentence_weight, whole)
    calibration = fit_calibration(logits, dev.matrix, schema)
    scores = probabilities(logits, schema, calibration)
    track = Track.of(scores, decide(scores, schema, calibration), dev.matrix, schema)
    quick = fit_calibration(whole, dev.matrix, schema) if sentence_weight else None
    tagger = Tagger(schema, engine, calibration, name, track, sentence_weight=sentence_weight, quick_calibration=quick)
    return tagger, logits


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
    for name in ("tagger.json", "schema.yaml", "calibration.json", QUICK, ABSTENTION, "weights.safetensors"):
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


def model_facts(tagger: Tagger, config: ModelConfig) -> dict[str, Any]:
    """The model's configuration as `tagger.json` has it: read as closely as the tagger reads."""
    return {**config.model_dump(mode="json"), "sentence_weight": tagger.sentence_weight}


def save_decisions(tagger: Tagger, folder: Path) -> None:
    """The files of what a tagger decides by: the same for a trained and for an exported one."""
    (folder / "schema.yaml").write_text(schema_to_yaml(tagger.schema), encoding="utf-8")
    (folder / "calibration.json").write_text(tagger.calibration.to_json())
    if tagger.quick_calibration is not None:
        (folder / QUICK).write_text(tagger.quick_calibration.to_json())
    if tagger.track is not None:
        (folder / ABSTENTION).write_text(tagger.track.to_json())


def save_tagger(tagger: Tagger, config: ModelConfig, folder: Path) -> None:
    """Write the folder beside its place and rename it."""
    beside = folder.with_name(folder.name + ".part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    facts: dict[str, Any] = {
        "format": FORMAT,
        "name": tagger.name,
        "schema": tagger.schema.fingerprint,
        "model": model_facts(tagger, config),
    }
    save_decisions(tagger, beside)
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
