"""For learning without a terminal and without a record: what the comparisons of this folder hand to `learn`."""

from __future__ import annotations


class Quiet:
    def say(self, text: str) -> None: ...

    def progress(self, done: int, total: int, text: str) -> None: ...

    def epoch(self, number: int, score: float) -> None: ...
