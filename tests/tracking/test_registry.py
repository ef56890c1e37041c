"""Registered taggers in a store that lies elsewhere, or in which something was deleted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import ROOT
from framing.cli.compose import compose_values
from framing.config import RunConfig, check_config
from framing.errors import FramingError, MissingChampion
from framing.tracking import registry
from framing.tracking.runs import check_store
from framing.tracking.store import connect, open_run, run_rows

Overrides = Callable[[Path], list[str]]


def registered(config: RunConfig, folder: Path, number: int) -> None:
    """A version of the registered model whose files are a folder with tagger.json; its run ended."""
    with open_run(config, f"run{number}", {}) as tracker:
        run_id = tracker.run_id
    (folder / str(number)).mkdir(parents=True)
    (folder / str(number) / "tagger.json").write_text("{}")
    client = connect(config.tracking).MlflowClient()
    if number == 1:
        client.create_registered_model(config.tracking.model_name)
    source = (folder / str(number)).as_uri()
    client.create_model_version(config.tracking.model_name, source, run_id=run_id)


@pytest.mark.parametrize("how", ["configured", "environment"])
def test_a_store_elsewhere_is_found_by_every_command(
    how: str, overrides: Overrides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "elsewhere" / "own.db"
    file.parent.mkdir()
    words = [*overrides(tmp_path / "runs"), f"tracking.uri=sqlite:///{file}"]
    config = check_config(compose_values(ROOT / "conf", words[: None if how == "configured" else -1]))
    if how == "environment":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{file}")

    with pytest.raises(FramingError, match=r"no run is recorded in .*own\.db"):
        check_store(config.tracking, "run 'one'")
    with pytest.raises(MissingChampion, match=r"no run is recorded in .*own\.db"):
        registry.resolve(config.tracking, "models:/framing@champion")
    assert run_rows(config.tracking) == []
    assert not file.exists()

    registered(config, tmp_path / "taggers", 1)
    registry.promote(config.tracking, 1, {})
    assert file.exists()
    check_store(config.tracking, "run 'run1'")
    assert [row[0] for row in run_rows(config.tracking)] == ["run1"]
    assert [version.aliases for version in registry.versions(config.tracking)] == [("champion",)]
    found = registry.resolve(config.tracking, "models:/framing@champion")
    assert found == (tmp_path / "taggers" / "1", "models:/framing/1")


def test_rollback_passes_over_champions_that_were_deleted(overrides: Overrides, tmp_path: Path) -> None:
    config = check_config(compose_values(ROOT / "conf", overrides(tmp_path / "runs")))
    for number in (1, 2, 3):
        registered(config, tmp_path / "taggers", number)
        registry.promote(config.tracking, number, {})
    client = connect(config.tracking).MlflowClient()
    client.delete_model_version("framing", "2")
    assert registry.rollback(config.tracking, "it failed") == (3, 1)
    assert registry.find_version(config.tracking, "3").tags["rolled_back_because"] == "it failed"
    registry.promote(config.tracking, 3, {})
    client.delete_model_version("framing", "1")
    with pytest.raises(FramingError, match="its first champion that is left"):
        registry.rollback(config.tracking, "again")
    assert registry.find_version(config.tracking, "3").tags["rolled_back_because"] == "it failed"


def test_rollback_brings_back_the_one_before_a_champion_that_was_deleted(overrides: Overrides, tmp_path: Path) -> None:
    config = check_config(compose_values(ROOT / "conf", overrides(tmp_path / "runs")))
    for number in (1, 2):
        registered(config, tmp_path / "taggers", number)
        registry.promote(config.tracking, number, {})
    client = connect(config.tracking).MlflowClient()
    client.delete_model_version("framing", "2")
    assert registry.champion(config.tracking) is None
    assert registry.rollback(config.tracking, "") == (None, 1)
    client.delete_model_version("framing", "1")
    with pytest.raises(FramingError, match="it has no champion"):
        registry.rollback(config.tracking, "")
