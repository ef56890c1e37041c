"""The engine of an exported tagger: OpenVINO on the processor's cores, without torch or transformers."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framing.config import BundledConfig, HubConfig
from framing.errors import FramingError
from framing.inference.embeddings import Embeddings
from framing.model.tokenization import SavedTokenization, Windows, batches_by_length

MODEL, HEADS, EMBEDDINGS, TOKENIZER = "model.xml", "heads.npz", "embeddings.npy", "tokenizer.json"
FILES = (MODEL, "model.bin", HEADS, EMBEDDINGS, TOKENIZER)
_BATCH_TOKENS = 2048
_PART = 256
_ROUND = 8
"""Tokens to a multiple of which a batch is padded: fewer shapes, each of which the runtime has to prepare for."""
_SHAPES = "128"
"""Preparations that the runtime remembers; its own 5,000 take 500 MB more and are not faster."""
_WAITING = 2
"""Batches in the queue: while one is computed, the next is put together."""


class CompiledEngine:
    """Texts -> logits [texts x labels] by the files that an export wrote.

    The compiled graph takes word vectors [windows x tokens x hidden] with a mask, and gives the sum of the last layer
    over each window's tokens; embeddings and heads are outside it, in numpy.
    """

    def __init__(self, folder: Path, config: BundledConfig | HubConfig, precision: str) -> None:
        self.embeddings = Embeddings(folder / EMBEDDINGS)
        with np.load(folder / HEADS, allow_pickle=False) as heads:
            self.weight, self.bias = heads["weight"], heads["bias"]
        # Most of the start is the tokenizer's vocabulary and the compiling of the graph. The first holds Python's lock
        # to its end, so the second is begun before: they go side by side.
        openvino = runtime()
        with ThreadPoolExecutor(1) as beside:
            tokenization = beside.submit(SavedTokenization, folder / TOKENIZER, config.prefix, config.max_tokens)
            self.queue = _compile(openvino, folder / MODEL, precision)
            self.tokenization = tokenization.result()
        self.lock = threading.Lock()

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The engine's one method: [texts x labels]. The next part's tokens are made while this one is computed."""
        sums = np.zeros((len(texts), self.weight.shape[1]), np.float32)
        counts = np.zeros(len(texts), np.float32)

        def take(request: Any, owner: NDArray[np.int64]) -> None:
            np.add.at(sums, owner, request.get_output_tensor(0).data)

        starts = range(0, len(texts), _PART)
        with self.lock, ThreadPoolExecutor(1) as beside:
            self.queue.set_callback(take)
            ahead = [beside.submit(self.tokenization.windows, texts[start : start + _PART]) for start in starts]
            for start, future in zip(starts, ahead, strict=True):
                windows = future.result()
                lengths = np.array([len(window) for window in windows.ids], np.int64)
                np.add.at(counts, windows.owner + start, lengths)
                for batch in batches_by_length(lengths, _BATCH_TOKENS):
                    self.queue.start_async(self._feed(windows, batch), windows.owner[batch] + start)
            self.queue.wait_all()
        pooled = sums / np.maximum(counts, 1)[:, None]
        return np.asarray(pooled @ self.weight.T + self.bias, np.float32)

    def _feed(self, windows: Windows, batch: NDArray[np.int64]) -> dict[int, NDArray[np.float32]]:
        """Word vectors and mask of some windows, padded to the longest, rounded up."""
        ids = [windows.ids[w] for w in batch]
        lengths = np.array([len(window) for window in ids])
        mask = np.arange(-(-lengths.max() // _ROUND) * _ROUND) < lengths[:, None]
        words = np.zeros((*mask.shape, self.weight.shape[1]), np.float32)
        words[mask] = self.embeddings.rows(np.concatenate(ids))
        return {0: words, 1: mask.astype(np.float32)}


def runtime() -> Any:
    """OpenVINO. Its package reports every import to its maker unless the reporting package is absent: here it is."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _compile(openvino: Any, model: Path, precision: str) -> Any:
    """A queue of requests to the graph, compiled for this machine; `float` computes all in single precision."""
    from openvino.properties import hint

    # Anything but `float` may be computed in bfloat16 where the processor has it.
    mode = hint.ExecutionMode.ACCURACY if precision == "float" else hint.ExecutionMode.PERFORMANCE
    settings = {hint.performance_mode: hint.PerformanceMode.LATENCY, hint.execution_mode: mode}
    settings["CPU_RUNTIME_CACHE_CAPACITY"] = _SHAPES
    try:
        compiled = openvino.Core().compile_model(model, "CPU", settings)
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1][:160]
        raise FramingError(str(model), f"cannot be read ({first})", "export the tagger again") from None
    return openvino.AsyncInferQueue(compiled, _WAITING)
