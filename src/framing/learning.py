"""From a configuration and annotated paragraphs to an engine: the caller of training, who shows, records and keeps."""

from __future__ import annotations

import json
from typing import Any, Protocol

from accelerate import Accelerator
from accelerate.utils import set_seed

from framing.config import RunConfig, TrainingConfig
from framing.dataset import Dataset, joined_neighbours
from framing.errors import FramingError
from framing.evaluation import plots
from framing.inference.engine import Engine
from framing.inference.prediction import whole_file
from framing.model.sentences import sentences_beside
from framing.schema import Schema
from framing.tracking.tracker import STATE, Tracker


class Pruned(Exception):
    """Raised by who watches: this training is not worth going on with."""


class Reporter(Protocol):
    """Who watches a run: a terminal, a log, nobody. `epoch` hears the dev score of each epoch and may raise Pruned."""

    def say(self, text: str) -> None: ...

    def progress(self, done: int, total: int, text: str) -> None: ...

    def epoch(self, number: int, score: float) -> None: ...


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

    if config.training.join_neighbours:
        extra = joined_neighbours(train, classifier.schema, config.training.join_neighbours, config.training.seed)
        train = train.with_rows(extra)
        reporter.say(f"{len(extra)} pairs of neighbours are learned from as one")
    wanted = config.training.epochs
    settings = config.training.model_copy(update={"epochs": affordable_epochs(config.training, len(train))})
    if settings.epochs < wanted:
        reporter.say(f"epochs: {settings.epochs}, not {wanted}, by training.most_readings={settings.most_readings:,}")
    tracker.log_params({"epochs_run": settings.epochs})
    if config.training.cache_trunk and len(classifier.backbone.frozen):
        classifier.kept = _kept_trunk(classifier, train, dev, config, reporter)
    training = Training(classifier, train, dev, settings)
    state = tracker.folder / STATE
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
            reporter.epoch(step.epoch, step.dev_score)
        if step.number % 10 == 0 or step.dev_score is not None:
            tracker.log_metrics({"train/loss": step.loss, "train/learning_rate": step.learning_rate}, step.number)
        reporter.progress(step.number, step.total, f"epoch {step.epoch} loss {step.loss:.3f} {text}")
    curves = tracker.folder / "curves"
    curves.mkdir(exist_ok=True)
    plots.training_curves(steps, epochs, curves / "training.png")
    tracker.log_files(curves, "figures")


def affordable_epochs(config: TrainingConfig, texts: int) -> int:
    """Few texts need every epoch; of many, one more reading costs more time than it gains."""
    most = config.epochs if config.most_readings is None else config.most_readings // texts
    return max(1, min(config.epochs, most))


def _kept_trunk(classifier: Any, train: Dataset, dev: Dataset, config: RunConfig, reporter: Reporter) -> Any:
    """What gives the trunk's states: the cache, with all that training and calibration will read filled in first."""
    from framing.trunk import TrunkCache

    texts = [*train.texts, *dev.texts]
    if config.model.sentence_weight:
        texts += [sentence for sentences in sentences_beside(dev.texts) for sentence in sentences]
    cache = TrunkCache(classifier)
    windows = classifier.tokenization.windows(texts).ids
    for done, missing in cache.fill(windows, config.training.batch_tokens):
        reporter.progress(done, missing, "states of the frozen layers")
    return cache.read
