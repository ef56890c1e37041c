"""Which process a run belongs to, and whether it is still there: a killed process cannot say that it ended."""

from __future__ import annotations

import os
import platform
from typing import Any

import psutil

PROCESS = "framing.process"


def own_process() -> str:
    """`host:pid:start`, the start in seconds since 1970: a pid comes round again, a pid with its start does not."""
    return f"{platform.node()}:{os.getpid()}:{psutil.Process().create_time():.0f}"


def is_gone(process: str) -> bool:
    """Whether the process is known to have ended; of one on another host nothing is known."""
    host, pid, start = process.rsplit(":", 2)
    if host != platform.node():
        return False
    try:
        found = psutil.Process(int(pid))
        # the clock may have been set since: two seconds are no other process
        return bool(found.status() == psutil.STATUS_ZOMBIE or abs(found.create_time() - float(start)) > 2)
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def is_running(process: str) -> bool:
    """Whether another process of this machine is known to be there still."""
    host = process.rsplit(":", 2)[0]
    return host == platform.node() and process != own_process() and not is_gone(process)


def mark_killed(mlflow: Any, experiments: list[str]) -> list[str]:
    """Runs that are recorded as running but whose process is gone are KILLED; their names.

    A run with a running child whose process lives is not: the processes of one sweep share their parent.
    """
    running = mlflow.search_runs(experiments, "attributes.status = 'RUNNING'", output_format="list")
    lively = {
        run.data.tags.get("mlflow.parentRunId") for run in running if not is_gone(run.data.tags.get(PROCESS, "::"))
    }
    killed = []
    for run in running:
        if is_gone(run.data.tags.get(PROCESS, "::")) and run.info.run_id not in lively:
            mlflow.MlflowClient().set_terminated(run.info.run_id, "KILLED")
            killed.append(str(run.info.run_name))
    return killed
