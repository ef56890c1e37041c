"""What was deleted in the store, as one does in the MLflow UI, is said with its cure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import ROOT
from framing.cli.compose import compose_values
from framing.config import check_config
from framing.errors import FramingError
from framing.tracking.store import connect, end_parent, open_parent, open_run

Overrides = Callable[[Path], list[str]]


def test_a_deleted_experiment_is_named_with_the_way_to_restore_it(overrides: Overrides, tmp_path: Path) -> None:
    config = check_config(compose_values(ROOT / "conf", overrides(tmp_path)))
    with open_run(config, "first", {}):
        pass
    client = connect(config.tracking).MlflowClient()
    experiment = client.get_experiment_by_name("framing").experiment_id
    client.delete_experiment(experiment)
    with pytest.raises(FramingError, match="experiment 'framing': it was deleted") as caught, open_run(config, "2", {}):
        pass
    assert f"mlflow experiments restore --experiment-id {experiment}" in caught.value.cure
    assert "tracking.experiment=NAME" in caught.value.cure
    client.restore_experiment(experiment)
    with open_run(config, "2", {}):
        pass


def test_a_deleted_parent_is_named_with_the_way_to_restore_it(overrides: Overrides, tmp_path: Path) -> None:
    config = check_config(compose_values(ROOT / "conf", overrides(tmp_path)))
    parent = open_parent(config, "sweep-heads", {}, None)
    end_parent(parent, "FINISHED")
    connect(config.tracking).MlflowClient().delete_run(parent.run_id)
    with pytest.raises(FramingError, match="run 'sweep-heads': it was deleted") as caught:
        open_parent(config, "sweep-heads", {}, parent.run_id)
    assert f"mlflow runs restore --run-id {parent.run_id}" in caught.value.cure
    with pytest.raises(FramingError, match="it was deleted"):
        open_parent(config, "sweep-heads", {}, "0" * 32)
