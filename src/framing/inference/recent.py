"""What was said of recent texts, so that a text that comes again is not read again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from framing.errors import FramingError
from framing.records import Labels
from framing.schema import Schema

LIMIT = 20_000
"""Texts remembered: about a kilobyte each, whatever their length, since a digest stands for the text."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Labels chosen for a text, and every label's probability in ten-thousandths, 16 bits each, in schema order.

    Bytes and not an array: thousands of small arrays that stay, between large ones that go, would keep the process
    from giving memory back (measured: 20 kB a text).
    """

    labels: Labels
    shares: bytes

    @staticmethod
    def of(labels: Labels, row: ArrayLike) -> Verdict:
        """`row`: probabilities [labels]; raises FramingError if they are no numbers."""
        if not np.isfinite(row).all():
            raise FramingError("the tagger", "gives no numbers for a text", "train or export it again")
        return Verdict(labels, np.rint(np.asarray(row, np.float64) * 10_000).astype(np.uint16).tobytes())

    @staticmethod
    def of_record(labels: Labels, probabilities: Any, schema: Schema) -> Verdict:
        """The inverse of `named`."""
        return Verdict.of(labels, [probabilities[label.facet][label.id] for label in schema.labels])

    def named(self, schema: Schema) -> dict[str, dict[str, float]]:
        shares = [share / 10_000 for share in np.frombuffer(self.shares, np.uint16).tolist()]
        return {
            facet.id: {
                label.id: share for label, share in zip(facet.labels, shares[schema.columns(facet.id)], strict=True)
            }
            for facet in schema.facets
        }


class Recent:
    """The verdicts of the last texts, the one unused for longest forgotten first.

    What it remembers depends on the texts alone, so a run that goes on remembers what it would have.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.known: OrderedDict[bytes, Verdict] = OrderedDict()

    def verdicts(self, texts: Sequence[str], judge: Callable[[list[str]], list[Verdict]]) -> list[Verdict]:
        """One for each text; `judge` is asked once, for the texts that are new, each of them once."""
        keys = [hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self.known}
        fresh = dict(zip(new, judge(list(new.values())), strict=True)) if new else {}
        found = []
        for key in keys:
            if key in self.known:
                self.known.move_to_end(key)
            else:
                self.known[key] = fresh[key]
            found.append(self.known[key])
        while len(self.known) > self.limit:
            self.known.popitem(last=False)
        return found
