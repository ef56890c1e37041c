"""What goes into a pipe is plain, whatever is asked for colour."""

from __future__ import annotations

import time

import pytest

from framing.cli.terminal import TerminalReporter, table


def test_a_table_is_plain_lines_in_a_pipe_though_colour_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = []
    for variable in ("NOTHING", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.setenv(variable, "1")
        table("Title", ["facet", "f1"], [["stance", ".50"]])
        monkeypatch.delenv(variable)
        shown.append(capsys.readouterr().out)
    assert len(shown[0].splitlines()) == 2
    assert shown == [shown[0]] * 3


def test_the_time_left_is_that_of_the_count_that_runs_not_of_the_folds_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with TerminalReporter() as reporter:
        for total in (50, 50, 5000):
            for done in range(total // 50, total, total // 50):  # a fiftieth a second; then an hour of something else
                reporter.progress(done, total, "fold")
                now += 1
            now += 3600
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["fold 22/50, 28 s left", "fold 43/50, 7 s left"] * 2 + [
        "fold 2200/5000, 28 s left",
        "fold 4300/5000, 7 s left",
    ]
