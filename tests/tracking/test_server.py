"""A real tracking server on loopback that is killed while a training runs, and comes back."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from conftest import ROOT
from framing.cli.compose import compose_values
from framing.config import RunConfig, check_config
from framing.errors import StoreUnreachable
from framing.tracking.journal import JOURNAL, read_journal
from framing.tracking.store import open_run
from framing.tracking.upload import upload_all

Overrides = Callable[[Path], list[str]]


class Server:
    """`mlflow server` with its own store and artifacts; `kill -9` and `start` as often as a test likes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder}/server.db"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        for _ in range(600):
            try:
                if requests.get(f"{self.uri}/health", timeout=2).status_code == 200:
                    return
            except requests.RequestException:
                time.sleep(0.1)
        raise AssertionError("the server did not come up")

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def runs(self, **query: Any) -> list[Any]:
        import mlflow

        mlflow.set_tracking_uri(self.uri)
        found: list[Any] = mlflow.search_runs(search_all_experiments=True, output_format="list", **query)
        return found

    def artifacts(self, run_id: str, path: str = "") -> set[str]:
        import mlflow

        mlflow.set_tracking_uri(self.uri)
        return {item.path for item in mlflow.MlflowClient().list_artifacts(run_id, path or None)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(tmp_path_factory.mktemp("server"))
    found.start()
    yield found
    found.kill()


def small(overrides: Overrides, folder: Path, uri: str) -> RunConfig:
    return check_config(compose_values(ROOT / "conf", [*overrides(folder), f"tracking.uri={uri}"]))


def framing(*words: str, uri: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "framing.cli.main", *words]
    environment = os.environ | {"MLFLOW_TRACKING_URI": uri}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_training_outlives_its_server_and_nothing_is_lost(
    server: Server, overrides: Overrides, tmp_path: Path
) -> None:
    process = framing("train", *overrides(tmp_path), "name=survivor", "training.epochs=60", uri=server.uri)
    deadline = time.monotonic() + 200
    while not list(tmp_path.glob("checkpoints/*/state.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.02)
    server.kill()
    out, err = process.communicate(timeout=250)
    assert process.returncode == 0, err
    assert "scores on test" in out or "macro_f1" in out
    assert err.count("the tracking store does not answer") == 1, err
    assert "framing runs upload" in err
    assert "not registered" in err
    (journal,) = tmp_path.glob(f"checkpoints/*/{JOURNAL}")
    assert len(read_journal(journal)) > 60

    (away,) = upload_all(tmp_path)
    assert (away.sent, away.left) == (0, len(read_journal(journal)) - 1), "a server that is still away takes nothing"
    server.start()
    done = framing("runs", "upload", str(tmp_path), uri=server.uri)
    out, err = done.communicate(timeout=100)
    assert done.returncode == 0, err
    assert "0 wait" in out
    assert upload_all(tmp_path) == [], "twice does no harm"

    (run,) = server.runs(filter_string="run_name='survivor'")
    assert run.info.status == "FINISHED"
    import mlflow

    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "dev/score")
    assert len(history) == 60, "each epoch once"
    assert run.data.metrics["test/headline"] > 0
    assert {"config.yaml", "figures", "test", "dev"} <= server.artifacts(run.info.run_id)
    assert {dataset.tags[0].value for dataset in run.inputs.dataset_inputs} == {"train", "dev", "test"}

    again = framing("train", "resume=survivor", f"tracking.folder={tmp_path}", uri=server.uri)
    out, err = again.communicate(timeout=200)
    assert again.returncode == 0, err
    assert "registered as framing version 1" in out
    (run,) = server.runs(filter_string="run_name='survivor'")
    assert run.info.status == "FINISHED"


def test_nested_runs_that_begin_without_the_server_find_their_parent_later(
    server: Server, overrides: Overrides, tmp_path: Path
) -> None:
    config = small(overrides, tmp_path, server.uri)
    with open_run(config, "parent", {}) as parent:
        server.kill()
        parent.log_metrics({"before": 1.0})
        with open_run(config, "child", {"fold": "1"}, parent=parent.run_id) as child:
            child.log_metrics({"score": 0.5}, 3)
            with open_run(config, "grandchild", {}, parent=child.run_id) as deepest:
                deepest.log_params({"deep": {"er": 1}})
                (tmp_path / "files").mkdir()
                (tmp_path / "files" / "note.txt").write_text("kept")
                deepest.log_files(tmp_path / "files", "notes")
    server.start()
    assert {found.left for found in upload_all(tmp_path)} == {0}
    assert upload_all(tmp_path) == []
    runs = {run.info.run_name: run for run in server.runs() if run.info.run_name in ("parent", "child", "grandchild")}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert runs["child"].data.tags["mlflow.parentRunId"] == runs["parent"].info.run_id
    assert runs["grandchild"].data.tags["mlflow.parentRunId"] == runs["child"].info.run_id
    assert runs["child"].data.metrics == {"score": 0.5}
    assert runs["grandchild"].data.params == {"deep.er": "1"}
    assert server.artifacts(runs["grandchild"].info.run_id, "notes") == {"notes/note.txt"}


def test_without_a_server_at_the_start_nothing_begins(overrides: Overrides, tmp_path: Path) -> None:
    config = small(overrides, tmp_path, "http://127.0.0.1:9")
    with pytest.raises(StoreUnreachable) as caught, open_run(config, "never", {}):
        raise AssertionError("it must not begin")
    assert "does not answer" in caught.value.finding
    assert "MLFLOW_TRACKING_URI" in caught.value.cure
    done = framing("train", *overrides(tmp_path), uri="http://user:secret@127.0.0.1:9")
    _, err = done.communicate(timeout=100)
    assert done.returncode == 2
    assert "http://127.0.0.1:9: the tracking server does not answer" in err
    assert "secret" not in err
    assert "Traceback" not in err
