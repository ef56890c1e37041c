"""What the program says when it cannot go on: where, what was found, what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class FramingError(Exception):
    """A fault of the input or the set-up that its reader can cure. The command line shows it and exits with 2.

    place: file, file:line, option or key; finding: what is wrong there; cure: what to do.
    """

    def __init__(self, place: str, finding: str, cure: str) -> None:
        super().__init__(f"{place}: {finding}; {cure}" if cure else f"{place}: {finding}")
        self.place, self.finding, self.cure = place, finding, cure


class Faults(FramingError):
    """Several faults found in one pass, so that all of them can be mended at once."""

    def __init__(self, faults: Iterable[FramingError]) -> None:
        self.faults: list[FramingError] = list(faults)
        first = self.faults[0]
        super().__init__(first.place, first.finding, first.cure)

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)


class StoreUnreachable(FramingError):
    """The tracking store does not answer."""


class MissingChampion(FramingError):
    """No registered model carries the alias that was asked for."""


def raise_all(faults: Sequence[FramingError]) -> None:
    """Raise nothing for no fault, the fault itself for one, all together for more."""
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise Faults(faults)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The cure for a misspelt word: the nearest known one, or all of them."""
    choices = list(known)
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(choices) or 'none'}"
