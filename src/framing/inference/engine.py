"""The one seam between models and the rest: texts in, logits out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Engine(Protocol):
    """The baseline, the trained encoder and an exported one are alike to whoever tags."""

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[texts x labels], columns as in the schema."""
        ...
