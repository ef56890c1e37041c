"""A run in an MLflow store: what it tells becomes entries, and entries become calls of MLflow."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from framing.tracking.journal import Entry, Outbox, Refused, Unreachable

LOCAL_ID = "framing.local_id"
_REMOTE = "run_id"
"""File of a run's folder with its id in the store, where the run began without the store."""


class MlflowTracker:
    """`run_id` is that of the store, or a local one for a nested run that began while the store did not answer."""

    def __init__(self, run_id: str, folder: Path, uri: str) -> None:
        self.run_id, self.folder = run_id, folder
        folder.mkdir(parents=True, exist_ok=True)
        delivery = Delivery(uri, run_id, folder)
        self.outbox = Outbox(folder, delivery, {"op": "run", "run_id": run_id, "uri": uri})

    @classmethod
    def offline(cls, folder: Path, uri: str, creation: Entry) -> MlflowTracker:
        """A run that the store does not know yet: its creation is the first thing to be sent."""
        run_id = f"offline-{uuid.uuid4().hex}"
        tracker = cls(run_id, folder / run_id, uri)
        tags = {**creation["tags"], LOCAL_ID: run_id}
        tracker.outbox.keep({**creation, "op": "create", "tags": tags, "time": _now()})
        tracker.outbox.retry_at = time.monotonic() + tracker.outbox.pause
        return tracker

    def log_params(self, values: Mapping[str, Any]) -> None:
        flat = list(_flatten(values))
        for start in range(0, len(flat), 100):  # the store takes a hundred at a time
            self.outbox.put({"op": "params", "values": dict(flat[start : start + 100])})

    def log_metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        numbers = {key: float(value) for key, value in values.items()}
        self.outbox.put({"op": "metrics", "values": numbers, "step": step or 0, "time": _now()})

    def log_tags(self, values: Mapping[str, str]) -> None:
        self.outbox.put({"op": "tags", "values": dict(values)})

    def log_files(self, folder: Path, name: str = "") -> None:
        self.outbox.put({"op": "files", "folder": str(folder.absolute()), "name": name})

    def log_dataset(self, name: str, fingerprint: str, rows: list[dict[str, str]], context: str) -> None:
        import pandas
        from mlflow.data.pandas_dataset import from_pandas

        source = f"{name}-{context}"
        made = from_pandas(pandas.DataFrame(rows), source=source, name=source, digest=fingerprint)
        self.outbox.put({"op": "dataset", "values": made.to_dict(), "context": context})

    def end(self, status: str) -> int:
        """Send what waits and the end; the number of entries that still wait in the journal."""
        self.outbox.put({"op": "end", "status": status, "time": _now()})
        return self.outbox.flush() if self.outbox.waiting else 0


class Delivery:
    """Entries of one run to its store. What fails is Unreachable (try later) or Refused (never)."""

    def __init__(self, uri: str, run_id: str, folder: Path) -> None:
        self.uri, self.run_id, self.folder = uri, run_id, folder

    def __call__(self, entry: Entry) -> None:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from requests import RequestException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            client = MlflowClient(self.uri)
            if entry["op"] == "create":
                self._create(client, entry)
            else:
                _call(client, remote_id(self.folder), entry)
        except MlflowException as error:
            status: int = error.get_http_status_code()  # type: ignore[no-untyped-call]
            raise (Unreachable if status >= 500 or status == 429 else Refused)(_first_line(error)) from None
        except RequestException as error:
            answer = getattr(error, "response", None)
            refused = answer is not None and 400 <= answer.status_code < 500
            raise (Refused if refused else Unreachable)(_first_line(error)) from None
        except (SQLAlchemyError, ConnectionError, TimeoutError) as error:
            raise Unreachable(_first_line(error)) from None
        except OSError as error:  # the files of an entry are gone
            raise Refused(_first_line(error)) from None

    def _create(self, client: Any, entry: Entry) -> None:
        """The run in the store, once: one that an earlier attempt made is known by its local id."""
        experiment = client.get_experiment_by_name(entry["experiment"])
        if experiment is None:
            raise Unreachable(f"there is no experiment {entry['experiment']!r} in the store")
        experiment_id = experiment.experiment_id
        found = client.search_runs([experiment_id], f"tags.`{LOCAL_ID}` = '{self.run_id}'")
        if not found:
            tags = dict(entry["tags"])
            if entry["parent"]:
                tags["mlflow.parentRunId"] = remote_id(self.folder.parent / entry["parent"])
            found = [client.create_run(experiment_id, entry["time"], tags, entry["name"])]
        beside = self.folder / f"{_REMOTE}.part"
        beside.write_text(found[0].info.run_id)
        beside.replace(self.folder / _REMOTE)


def remote_id(folder: Path) -> str:
    """The id in the store of the run that has this folder."""
    if not folder.name.startswith("offline-"):
        return folder.name
    if not (folder / _REMOTE).is_file():
        raise Unreachable(f"run {folder.name} is not in the store yet")
    return (folder / _REMOTE).read_text()


def _call(client: Any, run_id: str, entry: Entry) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    values = entry.get("values", {})
    match entry["op"]:
        case "params":
            client.log_batch(run_id, params=[Param(key, value) for key, value in values.items()])
        case "metrics":
            when, step = entry["time"], entry["step"]
            client.log_batch(run_id, metrics=[Metric(key, value, when, step) for key, value in values.items()])
        case "tags":
            client.log_batch(run_id, tags=[RunTag(key, value) for key, value in values.items()])
        case "files":
            client.log_artifacts(run_id, entry["folder"], entry["name"] or None)
        case "dataset":
            made = Dataset(
                **{key: values[key] for key in ("name", "digest", "source_type", "source", "schema", "profile")}
            )
            client.log_inputs(run_id, [DatasetInput(made, [InputTag("mlflow.data.context", entry["context"])])])
        case "end":
            client.set_terminated(run_id, entry["status"], entry["time"])


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


def _now() -> int:
    return int(time.time() * 1000)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
