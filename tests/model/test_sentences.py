"""Sentences as spans that lose nothing, and a text read as a whole and by its strongest sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from framing.model.sentences import read_closely, sentence_spans

TALKS = "The North wants talks in Alba."
FIRE = "The South fired missiles near Brod."
DRY = "The border is nine hundred kilometres long."


class Words:
    """Logits [texts x 2] that any reader can work out: how much of a text is `talks`, how much `fired`."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.read += texts
        return np.array([[t.count(w) / len(t.split()) for w in ("talks", "fired")] for t in texts], np.float32)


@given(st.text(max_size=300) | st.text(alphabet="aB .!?;。\"'\n", max_size=120))
def test_sentences_are_in_order_and_every_visible_character_lies_in_one(text: str) -> None:
    spans = sentence_spans(text)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(one[1] <= two[0] for one, two in zip(spans, spans[1:], strict=False))
    assert all(text[start:end] == text[start:end].strip() for start, end in spans)
    assert "".join("".join(text[a:b] for a, b in spans).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{TALKS} {FIRE}", [TALKS, FIRE]),
        ("He said: “They will never talk to us.” Nobody answered him that day.", 2),
        ("On 3. May Dr. Weber spoke to all of them at noon. The others had left by then.", 2),
        ("外交部发言人周三表示愿意谈判。导弹袭击了这座城市的港口。", 2),
        ("They came back with nothing at all. No.", 1),
        ("Gas prices rose by nine per cent; the ministry would not say why.", 2),
        ("Вчера министр С. Петренко заявил, что не видит причин для встречи.", 1),
        ("Share", ["Share"]),
        ("  \n", []),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text: str, expected: list[str] | int) -> None:
    found = [text[start:end] for start, end in sentence_spans(text)]
    assert (len(found) if isinstance(expected, int) else found) == expected


def test_endless_dots_cost_no_more_than_their_length() -> None:
    text = "." * 200_000 + "x"  # quadratic, this would take minutes
    assert sentence_spans(text) == [(0, len(text))]


def test_what_one_sentence_conveys_counts_beside_the_whole() -> None:
    engine = Words()
    text = f"{DRY} {TALKS} {DRY}"
    [whole, alone] = Words().logits([text, TALKS])
    [found] = read_closely(engine.logits, [text], 0.25)
    np.testing.assert_allclose(found, 0.75 * whole + 0.25 * alone, rtol=1e-6)
    assert engine.read == [text, DRY, TALKS]  # the sentence that comes twice is read once


def test_a_text_of_one_sentence_has_its_own_logits_and_no_weight_reads_nothing_twice() -> None:
    engine = Words()
    texts = [TALKS, f"{DRY} {FIRE}", "Share"]
    plain = Words().logits(texts)
    found = read_closely(engine.logits, texts, 0.4)
    np.testing.assert_array_equal(found[[0, 2]], plain[[0, 2]])
    assert found[1, 1] > plain[1, 1]
    assert engine.read == [*texts, DRY, FIRE]
    once = Words()
    np.testing.assert_array_equal(read_closely(once.logits, texts, 0.0), plain)
    assert once.read == texts


def test_a_whole_that_is_known_is_not_read_again() -> None:
    engine = Words()
    texts = [f"{DRY} {FIRE}"]
    read_closely(engine.logits, texts, 0.4, Words().logits(texts))
    assert engine.read == [DRY, FIRE]
