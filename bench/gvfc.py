"""The public GVFC benchmark (Akyurek et al., ACL 2020) through this program: its own schema file and rows.

    python bench/gvfc.py FOLDER [--folds 5] [key=value ...]

FOLDER holds `en/0..4/{train,dev}.tsv`, of which dev.tsv is the fold's test part, and `german|arabic|turkish/test.tsv`.
A tagger is trained on each English fold; a seventh of the fold's training rows is the dev part that chooses the epoch
and the thresholds. It is then put to the fold's test part and, without having seen their language, to the others.
Printed are the mean over folds and its standard deviation, beside what the paper prints for multilingual BERT.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from framing.annotation.store import labels_to_json
from framing.cli.compose import compose_values, conf_folder
from framing.config import check_config
from framing.dataset import Dataset, build_dataset
from framing.evaluation.metrics import judge, score
from framing.inference.tagger import Tagger, calibrated
from framing.learning import learn
from framing.records import Annotation, Labels, Paragraph
from framing.schema import Schema
from framing.schema_file import read_schema
from framing.scoring import gold_records, predicted_records
from framing.splits import single_split
from framing.tracking.tracker import STATE, NullTracker
from quiet import Quiet

SETTINGS = [
    "data=corpus",
    "tracking=none",
    "model.freeze_layers=0",
    "model.max_tokens=64",
    "training.cache_trunk=false",
    "training.epochs=10",
    "training.batch_tokens=1024",
    "training.average=0.98",
]
PUBLISHED = {"english": (0.76, 0.82), "german": (0.48, 0.66), "arabic": (0.37, 0.39), "turkish": (0.50, 0.77)}


def read_rows(path: Path, schema: Schema, language: str) -> Dataset:
    """The rows of a file: number, headline, a constant, nine columns of 0 or 1 in the order of the schema's labels."""
    paragraphs, annotations = [], []
    facet = schema.facets[0]
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        cells = line.split("\t")
        name = f"{language}-{path.parent.name}-{path.stem}-{number}"
        paragraph = Paragraph(name, name, 1, 0, len(cells[1]), cells[1], language)
        chosen = zip(facet.labels, cells[3:], strict=True)
        labels: Labels = {facet.id: tuple(label.id for label, cell in chosen if float(cell) > 0.5)}
        paragraphs.append(paragraph)
        annotations.append(Annotation(name, paragraph.digest, "gvfc", labels))
    return build_dataset(paragraphs, annotations, schema)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("settings", nargs="*", help="overrides of conf/, as for framing train")
    options = parser.parse_args()
    schema = read_schema(Path(__file__).with_suffix(".yaml"))
    found: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for fold in range(options.folds):
        started = time.perf_counter()
        tagger = train_fold(options.folder / "en" / str(fold), schema, options.settings)
        seconds = time.perf_counter() - started
        tests = {"english": options.folder / "en" / str(fold) / "dev.tsv"}
        tests |= {name: options.folder / name / "test.tsv" for name in PUBLISHED if name != "english"}
        for language, path in tests.items():
            found[language].append(scores(tagger, read_rows(path, schema, language)))
        line = "  ".join(f"{name} {rows[-1][0]:.3f}/{rows[-1][1]:.3f}" for name, rows in found.items())
        print(f"fold {fold}: {seconds:.0f} s  {line}", flush=True)
    print(f"\n{'':10}{'macro-F1':>16}{'micro-F1':>16}{'macro over all 9':>19}{'mBERT published':>18}")
    for language, rows in found.items():
        mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1 if len(rows) > 1 else 0)
        cells = [f"{value:.3f} ± {around:.3f}" for value, around in zip(mean, spread, strict=True)]
        macro, micro = PUBLISHED[language]
        print(f"{language:10}{cells[0]:>16}{cells[1]:>16}{cells[2]:>19}{f'{macro:.2f} / {micro:.2f}':>18}")


def train_fold(folder: Path, schema: Schema, settings: list[str]) -> Tagger:
    config = check_config(compose_values(conf_folder(), [*SETTINGS, *settings]))
    rows = read_rows(folder / "train.tsv", schema, "en")
    split = single_split(rows, config.training.seed)
    train, dev = rows.of_documents((*split.train, *split.test)), rows.of_documents(split.dev)
    tracker = NullTracker(Path("runs/gvfc"))
    (tracker.folder / STATE).unlink(missing_ok=True)  # or this fold would go on with the last one's training
    engine = learn(config, schema, train, dev, tracker, Quiet())
    return calibrated(schema, engine, name=folder.name, dev=dev, sentence_weight=config.model.sentence_weight)[0]


def scores(tagger: Tagger, rows: Dataset) -> tuple[float, float, float]:
    """Macro-F1 over the labels that occur, micro-F1, and macro-F1 with 0 for each label that does not occur."""
    gold = gold_records(rows, tagger.schema)
    found = score(judge(gold, predicted_records(tagger.tag(rows.paragraphs))))
    values = {item.metric: item.value for item in found if not item.label and not item.language}
    facet = tagger.schema.facets[0].id
    occurring = {label for record in gold.values() for label in labels_to_json(record.labels, tagger.schema)[facet]}
    return values["macro_f1"], values["micro_f1"], values["macro_f1"] * len(occurring) / len(tagger.schema.labels)


if __name__ == "__main__":
    main()
