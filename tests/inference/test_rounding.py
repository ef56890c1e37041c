"""Layers in 8 bits: what copies, smoothing and compensation are for."""

from __future__ import annotations

import numpy as np
import pytest

from framing.inference.rounding import LEVELS, Rounded, round_layers

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(400, 48)).astype(np.float32)
LAYERS = [RNG.normal(size=(32, 48)).astype(np.float32) for _ in range(2)]


def outputs(rows: np.ndarray, rounded: Rounded) -> np.ndarray:
    parts = zip(rounded.weights, rounded.scales, strict=True)
    return rounded.inputs(rows) @ np.concatenate([weights * scales[:, None] for weights, scales in parts]).T


def error(rows: np.ndarray, found: np.ndarray) -> float:
    target = rows @ np.concatenate(LAYERS).T
    lost = np.linalg.norm(target - found, axis=1) / np.linalg.norm(target - target.mean(axis=0), axis=1)
    return float(np.sqrt((lost**2).mean()))


def test_the_error_is_that_of_the_weights_that_come_back() -> None:
    for limit in (1.0, 0.0):
        rounded = round_layers(ROWS, LAYERS, limit)
        assert rounded.error == pytest.approx(error(ROWS, outputs(ROWS, rounded)), rel=1e-3)
        assert rounded.error < 0.02
    assert rounded.form.by_token
    assert [weights.dtype for weights in rounded.weights] == [np.int8, np.int8]
    assert max(np.abs(weights.astype(int)).max() for weights in rounded.weights) <= LEVELS
    assert error(RNG.normal(size=(200, 48)).astype(np.float32), 0) == pytest.approx(1, abs=0.1)


def test_one_huge_channel_does_not_spoil_the_others() -> None:
    rows = ROWS.copy()
    rows[::40, 7] = 25
    step = (rows.max() - rows.min()) / 255
    plain = error(rows, np.rint(rows / step) * step @ np.concatenate(LAYERS).T)
    smooth = round_layers(rows, LAYERS, 1.0)
    assert smooth.error < 0.9 * plain
    split = round_layers(rows, LAYERS, 0.9 * smooth.error)
    assert split.error < 0.6 * plain
    assert split.form.channels[:48].tolist() == list(range(48))
    assert set(split.form.channels[48:].tolist()) == {7}


def test_values_beyond_the_samples_are_cut_not_wrapped() -> None:
    rounded = round_layers(ROWS, LAYERS, 1.0)
    far = ROWS * 10
    assert rounded.inputs(far).max() <= rounded.high
    assert rounded.inputs(far).min() >= rounded.low
