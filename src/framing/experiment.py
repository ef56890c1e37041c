"""One run on one page: read, split, learn, calibrate, score, save, register. Cross-validation is many of them."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import yaml
from accelerate import Accelerator
from accelerate.utils import set_seed

from framing import serving, tracking
from framing.annotation.adjudication import decision
from framing.annotation.store import check_annotations, labels_to_json, read_annotations
from framing.config import RunConfig
from framing.corpus.paragraphs import split_documents
from framing.corpus.reading import read_documents
from framing.dataset import Dataset, build_dataset
from framing.errors import FramingError, raise_all
from framing.evaluation import plots, report
from framing.evaluation.metrics import Judged, Record, Score, judge, score
from framing.inference.engine import Engine
from framing.inference.prediction import prediction_to_json, whole_file
from framing.inference.tagger import Tagger, save_tagger
from framing.model.calibration import Calibration, fit_calibration
from framing.records import Prediction
from framing.schema import Schema
from framing.schema_file import read_schema
from framing.splits import Split, cross_validation, describe, fewer, read_split, single_split
from framing.tracking import Tracker


class Reporter(Protocol):
    """Who watches a run: a terminal, a log, nobody."""

    def say(self, text: str) -> None: ...

    def progress(self, done: int, total: int, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Result:
    """What a run leaves: scores on test, the predictions they come from, and where the tagger is."""

    run_id: str
    name: str
    scores: list[Score]
    gold: dict[str, Record]
    predicted: dict[str, Record]
    tagger: Path | None
    version: int | None
    is_champion: bool


def run(config: RunConfig, reporter: Reporter, resume: str | None = None) -> Result:
    """Train and score what the configuration says; with `folds`, a parent run with a nested run for each fold."""
    schema = read_schema(config.data.schema_file)
    dataset = load_dataset(config, schema)
    reporter.say(
        f"{len(dataset.documents)} articles, {len(dataset)} annotated paragraphs, {len(schema.labels)} labels "
        f"(schema {schema.fingerprint}, data {dataset.fingerprint})"
    )
    if config.folds:
        return _cross_validate(config, schema, dataset, reporter)
    frozen = config.data.splits
    split = read_split(frozen, dataset) if frozen else single_split(dataset, config.training.seed)
    with tracking.open_run(config, run_name(config), _tags(config, schema, dataset), resume=resume) as tracker:
        return _run_split(config, schema, dataset, split, tracker, reporter)


def load_dataset(config: RunConfig, schema: Schema) -> Dataset:
    """All annotated paragraphs of the sources; raises the faults of annotations and texts, all at once."""
    paragraphs = list(split_documents(read_documents(config.data.sources)))
    placed, faults = read_annotations(config.data.annotations, schema)
    raise_all(faults + check_annotations(placed, paragraphs))
    return build_dataset(paragraphs, [item.annotation for item in placed], schema)


def run_name(config: RunConfig) -> str:
    """The given name, or one that tells runs apart in a list: `bundled-corpus-s1`."""
    if config.name:
        return config.name
    folds = f"-cv{config.folds}" if config.folds else ""
    return f"{config.model.kind}-{config.data.name}-s{config.training.seed}{folds}"


def _tags(config: RunConfig, schema: Schema, dataset: Dataset) -> dict[str, str]:
    """Lineage: from which code, schema, data and machine a run comes."""
    return {
        "model": config.model.kind,
        "data": config.data.name,
        "schema": schema.name,
        "schema_fingerprint": schema.fingerprint,
        "data_fingerprint": dataset.fingerprint,
        "code": _code_version(),
        "versions": ", ".join(f"{name} {version(name)}" for name in ("framing", "torch", "transformers")),
        "machine": f"{platform.machine()} {platform.system()}, Python {platform.python_version()}",
    }


def _code_version() -> str:
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, timeout=10, check=True
        )
        return described.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return f"framing {version('framing')}"


def _run_split(
    config: RunConfig, schema: Schema, dataset: Dataset, split: Split, tracker: Tracker, reporter: Reporter
) -> Result:
    started = time.perf_counter()
    split = fewer(split, config.data.train_articles)
    train, dev, test = (dataset.of_documents(part) for part in (split.train, split.dev, split.test))
    reporter.say("articles: " + ", ".join(f"{part} {count}" for part, count in describe(split).items()))
    _log_inputs(config, schema, split, (train, dev, test), tracker)

    engine = learn(config, schema, train, dev, tracker, reporter)
    calibration = Calibration.plain(schema)
    if not config.data.zero_shot:
        calibration = fit_calibration(engine.logits(dev.texts), dev.matrix, schema)
    name = run_name(config)
    tagger = Tagger(schema, engine, calibration, name)

    results = tracker.folder / "results"
    shutil.rmtree(results, ignore_errors=True)
    _, dev_scores, _, _ = _score_part(tagger, dev, results / "dev")
    judged, scores, gold, predicted = _score_part(tagger, test, results / "test")
    _draw(judged, scores, results / "figures", f"{name}: F1 on test")
    tracker.log_metrics(report.metric_names(dev_scores, "dev"))
    tracker.log_metrics(report.metric_names(scores, "test"))
    tracker.log_metrics({"test/headline": report.headline(scores), "seconds": time.perf_counter() - started})
    tracker.log_files(results)

    folder = tracker.folder / tracking.TAGGER
    save_tagger(tagger, config.model, folder)
    number, is_champion = _register(config, schema, dev, dev_scores, folder)
    (tracker.folder / tracking.STATE).unlink(missing_ok=True)
    return Result(tracker.run_id, name, scores, gold, predicted, folder, number, is_champion)


def _log_inputs(
    config: RunConfig, schema: Schema, split: Split, parts: tuple[Dataset, Dataset, Dataset], tracker: Tracker
) -> None:
    """All that the run depends on, before it begins, so that one that is killed can be gone on with."""
    values = config.model_dump(mode="json")
    inputs = tracker.folder / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    (inputs / tracking.CONFIG_FILE).write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    (inputs / "schema.yaml").write_text(config.data.schema_file.read_text(encoding="utf-8"), encoding="utf-8")
    (inputs / "split.json").write_text(json.dumps(asdict(split), indent=1))
    tracker.log_files(inputs)
    # `resume` is how a run is gone on with, not what it is: a parameter must not change within a run.
    tracker.log_params({key: values[key] for key in ("folds", "data", "model", "training")})
    for context, data in zip(("train", "dev", "test"), parts, strict=True):
        rows = [
            {"id": p.id, "language": p.language, **{k: ", ".join(v) for k, v in decision(values, mask, schema).items()}}
            for p, values, mask in zip(data.paragraphs, data.matrix.values, data.matrix.mask, strict=True)
        ]
        tracker.log_dataset(config.data.name, data.fingerprint, rows, context)
    counts = {context: len(data) for context, data in zip(("train", "dev", "test"), parts, strict=True)}
    tracker.log_params({"paragraphs": counts})


def learn(
    config: RunConfig, schema: Schema, train: Dataset, dev: Dataset, tracker: Tracker, reporter: Reporter
) -> Engine:
    """The engine that the configured model becomes on these paragraphs; with `zero_shot`, on the schema alone."""
    if config.model.kind == "tfidf":
        if config.data.zero_shot:
            raise FramingError("config model", "the baseline cannot start from a schema", "use model=bundled")
        from framing.model.baseline import Baseline

        baseline = Baseline(schema, config.model)
        reporter.say("fitting the baseline")
        baseline.fit(train)
        return baseline
    from framing.model.classifier import Classifier
    from framing.model.weights import round_weights

    set_seed(config.training.seed)
    reporter.say("loading the encoder")
    classifier = Classifier(schema, config.model)
    _place(classifier, config)
    if config.model.head_start == "schema" or config.data.zero_shot:
        classifier.start_from_schema()
    if not config.data.zero_shot:
        _fine_tune(classifier, train, dev, config, tracker, reporter)
    round_weights(classifier)
    return classifier


def _place(classifier: Any, config: RunConfig) -> None:
    """The device and precision that accelerate finds best for this machine, or the precision asked for."""
    classifier.move(Accelerator().device)
    classifier.use_fastest_precision(config.training.precision)


def _fine_tune(
    classifier: Any, train: Dataset, dev: Dataset, config: RunConfig, tracker: Tracker, reporter: Reporter
) -> None:
    """The loop's caller: it shows, records and keeps what the loop yields. The state is saved after each epoch."""
    from framing.model.weights import load_state, save_state
    from framing.training import Training

    read = _trunk(classifier, [*train.texts, *dev.texts], config, reporter)
    training = Training(classifier, train, dev, config.training, read)
    state = tracker.folder / tracking.STATE
    history = tracker.folder / "history.json"
    steps: list[tuple[int, float]] = []
    epochs: list[tuple[int, float]] = []
    if state.is_file():
        training.restore(load_state(state))
        kept = (list(map(tuple, part)) for part in json.loads(history.read_text()))
        steps, epochs = ([point for point in part if point[0] <= training.number] for part in kept)
        reporter.say(f"going on after epoch {training.epoch}")
    text = ""
    for step in training.steps():
        steps.append((step.number, step.loss))
        if step.dev_score is not None:
            epochs.append((step.number, step.dev_score))
            with whole_file(history) as file:
                file.write(json.dumps([steps, epochs]))
            save_state(training.state(), state)
            tracker.log_metrics({"dev/score": step.dev_score, "train/epoch": step.epoch}, step.number)
            text = f"dev {step.dev_score:.3f}{' best' if step.is_best else ''} "
            reporter.say(f"epoch {step.epoch}: loss {step.loss:.3f}, {text}")
        if step.number % 10 == 0 or step.dev_score is not None:
            tracker.log_metrics({"train/loss": step.loss, "train/learning_rate": step.learning_rate}, step.number)
        reporter.progress(step.number, step.total, f"epoch {step.epoch} loss {step.loss:.3f} {text}")
    curves = tracker.folder / "curves"
    curves.mkdir(exist_ok=True)
    plots.training_curves(steps, epochs, curves / "training.png")
    tracker.log_files(curves, "figures")


def _trunk(classifier: Any, texts: Sequence[str], config: RunConfig, reporter: Reporter) -> Any:
    """What gives the trunk's states: the cache, filled first, or the trunk itself."""
    if not (config.training.cache_trunk and len(classifier.backbone.frozen)):
        return classifier.trunk_states
    from framing.trunk import TrunkCache

    cache = TrunkCache(classifier)
    windows = classifier.tokenization.windows(texts).ids
    for done in cache.fill(windows, config.training.batch_tokens):
        reporter.progress(done, len(windows), "states of the frozen layers")
    return cache.read


def _score_part(
    tagger: Tagger, data: Dataset, folder: Path
) -> tuple[Judged, list[Score], dict[str, Record], dict[str, Record]]:
    """Tag a part, write predictions and gold as files, and score them."""
    folder.mkdir(parents=True)
    predictions = list(tagger.tag(data.paragraphs))
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


def _draw(judged: Judged, scores: list[Score], folder: Path, title: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    plots.label_bars(scores, folder / "labels.png", title)
    for facet in judged.facets:
        plots.language_heatmap(judged, facet, folder / f"{facet}_by_language.png")
        plots.cooccurrence(judged, facet, folder / f"{facet}_confusion.png")


def _register(
    config: RunConfig, schema: Schema, dev: Dataset, dev_scores: list[Score], folder: Path
) -> tuple[int | None, bool]:
    """Log and register the tagger; make it champion if there is none or it beats the present one on the same dev set.

    It is compared on dev, not on test: a test set that chooses is a test set no more.
    """
    if not (config.tracking.enabled and config.tracking.register_model):
        return None, False
    uri = serving.log_tagger(folder, schema, [f"framing=={version('framing')}"])
    own = report.headline(dev_scores)
    tags = {"schema": schema.fingerprint, "dev": dev.fingerprint, "dev_headline": f"{own:.4f}"}
    champion = tracking.champion_tags(config.tracking)
    number = tracking.register(config.tracking, uri, tags)
    same = champion is not None and all(champion.get(key) == tags[key] for key in ("schema", "dev"))
    better = champion is None or (same and own > float(champion["dev_headline"]))
    if better:
        tracking.promote(config.tracking, number)
    return number, better


def _cross_validate(config: RunConfig, schema: Schema, dataset: Dataset, reporter: Reporter) -> Result:
    """Each article tests once; the scores are those of all folds' predictions together."""
    name = run_name(config)
    gold: dict[str, Record] = {}
    predicted: dict[str, Record] = {}
    splits = list(cross_validation(dataset, config.folds, config.training.seed))
    with tracking.open_run(config, name, _tags(config, schema, dataset)) as parent:
        parent.log_params({"folds": config.folds})
        for number, split in enumerate(splits, 1):
            reporter.say(f"fold {number} of {len(splits)}")
            quiet = config.tracking.model_copy(update={"register_model": False})
            fold_name = f"{name}-fold{number}"
            fold = config.model_copy(update={"name": fold_name, "tracking": quiet, "folds": 0})
            tags = {**_tags(config, schema, dataset), "fold": str(number)}
            with tracking.open_run(fold, fold_name, tags, parent=parent.run_id) as tracker:
                result = _run_split(fold, schema, dataset, split, tracker, reporter)
            gold |= result.gold
            predicted |= result.predicted
            values = {f"fold/{key}": value for key, value in report.metric_names(result.scores, "test").items()}
            parent.log_metrics({key: v for key, v in values.items() if key.count("/") == 3}, number)
        judged = judge(gold, predicted)
        scores = score(judged)
        parent.log_metrics(report.metric_names(scores, "test") | {"test/headline": report.headline(scores)})
        figures = parent.folder / "figures"
        _draw(judged, scores, figures, f"{name}: F1, every article tested once")
        parent.log_files(figures, "figures")
    return Result(parent.run_id, name, scores, gold, predicted, None, None, False)
