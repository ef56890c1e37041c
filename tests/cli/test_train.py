"""`framing train` as its user gives it: what is composed, and what it says to do next."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from conftest import ROOT
from framing.cli import train
from framing.cli.main import app
from framing.errors import FramingError


def test_the_configurations_of_several_runs_are_shown_and_nothing_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    def begun(*given: object) -> None:
        raise AssertionError("a training began")

    monkeypatch.setattr(train, "_train_several", begun)
    monkeypatch.setattr(train, "_train_one", begun)
    done = CliRunner().invoke(app, ["train", "-m", "training.seed=1,2", "--show-config"], catch_exceptions=False)
    assert [values["training"]["seed"] for values in yaml.safe_load_all(done.stdout)] == [1, 2]
    one = CliRunner().invoke(app, ["train", "training.seed=3", "--show-config"], catch_exceptions=False)
    assert yaml.safe_load(one.stdout)["training"]["seed"] == 3


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's own conf/, to be changed; commands run in its folder."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "conf"


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("enabled: perhaps\n", "config tracking.enabled: 'perhaps' is wrong"),
        ("folders: runs\n", "config tracking.folders: unknown key; did you mean 'folder'?"),
        ("enabled: true\nuri: [\n", "mlflow.yaml:3: not YAML"),
        ("", "mlflow.yaml: it holds no values"),
        ("folder: caf\xe9\n", "mlflow.yaml: not UTF-8 at byte 11"),
    ],
)
def test_a_fault_in_the_tracking_settings_is_named(text: str, finding: str, conf: Path) -> None:
    (conf / "tracking" / "mlflow.yaml").write_bytes(text.encode("latin-1"))
    for words in (["models"], ["runs", "list"], ["predict", "-"]):
        done = CliRunner().invoke(app, words, input="Some text.")
        assert isinstance(done.exception, FramingError)
        assert finding in str(done.exception)
