"""Trusted states on disk: what was kept comes back, and what cannot be read is not trusted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.encoding import encode
from light_client.rules.ledger.committee import Committee
from light_client.rules.light import TrustedState, Update, trust_genesis, verify_update
from light_client.rules.verdict import Accepted
from light_client.session.actor import Write
from light_client.store import trust
from light_client.store.errors import StoreDamagedError
from light_client.store.memory import MemoryStorage
from tests.light_ground import AT_GENESIS, CHAIN, HEADERS, NOW_MS, PARAMS


def states(*heights: int) -> list[TrustedState]:
    """Return what was trusted at some heights."""
    found, state = [], trust_genesis(CHAIN.genesis)
    for header in HEADERS:
        update = Update(header=header, certificate=CHAIN.certificate(header))
        verdict, state = verify_update(state, update, CHAIN.genesis, PARAMS, NOW_MS)
        assert verdict == Accepted()
        if header.height in heights:
            found.append(state)
    return found


def stored(*writes: Write) -> MemoryStorage:
    """Return a store that holds what was written."""
    storage = MemoryStorage()
    storage.commit(writes)
    return storage


def test_what_was_kept_comes_back() -> None:
    kept = states(3, 5)
    assert trust.recall(stored(trust.remember(kept)), CHAIN.chain_id) == tuple(kept)
    assert trust.recall(MemoryStorage(), CHAIN.chain_id) == ()


def test_the_genesis_is_not_kept_since_it_is_at_hand() -> None:
    assert trust.recall(stored(trust.remember([AT_GENESIS])), CHAIN.chain_id) == ()


def test_another_chain_is_not_trusted() -> None:
    with pytest.raises(StoreDamagedError, match="another chain"):
        trust.recall(stored(trust.remember(states(3))), bytes(32))


@pytest.mark.parametrize(
    "raw", [b"", b"\x80\x80", encode(7), encode((1,)), encode(((1, 2, 3),)), encode(((),))]
)
def test_what_cannot_be_read_is_said_to_be_damaged(raw: bytes) -> None:
    write = trust.remember(states(3))
    with pytest.raises(StoreDamagedError, match="cannot be read"):
        trust.recall(stored(Write(table=write.table, key=write.key, value=raw)), CHAIN.chain_id)


@given(data=st.data())
def test_a_flipped_bit_is_noticed(data: st.DataObject) -> None:
    write = trust.remember(states(3))
    raw = bytearray(write.value or b"")
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    changed = Write(table=write.table, key=write.key, value=bytes(raw))
    with pytest.raises(StoreDamagedError):
        trust.recall(stored(changed), CHAIN.chain_id)


def test_committees_that_the_header_does_not_name_are_noticed() -> None:
    (state,) = states(3)
    bare = replace(state, certificate=None)
    assert trust.recall(stored(trust.remember([bare])), CHAIN.chain_id) == (bare,), "as after a checkpoint"
    fewer = Committee(members=state.committee.members[:3])
    with pytest.raises(StoreDamagedError):
        trust.recall(stored(trust.remember([replace(bare, committee=fewer)])), CHAIN.chain_id)


def test_an_alarm_stays_until_it_is_lifted_and_its_evidence_for_ever() -> None:
    storage = stored(*trust.halt("two headers", b"evidence"))
    assert (trust.alarm(storage), trust.evidence(storage)) == ("two headers", b"evidence")
    storage.commit([trust.lift()])
    assert (trust.alarm(storage), trust.evidence(storage)) == (None, b"evidence")
    assert len(trust.halt("a clearing", None)) == 1
