"""Weights and inputs of layers into 8 bits so that the layers' outputs stay what they were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVELS = 127
_DAMPING = 0.01
_BLOCK = 64
_STRENGTHS = (0.5, 0.65, 0.75, 0.85)
_LIMITS = (1.0, 1.5, 2.0, 3.0)
_SPLITS = (2.0, 3.0)
_FEWEST_PER_COPY = 8
"""At most an eighth of the channels is added as copies."""

_TRIED_ROWS = 1024

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Form:
    """How a layer's input is rounded: its channels are taken by `channels` [taken] (all in order, then copies of some)
    and divided by `divisors` [taken]. Then 256 levels span all values of the samples, or with `by_token` 255 levels
    span each token's own.
    """

    channels: NDArray[np.int64]
    divisors: Floats
    by_token: bool


@dataclass(frozen=True, slots=True)
class Rounded:
    """Layers that read one input, in 8 bits: `weights` [outputs x taken] and `scales` [outputs] of each layer.

    `low` and `high` bound the input's levels unless each token has its own. `error` is what all costs: of each token's
    outputs, relative, root mean square.
    """

    form: Form
    low: float
    high: float
    weights: list[NDArray[np.int8]]
    scales: list[Floats]
    error: float

    def inputs(self, rows: Floats) -> Floats:
        """What the layers get to see of rows [rows x inputs]: [rows x taken]."""
        return _levels(rows[:, self.form.channels] / self.form.divisors, (self.low, self.high), self.form.by_token)


def round_layers(rows: Floats, layers: list[Floats], limit: float) -> Rounded:
    """8-bit forms of these layers [outputs x inputs], by sample inputs [rows x inputs].

    In BERT-like encoders one channel is ten times as large as all else (in the first token of a text), and would leave
    its neighbours few levels. Its size is moved into the weights, as far as does good (SmoothQuant, Xiao et al. 2023).
    Where the error is above `limit` all the same, such channels are split into copies that carry a part each (Zhao et
    al. 2019); where that does not help either, each token gets its own levels, the slowest way. Weights are rounded so
    that errors compensate (GPTQ). Every token counts alike, however large its outputs: a normalisation follows.
    """
    together = np.concatenate(layers)
    channel = np.maximum(np.abs(rows).max(axis=0), 1e-3)
    column = np.maximum(np.abs(together).max(axis=0), 1e-5)
    one = np.ones(len(channel), np.int64)
    splits = [np.maximum(1, np.ceil(channel / (size * np.median(channel)))).astype(np.int64) for size in _SPLITS]
    splits = [parts for parts in splits if 0 < (parts - 1).sum() <= len(parts) // _FEWEST_PER_COPY]
    found = _best(rows, layers, [form for form in _smoothed(channel, column, one, False)])
    if found.error > limit and splits:
        found = _best(rows, layers, [form for parts in splits for form in _smoothed(channel, column, parts, False)])
    if found.error > limit:
        by_token = _best(rows, layers, [form for form in _smoothed(channel, column, one, True)])
        found = min(found, by_token, key=lambda rounded: rounded.error)
    return found


def _smoothed(channel: Floats, column: Floats, parts: NDArray[np.int64], by_token: bool) -> Iterator[Form]:
    """Channels in so many parts each, smoothed; `channel` and `column` are the largest input and weight of each."""
    width = np.arange(len(channel))
    channels = np.concatenate([width, np.repeat(width, parts - 1)])
    share = parts[channels].astype(np.float32)
    largest, weight = channel[channels] / share, column[channels]
    smoothings = [np.ones_like(largest)]
    smoothings += [largest**strength / weight ** (1 - strength) for strength in _STRENGTHS]
    smoothings += [np.maximum(1, largest / (limit * np.median(largest))) for limit in _LIMITS]
    for smoothing in smoothings:
        divisors = np.asarray(share * smoothing / np.exp(np.log(smoothing).mean()), np.float32)
        yield Form(channels, divisors, by_token)


def _best(rows: Floats, layers: list[Floats], forms: list[Form]) -> Rounded:
    """The form of least error with weights rounded to the nearest, then with compensated ones."""
    together = np.concatenate(layers)
    tried = rows[:: max(1, len(rows) // _TRIED_ROWS)]

    def nearest(form: Form) -> float:
        taken = tried[:, form.channels] / form.divisors
        return _error(tried, together, _levels(taken, _reach(taken), form.by_token), _nearest(_carried(together, form)))

    form = min(forms, key=nearest)
    taken = rows[:, form.channels] / form.divisors
    low, high = _reach(taken)
    seen = _levels(taken, (low, high), form.by_token)
    upper = _upper_factor(seen * _token_weights(rows @ together.T)[:, None])
    carried = [_carried(layer, form) for layer in layers]
    scales = [_scales(layer) for layer in carried]
    whole = [_compensated(layer, s, upper) for layer, s in zip(carried, scales, strict=True)]
    rounded = np.concatenate([w * s[:, None] for w, s in zip(whole, scales, strict=True)]).astype(np.float32)
    error = _error(rows, together, seen, rounded)
    return Rounded(form, low, high, [w.astype(np.int8) for w in whole], scales, error)


def _carried(weights: Floats, form: Form) -> Floats:
    """Weights for the taken channels: with n copies of a channel, each carries an n-th of it."""
    parts = np.bincount(form.channels).astype(np.float32)[form.channels]
    return np.asarray(weights[:, form.channels] * (form.divisors / parts), np.float32)


def _reach(rows: Floats) -> tuple[float, float]:
    return min(0.0, float(rows.min())), max(0.0, float(rows.max())) + 1e-6


def _levels(rows: Floats, reach: tuple[float, float], by_token: bool) -> Floats:
    if by_token:
        largest = np.abs(rows).max(axis=1, keepdims=True) + 1e-9
        return np.asarray(np.rint(rows * (LEVELS / largest)) * (largest / LEVELS), np.float32)
    step = (reach[1] - reach[0]) / 255
    return np.asarray(np.rint((np.clip(rows, *reach) - reach[0]) / step) * step + reach[0], np.float32)


def _token_weights(outputs: Floats) -> Floats:
    return np.asarray(1 / (np.linalg.norm(outputs - outputs.mean(axis=0), axis=1) + 1e-9), np.float32)


def _error(rows: Floats, weights: Floats, seen: Floats, rounded: Floats) -> float:
    target = rows @ weights.T
    lost = np.linalg.norm(target - seen @ rounded.T, axis=1) * _token_weights(target)
    return float(np.sqrt(np.mean(lost**2)))


def _scales(weights: Floats) -> Floats:
    return np.asarray(np.abs(weights).max(axis=1) / LEVELS + 1e-12, np.float32)


def _nearest(weights: Floats) -> Floats:
    scales = _scales(weights)[:, None]
    return np.asarray(np.rint(weights / scales) * scales, np.float32)


def _upper_factor(rows: Floats) -> NDArray[np.float64]:
    """The upper Cholesky factor of the inverse of the damped second moments of rows."""
    hessian = rows.T.astype(np.float64) @ rows
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
