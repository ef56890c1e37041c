"""Noisy web text into paragraphs that are spans of the source: nothing lost, nothing invented."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Line ends as scrapers leave them; a form feed or a Unicode paragraph separator ends a line too.
_LINE = re.compile(r"[^\n\r\f\v\u2028\u2029\x85]+")
_SENTENCE_END = re.compile(r"[.!?…:;。！？؟।»”\"')\]]\s*$")
_WRAP_COLUMNS = range(40, 101)
_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060\x00"


def segment(text: str) -> list[tuple[int, int]]:
    """Spans `(start, end)` of the paragraphs of `text`, in order, without surrounding white space.

    A line is a paragraph, except in hard-wrapped text (lines filled to one width and broken inside sentences), where
    the blank line is the border. Every visible character lies in exactly one span.
    """
    spans = list(_lines(text))
    if not _is_hard_wrapped(text, spans):
        return spans
    blocks: list[tuple[int, int]] = []
    for start, end in spans:
        gap = text[blocks[-1][1] : start] if blocks else ""
        if blocks and gap.count("\n") <= 1 and "\f" not in gap:
            blocks[-1] = (blocks[-1][0], end)
        else:
            blocks.append((start, end))
    return blocks


def _lines(text: str) -> Iterator[tuple[int, int]]:
    for match in _LINE.finditer(text):
        start, end = match.span()
        while start < end and (text[start].isspace() or text[start] in _INVISIBLE):
            start += 1
        while start < end and (text[end - 1].isspace() or text[end - 1] in _INVISIBLE):
            end -= 1
        if start < end:
            yield start, end


def _is_hard_wrapped(text: str, spans: list[tuple[int, int]]) -> bool:
    """Whether most lines that are followed by another line break off in mid-sentence near one common width."""
    followed = [
        (start, end)
        for (start, end), (following, _) in zip(spans, spans[1:], strict=False)
        if text[end:following].count("\n") == 1
    ]
    longest = max((end - start for start, end in spans), default=0)
    if len(followed) < 3 or longest not in _WRAP_COLUMNS:
        return False
    broken = [
        (start, end)
        for start, end in followed
        if end - start > 0.6 * longest and not _SENTENCE_END.search(text[start:end])
    ]
    return len(broken) > 0.6 * len(followed)
