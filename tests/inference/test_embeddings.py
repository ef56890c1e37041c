"""Tables of embeddings in few bits: nothing lost where that is possible, little otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from framing.errors import FramingError
from framing.inference.embeddings import Embeddings, save_embeddings

FINITE = st.floats(-100, 100, width=32, allow_subnormal=False)


@given(arrays.arrays(np.int8, (3, 64), elements=st.integers(-8, 7)), st.integers(0, 10_000))
def test_what_fits_four_bits_is_kept_exactly(
    tmp_path_factory: pytest.TempPathFactory, steps: np.ndarray, seed: int
) -> None:
    scales = np.random.default_rng(seed).uniform(-1, 1, (3, 2)).astype(np.float16).astype(np.float32)
    blocks = steps.reshape(3, 2, 32).astype(np.float32)
    blocks[:, :, 5] = -8  # the largest of a block is always -8 steps
    rows = (blocks * scales[:, :, None]).reshape(3, 64)
    file = tmp_path_factory.mktemp("rows") / "rows.npy"
    assert save_embeddings(rows, file, exact=True) == "4 bits"
    np.testing.assert_array_equal(Embeddings(file).rows(np.array([2, 0, 2, 1])), rows[[2, 0, 2, 1]])


@given(arrays.arrays(np.float32, (4, 20), elements=FINITE))
def test_other_rows_lose_at_most_half_a_step(tmp_path_factory: pytest.TempPathFactory, rows: np.ndarray) -> None:
    file = tmp_path_factory.mktemp("rows") / "rows.npy"
    assert save_embeddings(rows, file) == "8 bits"
    step = np.abs(rows).max(axis=1, keepdims=True) / 127
    assert (np.abs(Embeddings(file).rows(np.arange(4)) - rows) <= 0.501 * step + 1e-30).all()


def test_floats_are_kept_where_exactness_is_asked_for(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(5, 32)).astype(np.float32)
    assert save_embeddings(rows, tmp_path / "rows.npy", exact=True) == "floats"
    np.testing.assert_array_equal(Embeddings(tmp_path / "rows.npy").rows(np.arange(5)), rows)


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.npy").write_bytes(b"nothing of the kind")
    with pytest.raises(FramingError, match=r"rows\.npy: not a table of embeddings"):
        Embeddings(tmp_path / "rows.npy")
