"""How the command ends when what it writes to takes no more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT


@pytest.mark.parametrize("words", ["schema check", "--help", "models --help", "--version"])
def test_a_full_disk_is_an_error_of_one_line(project: Path, words: str) -> None:
    files = [project / "schema.yaml"] if words == "schema check" else []
    command = [sys.executable, "-m", "framing.cli.main", *words.split(), *files]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=ROOT, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr == "error: output: no space left on device; make room and run the same command again\n"
