"""What stands between a configuration and the loop."""

from __future__ import annotations

from pathlib import Path

import pytest

from framing.cli.compose import compose_values
from framing.cli.train import brought_up
from framing.config import TrainingConfig, check_config
from framing.learning import affordable_epochs

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
