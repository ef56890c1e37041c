"""What a trial is scored by: the dev part, or the held-out folds of training and dev articles. Never the test part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from framing.config import Choices, RunConfig, SweepConfig, check_config
from framing.dataset import Dataset
from framing.errors import FramingError, did_you_mean, raise_all
from framing.evaluation import report
from framing.evaluation.metrics import Score, judge, score
from framing.experiment import choose_split, learn_tagger, load_dataset
from framing.learning import Pruned, Reporter
from framing.schema import Schema
from framing.schema_file import read_schema
from framing.scoring import gold_records, predicted_records
from framing.splits import Split, cross_validation, fewer
from framing.summary import facet_values, spread_metrics
from framing.tracking.tracker import STATE, NullTracker, Tracker


class Judge(Protocol):
    """Hears the score of a trial after each epoch or fold and says whether it is worth going on with."""

    def is_hopeless(self, step: int, score: float) -> bool: ...


@dataclass(frozen=True, slots=True)
class Material:
    """What all trials learn from, read once. `test` of a split is here the part that scores, never the real one."""

    schema: Schema
    dataset: Dataset
    splits: tuple[Split, ...]


def prepare(config: RunConfig, sweep: SweepConfig) -> Material:
    schema = read_schema(config.data.schema_file)
    dataset = load_dataset(config, schema)
    split = choose_split(config, dataset)
    if not sweep.folds:
        return Material(schema, dataset, (Split(split.train, split.dev, split.dev),))
    # fewer articles are drawn before they are dealt, so that the folds too are as small as asked
    pool = dataset.of_documents([*fewer(split, config.data.train_articles).train, *split.dev])
    return Material(schema, dataset, tuple(cross_validation(pool, sweep.folds, sweep.seed)))


def check_space(config: RunConfig, sweep: SweepConfig) -> None:
    """Each key of the space exists, and the ends of its range are values that it takes; all faults at once."""
    values = config.model_dump(mode="json")
    faults: list[FramingError] = []
    for key, found in sweep.space.items():
        parent: Any = values
        for part in key.split(".")[:-1]:
            parent = parent.get(part) if isinstance(parent, Mapping) else None
        last = key.rpartition(".")[2]
        if not isinstance(parent, Mapping) or last not in parent or isinstance(parent[last], Mapping):
            cure = did_you_mean(last, parent) if isinstance(parent, Mapping) else "give a key of the configuration"
            faults.append(FramingError(f"config sweep.space.{key}", "there is no such value to vary", cure))
            continue
        ends = found.choices if isinstance(found, Choices) else (found.low, found.high)
        for end in ends:
            try:
                with_values(config, {key: end})
            except FramingError as error:
                faults.append(FramingError(f"config sweep.space.{key}", error.finding, error.cure))
    raise_all(faults)


def free_epochs(config: RunConfig, sweep: SweepConfig) -> RunConfig:
    """Where epochs are searched, no limit of readings cuts them: it would make several trials one and the same."""
    if "training.epochs" not in sweep.space or "training.most_readings" in sweep.space:
        return config
    return with_values(config, {"training.most_readings": None})


def with_values(config: RunConfig, chosen: Mapping[str, Any]) -> RunConfig:
    """The configuration with these values, by dotted key."""
    values = config.model_dump(mode="json")
    for key, value in chosen.items():
        parent = values
        *path, last = key.split(".")
        for part in path:
            parent = parent[part]
        parent[last] = value
    return check_config(values)


class _Watch:
    """A trial's reporter: one line of progress, and the judge hears the epochs."""

    def __init__(self, reporter: Reporter, label: str, judge: Judge | None) -> None:
        self.reporter, self.label, self.judge = reporter, label, judge

    def say(self, text: str) -> None:
        """What a single run says would drown what the sweep says."""

    def progress(self, done: int, total: int, text: str) -> None:
        self.reporter.progress(done, total, f"{self.label}: {text}")

    def epoch(self, number: int, score: float) -> None:
        if self.judge is not None and self.judge.is_hopeless(number, score):
            raise Pruned(f"after epoch {number}")


def score_on_dev(config: RunConfig, material: Material, tracker: Tracker, watch: tuple[Reporter, str, Judge]) -> float:
    """The headline on dev; the judge hears the mean average precision of each epoch."""
    reporter, label, judge = watch
    scores = _score(config, material, 0, tracker, _Watch(reporter, label, judge))
    tracker.log_metrics({f"dev/{key}": value for key, value in facet_values(scores).items()})
    return report.headline(scores)


def score_on_folds(
    config: RunConfig, material: Material, tracker: Tracker, watch: tuple[Reporter, str, Judge]
) -> float:
    """The mean headline of the held-out folds; the judge hears the mean so far after each fold.

    A fold that was scored before a kill is not learned again.
    """
    reporter, label, judge = watch
    kept = FoldScores(tracker)
    runs = kept.read()
    for number in range(len(runs), len(material.splits)):
        text = f"{label}, fold {number + 1} of {len(material.splits)}"
        own = NullTracker(tracker.folder / f"fold{number + 1}")
        runs.append(_score(config, material, number, own, _Watch(reporter, text, None)))
        kept.write(runs)
        (own.folder / STATE).unlink(missing_ok=True)
        mean = sum(report.headline(scores) for scores in runs) / len(runs)
        tracker.log_metrics({"held_out_fold/headline": report.headline(runs[-1])}, number + 1)
        if number + 1 < len(material.splits) and judge.is_hopeless(number + 1, mean):
            raise Pruned(f"after fold {number + 1}")
    tracker.log_metrics(spread_metrics(runs, "held_out"))
    return sum(report.headline(scores) for scores in runs) / len(runs)


class FoldScores:
    """Scores of the folds that are done, in the trial's folder."""

    def __init__(self, tracker: Tracker) -> None:
        self.path = tracker.folder / "folds.json"

    def read(self) -> list[list[Score]]:
        import json

        if not self.path.is_file():
            return []
        return [[Score(**row) for row in rows] for rows in json.loads(self.path.read_text())]

    def write(self, runs: list[list[Score]]) -> None:
        import json

        beside = self.path.with_name("folds.json.part")
        beside.write_text(json.dumps([report.scores_to_json(scores) for scores in runs]))
        beside.replace(self.path)


def _score(config: RunConfig, material: Material, number: int, tracker: Tracker, reporter: Reporter) -> list[Score]:
    split = material.splits[number]
    if len(material.splits) == 1:
        split = fewer(split, config.data.train_articles)
    train, dev, held = (material.dataset.of_documents(part) for part in (split.train, split.dev, split.test))
    tagger, logits = learn_tagger(config, material.schema, (train, dev), tracker, reporter)
    read = split.test == split.dev
    found = predicted_records(tagger.tag_logits(held.paragraphs, logits) if read else tagger.tag(held.paragraphs))
    judged = judge(gold_records(held, material.schema), found)
    # a trial is not asked how it does in each language: those intervals would take longer than the rest of the scoring
    return score(replace(judged, languages=("",) * len(judged.ids)))
