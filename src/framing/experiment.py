"""One run on one page: read, split, learn, calibrate, score, save, register. Cross-validation is many of them."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from framing import summary
from framing.annotation.adjudication import decision
from framing.annotation.store import check_annotations, read_annotations
from framing.config import LeaveOutConfig, RunConfig
from framing.corpus.paragraphs import split_documents
from framing.corpus.reading import read_documents
from framing.dataset import Dataset, build_dataset
from framing.datasheet import read_datasheet
from framing.errors import StoreUnreachable, raise_all
from framing.evaluation import report
from framing.evaluation.metrics import Record, Score, judge, score
from framing.evaluation.model_card import model_card
from framing.evaluation.significance import headline_score
from framing.inference.tagger import Tagger, calibrated, save_tagger, uncalibrated
from framing.learning import Reporter, learn
from framing.lineage import Meter, backbone_tag, lineage_tags, part_tags, write_environment
from framing.registration import card_facts, register_run
from framing.schema import Schema
from framing.schema_file import read_schema
from framing.scoring import draw, score_part
from framing.splits import (
    PARTS,
    Split,
    cross_validation,
    describe,
    fewer,
    languages,
    leave_out,
    read_split,
    single_split,
)
from framing.tracking.store import open_run, said_if_unreachable
from framing.tracking.tracker import CARD, CONFIG_FILE, INPUTS, NOTE, STATE, TAGGER, UNREGISTERED, Tracker


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


def run(config: RunConfig, reporter: Reporter, resume: str | None = None, parent: str | None = None) -> Result:
    """Train and score what the configuration says; with `folds` or `leave_out`, a parent with a nested run for each.

    `resume`: id of the run to go on with; `parent`: id of the run that this one is nested in.
    """
    schema = read_schema(config.data.schema_file)
    read_datasheet(config.data.datasheet)  # needed at the end: a fault in it must not cost a training
    dataset = load_dataset(config, schema)
    reporter.say(
        f"{len(dataset.documents)} articles, {len(dataset)} annotated paragraphs, {len(schema.labels)} labels "
        f"(schema {schema.fingerprint}, data {dataset.fingerprint})"
    )
    if config.folds or config.leave_out.key:
        return _cross_validate(config, schema, dataset, reporter, parent=parent)
    split = fewer(choose_split(config, dataset), config.data.train_articles)
    parts = {part: dataset.of_documents(getattr(split, part)) for part in PARTS}
    tags = lineage_tags(config, schema, dataset) | part_tags(parts)
    with open_run(config, run_name(config), tags, parent=parent, resume=resume) as tracker:
        if resume:  # perhaps with other code, or on another machine
            tracker.log_tags({f"resumed_{key}": tags[key] for key in ("code", "versions", "machine", "cpu")})
        return _run_split(config, schema, dataset, split, tracker, reporter)


def load_dataset(config: RunConfig, schema: Schema) -> Dataset:
    """All annotated paragraphs of the sources; raises the faults of annotations and texts, all at once."""
    paragraphs = list(split_documents(read_documents(config.data.sources)))
    placed, faults = read_annotations(config.data.annotations, schema)
    raise_all(faults + check_annotations(placed, paragraphs))
    return build_dataset(paragraphs, [item.annotation for item in placed], schema)


def choose_split(config: RunConfig, dataset: Dataset) -> Split:
    """The frozen split, or one dealt by the seed."""
    frozen = config.data.splits
    return read_split(frozen, dataset) if frozen else single_split(dataset, config.training.seed)


def run_name(config: RunConfig) -> str:
    """The given name, or one that tells runs apart in a list: `bundled-corpus-s1`."""
    if config.name:
        return config.name
    way = f"-cv{config.folds}" if config.folds else ""
    way = f"-without-{config.leave_out.key}" if config.leave_out.key else way
    return f"{config.model.kind}-{config.data.name}-s{config.training.seed}{way}"


def _run_split(
    config: RunConfig, schema: Schema, dataset: Dataset, split: Split, tracker: Tracker, reporter: Reporter
) -> Result:
    meter = Meter()
    train, dev, test = (dataset.of_documents(part) for part in (split.train, split.dev, split.test))
    reporter.say("articles: " + ", ".join(f"{part} {count}" for part, count in describe(split).items()))
    _log_inputs(config, schema, split, (train, dev, test), tracker)

    tagger, dev_logits = learn_tagger(config, schema, (train, dev), tracker, reporter)
    name = tagger.name
    results = tracker.folder / "results"
    shutil.rmtree(results, ignore_errors=True)
    _, dev_scores, _, _ = score_part(tagger, dev, results / "dev", dev_logits)
    judged, scores, gold, predicted = score_part(tagger, test, results / "test")
    draw(judged, scores, results / "figures", f"{name}: F1 on test")
    tracker.log_metrics(report.metric_names(dev_scores, "dev") | report.metric_names(scores, "test"))

    folder = tracker.folder / TAGGER
    save_tagger(tagger, config.model, folder)
    parts = {"train": train, "dev": dev, "test": test}
    tags = lineage_tags(config, schema, dataset) | part_tags(parts) | backbone_tag(folder)
    facts = card_facts(config, schema, name=name, parts=parts, scores=scores, best=headline_score(judged), tags=tags)
    (results / CARD).write_text(model_card(facts), encoding="utf-8")
    tracker.log_files(results)
    tracker.log_metrics(report.headline_metrics(facts.best) | meter.metrics())
    note = report.run_note(config.model.kind, config.data.name, describe(split), facts.best, scores)
    tracker.log_tags({**backbone_tag(folder), NOTE: note})
    number, is_champion = None, False
    try:
        with said_if_unreachable(config.tracking):
            number, is_champion = register_run(facts, folder)
        (tracker.folder / UNREGISTERED).unlink(missing_ok=True)
        (tracker.folder / STATE).unlink(missing_ok=True)
    except StoreUnreachable as error:
        (tracker.folder / UNREGISTERED).touch()
        cure = f"when the store is back, `framing train resume={tracker.run_id}` registers it"
        reporter.say(f"the tagger is in {folder} and not registered: {error.finding}; {cure}")
    return Result(tracker.run_id, name, scores, gold, predicted, folder, number, is_champion)


def learn_tagger(
    config: RunConfig, schema: Schema, parts: tuple[Dataset, Dataset], tracker: Tracker, reporter: Reporter
) -> tuple[Tagger, NDArray[np.float32]]:
    """A tagger that learned from the first part, with its best epoch and its calibration from the second.

    With it the logits [paragraphs x labels] of the second: reading that part takes as long as tagging it.
    """
    train, dev = parts
    engine = learn(config, schema, train, dev, tracker, reporter)
    name, weight = run_name(config), config.model.sentence_weight
    if config.data.zero_shot:
        tagger = uncalibrated(schema, engine, name=name, sentence_weight=weight)
        return tagger, tagger.logits(dev.texts)
    return calibrated(schema, engine, name=name, dev=dev, sentence_weight=weight)


def _log_inputs(
    config: RunConfig, schema: Schema, split: Split, parts: tuple[Dataset, Dataset, Dataset], tracker: Tracker
) -> None:
    """All that the run depends on, before it begins, so that one that is killed can be gone on with."""
    values = config.model_dump(mode="json")
    inputs = tracker.folder / INPUTS
    inputs.mkdir(parents=True, exist_ok=True)
    beside = inputs / f"{CONFIG_FILE}.part"  # without this file a killed run could not be gone on with
    beside.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    beside.replace(inputs / CONFIG_FILE)
    (inputs / "schema.yaml").write_text(config.data.schema_file.read_text(encoding="utf-8"), encoding="utf-8")
    (inputs / "split.json").write_text(json.dumps(asdict(split), indent=1))
    write_environment(inputs)
    tracker.log_files(inputs)
    # `resume` is how a run is gone on with, not what it is: a parameter must not change within a run.
    tracker.log_params({key: values[key] for key in ("folds", "data", "model", "training")})
    tracker.log_tags(part_tags(dict(zip(("train", "dev", "test"), parts, strict=True))))
    for context, data in zip(("train", "dev", "test"), parts, strict=True):
        rows = [
            {"id": p.id, "language": p.language, **{k: ", ".join(v) for k, v in decision(values, mask, schema).items()}}
            for p, values, mask in zip(data.paragraphs, data.matrix.values, data.matrix.mask, strict=True)
        ]
        tracker.log_dataset(config.data.name, data.fingerprint, rows, context)
    counts = {context: len(data) for context, data in zip(("train", "dev", "test"), parts, strict=True)}
    tracker.log_params({"paragraphs": counts})


def _cross_validate(
    config: RunConfig, schema: Schema, dataset: Dataset, reporter: Reporter, parent: str | None
) -> Result:
    """No article tests twice or teaches the tagger that it tests; the scores are those of all predictions together."""
    name = run_name(config)
    gold: dict[str, Record] = {}
    predicted: dict[str, Record] = {}
    splits = _folds(config, dataset)
    found: list[list[Score]] = []
    tags = {**lineage_tags(config, schema, dataset), "kind": "cross-validation"}
    with open_run(config, name, tags, parent=parent) as whole:
        whole.log_params(config.model_dump(mode="json", include={"folds", "leave_out", "data", "model", "training"}))
        for number, (title, split) in enumerate(splits, 1):
            reporter.say(f"{title}: {number} of {len(splits)}")
            quiet = config.tracking.model_copy(update={"register_model": False})
            fold_name = f"{name}-{title}"
            alone = LeaveOutConfig(key=None, values=None)
            fold = config.model_copy(update={"name": fold_name, "tracking": quiet, "folds": 0, "leave_out": alone})
            tags = {**lineage_tags(config, schema, dataset), "kind": "fold", "fold": title}
            with open_run(fold, fold_name, tags, parent=whole.run_id) as tracker:
                few = fewer(split, config.data.train_articles)
                result = _run_split(fold, schema, dataset, few, tracker, reporter)
            gold |= result.gold
            predicted |= result.predicted
            found.append(result.scores)
            values = {f"fold/{key}": value for key, value in report.metric_names(result.scores, "test").items()}
            whole.log_metrics({key: v for key, v in values.items() if key.count("/") == 3}, number)
        judged = judge(gold, predicted)
        scores = score(judged)
        best = headline_score(judged)
        whole.log_metrics(report.metric_names(scores, "test") | report.headline_metrics(best))
        whole.log_metrics(summary.spread_metrics(found, "folds"))
        whole.log_tags({NOTE: summary.folds_note(scores, found)})
        figures = whole.folder / "figures"
        draw(judged, scores, figures, f"{name}: F1, each article tested by a tagger that did not see it")
        whole.log_files(figures, "figures")
    return Result(whole.run_id, name, scores, gold, predicted, None, None, False)


def _folds(config: RunConfig, dataset: Dataset) -> list[tuple[str, Split]]:
    """The splits of a cross-validation with their names: dealt folds, or one trait's values left out in turn.

    The test part of a frozen split takes no part: it is never learned from.
    """
    frozen = config.data.splits
    if frozen:
        dataset = dataset.of_documents(set(dataset.documents) - set(read_split(frozen, dataset).test))
    key, seed = config.leave_out.key, config.training.seed
    if key is None:
        return [(f"fold{n}", split) for n, split in enumerate(cross_validation(dataset, config.folds, seed), 1)]
    traits = {document.id: document.metadata.get(key, "") for document in read_documents(config.data.sources)}
    if key == "language":
        traits |= {document: language for document, language in languages(dataset).items() if not traits.get(document)}
    return list(leave_out(dataset, traits, key, config.leave_out.values, seed))
