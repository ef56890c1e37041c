"""What stands between a configuration and the loop."""

from __future__ import annotations

from pathlib import Path

import pytest

from framing.cli.compose import compose_values
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
