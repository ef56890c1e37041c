"""How far tagging has come: paragraphs, their rate, the time left by the bytes that were read."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from framing.cli.terminal import errors
from framing.corpus.sources import Meter
from framing.records import Prediction

_EVERY = 20.0
"""Seconds between two lines in a pipe."""


class TaggingProgress:
    """A bar on a terminal, a line every 20 s in a pipe. `before` paragraphs were tagged by an earlier attempt."""

    def __init__(self, meter: Meter, before: int) -> None:
        self.meter, self.before = meter, before
        self.started = self.last = time.monotonic()
        self.first = meter.done

    def watch(self, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        from framing.inference.tagger import CHUNK

        bar = Progress(
            TextColumn("tagging"),
            BarColumn(bar_width=30),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=errors,
            transient=True,
        )
        task = bar.add_task(self.line(0), total=self.meter.total or None)
        try:
            if errors.is_terminal:
                bar.start()
            for count, found in enumerate(predictions, 1):
                yield found
                now = time.monotonic()
                if count % CHUNK:
                    continue  # they come a chunk at once: in the middle of one the count says nothing of the rate
                if now - self.last > (0.5 if errors.is_terminal else _EVERY):
                    self.last = now
                    if errors.is_terminal:
                        bar.update(task, completed=self.meter.done, description=self.line(count))
                    else:
                        errors.print(self.line(count), highlight=False)
        finally:
            if bar.live.is_started:
                bar.stop()

    def line(self, count: int) -> str:
        """`12,345 paragraphs, 82 a second, 34 % of the input, 600 s left`."""
        elapsed = max(1e-9, time.monotonic() - self.started)
        text = f"{self.before + count:,} paragraphs, {count / elapsed:.0f} a second"
        total, done = self.meter.total, self.meter.done
        if total and count:
            text += f", {done / total:.0%} of the input read"
            if done > self.first:
                text += f", {elapsed * (total - done) / (done - self.first):.0f} s left"
        return text
