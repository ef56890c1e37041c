"""Weights into 8 bits so that a layer's output stays what it was: smoothing of channels and compensated rounding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVELS = 127
_DAMPING = 0.01
_BLOCK = 64
_STRENGTHS = (0.5, 0.65, 0.75, 0.85)
_LIMITS = (1.0, 1.5, 2.0, 3.0)

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Rounded:
    """Weights of layers that read one input, in 8 bits.

    `smoothing` [inputs] divides the input's channels; `reach` is the least and the greatest value that 256 levels then
    span, or None: each token has its own. `weights` [outputs x inputs] and `scales` [outputs] of each layer; `error` is
    the relative error of their outputs on the rows they were chosen with.
    """

    smoothing: Floats
    reach: tuple[float, float] | None
    weights: list[NDArray[np.int8]]
    scales: list[Floats]
    error: float


def round_layers(rows: Floats, layers: list[Floats], limit: float) -> Rounded:
    """8-bit weights for these layers, by sample inputs [rows x inputs].

    One reach for all tokens is the quickest; where it costs more than `limit`, each token gets its own. In BERT-like
    encoders one channel of the first token is ten times as large as all else and would leave its neighbours few levels.
    """
    found = _round(rows, layers, one_reach=True)
    return found if found.error <= limit else _round(rows, layers, one_reach=False)


def _round(rows: Floats, layers: list[Floats], *, one_reach: bool) -> Rounded:
    """The best of a few smoothings, then compensated rounding.

    Smoothing moves the size of large channels into the weights (SmoothQuant, Xiao et al. 2023); how far is tried out.
    Every token counts alike, however large its outputs: a normalisation follows in the encoder.
    """
    together = np.concatenate(layers)
    target = rows @ together.T
    weight = 1 / (np.linalg.norm(target - target.mean(axis=0), axis=1) + 1e-9)

    def seen(smoothing: Floats) -> Floats:
        smooth = rows / smoothing
        return round_rows(smooth, _reach(smooth) if one_reach else None)

    def error(inputs: Floats, rounded: Floats) -> float:
        lost = np.linalg.norm(target - inputs @ rounded.T, axis=1) * weight
        return float(np.sqrt(np.mean(lost**2)))

    smoothing = min(_smoothings(rows, together), key=lambda s: error(seen(s), _nearest(together * s)))
    inputs = seen(smoothing)
    weighted = inputs.astype(np.float64) * weight[:, None]
    upper = _upper_factor(weighted.T @ weighted)
    scales = [_scales(layer * smoothing) for layer in layers]
    whole = [_compensated(layer * smoothing, s, upper) for layer, s in zip(layers, scales, strict=True)]
    rounded = np.concatenate([w * s[:, None] for w, s in zip(whole, scales, strict=True)]).astype(np.float32)
    reach = _reach(rows / smoothing) if one_reach else None
    return Rounded(smoothing, reach, [w.astype(np.int8) for w in whole], scales, error(inputs, rounded))


def _reach(rows: Floats) -> tuple[float, float]:
    return min(0.0, float(rows.min())), max(0.0, float(rows.max())) + 1e-9


def round_rows(rows: Floats, reach: tuple[float, float] | None) -> Floats:
    """What is left of rows rounded to 256 levels of this reach, or to 255 up to each row's largest value."""
    if reach is not None:
        step = (reach[1] - reach[0]) / 255
        return np.asarray(np.rint((np.clip(rows, *reach) - reach[0]) / step) * step + reach[0], np.float32)
    largest = np.abs(rows).max(axis=1, keepdims=True) + 1e-9
    return np.asarray(np.rint(rows * (LEVELS / largest)) * (largest / LEVELS), np.float32)


def _smoothings(rows: Floats, weights: Floats) -> list[Floats]:
    channel = np.maximum(np.abs(rows).max(axis=0), 1e-3)
    column = np.maximum(np.abs(weights).max(axis=0), 1e-5)
    found = [np.ones_like(channel)]
    found += [channel**strength / column ** (1 - strength) for strength in _STRENGTHS]
    found += [np.maximum(1, channel / (limit * np.median(channel))) for limit in _LIMITS]
    return [np.asarray(s / np.exp(np.log(s).mean()), np.float32) for s in found]


def _scales(weights: Floats) -> Floats:
    return np.asarray(np.abs(weights).max(axis=1) / LEVELS + 1e-12, np.float32)


def _nearest(weights: Floats) -> Floats:
    scales = _scales(weights)[:, None]
    return np.asarray(np.rint(weights / scales) * scales, np.float32)


def _upper_factor(hessian: NDArray[np.float64]) -> NDArray[np.float64]:
    """The upper Cholesky factor of the damped inverse."""
    damped = hessian + np.eye(len(hessian)) * (_DAMPING * np.diag(hessian).mean() + 1e-12)
    return np.linalg.cholesky(np.linalg.inv(damped)).T


def _compensated(weights: Floats, scales: Floats, upper: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round column after column; what one loses is taken over by those not yet rounded (GPTQ, Frantar et al. 2023).

    weights [outputs x inputs], scales [outputs] -> whole numbers of the same shape.
    """
    rest = weights.astype(np.float64) / scales[:, None]
    whole = np.empty_like(rest)
    for start in range(0, rest.shape[1], _BLOCK):
        end = min(start + _BLOCK, rest.shape[1])
        lost = np.empty((len(rest), end - start))
        for column in range(start, end):
            whole[:, column] = np.clip(np.rint(rest[:, column]), -LEVELS, LEVELS)
            lost[:, column - start] = (rest[:, column] - whole[:, column]) / upper[column, column]
            rest[:, column + 1 : end] -= np.outer(lost[:, column - start], upper[column, column + 1 : end])
        rest[:, end:] -= lost @ upper[start:end, end:]
    return whole
