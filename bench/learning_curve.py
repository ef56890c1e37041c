"""How scores grow with the number of training articles: TF-IDF, a linear probe and the fine-tuned encoder together.

    .venv/bin/python bench/learning_curve.py                            on the seed articles
    .venv/bin/python bench/learning_curve.py --gold my_gold.jsonl       and on another gold file

Every model sees the same training articles (nested, so that a larger set holds the smaller ones), the same dev part for
thresholds and epochs, and the same test texts. One row a model and size, written as JSON Lines beside the table.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from framing.cli.compose import compose_values, conf_folder
from framing.config import RunConfig, check_config
from framing.corpus.reading import read_records
from framing.dataset import Dataset
from framing.evaluation.metrics import Score, judge, read_records_file, score
from framing.evaluation.report import facet_rows
from framing.experiment import load_dataset
from framing.inference.tagger import Tagger, calibrated
from framing.learning import learn
from framing.schema import Schema
from framing.schema_file import read_schema
from framing.scoring import gold_records, predicted_records
from framing.splits import fewer, read_split
from framing.tracking.tracker import STATE, NullTracker
from quiet import Quiet

MODELS = {
    "tfidf": ["model=tfidf"],
    "probe": [
        "model.freeze_layers=12",
        "training.epochs=12",
        "training.most_readings=null",
        "training.positive_weight=0.5",
        "training.negative_focus=0",
        "training.negative_margin=0",
    ],
    "encoder": [],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gold", type=Path, help="a gold file to score on, beside the test part")
    parser.add_argument("--sizes", default="75,150,300,600,all", help="numbers of training articles, or all")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--output", type=Path, default=Path("runs/learning_curve.jsonl"))
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with options.output.open("a", encoding="utf-8") as file:
        for row in rows(options):
            file.write(json.dumps(row) + "\n")
            file.flush()


def rows(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    first = check_config(compose_values(conf_folder(), ["data=corpus", "tracking=none"]))
    schema = read_schema(first.data.schema_file)
    dataset = load_dataset(first, schema)
    split = read_split(first.data.splits, dataset) if first.data.splits else None
    assert split is not None
    most = len(split.train)
    sizes = [most if size == "all" else min(int(size), most) for size in options.sizes.split(",")]
    dev = dataset.of_documents(split.dev)
    for size in sizes:
        train = dataset.of_documents(fewer(split, size).train)
        for name in options.models.split(","):
            config = check_config(compose_values(conf_folder(), ["data=corpus", "tracking=none", *MODELS[name]]))
            started = time.perf_counter()
            tagger = train_one(config, schema, train, dev, name)
            seconds = time.perf_counter() - started
            for place, scores in evaluate(tagger, dataset.of_documents(split.test), options.gold, schema):
                print(f"\n{name}, {size} articles, {len(train)} paragraphs, {seconds:.0f} s, on {place}")
                for row in facet_rows(scores):
                    print("  " + "  ".join(row))
                found = {f"{r.facet}/{r.metric}": r.value for r in scores if not r.label and not r.language}
                yield {"model": name, "articles": size, "on": place, "seconds": seconds, **found}


def train_one(config: RunConfig, schema: Schema, train: Dataset, dev: Dataset, name: str) -> Tagger:
    tracker = NullTracker(Path("runs/learning_curve"))
    (tracker.folder / STATE).unlink(missing_ok=True)  # or the next training would go on with the last one's
    engine = learn(config, schema, train, dev, tracker, Quiet())
    return calibrated(schema, engine, name=name, dev=dev, sentence_weight=config.model.sentence_weight)[0]


def evaluate(
    tagger: Tagger, test: Dataset, gold_file: Path | None, schema: Schema
) -> Iterator[tuple[str, list[Score]]]:
    predicted = predicted_records(tagger.tag(test.paragraphs))
    yield "test part", score(judge(gold_records(test, schema), predicted))
    if gold_file:
        predicted = predicted_records(tagger.tag(read_records([gold_file])))
        yield gold_file.name, score(judge(read_records_file(gold_file), predicted))


if __name__ == "__main__":
    main()
