"""Weights in 8 bits: what smoothing and compensation are for."""

from __future__ import annotations

import numpy as np
import pytest

from framing.inference.rounding import LEVELS, round_layers, round_rows

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(400, 48)).astype(np.float32)
LAYERS = [RNG.normal(size=(32, 48)).astype(np.float32) for _ in range(2)]


def error(rows: np.ndarray, layers: list[np.ndarray], rounded: object) -> float:
    seen = round_rows(rows / rounded.smoothing, rounded.reach)  # type: ignore[attr-defined]
    parts = zip(rounded.weights, rounded.scales, strict=True)  # type: ignore[attr-defined]
    whole = np.concatenate([weights * scales[:, None] for weights, scales in parts])
    target = rows @ np.concatenate(layers).T
    lost = np.linalg.norm(target - seen @ whole.T, axis=1) / np.linalg.norm(target - target.mean(axis=0), axis=1)
    return float(np.sqrt((lost**2).mean()))


def test_the_error_is_that_of_the_weights_that_come_back() -> None:
    for limit in (1.0, 0.0):
        rounded = round_layers(ROWS, LAYERS, limit)
        assert (rounded.reach is None) == (limit == 0)
        assert rounded.error == pytest.approx(error(ROWS, LAYERS, rounded), rel=1e-3)
        assert rounded.error < 0.02
        assert [weights.dtype for weights in rounded.weights] == [np.int8, np.int8]
        assert max(np.abs(weights.astype(int)).max() for weights in rounded.weights) <= LEVELS


def test_one_huge_channel_does_not_spoil_the_others() -> None:
    rows = ROWS.copy()
    rows[::20, 7] = 60
    assert round_layers(rows, LAYERS, 0.0).error < 0.03
    without = round_rows(rows, (float(rows.min()), float(rows.max()))) - rows
    best = round_layers(rows, LAYERS, 1.0)
    smooth = rows / best.smoothing
    assert best.reach is not None
    within = (round_rows(smooth, best.reach) - smooth) * best.smoothing
    others = np.arange(48) != 7
    assert np.abs(within[:, others]).mean() < 0.7 * np.abs(without[:, others]).mean()
