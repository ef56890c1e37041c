"""Word embeddings in few bits: the table stays on disk, and only the rows that are asked for are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framing.errors import FramingError

_BLOCK = 32
_CHUNK = 8192
_FOUR_BITS = np.dtype([("scale", "<f2"), ("pairs", "u1", _BLOCK // 2)])


def save_embeddings(rows: NDArray[np.float32], path: Path, *, exact: bool = False) -> str:
    """Write a table [words x hidden] as a .npy file; which form it took.

    "4 bits": blocks of 32 values with one half-precision scale, where the table can be written so without any loss (the
    bundled encoder's can: it came that way). Else "8 bits": a row of bytes with one scale; `exact` keeps "floats".
    """
    blocks = _four_bits(rows)
    if blocks is not None:
        np.save(path, blocks)
        return "4 bits"
    if exact:
        np.save(path, rows.astype(np.float32))
        return "floats"
    table = np.empty(len(rows), _eight_bits(rows.shape[1]))
    table["scale"] = np.abs(rows).max(axis=1) / 127
    steps = np.where(table["scale"] > 0, table["scale"], 1)[:, None]
    table["values"] = np.clip(np.rint(rows / steps), -127, 127)
    np.save(path, table)
    return "8 bits"


class Embeddings:
    """Token ids -> vectors, from a file that `save_embeddings` wrote."""

    def __init__(self, path: Path) -> None:
        try:
            self.table: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise FramingError(str(path), f"not a table of embeddings ({error})", "export the tagger again") from None

    def rows(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """[ids] -> [ids x hidden]."""
        words, place = np.unique(ids, return_inverse=True)
        return _plain(self.table[words])[place]


def _eight_bits(hidden: int) -> np.dtype[Any]:
    return np.dtype([("scale", "<f4"), ("values", "i1", hidden)])


def _plain(rows: NDArray[Any]) -> NDArray[np.float32]:
    names = rows.dtype.names
    if names is None:
        return np.asarray(rows, np.float32)
    if "values" in names:
        return np.asarray(rows["values"] * rows["scale"][:, None], np.float32)
    # low halves are the first 16 values of a block, high halves the last 16
    halves = np.concatenate([rows["pairs"] & 15, rows["pairs"] >> 4], axis=-1).astype(np.float32) - 8
    return np.asarray(halves * rows["scale"].astype(np.float32)[..., None]).reshape(len(rows), -1)


def _four_bits(rows: NDArray[np.float32]) -> NDArray[Any] | None:
    """The table in blocks, or None if it is not exactly what such blocks can say."""
    if rows.shape[1] % _BLOCK:
        return None
    table = np.empty((len(rows), rows.shape[1] // _BLOCK), _FOUR_BITS)
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK]
        blocks = part.reshape(len(part), -1, _BLOCK)
        largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=2)[..., None], axis=2)[..., 0]
        # the largest value of a block, with its sign, is -8 steps
        with np.errstate(over="ignore"):
            scales = (largest / -8).astype(np.float16)
        steps = np.divide(blocks, scales.astype(np.float32)[..., None], out=np.zeros_like(blocks), where=blocks != 0)
        whole = (np.clip(np.rint(np.nan_to_num(steps)), -8, 7) + 8).astype(np.uint8)
        chunk = table[start : start + len(part)]
        chunk["scale"] = scales
        chunk["pairs"] = whole[..., : _BLOCK // 2] | whole[..., _BLOCK // 2 :] << 4
        if not np.array_equal(_plain(chunk), part):
            return None
    return table
