"""The audit: whatever is changed, taken out, put in, moved or cut off is found, and where it begins is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.operator.desk.audit import START, Entry, Head, check_chain
from deploy.operator.desk.folder import make_desk, open_desk
from light_client.rules.crypto import public_key_of, sign
from tests.firmware_app.fleet.world import ANNA, BERT

ENTRIES = 7
PUBLIC = public_key_of(ANNA)


def chain(size: int = ENTRIES, secret: bytes = ANNA) -> tuple[list[Entry], Head]:
    """A whole chain with its head."""
    entries: list[Entry] = []
    before = START
    for seq in range(1, size + 1):
        entry = Entry(seq=seq, at_ms=seq, who="anna", what="push", detail=f'{{"version":{seq}}}', hash=START)
        before = entry.hash_after(before)
        entries.append(replace(entry, hash=before))
    head = Head(seq=size, hash=before)
    return entries, replace(head, signature=sign(secret, head.message))


def test_a_whole_chain_is_whole() -> None:
    assert check_chain(*chain(), PUBLIC) is None
    assert check_chain([], Head(), PUBLIC) is None
    for seq in range(ENTRIES + 1):
        entries, head = chain()
        noted = Head(seq=seq, hash=entries[seq - 1].hash if seq else START)
        assert check_chain(entries, head, PUBLIC, noted) is None


@given(at=st.integers(0, ENTRIES - 1), field=st.sampled_from(["at_ms", "who", "what", "detail", "hash"]))
def test_a_changed_entry_is_found_at_its_place(at: int, field: str) -> None:
    entries, head = chain()
    value = {"at_ms": 99, "hash": bytes([1]) * 32}.get(field, "another")
    entries[at] = replace(entries[at], **{field: value})  # type: ignore[arg-type]
    finding = check_chain(entries, head, PUBLIC)
    assert finding is not None
    assert finding.seq == at + 1


@given(at=st.integers(0, ENTRIES - 1))
def test_an_entry_taken_out_is_found_at_its_place(at: int) -> None:
    entries, head = chain()
    del entries[at]
    finding = check_chain(entries, head, PUBLIC)
    assert finding is not None
    assert finding.seq == at + 1
    renumbered = [replace(entry, seq=seq) for seq, entry in enumerate(entries, 1)]
    again = check_chain(renumbered, head, PUBLIC)
    assert again is not None
    assert again.seq == at + 1


@given(at=st.integers(0, ENTRIES - 2))
def test_entries_that_changed_places_are_found(at: int) -> None:
    entries, head = chain()
    entries[at], entries[at + 1] = replace(entries[at + 1], seq=at + 1), replace(entries[at], seq=at + 2)
    finding = check_chain(entries, head, PUBLIC)
    assert finding is not None
    assert finding.seq == at + 1


def forged_end(entries: list[Entry], head: Head) -> tuple[list[Entry], Head]:
    """A history written anew up to its end, without the key."""
    fresh, end = chain(ENTRIES, secret=BERT)
    return fresh, end


Tamper = Callable[[list[Entry], Head], tuple[list[Entry], Head]]


@pytest.mark.parametrize(
    ("tamper", "seq"),
    [
        (lambda entries, head: (entries[:4], head), 5),
        (lambda entries, head: (chain(9)[0], head), 8),
        (lambda entries, head: (entries, replace(head, signature=bytes(64))), 7),
        (lambda entries, head: (entries, replace(head, hash=bytes(32))), 7),
        (lambda entries, head: ([], head), 1),
        (forged_end, 7),
    ],
)
def test_the_end_is_guarded(tamper: Tamper, seq: int) -> None:
    finding = check_chain(*tamper(*chain()), PUBLIC)
    assert finding is not None
    assert finding.seq == seq


def test_who_has_the_key_meets_what_was_noted() -> None:
    """A shorter history with a proper head, as an old copy of the folder has it."""
    entries, head = chain()
    shorter = chain(4)
    assert check_chain(*shorter, PUBLIC) is None
    finding = check_chain(*shorter, PUBLIC, head)
    assert finding is not None
    assert finding.sentence == "entries 5 to 7 were noted and are gone"
    other = [replace(entries[0], who="mallory")]
    other[0] = replace(other[0], hash=other[0].hash_after(START))
    end = Head(seq=1, hash=other[0].hash)
    written_anew = check_chain(
        other, replace(end, signature=sign(ANNA, end.message)), PUBLIC, Head(seq=1, hash=entries[0].hash)
    )
    assert written_anew is not None
    assert "written anew" in written_anew.sentence


def test_in_the_file_too(tmp_path: Path) -> None:
    make_desk(tmp_path / "desk", host="localhost", port=1, enrol_port=2)
    desk = open_desk(tmp_path / "desk")
    for number in range(5):
        with desk.database.transaction():
            desk.audit.add(number, "anna", "push", {"version": number, "reason": "ä" * 300})
    assert desk.audit.check() is None
    assert [entry.seq for entry in desk.audit.newest(2)] == [5, 4]
    with desk.database.transaction():
        desk.database.run("UPDATE audit SET who = 'mallory' WHERE seq = 3")
    finding = desk.audit.check()
    assert finding is not None
    assert finding.seq == 3
    desk.close()
