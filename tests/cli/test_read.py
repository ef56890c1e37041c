"""`framing read`: tags or texts in, one page out, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from framing.cli.main import app
from framing.config import TfidfConfig
from framing.dataset import Dataset, LabelMatrix
from framing.errors import FramingError
from framing.inference.tagger import Tagger, save_tagger
from framing.model.baseline import Baseline
from framing.model.calibration import Calibration
from framing.records import Paragraph
from framing.schema import Schema

GOOD = {"id": "a:1", "document": "a", "position": 1, "text": "Talks.", "labels": {"stance": ["talks"]}}


def read(*words: str | Path) -> str:
    done = CliRunner().invoke(app, ["read", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


@pytest.fixture(scope="module")
def tagger(small_schema: Schema, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = TfidfConfig(
        kind="tfidf", word_ngrams=1, character_ngrams=3, max_features=200, regularisation=1.0, sentence_weight=0.0
    )
    values = np.array([[1, 0, 1, 0, 1, 0], [1, 0, 0, 1, 0, 1], [0, 1, 0, 0, 0, 0]], np.float32)
    texts = ["The North wants talks.", "The South fired missiles.", "Share this page"]
    paragraphs = tuple(Paragraph(f"d:{n}", "d", n, 0, len(t), t, "en") for n, t in enumerate(texts, 1))
    engine = Baseline(small_schema, config)
    engine.fit(Dataset(paragraphs, LabelMatrix(values, np.ones_like(values, np.bool_))))
    folder = tmp_path_factory.mktemp("taggers") / "tagger"
    save_tagger(Tagger(small_schema, engine, Calibration.plain(small_schema), "baseline"), config, folder)
    return folder


def test_tags_become_a_page(project: Path, tmp_path: Path) -> None:
    (tmp_path / "tags.jsonl").write_text(json.dumps(GOOD))
    read(tmp_path / "tags.jsonl", "-o", tmp_path / "page.html", "--schema", project / "schema.yaml", "--title", "May")
    page = (tmp_path / "page.html").read_text()
    assert "<title>May</title>" in page
    assert '"t":"Talks."' in page
    shown = read(tmp_path / "tags.jsonl", "-o", "-", "--schema", project / "schema.yaml", "--title", "May")
    assert shown == page


def test_texts_are_tagged_first_and_say_where_they_come_from(project: Path, tagger: Path, tmp_path: Path) -> None:
    read(project / "texts", "-o", tmp_path / "page.html", "--model", tagger)
    page = (tmp_path / "page.html").read_text()
    assert page.count('"origin":') == 6
    assert '"source":"texts/article0.txt"' in page
    assert str(project) not in page
    assert '"e":' not in page


def test_a_page_is_neither_its_own_source_nor_written_over_one(project: Path, tagger: Path, tmp_path: Path) -> None:
    text = (project / "texts" / "article0.txt").read_text()
    (tmp_path / "article0.txt").write_text(text)
    pages = []
    for _ in range(2):
        read(tmp_path, "-o", tmp_path / "a.html", "--model", tagger)
        pages.append((tmp_path / "a.html").read_text())
    assert pages[0] == pages[1]
    with pytest.raises(FramingError, match="is read and written at once"):
        read(tmp_path / "article0.txt", "-o", tmp_path / "article0.txt", "--model", tagger)
    assert (tmp_path / "article0.txt").read_text() == text
    (tmp_path / "article0.txt").unlink()
    with pytest.raises(FramingError, match="a.html: is all there is to read"):
        read(tmp_path, "-o", tmp_path / "a.html", "--model", tagger)


def test_evidence_is_there_when_asked_for(project: Path, tagger: Path, tmp_path: Path) -> None:
    read(project / "texts" / "article0.txt", "-o", tmp_path / "page.html", "--model", tagger, "--evidence")
    assert '"e":{"2":[[' in (tmp_path / "page.html").read_text()


def test_a_fault_leaves_the_page_of_before(project: Path, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("before")
    (tmp_path / "tags.jsonl").write_text(json.dumps(GOOD) + '\n{"labels": 1, "text": "x", "id": "b"}')
    with pytest.raises(FramingError, match=r"tags.jsonl:2: the record has no 'labels'"):
        read(tmp_path / "tags.jsonl", "-o", tmp_path / "page.html", "--schema", project / "schema.yaml")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["page.html", "tags.jsonl"]
    assert (tmp_path / "page.html").read_text() == "before"


def test_evidence_by_a_tagger_of_another_schema_is_refused(tagger: Path, tmp_path: Path) -> None:
    (tmp_path / "tags.jsonl").write_text(json.dumps({**GOOD, "labels": {}}))
    with pytest.raises(FramingError, match="is not the schema of"):
        read(tmp_path / "tags.jsonl", "-o", tmp_path / "p.html", "--evidence", "--model", tagger)
