"""framing predict as its user runs it: any input, any output, bad records beside, and a kill in the middle."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from framing.cli.main import app
from framing.config import TfidfConfig
from framing.dataset import Dataset, LabelMatrix
from framing.errors import FramingError
from framing.inference.resuming import Journal
from framing.inference.tagger import CHUNK, Tagger, save_tagger
from framing.model.baseline import Baseline
from framing.model.calibration import Calibration
from framing.records import Paragraph
from framing.schema import Schema

TEXTS = ["The North wants talks.", "The South fired missiles.", "Share this page", "The North wants talks now."]


@pytest.fixture(scope="module")
def model(small_schema: Schema, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a baseline that learned from four sentences."""
    config = TfidfConfig(
        kind="tfidf", word_ngrams=2, character_ngrams=4, max_features=1000, regularisation=1.0, sentence_weight=0.0
    )
    values = np.array([[1, 0, 1, 0, 1, 0], [1, 0, 0, 1, 0, 1], [0, 1, 0, 0, 0, 0], [1, 0, 1, 0, 1, 0]], np.float32)
    paragraphs = tuple(Paragraph(f"d:{n}", "d", n, 0, len(t), t, "en") for n, t in enumerate(TEXTS, 1))
    engine = Baseline(small_schema, config)
    engine.fit(Dataset(paragraphs, LabelMatrix(values, np.ones_like(values, np.bool_))))
    folder = tmp_path_factory.mktemp("model") / "tiny"
    save_tagger(Tagger(small_schema, engine, Calibration.plain(small_schema), "tiny"), config, folder)
    return folder


def predict(model: Path, *words: str | Path, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(app, ["predict", "--model", str(model), *map(str, words)], input=stdin)


def test_a_table_becomes_a_table(model: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text('key;body\na;"=The North wants talks."\nb;"One.\nTwo."\n', encoding="utf-8")
    done = predict(model, source, "--text-column", "body", "--id-column", "key", "-o", out, "--probabilities")
    assert done.exit_code == 0, done.output
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["a:1", "b:1", "b:2"]
    assert rows[0]["text"] == "'=The North wants talks."
    assert 0 <= float(rows[0]["stance.talks"]) <= 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.csv", "out.csv"]


def test_bad_records_go_beside_and_the_rest_is_tagged(model: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"text": "One."}\nnonsense\n{"text": "Two."}\n')
    done = predict(model, source, "-o", out)
    assert done.exit_code == 3, done.output
    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == ["in-1:1", "in-3:1"]
    (line,) = (tmp_path / "out.jsonl.rejected.jsonl").read_text().splitlines()
    assert json.loads(line)["place"] == f"{source}:2"
    assert json.loads(line)["record"] == "nonsense"
    assert predict(model, source).exit_code == 3
    strict = predict(model, source, "-o", tmp_path / "strict.jsonl", "--strict")
    assert isinstance(strict.exception, FramingError)


def test_a_second_process_on_one_output_leaves_the_bad_records_of_the_first(
    model: Path, small_schema: Schema, tmp_path: Path
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('nonsense\n{"text": "One."}\n')
    with Journal(out, small_schema) as journal:
        journal.begin({}, False)
        part = tmp_path / "out.jsonl.rejected.jsonl.part"
        part.write_text("of the first")
        done = predict(model, source, "-o", out, "--restart")
        assert "another process is writing it" in str(done.exception)
        assert part.read_text() == "of the first"


@pytest.mark.parametrize("name", ["in.csv", "sub/../in.csv", "link.csv"])
def test_an_input_is_not_written_over(name: str, model: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("id,text\na,One.\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.csv").symlink_to(source)
    done = predict(model, source, "-o", tmp_path / name)
    assert "is read and written at once" in str(done.exception)
    assert source.read_text() == "id,text\na,One.\n"
    assert len(list(tmp_path.iterdir())) == 3


def test_bad_records_that_are_tagged_are_not_written_over(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "out.csv.rejected.jsonl"
    source.write_text('{"place": "a", "reason": "b", "text": "One."}\n')
    done = predict(model, source, "-o", tmp_path / "out.csv")
    assert isinstance(done.exception, FramingError)
    assert source.exists()


@pytest.mark.parametrize("sources", ["", "*", "**/*"])
def test_a_folder_that_holds_the_output_is_read_without_it(sources: str, model: Path, tmp_path: Path) -> None:
    (tmp_path / "tags.txt").write_text("The North wants talks.")
    (tmp_path / "in.jsonl").write_text('{"text": "One."}\nnonsense\n')
    out = tmp_path / "tags.jsonl"
    first = predict(model, tmp_path / sources, "-o", out)
    written = out.read_bytes()
    again = predict(model, tmp_path / sources, "-o", out)
    assert (first.exit_code, again.exit_code) == (3, 3), again.output
    assert out.read_bytes() == written
    assert "not read" not in first.stderr
    assert again.stderr.count("tags.jsonl is not read: this command writes it") == 1
    assert again.stderr.count("tags.jsonl.rejected.jsonl is not read") == 1
    out.unlink()
    (tmp_path / "tags.txt").unlink()
    (tmp_path / "in.jsonl").unlink()
    assert isinstance(predict(model, tmp_path, "-o", out).exception, FramingError)


@pytest.mark.parametrize("content", ["nonsense\n" * 5, "nonsense\n" * 2000 + '{"text": "One."}\n', ""])
def test_input_that_is_bad_as_a_whole_leaves_nothing(content: str, model: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(content)
    done = predict(model, tmp_path / "in.jsonl", "-o", tmp_path / "sub" / "out.jsonl")
    assert isinstance(done.exception, FramingError)
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and file.name != "in.jsonl"]


@pytest.mark.parametrize("size", ["inf", "nan", "1e300", "0", "-1"])
def test_a_limit_that_is_no_size_of_a_document_is_refused(size: str, model: Path) -> None:
    done = predict(model, "-", "--max-document", size, stdin=b"Text.")
    assert isinstance(done.exception, FramingError), done.output
    assert "--max-document" in str(done.exception)


def test_formats_on_standard_output(model: Path) -> None:
    text = "The North wants\x1b[31m talks \u202e now.".encode()
    done = predict(model, "-", "--format", "csv", stdin=text)
    assert done.stdout.splitlines()[0].startswith("id,document,position,text,language,title,date,kind")
    record = json.loads(predict(model, "-", "--no-probabilities", stdin=text).stdout)
    assert record["text"] == text.decode()
    assert "probabilities" not in record
    assert "\x1b[31m" not in predict(model, "-", "--format", "table", stdin=text).stdout
    assert isinstance(predict(model, "-", "--format", "parquet", stdin=text).exception, FramingError)


def test_a_dash_is_standard_output(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = predict(model, "-", "-o", "-", stdin=b"The North wants talks.")
    assert json.loads(done.stdout)["text"] == "The North wants talks."
    assert list(tmp_path.iterdir()) == []


def test_standard_output_on_a_full_disk_is_told(model: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "One."}\nnonsense\n')
    command = [sys.executable, "-m", "framing.cli.main", "predict", tmp_path / "in.jsonl", "--model", model]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: output: no space left on device")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_a_pipe_gets_records_though_colour_is_asked_for(
    variable: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    text = "The North wants\x1b[31m talks."
    done = predict(model, "-", stdin=text.encode())
    assert json.loads(done.stdout)["text"] == text
    assert text in predict(model, "-", "--format", "csv", stdin=text.encode()).stdout


def test_a_killed_output_is_completed_as_if_it_had_not_been(model: Path, tmp_path: Path) -> None:
    lines = [json.dumps({"id": f"r{n}", "text": f"{TEXTS[n % 4]} {n % 700}", "language": "en"}) for n in range(1300)]
    data = "\n".join(lines).encode()
    out = tmp_path / "out.csv"
    command = [sys.executable, "-m", "framing.cli.main", "predict", "-", "--model", model, "-o", out]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    part = tmp_path / "out.csv.part"
    process.stdin.write("\n".join(lines[: 2 * CHUNK + 10]).encode())
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while not (part.exists() and part.read_bytes().count(b"\n") >= 2 * CHUNK) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdin.close()
    assert not out.exists()
    assert part.read_bytes().count(b"\n") >= 2 * CHUNK
    changed = predict(model, "-", "-o", out, "--unit", "paragraph", stdin=data)
    assert "other options" in str(changed.exception)
    done = predict(model, "-", "-o", out, stdin=data)
    assert done.exit_code == 0, done.output
    assert f"going on after {2 * CHUNK:,} paragraphs" in done.stderr
    whole = tmp_path / "whole.csv"
    assert predict(model, "-", "-o", whole, stdin=data).exit_code == 0
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.csv", "whole.csv"]
