"""What a recorded run left: its tags, parameters and metrics, and the folders of its files."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framing.config import TrackingConfig
from framing.errors import FramingError
from framing.tracking.store import connect, find_run, missing_store


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """`folders` hold `test/`, `split.json`, `schema.yaml`: the run's own, or one for each of its folds."""

    id: str
    name: str
    started: int
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    folders: tuple[Path, ...]


def check_store(config: TrackingConfig, place: str) -> None:
    """Raises FramingError if nothing has been recorded in the store's file."""
    if missing := missing_store(config):
        raise FramingError(place, f"no run is recorded in {missing}", "run `make train` first, or give --folder")


def recorded_run(config: TrackingConfig, reference: str) -> RecordedRun:
    """The run that an id, the start of one, or a name means, with its files on this disk."""
    check_store(config, f"run {reference!r}")
    run_id = find_run(config, reference)
    mlflow = connect(config)
    run = mlflow.MlflowClient().get_run(run_id)
    folders = [_files(mlflow, run_id)]
    if folders[0] is None or not (folders[0] / "test").is_dir():
        folders = [_files(mlflow, fold) for fold in _folds(mlflow, run)]
    known = tuple(folder for folder in folders if folder is not None and (folder / "test").is_dir())
    if not known:
        finding = f"it has no test predictions (it is {run.info.status})"
        raise FramingError(f"run {run.info.run_name!r}", finding, "name a run that trained to its end")
    tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.")}
    name = str(run.info.run_name)
    return RecordedRun(run_id, name, run.info.start_time, tags, run.data.params, run.data.metrics, known)


def _folds(mlflow: Any, run: Any) -> list[str]:
    found = mlflow.search_runs(
        [run.info.experiment_id],
        filter_string=f"tags.`mlflow.parentRunId` = '{run.info.run_id}'",
        output_format="list",
    )
    return sorted(child.info.run_id for child in found if "fold" in child.data.tags)


def _files(mlflow: Any, run_id: str) -> Path | None:
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    try:
        return Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=""))
    except Exception:  # MLflow raises what its store raises; a run without files has none to compare
        return None


def log_file(config: TrackingConfig, run_id: str, path: Path, name: str) -> None:
    """Log one file under a run that has ended."""
    connect(config).MlflowClient().log_artifact(run_id, str(path), name)
