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


def test_files_of_one_name_are_told_apart_by_the_folder_in_which_they_differ(tmp_path: Path) -> None:
    line = '{"id": "a", "document": "a", "language": "en", "labels": {"stance": ["blame"]}}\n'
    files = [tmp_path / run / "results" / "predictions.jsonl" for run in ("old", "new")]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text(line)
    words = ["compare", *map(str, files), "--gold", str(files[0])]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "old" in done.output.splitlines()[0]
    assert str(tmp_path) not in done.output
