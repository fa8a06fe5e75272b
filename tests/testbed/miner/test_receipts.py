"""Receipts: what was answered together is one row on disk, which stays while any of it is owed."""

from __future__ import annotations

from typing import cast

from light_client.session.actor import Write
from testbed.miner.mempool import Mempool, tx_id_of
from testbed.miner.receipts import Receipts
from testbed.network.memory import MemoryStorage


class Pool:
    """A pool of which only what waits is known."""

    def __init__(self, *raws: bytes) -> None:
        self.waiting = {tx_id_of(raw) for raw in raws}

    def waits(self, tx_id: bytes) -> bool:
        """Whether the transaction waits."""
        return tx_id in self.waiting

    def as_pool(self) -> Mempool:
        """Stand in for a whole one."""
        return cast("Mempool", self)


def rows(*raws: bytes) -> list[tuple[bytes, bytes]]:
    """Identity and bytes."""
    return [(tx_id_of(raw), raw) for raw in raws]


def write(storage: MemoryStorage, writes: list[Write]) -> None:
    """Make writes durable."""
    storage.apply(writes)


def test_what_was_answered_together_is_one_row_and_is_there_after_a_restart() -> None:
    storage = MemoryStorage()
    receipts = Receipts(storage)
    written = receipts.keep(rows(b"one", b"two"))
    assert len(written) == 1
    write(storage, written)
    write(storage, receipts.keep(rows(b"three")))
    again = Receipts(storage)
    assert again.owed() == receipts.owed() == rows(b"one", b"two", b"three")


def test_a_row_goes_when_none_of_it_is_owed_any_more() -> None:
    storage = MemoryStorage()
    receipts = Receipts(storage)
    write(storage, receipts.keep(rows(b"one", b"two")))
    assert receipts.settle(Pool(b"two").as_pool()) == []
    assert receipts.owed() == rows(b"two")
    (gone,) = receipts.settle(Pool().as_pool())
    assert gone.value is None
    write(storage, [gone])
    assert list(storage.scan("receipts")) == []
    assert Receipts(storage).owed() == []


def test_nothing_is_kept_twice_and_a_later_row_never_takes_the_place_of_an_earlier_one() -> None:
    storage = MemoryStorage()
    receipts = Receipts(storage)
    write(storage, receipts.keep(rows(b"one")))
    assert receipts.keep(rows(b"one")) == []
    (second,) = receipts.keep(rows(b"one", b"two"))
    write(storage, [second])
    assert Receipts(storage).owed() == rows(b"one", b"two")
    later = Receipts(storage)
    write(storage, later.keep(rows(b"three")))
    assert len(list(storage.scan("receipts"))) == 3


def test_what_was_settled_only_in_part_is_owed_whole_after_a_restart_and_settled_then() -> None:
    storage = MemoryStorage()
    receipts = Receipts(storage)
    write(storage, receipts.keep(rows(b"one", b"two")))
    receipts.settle(Pool(b"two").as_pool())
    again = Receipts(storage)
    assert again.owed() == rows(b"one", b"two"), "more than is owed, never less"
    assert again.settle(Pool(b"two").as_pool()) == []
    assert again.owed() == rows(b"two")
