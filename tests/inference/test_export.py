"""An exported tagger says what the trained one says, on its own, and one that does not is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from framing.annotation.store import read_annotations
from framing.corpus.paragraphs import split_documents
from framing.corpus.reading import read_documents
from framing.dataset import Dataset, build_dataset
from framing.errors import FramingError
from framing.inference import graph
from framing.inference.agreement import Refused
from framing.inference.export import Export, export_tagger
from framing.inference.tagger import Tagger, kept_export, load_fastest, save_tagger
from framing.model import tokenization
from framing.schema import Schema
from inference.test_tagger import PARAGRAPHS, baseline, encoder_tagger

LONG = "Missiles hit Brod and the North wants talks in Alba. " * 12
TEXTS = [
    "The North wants talks.",
    LONG,
    "Share",
    "On day 3 the South launched an attack near Alba.",
    LONG + "The South fired missiles.",
]


class Quiet:
    def say(self, text: str) -> None: ...

    def progress(self, done: int, total: int, text: str) -> None: ...


@pytest.fixture(scope="module")
def small(small_schema: Schema, encoder: Path) -> Tagger:
    return encoder_tagger(small_schema, encoder)[0]


@pytest.fixture(scope="module")
def dev(project: Path, small_schema: Schema) -> Dataset:
    placed, _ = read_annotations([project / "anna.jsonl"], small_schema)
    paragraphs = split_documents(read_documents([project / "texts"]))
    return build_dataset(paragraphs, [item.annotation for item in placed], small_schema)


def exported(tagger: Tagger, dev: Dataset, folder: Path, precision: str) -> Export:
    return export_tagger(tagger, folder, [precision], texts=dev.texts, dev=dev, reporter=Quiet())  # type: ignore[list-item]


@pytest.fixture(scope="module")
def floats(small: Tagger, dev: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(small, dev, tmp_path_factory.mktemp("export") / "float", "float").folder


@pytest.fixture(scope="module")
def eighths(small: Tagger, dev: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Export:
    return exported(small, dev, tmp_path_factory.mktemp("export") / "int8", "int8")


def test_floats_give_the_trained_logits_for_short_and_long_texts_in_any_order(small: Tagger, floats: Path) -> None:
    engine = Tagger.load(floats).engine
    small.engine.bf16 = False  # type: ignore[attr-defined]
    together = engine.logits(TEXTS)
    np.testing.assert_allclose(together, small.engine.logits(TEXTS), atol=2e-4)
    np.testing.assert_allclose(engine.logits(TEXTS[::-1])[::-1], together, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([engine.logits([text]) for text in TEXTS]), together, atol=1e-5)
    many = engine.logits(TEXTS * 120)
    np.testing.assert_allclose(many, np.tile(together, (120, 1)), atol=1e-5)
    assert engine.logits([]).shape == (0, together.shape[1])


def test_windows_of_an_export_are_those_of_the_trained_tagger(
    small: Tagger, floats: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenization, "_PART", 2)  # more texts than are tokenised together
    own, other = (engine.tokenization.windows(TEXTS) for engine in (small.engine, Tagger.load(floats).engine))  # type: ignore[attr-defined]
    assert own.owner.tolist() == other.owner.tolist()
    assert [w.tolist() for w in own.ids] == [w.tolist() for w in other.ids]
    assert (own.owner == 1).sum() > 2


def test_an_export_reads_as_closely_as_the_tagger_and_as_quickly(small: Tagger, floats: Path) -> None:
    text = ["On day 3 the South launched an attack near Alba. The North wants talks in Brod. Nobody else spoke."]
    close, quick = small.logits(text), small.quickly().logits(text)
    assert np.abs(close - quick).max() > 1e-3
    np.testing.assert_allclose(Tagger.load(floats).logits(text), close, atol=2e-4)
    np.testing.assert_allclose(Tagger.load(floats).quickly().logits(text), quick, atol=2e-4)
    assert Tagger.load(floats).quickly().calibration == small.quick_calibration


def test_most_of_int8_is_in_8_bits_and_agrees(small: Tagger, eighths: Export) -> None:
    facts = json.loads((eighths.folder / "tagger.json").read_text())["engine"]
    assert facts["products_in_8_bits"] > facts["products"] / 2
    assert facts["agreement"]["share_changed"] <= 0.01
    assert set(facts["agreement"]["trained"]) == set(facts["agreement"]["exported"]) == {"kind", "stance", "holder"}
    error = Tagger.load(eighths.folder).engine.logits(TEXTS) - small.engine.logits(TEXTS)
    assert 0 < np.abs(error).max() < 0.5
    sizes = {file.name: file.stat().st_size for file in eighths.folder.iterdir()}
    assert facts["files"].items() <= sizes.items()
    assert eighths.bytes == sum(sizes.values())


def test_an_export_stands_alone_without_torch(floats: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(floats, moved)
    code = f"""
import os, sys
from pathlib import Path
os.environ["FRAMING_CACHE"] = {str(tmp_path / "cache")!r}
from framing.inference.tagger import Tagger
from framing.records import Paragraph
found = list(Tagger.load(Path({str(moved)!r})).tag([Paragraph("d:1", "d", 1, 0, 5, "The North wants talks.", "en")]))
heavy = sorted(set(sys.modules) & {{"torch", "transformers", "mlflow", "pandas", "sklearn", "openvino_telemetry"}})
print(len(found), [name for name in heavy if sys.modules[name] is not None])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "1 []"
    assert not (tmp_path / "cache").exists()


def test_a_spoilt_export_is_refused_with_numbers_and_leaves_nothing(
    small: Tagger, dev: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil = graph.word_embeddings
    monkeypatch.setattr(graph, "word_embeddings", lambda backbone: spoil(backbone).flip(0))
    with pytest.raises(Refused, match=r"decisions differ \(limit 1%\)") as caught:
        exported(small, dev, tmp_path / "spoilt", "float")
    assert caught.value.agreement.changed > 0
    assert list(tmp_path.iterdir()) == []


def test_a_refused_precision_gives_way_to_the_next(
    small: Tagger, dev: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(model: Any, rounded: object, limit: float) -> tuple[int, int]:
        from openvino import opset13 as ops

        result = model.get_results()[0]
        result.input(0).replace_source_output(ops.multiply(result.input_value(0), np.float32(-3)).output(0))
        return 0, 1

    monkeypatch.setattr(graph, "use_rounded", spoil)
    said: list[str] = []
    reporter = Quiet()
    reporter.say = said.append  # type: ignore[method-assign]
    found = export_tagger(small, tmp_path / "x", ["int8", "float"], texts=dev.texts, dev=dev, reporter=reporter)
    assert found.precision == "float"
    assert sum(line.startswith("refused: ") for line in said) == 3
    assert [file.name for file in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("name", ["model.bin", "heads.npz", "embeddings.npy", "tokenizer.json"])
def test_a_missing_or_shortened_file_is_named(name: str, floats: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(floats, folder)
    with (folder / name).open("r+b") as file:
        file.truncate(10)
    with pytest.raises(FramingError, match=rf"{name}: has 10 bytes"):
        Tagger.load(folder)
    (folder / name).unlink()
    with pytest.raises(FramingError, match=rf"{name}: is missing"):
        Tagger.load(folder)


def test_another_format_of_export_is_refused(floats: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(floats, folder)
    facts = json.loads((folder / "tagger.json").read_text())
    facts["engine"]["format"] = 99
    (folder / "tagger.json").write_text(json.dumps(facts))
    with pytest.raises(FramingError, match="format openvino 99"):
        Tagger.load(folder)


def test_files_of_the_right_size_and_wrong_content_are_refused(floats: Path, tmp_path: Path) -> None:
    for name in ("model.xml", "embeddings.npy", "tokenizer.json"):
        folder = tmp_path / name
        shutil.copytree(floats, folder)
        (folder / name).write_bytes(b"x" * (folder / name).stat().st_size)
        with pytest.raises(FramingError, match="export the tagger again"):
            Tagger.load(folder)


def test_the_baseline_is_not_exported(small_schema: Schema, dev: Dataset, tmp_path: Path) -> None:
    with pytest.raises(FramingError, match="a baseline is nothing to export"):
        exported(baseline(small_schema)[0], dev, tmp_path / "x", "int8")


def test_a_kept_export_is_taken_until_the_tagger_changes(
    small_schema: Schema, encoder: Path, dev: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAMING_CACHE", str(tmp_path / "cache"))
    tagger, config = encoder_tagger(small_schema, encoder)
    save_tagger(tagger, config, tmp_path / "tagger")
    assert load_fastest(tmp_path / "tagger", "mine").name == "mine"
    exported(tagger, dev, kept_export(tmp_path / "tagger"), "float")
    taken = load_fastest(tmp_path / "tagger", "mine")
    assert taken.name == "mine float"
    assert [found.model for found in taken.tag(PARAGRAPHS)] == ["mine float"] * 4
    assert load_fastest(tmp_path / "tagger", "mine", as_trained=True).name == "mine"
    text = (tmp_path / "tagger" / "calibration.json").read_text()
    (tmp_path / "tagger" / "calibration.json").write_text(text + " ")
    assert load_fastest(tmp_path / "tagger", "mine").name == "mine"
