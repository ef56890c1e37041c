"""States of the frozen layers: kept ones are those that would be computed, and whoever clears them breaks nothing."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from framing import trunk
from framing.config import HubConfig
from framing.model.classifier import Classifier
from framing.schema import Schema
from framing.trunk import TrunkCache

TEXTS = ["The North wants talks.", "Missiles hit Brod. " * 20, "Share", "On day 3 the South attacked Alba."]
Windows = list[NDArray[np.int64]]


def made(schema: Schema, encoder: Path) -> Classifier:
    values = {"kind": "hub", "name": str(encoder), "revision": None, "prefix": "", "max_tokens": 32}
    model = {"freeze_layers": 1, "dropout": 0.1, "head_start": "schema", "sentence_weight": 0.0}
    return Classifier(schema, HubConfig.model_validate({**values, **model}))


@pytest.fixture(scope="module")
def classifier(small_schema: Schema, encoder: Path) -> Classifier:
    return made(small_schema, encoder)


@pytest.fixture(scope="module")
def windows(classifier: Classifier) -> Windows:
    return classifier.tokenization.windows(TEXTS).ids


def assert_as_computed(classifier: Classifier, windows: Windows, found: tuple[Tensor, Tensor]) -> None:
    states, mask = classifier.trunk_states(windows)
    assert torch.equal(found[1], mask)
    np.testing.assert_allclose(found[0] * mask[:, :, None], states * mask[:, :, None], atol=4e-3)


def test_kept_states_are_those_that_are_computed(classifier: Classifier, windows: Windows, tmp_path: Path) -> None:
    cache = TrunkCache(classifier, tmp_path)
    assert list(cache.fill(windows, 64)) == [(len(windows), len(windows))]
    assert list(cache.fill(windows, 64)) == [], "nothing is computed twice"
    assert_as_computed(classifier, windows, TrunkCache(classifier, tmp_path).read(windows))
    assert not list(tmp_path.rglob("*.part"))


def test_a_cache_of_many_shards_by_two_writers_is_one_cache(
    classifier: Classifier, windows: Windows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trunk, "_SHARD_WINDOWS", 2)
    one, two = TrunkCache(classifier, tmp_path), TrunkCache(classifier, tmp_path)
    assert [done for done, _ in one.fill(windows[:5], 64)] == [2, 4, 5]
    assert list(two.fill(windows, 64))[-1] == (len(windows), len(windows)), "it did not know of the other's"
    assert list(TrunkCache(classifier, tmp_path).fill(windows, 64)) == []
    assert_as_computed(classifier, windows, TrunkCache(classifier, tmp_path).read(windows))


def test_what_is_not_kept_is_computed_beside_what_is(classifier: Classifier, windows: Windows, tmp_path: Path) -> None:
    cache = TrunkCache(classifier, tmp_path)
    assert_as_computed(classifier, windows, cache.read(windows))
    list(cache.fill(windows[:2], 64))
    assert_as_computed(classifier, windows, cache.read(windows))


def test_a_cache_that_is_cleared_while_it_is_read_costs_time_only(
    classifier: Classifier, windows: Windows, tmp_path: Path
) -> None:
    cache = TrunkCache(classifier, tmp_path)
    list(cache.fill(windows, 64))
    for shard in tmp_path.rglob("*.npy"):
        shard.unlink()
    assert_as_computed(classifier, windows, cache.read(windows))


def test_a_classifier_reads_what_is_kept(classifier: Classifier, windows: Windows, tmp_path: Path) -> None:
    cache, computed = TrunkCache(classifier, tmp_path), classifier.logits(TEXTS)
    list(cache.fill(windows, 64))
    asked: list[int] = []

    def read(wanted: list[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
        asked.append(len(wanted))
        return cache.read(wanted)

    classifier.kept = read  # type: ignore[assignment]
    try:
        np.testing.assert_allclose(classifier.logits(TEXTS), computed, atol=2e-2)
        assert sum(asked) == len(windows)
    finally:
        classifier.kept = None


def test_a_classifier_and_its_cache_go_without_the_garbage_collector(
    small_schema: Schema, encoder: Path, tmp_path: Path
) -> None:
    classifier = made(small_schema, encoder)
    classifier.kept = TrunkCache(classifier, tmp_path).read
    gone = weakref.ref(classifier)
    gc.disable()
    try:
        del classifier
        assert gone() is None
    finally:
        gc.enable()
