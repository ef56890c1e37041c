"""Tables, progress and colour on a terminal; plain lines in a pipe."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

# In a pipe a line stays a line, however long.
output = Console(width=None if sys.stdout.isatty() else 200, soft_wrap=not sys.stdout.isatty())
errors = Console(stderr=True, width=None if sys.stderr.isatty() else 200, soft_wrap=not sys.stderr.isatty())


def is_on_terminal() -> bool:
    """Whether a person reads standard output; Rich says so of a pipe too where FORCE_COLOR asks for colour."""
    return sys.stdout.isatty()


_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def visible(text: str) -> str:
    """The text with control characters and marks of direction as signs: a terminal would obey them."""

    def sign(found: re.Match[str]) -> str:
        code = ord(found.group())
        return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"

    return _CONTROLS.sub(sign, text)


GROUP_COLOURS = {"diplomacy": "green", "coercion": "red", "opposition": "yellow"}


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int = 2) -> None:
    """A table on a terminal; tab-separated lines in a pipe."""
    if not is_on_terminal():
        output.print(escape("\t".join(heads)), highlight=False)
        for row in rows:
            output.print(escape("\t".join(row)), highlight=False)
        return
    shown = Table(title=title, title_justify="left", header_style="bold")
    for place, head in enumerate(heads):
        shown.add_column(head, justify="right" if place >= numbers_from else "left")
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        section_ends = following is not None and following[0] != row[0] and len(rows) > 8
        shown.add_row(*(escape(cell) for cell in row), end_section=section_ends)
    output.print(shown)


class TerminalReporter:
    """Shows a run: a bar with time left on a terminal, a line now and then in a pipe."""

    def __init__(self) -> None:
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=errors,
            transient=True,
            refresh_per_second=4,
        )
        self.task = self.bar.add_task("", total=None, visible=False)
        self.started = self.last = time.monotonic()
        self.first = 0
        self.count = (0, 0)

    def __enter__(self) -> TerminalReporter:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if self.bar.live.is_started:
            self.bar.stop()

    def say(self, text: str) -> None:
        errors.print(escape(visible(text)), highlight=False)

    def epoch(self, number: int, score: float) -> None:
        """Said already."""

    def progress(self, done: int, total: int, text: str) -> None:
        begins = total != self.count[1] or done < self.count[0]  # another count: a fold's, a trial's, of other things
        self.count = done, total
        if errors.is_terminal:
            self.bar.start()  # only now: who shows no progress needs no empty line that is redrawn
            if begins:
                self.bar.reset(self.task)
            self.bar.update(self.task, completed=done, total=total, description=escape(text), visible=done < total)
            return
        now = time.monotonic()
        if begins:
            self.started, self.first, self.last = now, done, now
        if now - self.last > 20:
            self.last = now
            left = (now - self.started) / max(1, done - self.first) * (total - done)
            errors.print(escape(f"{text} {done}/{total}, {left:.0f} s left"), highlight=False)
