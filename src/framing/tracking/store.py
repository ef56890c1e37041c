"""Runs in an MLflow store: opened, gone on with, found."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from framing.config import RunConfig, TrackingConfig
from framing.errors import FramingError
from framing.tracking.tracker import CONFIG_FILE, STATE, NullTracker, Tracker


class MlflowTracker:
    def __init__(self, run_id: str, folder: Path) -> None:
        self.run_id, self.folder = run_id, folder
        folder.mkdir(parents=True, exist_ok=True)

    def log_params(self, values: Mapping[str, Any]) -> None:
        import mlflow

        flat = list(_flatten(values))
        for start in range(0, len(flat), 100):  # the store takes a hundred at a time
            mlflow.log_params(dict(flat[start : start + 100]), run_id=self.run_id)

    def log_tags(self, values: Mapping[str, str]) -> None:
        import mlflow

        client = mlflow.MlflowClient()
        for key, value in values.items():
            client.set_tag(self.run_id, key, value)

    def log_metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        import mlflow

        mlflow.log_metrics(dict(values), step=step, run_id=self.run_id)

    def log_files(self, folder: Path, name: str = "") -> None:
        import mlflow

        mlflow.log_artifacts(str(folder), artifact_path=name or None, run_id=self.run_id)

    def log_dataset(self, name: str, fingerprint: str, rows: list[dict[str, str]], context: str) -> None:
        import mlflow
        import pandas

        source = f"{name}-{context}"
        from mlflow.data.pandas_dataset import from_pandas

        dataset = from_pandas(pandas.DataFrame(rows), source=source, name=source, digest=fingerprint)
        mlflow.log_input(dataset, context=context)


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


def store_uri(config: TrackingConfig) -> str:
    """The configured store, $MLFLOW_TRACKING_URI, or the sqlite file in the tracking folder."""
    own = config.uri or os.environ.get("MLFLOW_TRACKING_URI")
    return own or f"sqlite:///{(config.folder / 'mlflow.db').absolute()}"


def connect(config: TrackingConfig) -> Any:
    """MLflow, quiet, at the configured store."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    logging.getLogger("alembic").setLevel(logging.ERROR)
    import mlflow

    for name in ("mlflow", "mlflow.system_metrics", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.ERROR)
    config.folder.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(store_uri(config))
    return mlflow


def _experiment(mlflow: Any, config: TrackingConfig) -> str:
    found = mlflow.get_experiment_by_name(config.experiment)
    if found is not None:
        return str(found.experiment_id)
    local = store_uri(config).startswith("sqlite")
    root = (config.folder / "artifacts").absolute().as_uri() if local else None
    tags = {"mlflow.experimentKind": "custom_model_development"}  # the classic pages, not those for prompts
    return str(mlflow.create_experiment(config.experiment, artifact_location=root, tags=tags))


@contextmanager
def open_run(
    config: RunConfig, name: str, tags: Mapping[str, str], parent: str | None = None, resume: str | None = None
) -> Iterator[Tracker]:
    """A run of the store, new or gone on with; it ends as finished, failed, or killed (Ctrl-C), as the block does."""
    if not config.tracking.enabled:
        tracker = NullTracker(config.tracking.folder / name)
        (tracker.folder / STATE).unlink(missing_ok=True)  # nobody asked to go on with it
        yield tracker
        return
    mlflow = connect(config.tracking)
    experiment = _experiment(mlflow, config.tracking)
    if resume:
        _check_resumable(mlflow.MlflowClient().get_run(resume), tags)
    run = mlflow.start_run(
        run_id=resume,
        experiment_id=None if resume else experiment,
        run_name=None if resume else name,
        nested=parent is not None,
        parent_run_id=parent,
        tags=None if resume else dict(tags),
        log_system_metrics=parent is None,
    )
    run_id = run.info.run_id
    try:
        yield MlflowTracker(run_id, config.tracking.folder / "checkpoints" / run_id)
    except KeyboardInterrupt:
        mlflow.end_run("KILLED")
        raise
    except BaseException:
        mlflow.end_run("FAILED")
        raise
    mlflow.end_run("FINISHED")


def _check_resumable(run: Any, tags: Mapping[str, str]) -> None:
    """A run goes on only with the schema and the data it began with, and only if there is something left of it."""
    place, old = f"run {run.info.run_name!r}", run.data.tags
    if run.info.status == "FINISHED":
        raise FramingError(place, "it has ended", "start a new run")
    if "mlflow.parentRunId" in old:
        raise FramingError(place, "it is a fold of a cross-validation", "start the cross-validation anew")
    for key in ("schema_fingerprint", "data_fingerprint"):
        if old.get(key) != tags[key]:
            finding = f"its {key} was {old.get(key)} and is {tags[key]} now"
            raise FramingError(place, finding, "restore the files, or start a new run")


def find_run(config: TrackingConfig, reference: str) -> str:
    """The id of the run that an id, the start of one, or a name means; the latest of several of one name."""
    mlflow = connect(config)
    found = mlflow.search_runs(search_all_experiments=True, output_format="list", order_by=["start_time DESC"])
    for run in found:
        if run.info.run_name == reference or (len(reference) >= 6 and run.info.run_id.startswith(reference)):
            return str(run.info.run_id)
    names = ", ".join(run.info.run_name for run in found[:5]) or "none"
    raise FramingError(f"run {reference!r}", "there is no such run in the store", f"the latest are: {names}")


def run_config_text(config: TrackingConfig, run_id: str) -> str:
    """The configuration that a run was started with, as YAML."""
    mlflow = connect(config)
    try:
        return str(mlflow.artifacts.load_text(f"runs:/{run_id}/{CONFIG_FILE}"))
    except Exception:  # MLflow raises what its store raises
        finding = "the run has no configuration: it ended before it began to learn"
        raise FramingError(f"run {run_id}", finding, "start a new run") from None
