"""Runs in an MLflow store: opened, gone on with, found."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from framing.config import RunConfig, TrackingConfig
from framing.errors import FramingError, StoreUnreachable
from framing.tracking.liveness import PROCESS, is_running, mark_killed, own_process
from framing.tracking.mlflow_tracker import MlflowTracker
from framing.tracking.tracker import CONFIG_FILE, INPUTS, STATE, UNREGISTERED, NullTracker, Tracker


def store_uri(config: TrackingConfig) -> str:
    """The configured store, $MLFLOW_TRACKING_URI, or the sqlite file in the tracking folder."""
    own = config.uri or os.environ.get("MLFLOW_TRACKING_URI")
    return own or f"sqlite:///{(config.folder / 'mlflow.db').absolute()}"


def without_password(uri: str) -> str:
    """An address as it may be shown."""
    return re.sub(r"//[^/@]*@", "//", uri)


def store_file(config: TrackingConfig) -> Path | None:
    """The sqlite file that the store's address names; None if the store is something else, as a server."""
    uri = store_uri(config)
    if not uri.startswith("sqlite:///") or uri.startswith(("sqlite:///:memory:", "sqlite:///file:")):
        return None
    return Path(uri.removeprefix("sqlite:///").partition("?")[0])  # a store may be named with options


def missing_store(config: TrackingConfig) -> Path | None:
    """The store's sqlite file if nothing has been recorded in it yet: else it would be made there to be empty."""
    file = store_file(config)
    return file if file is not None and not file.is_file() else None


def quiet() -> Any:
    """MLflow without its chatter, and with short patience."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # MLflow would try a dead server for minutes at every call; here what cannot be sent is kept and sent later
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    logging.getLogger("alembic").setLevel(logging.ERROR)
    import mlflow

    for name in ("mlflow", "mlflow.system_metrics", "mlflow.store.db.utils", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return mlflow


def connect(config: TrackingConfig) -> Any:
    """MLflow at the configured store. Raises StoreUnreachable if that is a server that does not answer."""
    mlflow = quiet()
    config.folder.mkdir(parents=True, exist_ok=True)
    uri = store_uri(config)
    _probe(uri)
    mlflow.set_tracking_uri(_patient(uri))
    return mlflow


def _probe(uri: str) -> None:
    """Whether a server answers at all, in seconds instead of MLflow's minutes."""
    if not uri.startswith("http"):
        return
    import requests

    cure = "start the server, or set another store by MLFLOW_TRACKING_URI or tracking.uri=URI"
    try:
        status = requests.get(f"{uri.rstrip('/')}/health", timeout=(5, 20)).status_code
    except requests.RequestException as error:
        finding = f"the tracking server does not answer ({type(error).__name__})"
        raise StoreUnreachable(without_password(uri), finding, cure) from None
    if status >= 500:
        raise StoreUnreachable(without_password(uri), f"the tracking server answers with status {status}", cure)


def _patient(uri: str) -> str:
    """Two trainings may write one sqlite file: each waits for the other for up to a minute."""
    return f"{uri}?timeout=60" if uri.startswith("sqlite:") and "?" not in uri else uri


def _experiment(mlflow: Any, config: TrackingConfig) -> str:
    """The id of the experiment. One process at a time: two that make a new store's tables at once break it."""
    with FileLock(config.folder / ".store.lock"):
        try:
            found = mlflow.get_experiment_by_name(config.experiment)
            if found is not None and found.lifecycle_stage == "deleted":  # the store keeps it, and its name
                restore = f"restore it (`mlflow experiments restore --experiment-id {found.experiment_id}`)"
                cure = f"{restore}, or take another with tracking.experiment=NAME"
                raise FramingError(f"experiment {config.experiment!r}", "it was deleted in the store", cure)
            if found is not None:
                return str(found.experiment_id)
            local = store_uri(config).startswith("sqlite")
            root = (config.folder / "artifacts").absolute().as_uri() if local else None
            tags = {"mlflow.experimentKind": "custom_model_development"}  # the classic pages, not those for prompts
            return str(mlflow.create_experiment(config.experiment, artifact_location=root, tags=tags))
        except mlflow.exceptions.MlflowException as error:
            finding = str(error).strip().splitlines()[0][:200]
            cure = "set the store by tracking.uri=sqlite:////PATH or http://HOST:PORT, or leave it null"
            shown = without_password(store_uri(config))
            raise FramingError(f"tracking store {shown}", without_password(finding), cure) from None


@contextmanager
def open_run(
    config: RunConfig, name: str, tags: Mapping[str, str], parent: str | None = None, resume: str | None = None
) -> Iterator[Tracker]:
    """A run of the store, new or gone on with; it ends as finished, failed, or killed (Ctrl-C), as the block does.

    A store that is not there stops a run before it begins (StoreUnreachable), but nothing that has begun: what cannot
    be sent, a nested run's beginning too, is kept in the run's folder and sent later.
    """
    if not config.tracking.enabled:
        tracker = NullTracker(config.tracking.folder / name)
        (tracker.folder / STATE).unlink(missing_ok=True)  # nobody asked to go on with it
        yield tracker
        return
    mlflow, own = _begin(config.tracking, name, {**tags, PROCESS: own_process()}, parent, resume)
    try:
        yield own
    except BaseException as error:
        _end(mlflow, own, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    _end(mlflow, own, "FINISHED")


def _begin(
    config: TrackingConfig, name: str, tags: Mapping[str, str], parent: str | None, resume: str | None
) -> tuple[Any, MlflowTracker]:
    """MLflow with the run as its active one, and what the run tells itself to; without MLflow if it has to wait."""
    folder, uri = config.folder / "checkpoints", _patient(store_uri(config))
    creation = {"name": name, "tags": dict(tags), "parent": parent, "experiment": config.experiment}
    if parent is not None and parent.startswith("offline-"):
        return None, MlflowTracker.offline(folder, uri, creation)
    if resume is not None and resume.startswith("offline-"):
        return None, MlflowTracker(resume, folder / resume, uri)
    try:
        mlflow = connect(config)
        experiment = _experiment(mlflow, config)
        if parent is None:
            mark_killed(mlflow, [experiment])
            if resume:
                _check_resumable(mlflow.MlflowClient().get_run(resume), tags, folder / resume)
        with said_if_unreachable(config):
            run = mlflow.start_run(
                run_id=resume,
                experiment_id=None if resume else experiment,
                run_name=None if resume else name,
                nested=parent is not None,
                parent_run_id=parent,
                tags={PROCESS: tags[PROCESS]} if resume else dict(tags),
                log_system_metrics=parent is None,
            )
    except StoreUnreachable:
        if parent is None or resume:
            raise
        return None, MlflowTracker.offline(folder, uri, creation)
    run_id = run.info.run_id
    return mlflow, MlflowTracker(run_id, folder / run_id, uri)


def _end(mlflow: Any, tracker: MlflowTracker, status: str) -> None:
    left = tracker.end(status)
    if mlflow is not None:
        # the run is no longer MLflow's active one, whether the store hears of it or not
        with suppress(Exception):
            mlflow.end_run(status)
    if left:
        logging.getLogger("framing").warning(
            "%d entries of this run wait in %s; when the store is back, send them with: framing runs upload %s",
            left, tracker.outbox.path, tracker.folder.parent.parent,
        )  # fmt: skip


@contextmanager
def said_if_unreachable(config: TrackingConfig) -> Iterator[None]:
    """Turns what MLflow raises for a store that went away into StoreUnreachable; other errors stay what they are."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    try:
        yield
    except (MlflowException, RequestException) as error:
        _probe(store_uri(config))
        raise error


def open_parent(config: RunConfig, name: str, tags: Mapping[str, str], run_id: str | None) -> Tracker:
    """A run that several processes may hold open, at once and one after another; `end_parent` ends it.

    `run_id`: the run, if it was made before.
    """
    if not config.tracking.enabled:
        return NullTracker(config.tracking.folder / name)
    mlflow = connect(config.tracking)
    experiment = _experiment(mlflow, config.tracking)
    client = mlflow.MlflowClient()
    mark_killed(mlflow, [experiment])
    with said_if_unreachable(config.tracking):
        if run_id is None:
            run_id = str(client.create_run(experiment, tags=dict(tags), run_name=name).info.run_id)
        elif _is_deleted(mlflow, run_id):
            cure = f"restore it (`mlflow runs restore --run-id {run_id}`), or begin anew under another name"
            raise FramingError(f"run {name!r}", "it was deleted in the store", cure)
        client.update_run(run_id, "RUNNING")
        client.set_tag(run_id, PROCESS, own_process())
    return MlflowTracker(run_id, config.tracking.folder / "checkpoints" / run_id, _patient(store_uri(config.tracking)))


def _is_deleted(mlflow: Any, run_id: str) -> bool:
    """Whether a run was deleted: the store keeps it, but lets nothing be written, or it forgot it for good."""
    try:
        return bool(mlflow.MlflowClient().get_run(run_id).info.lifecycle_stage == "deleted")
    except mlflow.exceptions.MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return True


def end_parent(tracker: Tracker, status: str) -> None:
    if isinstance(tracker, MlflowTracker):
        _end(None, tracker, status)


def _check_resumable(run: Any, tags: Mapping[str, str], folder: Path) -> None:
    """A run goes on only with the schema, data and parts it began with, alone, and only if something is left to do."""
    place, old = f"run {run.info.run_name!r}", run.data.tags
    if run.info.status == "FINISHED" and not (folder / UNREGISTERED).is_file():
        raise FramingError(place, "it has ended", "start a new run")
    if run.info.status == "RUNNING" and is_running(old.get(PROCESS, "::")):
        raise FramingError(place, "it is still running", "wait for its end, or stop it first (Ctrl-C where it runs)")
    if "fold" in old:
        raise FramingError(place, "it is a fold of a cross-validation", "start the cross-validation anew")
    if "trial" in old:
        raise FramingError(place, "it is a trial of a sweep", "give the command of the sweep again")
    # Another split would test on what the kept weights have learned. Runs of earlier versions may not name their parts.
    parts = [f"{part}_fingerprint" for part in ("train", "dev", "test") if f"{part}_fingerprint" in old]
    for key in ("schema_fingerprint", "data_fingerprint", *parts):
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
    own = config.folder / "checkpoints" / run_id / INPUTS / CONFIG_FILE
    if own.is_file():  # the store may not have it yet
        return own.read_text(encoding="utf-8")
    mlflow = connect(config)
    try:
        return str(mlflow.artifacts.load_text(f"runs:/{run_id}/{CONFIG_FILE}"))
    except Exception:  # MLflow raises what its store raises
        finding = "the run has no configuration: it ended before it began to learn"
        raise FramingError(f"run {run_id}", finding, "start a new run") from None


def run_rows(config: TrackingConfig) -> list[list[str]]:
    """Name (nested ones indented under their parents), status, headline, start and id of all runs, newest first."""
    if missing_store(config):
        return []
    mlflow = connect(config)
    mark_killed(mlflow, [_experiment(mlflow, config)])
    found = mlflow.search_runs([_experiment(mlflow, config)], output_format="list", order_by=["start_time DESC"])
    children: dict[str, list[Any]] = {}
    ids = {run.info.run_id for run in found}
    for run in found:
        parent = run.data.tags.get("mlflow.parentRunId", "")
        children.setdefault(parent if parent in ids else "", []).append(run)
    return list(_tree(children, "", 0))


def _tree(children: Mapping[str, list[Any]], parent: str, depth: int) -> Iterator[list[str]]:
    for run in children.get(parent, []):
        known = run.data.metrics
        headline = next((known[key] for key in ("headline", "test/headline", "runs/headline") if key in known), None)
        began = datetime.fromtimestamp(run.info.start_time / 1000).strftime("%Y-%m-%d %H:%M")
        status = run.data.tags.get("trial_state", run.info.status.lower())
        shown = "-" if headline is None else f"{headline:.3f}"
        yield [f"{'  ' * depth}{run.info.run_name}", status, shown, began, run.info.run_id[:8]]
        yield from _tree(children, run.info.run_id, depth + 1)
