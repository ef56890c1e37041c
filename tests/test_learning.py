"""What stands between a configuration and the loop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from framing.cli.compose import compose_values
from framing.cli.train import brought_up
from framing.config import TrainingConfig, check_config
from framing.dataset import joined_neighbours
from framing.experiment import choose_split, load_dataset
from framing.learning import affordable_epochs, learn
from framing.model.classifier import Classifier
from framing.model.sentences import sentences_beside
from framing.schema_file import read_schema
from framing.tracking.tracker import NullTracker
from framing.trunk import TrunkCache


class Silent:
    def say(self, text: str) -> None: ...

    def progress(self, done: int, total: int, text: str) -> None: ...

    def epoch(self, number: int, score: float) -> None: ...


CONF = Path(__file__).resolve().parent.parent / "conf"


def training(**changes: object) -> TrainingConfig:
    values = check_config(compose_values(CONF, [])).training.model_dump()
    return TrainingConfig.model_validate({**values, **changes})


@pytest.mark.parametrize(
    ("texts", "most", "epochs"),
    [(100, None, 3), (100, 1000, 3), (400, 1000, 2), (500, 1000, 2), (501, 1000, 1), (5000, 1000, 1)],
)
def test_many_texts_get_fewer_epochs_but_one(texts: int, most: int | None, epochs: int) -> None:
    assert affordable_epochs(training(epochs=3, most_readings=most), texts) == epochs


def test_a_run_recorded_before_there_were_these_knobs_goes_on_without_them() -> None:
    values = compose_values(CONF, [])
    for group, names in (("training", ("most_readings", "join_neighbours")), ("model", ("sentence_weight",))):
        for name in names:
            del values[group][name]
    del values["leave_out"]
    config = check_config(brought_up(values))
    assert config.training.most_readings is None
    assert config.training.join_neighbours == config.model.sentence_weight == 0


def test_all_that_training_and_calibration_read_is_kept_of_the_trunk(
    overrides: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    words = [*overrides(tmp_path), "training.epochs=1", "model.sentence_weight=0.3", "tracking=none"]
    config = check_config(compose_values(CONF, words))
    schema = read_schema(config.data.schema_file)
    dataset = load_dataset(config, schema)
    split = choose_split(config, dataset)
    train = dataset.of_documents(split.train)
    dev = joined_neighbours(train, schema, 1.0, 1)  # texts of two sentences
    classifier = learn(config, schema, train, dev, NullTracker(tmp_path), Silent())
    assert isinstance(classifier, Classifier)
    sentences = [sentence for own in sentences_beside(dev.texts) for sentence in own]
    assert sentences
    kept = TrunkCache(classifier)
    texts = [*train.texts, *dev.texts, *sentences]
    assert list(kept.fill(classifier.tokenization.windows(texts).ids, 128)) == []
    assert classifier.read == classifier.kept
