"""One sqlite store, several processes: made once, written by two at a time, killed runs known as such."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from conftest import ROOT
from framing.cli.compose import compose_values
from framing.config import RunConfig, check_config
from framing.tracking.store import connect, open_run, run_rows

Overrides = Callable[[Path], list[str]]

WRITER = """
import sys
from pathlib import Path
from framing.cli.compose import compose_values
from framing.config import check_config
from framing.tracking.store import open_run
config = check_config(compose_values(Path(sys.argv[1]), sys.argv[4:]))
with open_run(config, sys.argv[2], {"kind": "test"}) as tracker:
    for number in range(150):
        tracker.log_metrics({f"m{part}": number + part / 10 for part in range(4)}, number)
        tracker.log_tags({f"tag{number % 7}": str(number)})
    if sys.argv[3] == "hang":
        print("hanging", flush=True)
        sys.stdin.read()
"""


def writer(name: str, end: str, words: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(ROOT / "conf"), name, end, *words]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def config_at(overrides: Overrides, folder: Path) -> RunConfig:
    return check_config(compose_values(ROOT / "conf", overrides(folder)))


def test_two_processes_make_and_write_one_store_without_loss_and_a_killed_run_is_known(
    overrides: Overrides, tmp_path: Path
) -> None:
    first, second = (writer(name, end, overrides(tmp_path)) for name, end in (("one", "end"), ("two", "hang")))
    _, err = first.communicate(timeout=200)
    assert first.returncode == 0, err
    assert second.stdout is not None
    assert second.stdout.readline().strip() == "hanging"
    config = config_at(overrides, tmp_path)
    assert {row[0]: row[1] for row in run_rows(config.tracking)} == {"one": "finished", "two": "running"}
    second.kill()
    second.wait()
    assert {row[0]: row[1] for row in run_rows(config.tracking)} == {"one": "finished", "two": "killed"}

    mlflow = connect(config.tracking)
    for run in mlflow.search_runs(search_all_experiments=True, output_format="list"):
        for part in range(4):
            history = mlflow.MlflowClient().get_metric_history(run.info.run_id, f"m{part}")
            assert [point.value for point in sorted(history, key=lambda p: p.step)] == [
                n + part / 10 for n in range(150)
            ]
    assert not list(tmp_path.rglob("unsent.jsonl"))


def test_a_new_training_marks_what_was_killed_but_no_parent_of_a_living_child(
    overrides: Overrides, tmp_path: Path
) -> None:
    config = config_at(overrides, tmp_path)
    mlflow = connect(config.tracking)
    with open_run(config, "first", {}):
        pass
    client = mlflow.MlflowClient()
    experiment = mlflow.get_experiment_by_name("framing").experiment_id
    from framing.tracking.liveness import PROCESS, own_process

    host, _, _ = own_process().rsplit(":", 2)
    gone = {PROCESS: f"{host}:999999999:1"}
    left = client.create_run(experiment, tags=gone, run_name="left").info.run_id
    parent = client.create_run(experiment, tags=gone, run_name="shared parent").info.run_id
    child = client.create_run(
        experiment, tags={PROCESS: own_process(), "mlflow.parentRunId": parent}, run_name="living child"
    ).info.run_id
    elsewhere = client.create_run(experiment, tags={PROCESS: "elsewhere:1:1"}, run_name="elsewhere").info.run_id
    with open_run(config, "next", {}):
        status = {run: client.get_run(run).info.status for run in (left, parent, child, elsewhere)}
    assert status == {left: "KILLED", parent: "RUNNING", child: "RUNNING", elsewhere: "RUNNING"}
