"""What could not be sent to the tracking store waits in a file, in order, until it can; it survives `kill -9`."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

JOURNAL = "unsent.jsonl"
REFUSED = "refused.jsonl"
_FIRST_PAUSE, _LONGEST_PAUSE = 15.0, 300.0

Entry = dict[str, Any]


class Unreachable(Exception):
    """The store does not answer now; the same entry may be taken later."""


class Refused(Exception):
    """The store answers and will never take this entry."""


class Outbox:
    """Entries go to `deliver` at once, in order. From the first that cannot be sent, all wait in the journal.

    While they wait, the store is tried again at most once in a pause that doubles up to five minutes, so a dead server
    costs a training next to nothing. Delivering an entry twice must do what delivering it once does: a process killed
    between sending and forgetting sends again.
    """

    def __init__(self, folder: Path, deliver: Callable[[Entry], None], heading: Entry) -> None:
        self.path, self.deliver, self.heading = folder / JOURNAL, deliver, heading
        self.lock = FileLock(folder / f".{JOURNAL}.lock")
        self.waiting = self.path.is_file()
        self.retry_at = 0.0
        self.pause = _FIRST_PAUSE

    def put(self, entry: Entry) -> None:
        if self.waiting and time.monotonic() >= self.retry_at:
            self.flush()
        if self.waiting:
            self.keep(entry)
            return
        try:
            self.deliver(entry)
        except Refused as error:
            self._refuse(entry, error)
        except Unreachable as error:
            logging.getLogger("framing").warning(
                "the tracking store does not answer (%s); the run goes on, what it tells is kept in %s",
                error,
                self.path,
            )
            self.retry_at = time.monotonic() + self.pause
            self.keep(entry)

    def keep(self, entry: Entry) -> None:
        """Append to the journal, through to the disk."""
        with self.lock:
            new = not self.path.is_file()
            if not new:
                _mend(self.path)
            with self.path.open("a", encoding="utf-8") as file:
                for line in [self.heading, entry] if new else [entry]:
                    file.write(json.dumps(line) + "\n")
                file.flush()
                os.fsync(file.fileno())
        self.waiting = True

    def flush(self) -> int:
        """Send what waits, in order, until one cannot be sent; the number that still waits."""
        with self.lock:
            entries = read_journal(self.path)[1:]
            for done, entry in enumerate(entries):
                try:
                    self.deliver(entry)
                except Refused as error:
                    self._refuse(entry, error)
                except Unreachable:
                    self._rewrite(entries[done:])
                    self.pause = min(2 * self.pause, _LONGEST_PAUSE)
                    self.retry_at = time.monotonic() + self.pause
                    return len(entries) - done
            self.path.unlink(missing_ok=True)
        if self.waiting:
            self.pause = _FIRST_PAUSE
            self.waiting = False
        return 0

    def _rewrite(self, entries: Sequence[Entry]) -> None:
        beside = self.path.with_name(self.path.name + ".part")
        beside.write_text("".join(json.dumps(line) + "\n" for line in [self.heading, *entries]), encoding="utf-8")
        beside.replace(self.path)

    def _refuse(self, entry: Entry, error: Refused) -> None:
        path = self.path.with_name(REFUSED)
        logging.getLogger("framing").warning("the tracking store refuses an entry (%s); it is kept in %s", error, path)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**entry, "refused": str(error)}) + "\n")


def read_journal(path: Path) -> list[Entry]:
    """The heading and the entries; a last line that a kill cut short is left out."""
    if not path.is_file():
        return []
    whole = path.read_text(encoding="utf-8", errors="replace").rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines() if line]


def _mend(path: Path) -> None:
    """Cut off a last line that a kill cut short, or the next would be glued to it."""
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)
