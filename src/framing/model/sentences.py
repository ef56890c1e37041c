"""A text read closely: as a whole, and sentence by sentence.

What one sentence of many conveys is thinned out in the mean over all of a text's tokens; read alone, that sentence says
it plainly. Taking the strongest part of a whole is the assumption of multiple-instance learning (Dietterich, Lathrop
and Lozano-Pérez 1997); here it costs no training.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

_END = re.compile(r"(?<![.!?…؟])[.!?…؟]+[\"'”’»)\]]*(?=\s)|[。！？]+[”’」』）]*|;(?=\s)")
_SHORTEST = 20
"""Characters, of Chinese and Japanese a third: what is shorter (an abbreviation, a numeral) goes with what follows."""
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff]")

Read = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts -> [texts x labels]."""


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Spans `(start, end)` of the sentences, in order, without white space around them; they need not be grammar's.

    Every visible character lies in exactly one span.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for end in (*(match.end() for match in _END.finditer(text)), len(text)):
        piece = text[start:end]
        if len(piece.strip()) + 2 * len(_WIDE.findall(piece)) >= _SHORTEST:
            spans.append(_stripped(text, start, end))
            start = end
    if text[start:].strip():  # too short for itself, and nothing follows it
        first = spans.pop()[0] if spans else start
        spans.append(_stripped(text, first, len(text)))
    return spans


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())


def sentences_beside(texts: Sequence[str]) -> list[list[str]]:
    """The sentences of each text that are read beside it: none where it has but one."""
    spans = [sentence_spans(text) for text in texts]
    return [
        [text[start:end] for start, end in own] if len(own) > 1 else [] for text, own in zip(texts, spans, strict=True)
    ]


def read_closely(
    read: Read, texts: Sequence[str], weight: float, whole: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """[texts x labels]: `1 - weight` of a text's logits and `weight` of the highest that a sentence of it has.

    A text of one sentence has its own logits. `whole` are the texts' own, where they are known. Costs about as many
    tokens as the texts have once more; a sentence that comes again is read once.
    """
    whole = read(texts) if whole is None else whole
    if not weight:
        return whole
    parts = sentences_beside(texts)
    owner = [number for number, sentences in enumerate(parts) for _ in sentences]
    if not owner:
        return whole
    row: dict[str, int] = {}
    rows = [row.setdefault(sentence, len(row)) for sentences in parts for sentence in sentences]
    said = read(list(row))[rows]
    highest = np.full_like(whole, -np.inf)
    np.maximum.at(highest, owner, said)
    highest = np.where(np.isneginf(highest), whole, highest)
    return np.asarray(whole + weight * (highest - whole), np.float32)
