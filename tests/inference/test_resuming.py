"""An output that was cut off anywhere is completed to what it would have been, byte for byte."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from framing.errors import FramingError
from framing.inference import resuming, tagger
from framing.inference.recent import Recent
from framing.inference.resuming import Journal, Rejects, fingerprint_folder, fingerprint_inputs
from framing.inference.tagger import Tagger
from framing.inference.writing import form_of
from framing.model.calibration import Calibration
from framing.records import Paragraph
from framing.schema import Schema

FACTS = {"inputs": "1 files", "options": {"unit": "document"}, "model": "m 1"}
PARAGRAPHS = [
    Paragraph(f"d:{n}", "d", n, 0, 9, text, "en")
    for n, text in enumerate((f"Text {n % 17} é \u202e" for n in range(45)), 1)
]


class Moody:
    """An engine whose answer depends on what is tagged together, as batches of floats do: the hardest to go on with."""

    def __init__(self, labels: int) -> None:
        self.labels, self.texts = labels, 0

    def logits(self, texts: list[str]) -> NDArray[np.float32]:
        self.texts += len(texts)
        mood = sum(len(text) for text in texts) % 7
        rows = [[(hash(text[:7]) + mood * column) % 11 / 5 - 1 for column in range(self.labels)] for text in texts]
        return np.array(rows, np.float32)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "CHUNK", 4)
    monkeypatch.setattr(tagger, "CHUNK", 4)


Run = Callable[..., int]


@pytest.fixture
def run(small_schema: Schema) -> Run:
    def tag(out: Path, stop: int | None = None, restart: bool = False, **changed: object) -> int:
        """Tag into `out`, breaking off after `stop` paragraphs; how many texts the engine was asked for."""
        engine = Moody(len(small_schema.labels))
        made = Tagger(small_schema, engine, Calibration.plain(small_schema), "moody")  # type: ignore[arg-type]
        recent = Recent(limit=6)
        paragraphs: Iterator[Paragraph] = iter(changed.pop("paragraphs", PARAGRAPHS))  # type: ignore[call-overload]
        with Journal(out, small_schema) as journal:
            if not journal.begin(FACTS | changed, restart):
                return 0
            rest = journal.skip(paragraphs, recent)
            for count, _ in enumerate(journal.append(made.tag(rest, recent)), 1):
                if count == stop:
                    return engine.texts
            journal.finish(form_of(out))
        return engine.texts

    return tag


def test_a_journal_cut_at_any_byte_is_completed_to_the_same_bytes(run: Run, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    every = run(whole)
    journal = whole.read_bytes()
    ends = [n + 1 for n, byte in enumerate(journal) if byte == 10]
    cuts = {0, 1, len(journal) - 1, *ends[::2], *(end - 1 for end in ends[::3])}
    cuts |= set(random.Random(0).choices(range(len(journal)), k=20))
    for cut in sorted(cuts):
        run(out, stop=1)
        (tmp_path / "out.jsonl.part").write_bytes(journal[:cut])
        asked = run(out)
        assert out.read_bytes() == journal, cut
        assert asked <= every
        assert cut < ends[3] or asked < every
        assert sorted(file.name for file in tmp_path.iterdir()) == ["out.jsonl", "whole.jsonl"]


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out.jsonl.gz"])
def test_what_is_made_of_the_journal_is_the_same_too(name: str, run: Run, tmp_path: Path) -> None:
    run(tmp_path / f"whole{name[3:]}")
    for stop in (1, 4, 17, 45):
        run(tmp_path / name, stop=stop)
        assert not (tmp_path / name).exists()
        run(tmp_path / name)
        assert (tmp_path / name).read_bytes() == (tmp_path / f"whole{name[3:]}").read_bytes()
        (tmp_path / name).unlink()


def test_rubbish_at_the_end_of_a_journal_is_cut_off(run: Run, tmp_path: Path) -> None:
    run(tmp_path / "whole.jsonl")
    for rubbish in (b"\x00" * 4096, b"\xff\n", b"12\n", b'{"id": 1}\n', b'{"model"'):
        run(tmp_path / "out.jsonl", stop=9)
        with (tmp_path / "out.jsonl.part").open("ab") as file:
            file.write(rubbish)
        run(tmp_path / "out.jsonl")
        assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


@pytest.mark.parametrize("key", FACTS)
def test_what_has_changed_since_is_named_and_restart_begins_anew(key: str, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(out, stop=9)
    with pytest.raises(FramingError, match=f"begun with other {key}.*--restart"):
        run(out, **{key: "other"})
    assert (tmp_path / "out.jsonl.part").exists()
    run(out, restart=True, **{key: "other"})
    assert out.read_text().count("\n") == 45


def test_inputs_that_give_another_text_are_found_out(run: Run, tmp_path: Path) -> None:
    run(tmp_path / "out.jsonl", stop=9)
    with pytest.raises(FramingError, match="'d:2' in the place of 'd:1'"):
        run(tmp_path / "out.jsonl", paragraphs=PARAGRAPHS[1:])
    with pytest.raises(FramingError, match="the inputs end before 'd:3'"):
        run(tmp_path / "out.jsonl", paragraphs=PARAGRAPHS[:2])


def test_a_finished_output_that_was_not_tidied_up_is_not_tagged_again(run: Run, tmp_path: Path) -> None:
    run(tmp_path / "out.jsonl")
    (tmp_path / "out.jsonl.part.json").write_text(json.dumps({"format": resuming.FORMAT, **FACTS}))
    before = (tmp_path / "out.jsonl").read_bytes()
    assert run(tmp_path / "out.jsonl") == 0
    assert (tmp_path / "out.jsonl").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_two_writers_of_one_output_are_kept_apart(small_schema: Schema, tmp_path: Path) -> None:
    with Journal(tmp_path / "o.jsonl", small_schema) as first, Journal(tmp_path / "o.jsonl", small_schema) as second:
        first.begin(FACTS, False)
        with pytest.raises(FramingError, match="another process"):
            second.begin(FACTS, False)
        second.__exit__()
        assert first.part.exists()
        assert first.state.exists()


def test_a_full_disk_is_told_and_gone_on_from(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "whole.jsonl")

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(resuming.os, "fsync", full)
        with pytest.raises(FramingError, match="no space left.*run the same command again"):
            run(tmp_path / "out.jsonl")
    run(tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_rejects_on_a_full_disk_are_told_and_hide_no_other_fault(tmp_path: Path) -> None:
    def fill(rejects: Rejects) -> None:
        rejects.__enter__()
        rejects.file = Path("/dev/full").open("w")  # what it takes fails when it is flushed
        rejects.file.write("x")

    told = Rejects(tmp_path / "o.csv")
    fill(told)
    with pytest.raises(FramingError, match=r"no space left.*run the same command again"):
        told.finish()
    hidden = Rejects(tmp_path / "o.csv")
    fill(hidden)
    hidden.__exit__(None, None, None)
    assert list(tmp_path.glob("*.part")) == []


def test_nothing_is_left_of_an_output_that_never_began(small_schema: Schema, tmp_path: Path) -> None:
    with Journal(tmp_path / "o.jsonl", small_schema) as journal:
        journal.begin(FACTS, False)
    assert list(tmp_path.iterdir()) == []


def test_rejects_are_a_file_only_if_there_are_any(tmp_path: Path) -> None:
    (tmp_path / "o.csv.rejected.jsonl").write_text("of an earlier run")
    with Rejects(tmp_path / "o.csv") as rejects:
        rejects.finish()
    assert list(tmp_path.iterdir()) == []
    with Rejects(tmp_path / "o.csv") as rejects:
        rejects.add(FramingError("a:1", "bad", "mend it"), {"text": "x" * 50_000, "n": 1, "odd": ["\ud800", b"y"]})
        rejects.finish()
    (line,) = (tmp_path / "o.csv.rejected.jsonl").read_text().splitlines()
    assert json.loads(line)["place"] == "a:1"
    assert len(line) < 11_000


def test_fingerprints_change_with_what_they_stand_for(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("one")
    inputs, folder = fingerprint_inputs([file]), fingerprint_folder(tmp_path)
    file.write_text("three")
    assert fingerprint_inputs([file]) != inputs
    assert fingerprint_folder(tmp_path) != folder


def test_a_text_that_comes_again_is_not_read_again(run: Run, small_schema: Schema, tmp_path: Path) -> None:
    engine = Moody(len(small_schema.labels))
    made = Tagger(small_schema, engine, Calibration.plain(small_schema), "moody")  # type: ignore[arg-type]
    found = list(made.tag(PARAGRAPHS))
    assert len(found) == 45
    assert engine.texts == 17
    recent = Recent(limit=3)
    list(made.tag(PARAGRAPHS, recent))
    assert len(recent.known) == 3
