"""Ours and the peers, trained and scored on the same rows with the same encoder, one after the other in one go.

    python bench/quality.py [--gold GOLD.jsonl] [--articles 150] [--shots 8,16] [--systems ours,setfit]

Every system learns the labels of all facets from the same paragraphs of the corpus and is put to the five seed
articles and, with --gold, to other coded paragraphs. Each runs in a process of its own, so that peak memory is its own.

ours      the default configuration
tfidf     the baseline: TF-IDF and logistic regression
probe     the frozen encoder's mean vector and logistic regression (scikit-learn)
trainer   transformers: AutoModelForSequenceClassification and Trainer with the values of its text-classification
          example (3 epochs, 5e-5, batches of 8), multi-label
setfit    SetFit, one-vs-rest heads, its own defaults but for --setfit-steps
zero      with --shots 0: ours from the schema file alone; setfit's way to start from nothing, label names as sentences

With all rows, thresholds of every system are fitted alike, on the same dev articles, by this project's calibration; the
column `at .5` is what the system gives by itself. With --shots N (N positives a label) there is no dev part: all decide
at .5. SetFit and sentence-transformers are not among this project's dependencies: pip install setfit.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framing.annotation.store import labels_to_json
from framing.cli.compose import compose_values, conf_folder
from framing.config import RunConfig, check_config
from framing.corpus.reading import read_records
from framing.dataset import Dataset
from framing.evaluation.metrics import Record, Score, judge, read_records_file, score
from framing.evaluation.report import number
from framing.evaluation.significance import differences
from framing.experiment import load_dataset
from framing.learning import learn
from framing.model.calibration import Calibration, fit_calibration, probabilities
from framing.model.decision import decide
from framing.model.sentences import read_closely
from framing.schema import Schema
from framing.schema_file import read_schema
from framing.scoring import gold_records
from framing.splits import fewer, read_split
from framing.tracking.tracker import STATE, NullTracker
from quiet import Quiet

SYSTEMS = ("ours", "tfidf", "probe", "trainer", "setfit")
FACETS = ("stance", "frame", "holder")
Logits = NDArray[np.float32]
Predict = Callable[[list[str]], Logits]
"""Texts -> log-odds [texts x labels]."""


def configured(*settings: str) -> RunConfig:
    return check_config(compose_values(conf_folder(), ["data=corpus", "tracking=none", *settings]))


# ---- the systems -----------------------------------------------------------------------------------------------


def ours(train: Dataset, dev: Dataset, schema: Schema, options: argparse.Namespace) -> Predict:
    settings = []
    if options.shots == 0:
        settings = ["data.zero_shot=true"]
    elif options.shots:
        settings = ["training.epochs=30", "training.average=0.9"]  # there are only a few steps in an epoch
    return _learned(configured(*settings), train, dev, schema)


def tfidf(train: Dataset, dev: Dataset, schema: Schema, options: argparse.Namespace) -> Predict:
    return _learned(configured("model=tfidf"), train, dev, schema)


def _learned(config: RunConfig, train: Dataset, dev: Dataset, schema: Schema) -> Predict:
    tracker = NullTracker(Path("runs/quality"))
    (tracker.folder / STATE).unlink(missing_ok=True)  # or this training would go on with the last one's
    engine = learn(config, schema, train, dev, tracker, Quiet())
    return lambda texts: read_closely(engine.logits, texts, config.model.sentence_weight)


def probe(train: Dataset, dev: Dataset, schema: Schema, options: argparse.Namespace) -> Predict:
    from sklearn.linear_model import LogisticRegression

    from framing.model.classifier import Classifier

    config = configured("model.freeze_layers=12").model
    assert config.kind == "bundled"
    encoder = Classifier(schema, config)
    encoder.use_fastest_precision()
    vectors = encoder.embed(train.texts)
    centre, spread = vectors.mean(axis=0), vectors.std(axis=0) + 1e-6
    heads = []
    for truth in (train.matrix.values > 0.5).T:
        fits = 0 < truth.sum() < len(truth)
        heads.append(LogisticRegression(max_iter=1000).fit((vectors - centre) / spread, truth) if fits else None)

    def predict(texts: list[str]) -> Logits:
        rows = (encoder.embed(texts) - centre) / spread
        columns = [head.decision_function(rows) if head else np.full(len(rows), -6.0) for head in heads]
        return np.stack(columns, axis=1).astype(np.float32)

    return predict


def trainer(train: Dataset, dev: Dataset, schema: Schema, options: argparse.Namespace) -> Predict:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

    folder = str(checkpoint())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=len(schema.labels), problem_type="multi_label_classification", dtype=torch.float32
    )

    def encoded(texts: list[str]) -> dict[str, Any]:
        return dict(tokenizer(texts, truncation=True, max_length=256))

    class Rows(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __init__(self, texts: list[str], values: Logits) -> None:
            self.inputs, self.values = encoded(texts), values

        def __len__(self) -> int:
            return len(self.values)

        def __getitem__(self, row: int) -> dict[str, Any]:
            return {key: value[row] for key, value in self.inputs.items()} | {"labels": self.values[row].tolist()}

    arguments = TrainingArguments(
        output_dir="runs/quality/trainer", num_train_epochs=3, learning_rate=5e-5, per_device_train_batch_size=8,
        seed=1, report_to=[], save_strategy="no", disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    learner = Trainer(
        model=model, args=arguments, train_dataset=Rows(train.texts, train.matrix.values), processing_class=tokenizer
    )
    learner.train()

    def predict(texts: list[str]) -> Logits:
        empty = np.zeros((len(texts), len(schema.labels)), np.float32)
        return np.asarray(learner.predict(Rows(texts, empty)).predictions, np.float32)

    return predict


def setfit(train: Dataset, dev: Dataset, schema: Schema, options: argparse.Namespace) -> Predict:
    from datasets import Dataset as Table
    from setfit import SetFitModel, TrainingArguments
    from setfit import Trainer as SetFitTrainer

    names = [f"{label.name}" for label in schema.labels]
    texts, values = train.texts, (train.matrix.values > 0.5).astype(int)
    if options.shots == 0:  # its own way: templated sentences, eight of each label
        texts = [f"This sentence is {name}" for name in names for _ in range(8)]
        values = np.repeat(np.eye(len(names), dtype=int), 8, axis=0)
    model = SetFitModel.from_pretrained(str(checkpoint()), multi_target_strategy="one-vs-rest", labels=names)
    arguments = TrainingArguments(
        batch_size=16, num_epochs=1, max_steps=options.setfit_steps, seed=1, report_to="none", save_strategy="no"
    )
    table = Table.from_dict({"text": list(texts), "label": values.tolist()})
    SetFitTrainer(model=model, args=arguments, train_dataset=table).train()

    def predict(rows: list[str]) -> Logits:
        shares = np.asarray(model.predict_proba(rows, as_numpy=True), np.float64)
        shares = np.stack([part[:, 1] for part in shares], axis=1) if shares.ndim == 3 else shares
        shares = np.clip(shares, 1e-6, 1 - 1e-6)
        return np.log(shares / (1 - shares)).astype(np.float32)

    return predict


def checkpoint() -> Path:
    from framing.model.backbone import find_checkpoint

    config = configured().model
    assert config.kind == "bundled"
    return find_checkpoint(config).folder


# ---- scoring ---------------------------------------------------------------------------------------------------


def parts(options: argparse.Namespace, schema: Schema) -> tuple[Dataset, Dataset, Dataset]:
    config = configured()
    dataset = load_dataset(config, schema)
    assert config.data.splits is not None
    split = read_split(config.data.splits, dataset)
    train = dataset.of_documents(fewer(split, options.articles or None).train)
    if options.shots:
        train = few(train, options.shots)
    dev = train if options.shots else dataset.of_documents(split.dev)
    return train, dev, dataset.of_documents(split.test)


def few(train: Dataset, shots: int) -> Dataset:
    """Paragraphs drawn at random until each label has `shots` positives; a paragraph that adds none is passed over."""
    have = np.zeros(train.matrix.values.shape[1])
    chosen = []
    for row in np.random.default_rng(1).permutation(len(train)).tolist():
        positive = train.matrix.values[row] > 0.5
        if (have[positive] < shots).any():
            have += positive
            chosen.append(row)
    return train.select(chosen)


def run_one(options: argparse.Namespace) -> None:
    """Train one system in this process; scores, seconds and peak memory go to standard output as JSON."""
    schema = read_schema(configured().data.schema_file)
    train, dev, test = parts(options, schema)
    started = time.perf_counter()
    predict = globals()[options.one](train, dev, schema, options)
    learned = time.perf_counter()
    plain = Calibration.plain(schema)
    fitted = plain if options.shots is not None else fit_calibration(predict(dev.texts), dev.matrix, schema)
    sets = {"seeds": (list(test.paragraphs), gold_records(test, schema))}
    if options.gold:
        sets["gold"] = (list(read_records([options.gold])), read_records_file(options.gold))
    found: dict[str, Any] = {"rows": len(train), "train_seconds": learned - started, "scores": {}}
    started, texts = time.perf_counter(), 0
    for name, (paragraphs, gold) in sets.items():
        logits = predict([p.text for p in paragraphs])
        texts += len(paragraphs)
        for way, calibration in (("tuned", fitted), ("at .5", plain)):
            shares = probabilities(logits, schema, calibration)
            records = {}
            for p, labels, row in zip(paragraphs, decide(shares, schema, calibration), shares, strict=True):
                named = {
                    f.id: {label.id: float(v) for label, v in zip(f.labels, row[schema.columns(f.id)], strict=True)}
                    for f in schema.facets
                }
                records[p.id] = Record(p.id, p.language, p.document, labels, named)
            write_decisions(options, name, way, records, schema)
            scores = score(judge(gold, records))
            wanted = [s for s in scores if s.facet in FACETS and not s.label and not s.language]
            found["scores"][f"{name} {way}"] = [[s.facet, s.metric, s.value, s.low, s.high] for s in wanted]
    found["texts_per_second"] = texts / (time.perf_counter() - started)
    found["peak_gigabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print("RESULT " + json.dumps(found), flush=True)


def decisions_file(options: argparse.Namespace, system: str, place: str, way: str) -> Path:
    """Where a system's decisions are kept for the paired tests."""
    shots = "all" if options.shots is None else options.shots
    return Path("runs/quality") / f"{system}-{shots}-{place}-{way.replace(' ', '')}.jsonl"


def write_decisions(
    options: argparse.Namespace, place: str, way: str, records: dict[str, Record], schema: Schema
) -> None:
    file = decisions_file(options, options.one, place, way)
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"id": r.id, "document": r.document, "language": r.language, "labels": labels_to_json(r.labels, schema)}
        for r in records.values()
    ]
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def paired(options: argparse.Namespace, systems: list[str]) -> None:
    """Ours against each peer on the same paragraphs: difference of macro-F1, its interval and p, uncorrected."""
    schema = read_schema(configured().data.schema_file)
    sets = {"seeds": gold_records(parts(options, schema)[2], schema)}
    if options.gold:
        sets["gold"] = read_records_file(options.gold)
    columns = tuple((label.facet, label.id) for label in schema.labels)
    way = "tuned" if options.shots is None else "at .5"
    for place, gold in sets.items():
        own = judge(gold, read_records_file(decisions_file(options, "ours", place, way)), columns=columns)
        for peer in systems:
            other = judge(gold, read_records_file(decisions_file(options, peer, place, way)), columns=columns)
            cells = []
            for d in differences(own, other):
                if d.facet in FACETS and (d.metric, d.label, d.language) == ("macro_f1", "", ""):
                    sure = f" [{d.low:+.3f}, {d.high:+.3f}]" if d.low is not None and d.high is not None else ""
                    cells.append(f"{d.facet} {d.value:+.3f}{sure}" + (f" p={d.p:.4f}" if d.p is not None else ""))
            print(f"  {place}: ours - {peer}: " + "   ".join(cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gold", type=Path, help="a gold file to score on, beside the seed articles")
    parser.add_argument("--articles", type=int, default=0, help="learn from this many training articles; 0: from all")
    parser.add_argument("--shots", help="positives a label, as 8,16,32,64; 0 is zero-shot")
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--setfit-steps", type=int, default=300)
    parser.add_argument("--output", type=Path, default=Path("runs/quality.jsonl"))
    parser.add_argument("--one", choices=SYSTEMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        options.shots = int(options.shots) if options.shots else None
        run_one(options)
        return
    options.output.parent.mkdir(parents=True, exist_ok=True)
    for shots in options.shots.split(",") if options.shots else [None]:
        worked = []
        for name in options.systems.split(","):
            row = start(name, shots, options)
            with options.output.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"system": name, "shots": shots, **row}) + "\n")
            show(name, shots, row)
            worked += [name] if "failed" not in row else []
        if "ours" in worked and len(worked) > 1:
            options.shots = int(shots) if shots is not None else None
            paired(options, [name for name in worked if name != "ours"])


def start(name: str, shots: str | None, options: argparse.Namespace) -> dict[str, Any]:
    words = [sys.executable, __file__, "--one", name, "--articles", str(options.articles)]
    words += ["--setfit-steps", str(options.setfit_steps)]
    words += ["--gold", str(options.gold)] if options.gold else []
    words += ["--shots", shots] if shots is not None else []
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        return {"failed": done.stderr.strip().splitlines()[-1:]}
    return dict(json.loads(lines[-1].removeprefix("RESULT ")))


def show(name: str, shots: str | None, row: dict[str, Any]) -> None:
    if "failed" in row:
        print(f"{name}: failed: {row['failed']}", flush=True)
        return
    print(
        f"\n{name}, {row['rows']} paragraphs{f', {shots} a label' if shots else ''}: "
        f"{row['train_seconds']:.0f} s to learn, "
        f"{row['texts_per_second']:.0f} texts a second, peak {row['peak_gigabytes']:.1f} GB"
    )
    for place, scores in row["scores"].items():
        if shots is not None and place.endswith("tuned"):
            continue
        cells = []
        for facet in FACETS:
            values = {
                metric: Score(facet, "", "", metric, v, 0, low, high)
                for f, metric, v, low, high in scores
                if f == facet
            }
            cells.append(f"{facet} {number(values['macro_f1'])} / {number(values['micro_f1'])}")
        print(f"  {place:12} " + "   ".join(cells), flush=True)


if __name__ == "__main__":
    main()
