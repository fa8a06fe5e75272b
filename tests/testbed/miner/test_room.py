"""Room in the pool: limits, a smaller share for each sender in a crowd, and what offers cannot take."""

from __future__ import annotations

import pytest

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.transactions import SignedTransaction
from testbed.miner.params import PoolLimits
from testbed.miner.room import Room, Waiting
from tests.testbed.miner.chains import FIRST_INTERVAL, grant, offer, small_genesis

GENESIS = small_genesis()
OFFERS = [offer(GENESIS, prosumer, FIRST_INTERVAL + 1) for prosumer in range(12)]
GRANTS = [grant(GENESIS, number, [number]) for number in range(3)]


def waiting(signed: SignedTransaction, peer: str = "") -> Waiting:
    return Waiting(signed, 0, peer)


def room(**limits: int) -> Room:
    return Room(PoolLimits(**limits), GENESIS.dso_key)


def test_offers_leave_a_tenth_of_the_room_to_what_goes_first() -> None:
    here = room(transactions=10)
    for signed in OFFERS[:9]:
        here.check(waiting(signed))
        here.add(waiting(signed))
    with pytest.raises(RuleViolation, match="POOL-01"):
        here.check(waiting(OFFERS[9]))
    here.check(waiting(GRANTS[0]))
    here.add(waiting(GRANTS[0]))
    with pytest.raises(RuleViolation, match="POOL-01"):
        here.check(waiting(GRANTS[1]))


def test_offers_leave_a_tenth_of_the_bytes_too() -> None:
    size = len(OFFERS[0].raw)
    here = room(bytes_=4 * size + size // 2)
    for signed in OFFERS[:3]:
        here.add(waiting(signed))
    here.check(waiting(OFFERS[3]))
    here.add(waiting(OFFERS[3]))
    with pytest.raises(RuleViolation, match="POOL-01"):
        here.check(waiting(OFFERS[4]))


def test_the_fuller_the_pool_the_less_one_sender_may_have() -> None:
    here = room(transactions=20, per_sender=8)
    allowed = []
    for signed in OFFERS:
        allowed.append(here.per_sender)
        here.add(waiting(signed))
    assert allowed[:10] == [8] * 10
    assert allowed == sorted(allowed, reverse=True)
    assert here.per_sender == 2 * 8 * 8 // 20
    crowded = room(transactions=2, per_sender=64)
    crowded.add(waiting(OFFERS[0]))
    crowded.add(waiting(OFFERS[1]))
    assert crowded.per_sender == 1, "whoever has nothing waiting is never refused by this rule"


def test_one_connection_does_not_take_everything_but_other_miners_may() -> None:
    here = room(per_peer=2)
    for signed in OFFERS[:2]:
        here.add(waiting(signed, "anon-1"))
    with pytest.raises(RuleViolation, match="POOL-03"):
        here.check(waiting(OFFERS[2], "anon-1"))
    here.check(waiting(OFFERS[2], "anon-2"))
    here.check(waiting(OFFERS[2]))
    here.remove(waiting(OFFERS[0], "anon-1"))
    here.check(waiting(OFFERS[2], "anon-1"))


def test_the_grid_operator_may_have_any_number_waiting() -> None:
    here = room(per_sender=1)
    here.add(waiting(GRANTS[0]))
    here.check(waiting(GRANTS[1]))
    here.add(waiting(OFFERS[0]))
    with pytest.raises(RuleViolation, match="POOL-02"):
        here.check(waiting(OFFERS[0]))


def test_what_leaves_gives_its_room_back() -> None:
    here = room(transactions=2, per_sender=1, per_peer=1)
    for _ in range(5):
        here.check(waiting(OFFERS[0], "anon-1"))
        here.add(waiting(OFFERS[0], "anon-1"))
        here.remove(waiting(OFFERS[0], "anon-1"))
    assert (here.transactions, here.bytes_) == (0, 0)
