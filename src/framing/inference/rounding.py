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

    `smoothing` [inputs] divides the input's channels; `weights` [outputs x inputs] and `scales` [outputs] of each
    layer; `error` is the relative error of their outputs on the rows they were chosen with.
    """

    smoothing: Floats
    weights: list[NDArray[np.int8]]
    scales: list[Floats]
    error: float


def round_layers(rows: Floats, layers: list[Floats]) -> Rounded:
    """The best of a few smoothings for these layers on sample inputs [rows x inputs], then compensated rounding.

    Inputs are rounded token by token: the largest value of each is 127. In BERT-like encoders one channel of the first
    token is ten times as large as all else, and would leave its neighbours few levels. Smoothing moves such a channel's
    size into the weights (SmoothQuant, Xiao et al. 2023); how far is tried out.
    """
    together = np.concatenate(layers)
    target = rows @ together.T
    spread = float(np.linalg.norm(target - target.mean(axis=0))) + 1e-9

    def error(smoothing: Floats) -> float:
        return float(np.linalg.norm(target - round_rows(rows / smoothing) @ _nearest(together * smoothing).T)) / spread

    smoothing = min(_smoothings(rows, together), key=error)
    inputs = round_rows(rows / smoothing).astype(np.float64)
    upper = _upper_factor(inputs.T @ inputs)
    scales = [_scales(layer * smoothing) for layer in layers]
    weights = [_compensated(layer * smoothing, s, upper) for layer, s in zip(layers, scales, strict=True)]
    rounded = np.concatenate([w * s[:, None] for w, s in zip(weights, scales, strict=True)])
    left = float(np.linalg.norm(target - inputs @ rounded.T)) / spread
    return Rounded(smoothing, [w.astype(np.int8) for w in weights], scales, left)


def round_rows(rows: Floats) -> Floats:
    """What is left of rows whose values are rounded to 255 levels between minus and plus the row's largest."""
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
    damped = hessian + np.eye(len(hessian)) * (_DAMPING * np.diag(hessian).mean() + 1e-9)
    return np.linalg.cholesky(np.linalg.inv(damped)).T


def _compensated(weights: Floats, scales: Floats, upper: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round column after column; what a column loses is taken over by those not yet rounded (GPTQ, Frantar et al. 2023).

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
