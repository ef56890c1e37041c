"""What cannot be sent waits, in order, through kills and twice-given commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framing.tracking import journal
from framing.tracking.journal import Entry, Outbox, Refused, Unreachable, read_journal


class Store:
    """Takes entries while it is up; says no to some."""

    def __init__(self) -> None:
        self.taken: list[Entry] = []
        self.up = True

    def __call__(self, entry: Entry) -> None:
        if not self.up:
            raise Unreachable("connection refused")
        if entry.get("bad"):
            raise Refused("no such run")
        self.taken.append(entry)


def entries(count: int, start: int = 0) -> list[Entry]:
    return [{"op": "metrics", "n": number} for number in range(start, start + count)]


def test_entries_wait_while_the_store_is_away_and_go_in_order_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store()
    outbox = Outbox(tmp_path, store, {"op": "run"})
    outbox.put(entries(1)[0])
    store.up = False
    for entry in entries(3, 1):
        outbox.put(entry)
    assert [line.get("n") for line in read_journal(tmp_path / journal.JOURNAL)] == [None, 1, 2, 3]
    assert len([r for r in caplog.records if "does not answer" in r.getMessage()]) == 1, "one warning, not three"
    store.up = True
    outbox.put({"op": "metrics", "n": 4})
    assert [entry["n"] for entry in store.taken] == [0], "the store is not tried again at once"
    outbox.retry_at = 0
    outbox.put({"op": "metrics", "n": 5})
    assert [entry["n"] for entry in store.taken] == [0, 1, 2, 3, 4, 5]
    assert not (tmp_path / journal.JOURNAL).exists()


def test_a_dead_store_is_tried_ever_more_rarely(tmp_path: Path) -> None:
    store = Store()
    store.up = False
    outbox = Outbox(tmp_path, store, {"op": "run"})
    outbox.put(entries(1)[0])
    pauses = []
    for entry in entries(6, 1):
        outbox.retry_at = 0
        outbox.put(entry)
        pauses.append(outbox.pause)
    assert pauses == sorted(pauses)
    assert pauses[-1] == 300


def test_a_refused_entry_does_not_hold_up_the_others(tmp_path: Path) -> None:
    store = Store()
    store.up = False
    outbox = Outbox(tmp_path, store, {"op": "run"})
    for entry in [*entries(2), {"op": "tags", "bad": True}, *entries(1, 2)]:
        outbox.put(entry)
    store.up = True
    assert outbox.flush() == 0
    assert [entry["n"] for entry in store.taken] == [0, 1, 2]
    (refused,) = (tmp_path / journal.REFUSED).read_text().splitlines()
    assert json.loads(refused)["refused"] == "no such run"


def test_a_store_that_goes_away_again_leaves_what_it_did_not_take(tmp_path: Path) -> None:
    store = Store()
    store.up = False
    outbox = Outbox(tmp_path, store, {"op": "run"})
    for entry in entries(4):
        outbox.put(entry)

    def two_more(entry: Entry) -> None:
        if len(store.taken) == 2:
            raise Unreachable("again")
        store.taken.append(entry)

    outbox.deliver = two_more
    assert outbox.flush() == 2
    assert [line.get("n") for line in read_journal(tmp_path / journal.JOURNAL)] == [None, 2, 3]


@given(
    written=st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3), max_size=5),
    cut=st.integers(1, 30),
)
def test_a_line_cut_short_by_a_kill_costs_that_line_alone(
    tmp_path_factory: pytest.TempPathFactory, written: list[Entry], cut: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    store = Store()
    store.up = False
    for entry in [*written, {"op": "last" * 10}]:
        Outbox(folder, store, {"op": "run"}).keep(entry)
    path = folder / journal.JOURNAL
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_journal(path)[1:] == written
    Outbox(folder, store, {"op": "run"}).keep({"op": "after"})
    assert read_journal(path)[1:] == [*written, {"op": "after"}]
