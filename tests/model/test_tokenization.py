"""Windows are found by the texts they belong to."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from framing.model.tokenization import Windows


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.data())
def test_the_windows_of_some_texts_are_all_of_theirs_and_no_other(counts: list[int], data: st.DataObject) -> None:
    owner = np.repeat(np.arange(len(counts)), counts)
    texts = data.draw(st.lists(st.integers(0, len(counts) - 1), unique=True))
    chosen, place = Windows([], owner).of(texts)
    assert chosen.tolist() == [window for window, text in enumerate(owner) if text in texts]
    assert [texts[number] for number in place] == owner[chosen].tolist()
