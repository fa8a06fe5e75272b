"""Tendermint's rules one by one: voting, locking, proofs of lock, rounds, decisions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_client.messages.consensus import Proposal, Vote
from light_client.rules.crypto import verify
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.committee import NIL, check_quorum
from light_client.session.actor import Write
from testbed.miner.consensus import FUTURE_ROUNDS, Broadcast, Step
from tests.testbed.miner.bench import (
    HEIGHT,
    PRECOMMIT,
    PREVOTE,
    Bench,
    block,
    decided,
    forged,
    reports,
    sent,
    timer,
    votes_in,
)
from tests.testbed.miner.chains import small_genesis

A, B = block("a"), block("b", 1)
HASH_A, HASH_B = A.header.hash(), B.header.hash()


def locked_on_a() -> Bench:
    """Seat 0 precommitted A in round 0, and stands in round 1, where seat 2 leads."""
    bench = Bench()
    bench.propose(A)
    assert votes_in(bench.vote(PREVOTE, "12", HASH_A)) == [(PRECOMMIT, 0, HASH_A)]
    bench.vote(PRECOMMIT, "13", NIL)
    bench.timeout("precommit")
    assert bench.consensus.round == 1
    assert bench.consensus.lock.locked_hash == HASH_A
    return bench


def test_a_block_is_decided_in_three_steps() -> None:
    bench = Bench()
    assert votes_in(bench.propose(A)) == [(PREVOTE, 0, HASH_A)]
    assert votes_in(bench.vote(PREVOTE, "12", HASH_A)) == [(PRECOMMIT, 0, HASH_A)]
    assert decided(bench.vote(PRECOMMIT, "1", HASH_A)) is None
    found = decided(bench.vote(PRECOMMIT, "3", HASH_A))
    assert found is not None
    assert found.block == A
    check_quorum(bench.genesis.committee, bench.genesis.chain_id(), found.certificate, verify)
    assert found.certificate.bitmap == 0b1011
    assert bench.consensus.step == Step.DECIDED


def test_the_leader_proposes_and_votes_for_it() -> None:
    bench = Bench(seat=1)
    out = bench.begin()
    proposal, vote = sent(out)
    assert isinstance(proposal, Proposal)
    assert votes_in(out) == [(PREVOTE, 0, proposal.header.hash())]
    assert vote.height == HEIGHT  # type: ignore[union-attr]


def test_no_miner_begins_without_work() -> None:
    bench = Bench()
    steps = [bench.consensus.step]
    for seat in "12":
        bench.vote(PREVOTE, seat, HASH_A)
        steps.append(bench.consensus.step)
    assert steps == [Step.WAITING, Step.WAITING, Step.PROPOSE]


def test_rule_22_an_invalid_or_early_block_gets_nil() -> None:
    bench = Bench()
    bench.application.invalid = {A.body}
    assert votes_in(bench.propose(A)) == [(PREVOTE, 0, NIL)]
    bench = Bench()
    bench.application.untimely = True
    assert votes_in(bench.propose(A)) == [(PREVOTE, 0, NIL)]


def test_rule_22_a_locked_miner_votes_nil_for_another_block() -> None:
    bench = locked_on_a()
    assert votes_in(bench.propose(B, 1)) == [(PREVOTE, 1, NIL)]


def test_rule_22_a_locked_miner_votes_for_its_block_again() -> None:
    bench = locked_on_a()
    assert votes_in(bench.propose(A, 1, pol_round=0)) == [(PREVOTE, 1, HASH_A)]


def test_rule_28_a_later_proof_of_lock_frees_a_locked_miner() -> None:
    bench = locked_on_a()
    bench.vote(PREVOTE, "123", HASH_B, 1)
    bench.vote(PRECOMMIT, "12", NIL, 2)
    assert bench.consensus.round == 2
    assert votes_in(bench.propose(B, 2, pol_round=1)) == [(PREVOTE, 2, HASH_B)]


def test_rule_28_waits_for_the_proof() -> None:
    bench = locked_on_a()
    bench.vote(PREVOTE, "12", HASH_B, 1)
    bench.vote(PRECOMMIT, "12", NIL, 2)
    assert votes_in(bench.propose(B, 2, pol_round=1)) == []
    asked = bench.consensus.status().pol
    assert asked is not None
    assert (asked.round_, asked.header_hash, asked.have) == (1, HASH_B, 0b0110)
    assert votes_in(bench.vote(PREVOTE, "3", HASH_B, 1)) == [(PREVOTE, 2, HASH_B)]


def test_rule_28_an_earlier_proof_does_not_free_a_locked_miner() -> None:
    bench = Bench()
    bench.vote(PREVOTE, "123", HASH_A)
    bench.vote(PREVOTE, "12", HASH_B, 1)
    bench.propose(B, 1)
    assert bench.consensus.lock.locked_hash == HASH_B
    bench.vote(PRECOMMIT, "12", NIL, 2)
    bench.propose(A, 0)
    assert votes_in(bench.propose(A, 2, pol_round=0)) == [(PREVOTE, 2, NIL)]


def test_rule_36_a_quorum_seen_late_makes_a_block_valid_but_not_locked() -> None:
    bench = Bench(seat=2)
    bench.propose(A)
    bench.vote(PREVOTE, "13", NIL)
    bench.timeout("prevote")
    assert bench.consensus.step == Step.PRECOMMIT
    bench.vote(PREVOTE, "01", HASH_A)
    lock = bench.consensus.lock
    assert (lock.locked_round, lock.valid_round, lock.valid_hash) == (-1, 0, HASH_A)
    bench.vote(PRECOMMIT, "13", NIL)
    proposal = sent(bench.timeout("precommit"))[0]
    assert isinstance(proposal, Proposal)
    assert (proposal.pol_round, proposal.header, proposal.round_) == (0, A.header, 1)
    assert bench.application.made == 0


def test_rule_36_never_locks_an_invalid_block() -> None:
    bench = Bench()
    bench.application.invalid = {A.body}
    bench.propose(A)
    assert votes_in(bench.vote(PREVOTE, "123", HASH_A)) == []
    assert bench.consensus.lock.locked_round == -1


def test_rule_44_a_quorum_for_nil_ends_the_wait() -> None:
    bench = Bench()
    bench.begin()
    bench.timeout("propose")
    assert votes_in(bench.vote(PREVOTE, "12", NIL)) == [(PRECOMMIT, 0, NIL)]


def test_timeouts_vote_nil_and_grow() -> None:
    bench = Bench()
    first = timer(bench.begin(), "propose")
    assert votes_in(bench.timeout("propose")) == [(PREVOTE, 0, NIL)]
    assert timer(bench.vote(PREVOTE, "12", HASH_A), "prevote") is not None
    assert votes_in(bench.timeout("prevote")) == [(PRECOMMIT, 0, NIL)]
    assert timer(bench.vote(PRECOMMIT, "12", HASH_A), "precommit") is not None
    second = timer(bench.timeout("precommit"), "propose")
    assert bench.consensus.round == 1
    assert first is not None
    assert second is not None
    assert second > first


def test_a_timer_of_an_earlier_round_does_nothing() -> None:
    bench = Bench()
    bench.begin()
    bench.vote(PREVOTE, "12", NIL, 3)
    bench.timeout("propose")
    assert bench.consensus.step == Step.PREVOTE
    assert votes_in(bench.timeout("propose")) == []


def test_rule_55_needs_more_than_a_third() -> None:
    bench = Bench()
    bench.begin()
    bench.vote(PREVOTE, "1", NIL, 7)
    assert bench.consensus.round == 0
    bench.vote(PREVOTE, "2", NIL, 5)
    assert bench.consensus.round == 5


def test_rule_49_decides_a_block_of_an_earlier_round() -> None:
    bench = locked_on_a()
    bench.vote(PRECOMMIT, "12", NIL, 4)
    assert bench.consensus.round == 4
    found = decided(bench.vote(PRECOMMIT, "12", HASH_A, 0))
    assert found is not None
    assert found.certificate.round_ == 0


def test_rule_49_waits_for_the_block() -> None:
    bench = Bench()
    assert decided(bench.vote(PRECOMMIT, "123", HASH_A)) is None
    assert not bench.consensus.status().has_proposal
    assert decided(bench.propose(A)) is not None


def test_a_quorum_is_of_weight() -> None:
    bench = Bench(genesis=small_genesis(weights=(5, 1, 1, 1)))
    bench.propose(A)
    assert votes_in(bench.vote(PREVOTE, "1", HASH_A)) == [(PRECOMMIT, 0, HASH_A)]
    light = Bench(seat=3, genesis=small_genesis(weights=(5, 1, 1, 1)))
    light.propose(A)
    assert votes_in(light.vote(PREVOTE, "12", HASH_A)) == []


def test_a_wrong_signature_does_not_count() -> None:
    bench = Bench()
    vote = bench.seat(1).sign_vote(PREVOTE, HEIGHT, 0, HASH_A)
    with pytest.raises(RuleViolation, match="CNS-11"):
        bench.consensus.on_vote(forged(vote), bench.now_ms)
    with pytest.raises(RuleViolation, match="CNS-11"):
        bench.consensus.on_vote(replace(vote, seat=2), bench.now_ms)
    with pytest.raises(RuleViolation, match="CNS-11"):
        bench.consensus.on_vote(replace(vote, seat=9), bench.now_ms)
    assert bench.consensus.status().prevotes == 0


def test_only_the_leader_proposes() -> None:
    bench = Bench()
    proposal = bench.seat(2).sign_proposal(A, HASH_A, 0, None)
    with pytest.raises(RuleViolation, match="CNS-12"):
        bench.consensus.on_proposal(proposal, bench.now_ms)
    swapped = replace(bench.proposal(A), body=b"another")
    with pytest.raises(RuleViolation, match="CNS-12"):
        bench.consensus.on_proposal(swapped, bench.now_ms)


def test_a_header_is_proposed_in_its_own_round() -> None:
    bench = Bench()
    with pytest.raises(RuleViolation, match="CNS-14"):
        bench.propose(B, 0)
    with pytest.raises(RuleViolation, match="CNS-14"):
        bench.propose(A, 1)


def test_contradicting_votes_are_evidence_and_both_count() -> None:
    bench = Bench()
    bench.propose(A)
    bench.vote(PREVOTE, "1", NIL)
    assert reports(bench.vote(PREVOTE, "1", HASH_A)) == ["equivocation"]
    assert votes_in(bench.vote(PREVOTE, "2", HASH_A)) == [(PRECOMMIT, 0, HASH_A)]


def test_a_seat_cannot_fill_the_memory() -> None:
    bench = Bench()
    bench.begin()
    for number in range(50):
        bench.vote(PREVOTE, "1", number.to_bytes(32, "big"), 0)
    assert len(bench.consensus._rounds[0].prevotes.votes()) == 2
    for round_ in range(0, 100_000, 500):
        bench.vote(PREVOTE, "1", NIL, round_)
    assert len(bench.consensus._rounds) <= FUTURE_ROUNDS + 1


def test_every_vote_is_written_before_it_is_sent() -> None:
    bench = locked_on_a()
    bench.propose(A, 1, pol_round=0)
    for position, output in enumerate(bench.log):
        if isinstance(output, Broadcast) and votes_in([output]):
            before = bench.log[position - 1]
            assert isinstance(before, Write)
            assert before.table == "vote"


def test_a_restarted_miner_repeats_what_it_said() -> None:
    bench = locked_on_a()
    bench.propose(B, 1)
    assert votes_in(bench.restart()) == [(PREVOTE, 1, NIL)]
    assert bench.consensus.lock.locked_hash == HASH_A
    assert bench.consensus.round == 1
    assert votes_in(bench.vote(PREVOTE, "12", NIL, 1)) == [(PRECOMMIT, 1, NIL)]


def test_a_restarted_leader_proposes_the_same_again() -> None:
    bench = Bench(seat=1)
    first = sent(bench.begin())[0]
    bench.application.made = 40
    bench.restart()
    again = sent(bench.timeout("status"))
    status = bench.consensus.status()
    answered = bench.consensus.answer(replace(status, has_proposal=False))
    assert first in answered
    assert first not in again
    assert bench.application.made == 40


def test_what_a_miner_lacks_is_sent() -> None:
    ahead, behind = Bench(seat=0), Bench(seat=3)
    ahead.propose(A)
    ahead.vote(PREVOTE, "12", HASH_A)
    for message in ahead.consensus.answer(behind.consensus.status()):
        if isinstance(message, Proposal):
            behind.consensus.on_proposal(message, behind.now_ms)
        else:
            behind.consensus.on_vote(message, behind.now_ms)  # type: ignore[arg-type]
    assert behind.consensus.lock.locked_hash == HASH_A


def shown_a_lock(holder: Bench) -> Bench:
    """Seat 3, which knows nothing of round 0, is shown A in round 3 with a proof of lock that ``holder`` may have."""
    behind = Bench(seat=3)
    behind.begin()
    for round_ in (1, 2, 3):
        behind.vote(PREVOTE, "01", NIL, round_)
    assert behind.consensus.round == 3
    assert votes_in(behind.propose(A, 3, pol_round=0)) == []
    for message in holder.consensus.answer(behind.consensus.status()):
        assert isinstance(message, Vote)
        behind._took(behind.consensus.on_vote(message, behind.now_ms))
    return behind


def test_a_proof_of_lock_outlives_those_who_are_locked() -> None:
    """All that are locked may restart at once, and whoever else signed the proof may be the one who lies."""
    holder = locked_on_a()
    holder.restart()
    assert (PREVOTE, 3, HASH_A) in votes_in(shown_a_lock(holder).log)


def test_without_the_proof_on_disk_nobody_could_follow_the_lock() -> None:
    holder = locked_on_a()
    holder.storage._tables["proof"].clear()
    holder.restart()
    assert holder.consensus.lock.locked_hash == HASH_A
    assert (PREVOTE, 3, HASH_A) not in votes_in(shown_a_lock(holder).log)
