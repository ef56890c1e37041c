"""Journals of runs sent to their stores, after the stores came back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from framing.errors import FramingError
from framing.tracking.journal import JOURNAL, REFUSED, Entry, Outbox, Unreachable, read_journal
from framing.tracking.mlflow_tracker import Delivery
from framing.tracking.store import quiet


@dataclass(frozen=True, slots=True)
class Upload:
    """Of one run: entries sent, entries that still wait, and why."""

    run: str
    sent: int
    left: int
    remark: str


def upload_all(folder: Path, uri: str | None = None) -> list[Upload]:
    """Send all journals of a tracking folder, in rounds: a nested run has to wait until its parent is there.

    `uri`: the store's address, if it is no longer the one the runs began with.
    """
    if not folder.is_dir():
        raise FramingError(str(folder), "no such folder", "give the tracking folder, as in `framing runs upload runs`")
    quiet()
    before = {path.parent.name: len(read_journal(path)) for path in (folder / "checkpoints").glob(f"*/{JOURNAL}")}
    remarks: dict[str, str] = {}
    left = {name: max(0, count - 1) for name, count in before.items()}
    waiting = dict(left)
    while waiting:
        for name in waiting:
            left[name], remarks[name] = _upload(folder / "checkpoints" / name, uri)
        progressed = any(left[name] < count for name, count in waiting.items()) or not any(left.values())
        waiting = {name: left[name] for name in waiting if left[name]}
        if not progressed:
            break
    return [Upload(name, count - 1 - left[name], left[name], remarks[name]) for name, count in before.items()]


def _upload(folder: Path, uri: str | None) -> tuple[int, str]:
    """Entries that still wait in a run's journal, and the last reason."""
    lines = read_journal(folder / JOURNAL)
    if not lines:
        return 0, ""
    reasons: list[str] = []
    heading = lines[0]
    outbox = Outbox(folder, _listened(Delivery(uri or heading["uri"], folder.name, folder), reasons), heading)
    left = outbox.flush()
    refused = f"some were refused, see {folder / REFUSED}" if (folder / REFUSED).is_file() else ""
    return left, reasons[-1] if left and reasons else refused


def _listened(deliver: Delivery, reasons: list[str]) -> Callable[[Entry], None]:
    def send(entry: Entry) -> None:
        try:
            deliver(entry)
        except Unreachable as error:
            reasons.append(str(error))
            raise

    return send
