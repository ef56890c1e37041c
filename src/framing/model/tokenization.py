"""Texts into windows of token ids, and windows into batches that waste little on padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framing.errors import FramingError

_PART = 1024
"""Texts that are tokenised together."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Token ids of the windows of some texts, in order; `owner[w]` is the text of window w. A long text has several."""

    ids: list[NDArray[np.int64]]
    owner: NDArray[np.int64]

    def of(self, texts: Sequence[int] | NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Windows of these texts, and for each its text's place in `texts`; `owner` ascends."""
        wanted = np.asarray(texts, np.int64)
        order = np.argsort(wanted, kind="stable")
        ascending = wanted[order]
        first, last = (np.searchsorted(self.owner, ascending, side) for side in ("left", "right"))
        counts = last - first
        # window numbers: `first` of each text, and those that follow it
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(first, counts) + within, np.repeat(order, counts)


class Tokenization:
    """The tokenizer of a checkpoint; texts longer than `max_tokens` become windows that overlap by an eighth."""

    def __init__(self, checkpoint: Path, prefix: str, max_tokens: int) -> None:
        from transformers import AutoTokenizer

        self.tokenizer: Any = AutoTokenizer.from_pretrained(checkpoint)
        limit = self.tokenizer.model_max_length
        if max_tokens > limit:
            raise FramingError("config model.max_tokens", f"{max_tokens}, the encoder takes {limit}", "choose less")
        self.prefix, self.max_tokens = prefix, max_tokens

    @property
    def pad_id(self) -> int:
        return int(self.tokenizer.pad_token_id or 0)

    def windows(self, texts: Sequence[str]) -> Windows:
        ids: list[NDArray[np.int64]] = []
        owner: list[int] = []
        for start in range(0, len(texts), _PART):  # what the tokenizer tells of a text takes some ten times its ids
            encoded = self.tokenizer(
                [self.prefix + text for text in texts[start : start + _PART]],
                truncation=True,
                max_length=self.max_tokens,
                stride=self.max_tokens // 8,
                return_overflowing_tokens=True,
                return_attention_mask=False,
            )
            ids += [np.asarray(window, np.int64) for window in encoded["input_ids"]]
            owner += [start + number for number in encoded["overflow_to_sample_mapping"]]
        return Windows(ids, np.asarray(owner, np.int64))


class SavedTokenization:
    """The same windows from a `tokenizer.json` alone, without transformers: what an exported tagger reads with."""

    def __init__(self, file: Path, prefix: str, max_tokens: int) -> None:
        from tokenizers import Tokenizer

        try:
            self.tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises nothing more special
            raise FramingError(str(file), f"not a tokenizer ({error})", "export the tagger again") from None
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(max_tokens, stride=max_tokens // 8)
        self.prefix = prefix

    def windows(self, texts: Sequence[str]) -> Windows:
        ids, owner = [], []
        for number, first in enumerate(self.tokenizer.encode_batch_fast([self.prefix + text for text in texts])):
            for window in (first, *first.overflowing):
                ids.append(np.asarray(window.ids, np.int64))
                owner.append(number)
        return Windows(ids, np.asarray(owner, np.int64))


def batches_by_length(lengths: NDArray[np.int64], batch_tokens: int) -> list[NDArray[np.int64]]:
    """Indices in batches of like length, long ones first, each of at most `batch_tokens` when padded."""
    order = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(order):
        rows = max(1, batch_tokens // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + rows])
        start += rows
    return batches


def shuffled_batches(
    lengths: NDArray[np.int64], batch_tokens: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """The same in random order and with other neighbours each time: sorted only within chunks of about 16 batches."""
    order = rng.permutation(len(lengths))
    rows = max(1, 16 * batch_tokens // max(1, int(lengths.mean())))
    batches = []
    for start in range(0, len(order), rows):
        chunk = order[start : start + rows]
        batches += [chunk[batch] for batch in batches_by_length(lengths[chunk], batch_tokens)]
    for number in rng.permutation(len(batches)):
        yield batches[number]
