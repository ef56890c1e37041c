"""`framing train` as its user gives it: what is composed, and what it says to do next."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

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


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["predict", "-"], "--model models:/stance-nl@champion"),
        (["read", "-"], "--model models:/stance-nl@champion"),
        (["export"], "--model models:/stance-nl@champion"),
        (["demo"], "--model models:/stance-nl@champion"),
        (["models"], "registered model 'stance-nl'"),
        (["models", "card", "2"], "stance-nl '2'"),
        (["models", "rollback"], "registered model 'stance-nl'"),
        (["promote", "2"], "stance-nl '2'"),
        (["compare", "one", "two"], "run 'one'"),
        (["data", "doubts", "one"], "run 'one'"),
        (["runs", "list"], ""),
        (["runs", "upload"], "own: no such folder"),
    ],
)
def test_every_command_takes_folder_and_model_from_the_configuration(words: list[str], place: str, conf: Path) -> None:
    file = conf / "tracking" / "mlflow.yaml"
    text = file.read_text().replace("folder: runs", "folder: own")
    file.write_text(text.replace("model_name: framing", "model_name: stance-nl"))
    done = CliRunner().invoke(app, words, input="Some text.")
    assert isinstance(done.exception, FramingError), done.output
    assert str(done.exception).startswith(place)
    if words[-1] != "upload":
        assert str(conf.parent / "own" / "mlflow.db") in str(done.exception)


def test_the_registered_model_can_be_named(conf: Path) -> None:
    for words, place in (
        (["models"], "registered model 'other'"),
        (["models", "card", "2"], "other '2'"),
        (["models", "rollback"], "registered model 'other'"),
        (["promote", "2"], "other '2'"),
    ):
        done = CliRunner().invoke(app, [*words, "--model-name", "other"])
        assert isinstance(done.exception, FramingError), done.output
        assert done.exception.place == place


def test_the_commands_that_go_on_from_a_run_name_what_differs_from_the_configuration(conf: Path) -> None:
    def commands(version: int | None, champion: bool, *overrides: str) -> list[str]:
        config = train.check_config(train.compose_values(conf, list(overrides)))
        result = SimpleNamespace(version=version, is_champion=champion, tagger=Path("a b"))
        return [command for command, _ in train._next_commands(result, config.tracking)]

    assert commands(1, True) == ["framing predict seeds", "make ui"]
    assert commands(2, False) == ["framing predict seeds --model 'a b'", "framing promote 2", "make ui"]
    assert commands(1, True, "tracking.model_name=foo", "tracking.folder=other") == [
        "framing predict seeds --model models:/foo@champion --folder other",
        f"mlflow ui --backend-store-uri sqlite:///{conf.parent}/other/mlflow.db",
    ]
    assert commands(2, False, "tracking.model_name=foo")[1] == "framing promote 2 --model-name foo"
    server = "http://host:5000"
    assert commands(1, True, "tracking.uri=http://me:secret@host:5000") == [
        f"MLFLOW_TRACKING_URI={server} framing predict seeds",
        server,
    ]
    assert commands(None, False, "tracking=none") == ["framing predict seeds --model 'a b'"]
