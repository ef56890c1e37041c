"""States of the frozen trunk, computed once and kept on disk: folds, seeds and sweeps share them."""

from __future__ import annotations

import hashlib
import json
import uuid
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from framing.model.bundled import cache_folder
from framing.model.classifier import Classifier
from framing.model.tokenization import batches_by_length

_SHARD_WINDOWS = 1024


class TrunkCache:
    """Window of token ids -> its trunk states, for one backbone, one number of frozen layers, one precision.

    A shard is an array of half floats [tokens x hidden] and an index of where each window lies in it. Windows are read
    from the file, not from a mapping of it, which would stay in memory. Shards are written beside and renamed and never
    change, so that several processes may fill one cache.
    """

    def __init__(self, classifier: Classifier, folder: Path | None = None) -> None:
        precision = "bf16" if classifier.bf16 else "fp32"
        layers = len(classifier.backbone.frozen)
        name = f"{classifier.checkpoint.fingerprint}-{layers}-{precision}"
        self.folder = (folder or cache_folder() / "trunk") / name
        self.folder.mkdir(parents=True, exist_ok=True)
        # The classifier reads from here: held in earnest, the two would be a circle, of half a gigabyte.
        reader: Any = weakref.proxy(classifier)
        self.classifier: Classifier = reader
        self.shards: list[tuple[Path, int]] = []
        self.places: dict[str, tuple[int, int, int]] = {}
        for index in sorted(self.folder.glob("*.json")):
            self._open(index)

    def _open(self, index: Path) -> None:
        array = np.load(index.with_suffix(".npy"), mmap_mode="r")
        self.shards.append((index.with_suffix(".npy"), int(array.offset)))
        for key, (start, length) in json.loads(index.read_text()).items():
            self.places[key] = (len(self.shards) - 1, start, length)

    def fill(self, windows: Sequence[NDArray[np.int64]], batch_tokens: int) -> Iterator[tuple[int, int]]:
        """Compute and keep what is missing; yields how many of those windows are done, after each shard."""
        missing = {key: window for window in windows if (key := _key(window)) not in self.places}
        keys = sorted(missing, key=lambda key: -len(missing[key]))
        for start in range(0, len(keys), _SHARD_WINDOWS):
            chosen = keys[start : start + _SHARD_WINDOWS]
            self._write(chosen, [missing[key] for key in chosen], batch_tokens)
            yield start + len(chosen), len(keys)

    def _write(self, keys: list[str], windows: list[NDArray[np.int64]], batch_tokens: int) -> None:
        lengths = np.array([len(window) for window in windows], np.int64)
        parts: list[NDArray[np.float16]] = [np.empty((0, 0), np.float16)] * len(windows)
        for batch in batches_by_length(lengths, batch_tokens):
            states, _ = self.classifier.trunk_states([windows[w] for w in batch])
            halves = states.to(torch.float16).cpu().numpy()
            for row, w in enumerate(batch):
                parts[w] = halves[row, : lengths[w]].copy()
        name = uuid.uuid4().hex
        beside = self.folder / f"{name}.part"
        with beside.open("wb") as file:
            np.save(file, np.concatenate(parts))
        beside.rename(self.folder / f"{name}.npy")
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        index = {key: [int(s), int(n)] for key, s, n in zip(keys, starts, lengths, strict=True)}
        beside.write_text(json.dumps(index))
        # The index is what makes a shard exist; it comes last.
        beside.rename(self.folder / f"{name}.json")
        self._open(self.folder / f"{name}.json")

    def read(self, windows: Sequence[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
        """The states of these windows, padded: [windows x longest x hidden] and their mask; computed where not kept."""
        kept = [self._states(window) for window in windows]
        missing = [row for row, states in enumerate(kept) if states is None]
        if len(missing) == len(windows):
            return self.classifier.trunk_states(windows)
        longest = max(len(window) for window in windows)
        states = np.zeros((len(windows), longest, self.classifier.backbone.hidden_size), np.float32)
        mask = np.zeros((len(windows), longest), np.int64)
        for row, (window, own) in enumerate(zip(windows, kept, strict=True)):
            mask[row, : len(window)] = 1
            if own is not None:
                states[row, : len(window)] = own
        if missing:
            computed, _ = self.classifier.trunk_states([windows[row] for row in missing])
            states[missing, : computed.shape[1]] = computed.float().cpu().numpy()
        device = self.classifier.device
        return torch.from_numpy(states).to(device), torch.from_numpy(mask).to(device)

    def _states(self, window: NDArray[np.int64]) -> NDArray[np.float16] | None:
        """What is kept of a window, [tokens x hidden]; nothing where somebody cleared the cache meanwhile."""
        place = self.places.get(_key(window))
        if place is None:
            return None
        shard, start, length = place
        file, offset = self.shards[shard]
        hidden = self.classifier.backbone.hidden_size
        offset += start * hidden * np.dtype(np.float16).itemsize
        try:
            return np.fromfile(file, np.float16, length * hidden, offset=offset).reshape(length, hidden)
        except FileNotFoundError:
            return None


def _key(window: NDArray[np.int64]) -> str:
    return hashlib.sha256(window.astype(np.int32).tobytes()).hexdigest()[:24]
