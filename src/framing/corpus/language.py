"""Which language a paragraph is in."""

from __future__ import annotations

from collections.abc import Sequence

_MIN_LETTERS = 40
_UNKNOWN = "und"


def _letters(text: str) -> int:
    # A letter of Chinese, Japanese or Korean script says as much about the language as three of an alphabet.
    return sum(3 if "\u3040" <= c <= "\ud7af" else 1 for c in text if c.isalpha())


def detect_languages(texts: Sequence[str], hint: str = "") -> list[str]:
    """ISO 639-1 codes, one for each text; `hint` is the document's declared language, if known.

    A text of fewer than 40 letters says too little (a credit line, "Open door"): it takes the language in which most
    of the document's longer paragraphs are written; without those `hint`; without a hint that of all texts together.
    """
    sure = [_classify(text) if _letters(text) >= _MIN_LETTERS else "" for text in texts]
    weights: dict[str, int] = {}
    for language, text in zip(sure, texts, strict=True):
        if language:
            weights[language] = weights.get(language, 0) + len(text)
    usual = max(weights, key=lambda code: weights[code]) if weights else hint
    usual = usual or (_classify("\n".join(texts)) if any(_letters(text) for text in texts) else _UNKNOWN)
    return [language or usual for language in sure]


def _classify(text: str) -> str:
    import py3langid  # reads its model at import, half a second that `--help` need not wait for

    code, _ = py3langid.classify(text[:2000])
    return str(code)
