"""What goes into a pipe is plain, whatever is asked for colour."""

from __future__ import annotations

import pytest

from framing.cli.terminal import table


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
