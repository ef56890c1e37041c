"""A store is looked for where its address says, not where the tracking folder is."""

from __future__ import annotations

from pathlib import Path

import pytest

from framing.cli.train import tracking_config
from framing.errors import FramingError, MissingChampion
from framing.tracking import registry
from framing.tracking.runs import check_store
from framing.tracking.store import connect, run_rows


def test_a_sqlite_store_outside_the_folder_is_used_as_it_is_trained_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tagger").mkdir()
    (tmp_path / "tagger" / "tagger.json").write_text("{}")
    config = tracking_config(tmp_path / "runs").model_copy(update={"uri": f"sqlite:///{tmp_path / 'own.db'}"})
    client = connect(config).MlflowClient()
    experiment = client.create_experiment(config.experiment)
    run = client.create_run(experiment, run_name="first").info.run_id
    client.create_registered_model(config.model_name)
    client.create_model_version(config.model_name, (tmp_path / "tagger").as_uri(), run_id=run)

    def check() -> None:
        assert [row[0] for row in run_rows(config)] == ["first"]
        assert registry.resolve(config, "models:/framing/1") == (tmp_path / "tagger", "models:/framing/1")
        assert registry.find_version(config, "1").run_name == "first"

    check()
    config = config.model_copy(update={"uri": None})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'own.db'}?timeout=60")
    check()


def test_a_store_whose_file_is_missing_is_named_and_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'gone.db'}?timeout=60")
    config = tracking_config(tmp_path)
    (tmp_path / "mlflow.db").touch()
    assert run_rows(config) == []
    with pytest.raises(FramingError, match=r"no run is recorded in .*gone.db"):
        check_store(config, "run 'x'")
    with pytest.raises(MissingChampion, match=r"no run is recorded in .*gone.db"):
        registry.resolve(config, "models:/framing@champion")
    assert not (tmp_path / "gone.db").exists()
