from __future__ import annotations

import subprocess
import sys

from framing.tracking.liveness import is_gone, is_running, own_process


def test_a_process_is_there_until_it_ends() -> None:
    assert not is_gone(own_process())
    code = "from framing.tracking.liveness import own_process; print(own_process())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert is_gone(ended)


def test_a_pid_that_came_round_again_is_another_process() -> None:
    host, pid, start = own_process().rsplit(":", 2)
    assert is_gone(f"{host}:{pid}:{float(start) - 500:.0f}")


def test_of_a_process_on_another_host_nothing_is_known() -> None:
    assert not is_gone("elsewhere:1:1")
    assert not is_gone("::")


def test_only_another_process_of_this_machine_is_known_to_run() -> None:
    assert not is_running(own_process())
    assert not is_running("elsewhere:1:1")
    assert not is_running("::")
    code = "from framing.tracking.liveness import own_process; print(own_process(), flush=True); input()"
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    name = other.stdout.readline().strip()
    assert is_running(name)
    other.kill()
    other.wait()
    assert not is_running(name)
