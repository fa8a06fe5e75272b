"""Miners follow the epochs: whoever is elected votes, the others listen, and nothing stops in between."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_client.rules.crypto import sign
from light_client.rules.errors import LocalError, RuleViolation
from light_client.rules.ledger.committee import QuorumCertificate, VoteKind, vote_message
from testbed.miner.ledger import Ledger
from testbed.miner.memo import SignatureMemo
from testbed.miner.miner import Miner
from testbed.network.faults import CrashAtWrite, Faults, Moment
from testbed.network.memory import MemoryStorage
from tests.testbed.miner.chains import build_miner, name_of, secret, small_genesis
from tests.testbed.miner.elections import END_MS, EPOCHS, PARAMS, check, key_of, ledgers, miner, world


def test_committees_come_and_go_and_the_chain_goes_on() -> None:
    simulator, watcher, genesis = world()
    simulator.run(END_MS)
    chain = check(simulator, watcher, genesis, at_least=12)
    committees = {header.committee_hash for header in chain}
    assert len(committees) > 2, "with equal scores the seats go round"
    ledger = miner(simulator, 0).ledger
    assert list(ledger.store.turns) == [
        header.height for header in chain if header.next_committee_hash != header.committee_hash
    ]
    for header in chain:
        assert ledger.committee_at(header.height).hash() == header.committee_hash
    assert watcher.named("refused") == [], "nobody blames anybody at a change of committee"
    assert not watcher.named("round"), "and no round is lost"


def test_a_miner_without_a_seat_keeps_up_and_says_nothing() -> None:
    simulator, watcher, genesis = world(epochs=replace(EPOCHS, blocks=1_000))
    simulator.run(END_MS)
    check(simulator, watcher, genesis)
    assert len({ledger.tip.header_hash for ledger in ledgers(simulator, genesis)}) == 1
    assert {seat for seat, *_ in watcher.votes} == {0, 1, 2, 3}
    for number in range(6):
        assert miner(simulator, number)._seat.number == (number if number < 4 else None)
    with pytest.raises(LocalError):
        miner(simulator, 5)._seat.sign_vote(VoteKind.PREVOTE, 1, 0, bytes(32))


def test_a_name_that_is_not_listed_is_a_mistake() -> None:
    with pytest.raises(LocalError):
        Miner(
            name="miner-9",
            genesis=small_genesis(),
            public_key=bytes(33),
            signer=lambda message: message,
            miners=("miner-0",),
            storage=MemoryStorage(),
        )


@pytest.mark.parametrize("moment", [Moment.BEFORE_WRITES, Moment.HALFWAY_SENT], ids=lambda m: m.name.lower())
def test_a_crash_at_any_write_leaves_a_miner_that_goes_on(moment: Moment) -> None:
    """Checkpoints, changes of committee and pruning among the writes."""
    quiet, _, _ = world()
    quiet.run(END_MS)
    batches = quiet.batches(name_of(1))
    assert batches > 40
    for number in range(1 if moment is Moment.BEFORE_WRITES else 3, batches + 1, 14):
        crash = CrashAtWrite(node=name_of(1), number=number, moment=moment, down_ms=700)
        simulator, watcher, genesis = world(faults=Faults(crashes_at_writes=(crash,)))
        simulator.run(END_MS)
        check(simulator, watcher, genesis)
        assert simulator.counters.crashes == 1


def test_the_next_committee_is_signed_by_the_old_one() -> None:
    """A block at an epoch's end with the signatures of the new committee alone is refused; those of the old hold."""
    simulator, _, genesis = world()
    simulator.run(END_MS)
    source = miner(simulator, 0).ledger
    fresh = Ledger(genesis, MemoryStorage(), SignatureMemo(), PARAMS)
    end = next(height for height in source.store.turns)
    for height in range(1, end):
        block = source.store.block(height)
        assert block is not None
        fresh.adopt(block)
    last = source.store.block(end)
    after = source.store.block(end + 1)
    assert last is not None
    assert after is not None
    new = source.committee_at(end + 1)
    message = vote_message(VoteKind.PRECOMMIT, genesis.chain_id(), end, 0, last.header.hash())
    secrets = {key_of(number): secret(1, number) for number in range(6)}
    signatures = tuple(sign(secrets[member.public_key], message) for member in new.members)
    usurped = QuorumCertificate(
        height=end,
        round_=last.header.round_,
        header_hash=last.header.hash(),
        bitmap=(1 << len(new.members)) - 1,
        signatures=signatures,
    )
    with pytest.raises(RuleViolation) as broken:
        fresh.adopt(replace(last, certificate=usurped))
    assert broken.value.rule == "CNS-05"
    fresh.adopt(last)
    fresh.adopt(after)
    assert fresh.state.committee == new
    assert EPOCHS.ends_at(end)


def test_miners_that_are_not_elected_can_be_built() -> None:
    genesis = small_genesis(candidates=6, epochs=EPOCHS)
    assert build_miner(genesis, 5, MemoryStorage())._seat.number is None
