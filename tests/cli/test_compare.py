"""`framing compare`: what it refuses before it compares anything."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from framing.cli.main import app
from framing.errors import FramingError


def test_a_gold_file_that_would_judge_nothing_is_refused(tmp_path: Path) -> None:
    gold = tmp_path / "gold.jsonl"
    gold.write_text('{"id": "a", "language": "en", "labels": {}}\n')
    words = ["compare", "one-run", "another-run", "--gold", str(gold), "--folder", str(tmp_path)]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, FramingError)
    assert done.exception.place == f"--gold {gold}"
    assert "only runs are named" in done.exception.finding
