"""Segmentation: spans of the source, nothing lost, nothing invented."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from framing.corpus.segmentation import _INVISIBLE, segment

LINES = st.lists(st.text(max_size=120), max_size=20).flatmap(
    lambda lines: st.sampled_from(["\n", "\n\n", "\r\n", "\n \n"]).map(lambda end: end.join(lines))
)


@given(LINES)
def test_spans_are_in_order_and_every_visible_character_lies_in_one(text: str) -> None:
    spans = segment(text)
    covered = [False] * len(text)
    previous = 0
    for start, end in spans:
        assert previous <= start < end
        assert not text[start].isspace()
        assert not text[end - 1].isspace()
        covered[start:end] = [True] * (end - start)
        previous = end
    lost = [
        c for c, inside in zip(text, covered, strict=True) if not inside and not c.isspace() and c not in _INVISIBLE
    ]
    assert lost == []


@given(
    st.lists(st.text(st.characters(categories=["L", "Nd", "Zs"]), min_size=1).map(str.strip).filter(bool), max_size=8)
)
def test_lines_that_are_paragraphs_come_back_as_they_are(lines: list[str]) -> None:
    text = "\n".join(lines)
    if max(map(len, lines), default=0) < 40:
        assert [text[start:end] for start, end in segment(text)] == lines


def test_one_line_is_one_paragraph_and_blank_lines_do_not_count() -> None:
    text = "Headline\nFirst paragraph.\n\n\n  Second paragraph. \n"
    assert [text[a:b] for a, b in segment(text)] == ["Headline", "First paragraph.", "Second paragraph."]


def test_hard_wrapped_text_is_joined_up_to_the_blank_line() -> None:
    first = (
        "The ministers of the two countries met on Tuesday in a\n"
        "hotel by the lake, where they spoke for three hours about\n"
        "the exchange of prisoners and about the opening of a road\n"
        "to the north."
    )
    second = "A second round shall follow in the week after the feast, as\nthe host told the agency."
    text = f"{first}\n\n{second}\n"
    assert [text[a:b] for a, b in segment(text)] == [first, second]
