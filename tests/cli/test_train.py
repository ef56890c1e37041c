"""`framing train` as its user gives it: what is composed, and what it says to do next."""

from __future__ import annotations

import pytest
import yaml
from typer.testing import CliRunner

from framing.cli import train
from framing.cli.main import app


def test_the_configurations_of_several_runs_are_shown_and_nothing_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    def begun(*given: object) -> None:
        raise AssertionError("a training began")

    monkeypatch.setattr(train, "_train_several", begun)
    monkeypatch.setattr(train, "_train_one", begun)
    done = CliRunner().invoke(app, ["train", "-m", "training.seed=1,2", "--show-config"], catch_exceptions=False)
    assert [values["training"]["seed"] for values in yaml.safe_load_all(done.stdout)] == [1, 2]
    one = CliRunner().invoke(app, ["train", "training.seed=3", "--show-config"], catch_exceptions=False)
    assert yaml.safe_load(one.stdout)["training"]["seed"] == 3
