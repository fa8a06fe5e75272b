"""Epochs: the committee changes at their ends only, as the ledger elects it; what is reported cannot break a quorum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger import execution
from light_client.rules.ledger.committee import Committee, Member
from light_client.rules.ledger.delivery import DeliveryRecord
from light_client.rules.ledger.election import Election, elect, tie_break
from light_client.rules.ledger.epochs import EpochParams
from light_client.rules.ledger.events import EpochEnded, Event
from light_client.rules.ledger.execution import Outcome
from light_client.rules.ledger.score import Delivery
from light_client.rules.ledger.state import Draft
from tests.epoch_kit import (
    CANDIDATES,
    EPOCH_BLOCKS,
    LATER,
    PARAMS,
    REGISTRY_KEYS,
    broken_succession,
    changed,
    epoch_chain,
    finish_epoch,
    registry,
    report,
)
from tests.ledger_kit import KWH, Chain, records_of
from tests.oracles import naive_statetree

CHAIN_ID = bytes(range(32))
SITTING = Committee(members=tuple(Member(public_key=key, weight=3) for key in CANDIDATES[:4]))


def record(promised_kwh: int, delivered_kwh: int, epoch: int = 0) -> DeliveryRecord:
    """Return what one report leaves."""
    promised, delivered = promised_kwh * KWH, delivered_kwh * KWH
    return DeliveryRecord(
        epochs=((epoch, Delivery(promised, abs(promised - delivered), min(promised, delivered))),)
    )


def members(committee: Committee) -> list[bytes]:
    """Return the keys in the order of the seats."""
    return [member.public_key for member in committee.members]


def election_of(outcome: Outcome) -> Election:
    """Return what the block's epoch end announced."""
    (found,) = [event.election for event in outcome.events if isinstance(event, EpochEnded)]
    return found


# -- the election by itself ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [1, 2, 3, 4, 7])
def test_the_best_are_seated_and_lead_in_the_order_of_their_scores(epoch: int) -> None:
    records = {key: record(100, 100 - 7 * n, epoch - 1) for n, key in enumerate(CANDIDATES)}
    found = elect(PARAMS, CHAIN_ID, epoch, CANDIDATES, records, SITTING)
    assert found.elected
    assert set(members(found.committee)) == set(CANDIDATES[:4])
    first = epoch * PARAMS.blocks + 1
    leaders = [members(found.committee)[found.committee.leader(first + n, 0)] for n in range(4)]
    assert leaders == list(CANDIDATES[:4])
    assert [key for key, _ in found.scores] == list(CANDIDATES)
    assert {member.weight for member in found.committee.members} == {1}, "a score gives no weight"


def test_only_the_history_counts() -> None:
    fresh = {CANDIDATES[5]: record(100, 90, 4)}
    stale = {CANDIDATES[6]: record(100, 100, 2)}
    found = elect(PARAMS, CHAIN_ID, 5, CANDIDATES, fresh | stale, SITTING)
    assert found.scores[0][0] == CANDIDATES[5]
    assert dict(found.scores)[CANDIDATES[6]] == dict(found.scores)[CANDIDATES[7]], "as one without a history"


def test_with_too_few_candidates_the_committee_stays() -> None:
    found = elect(PARAMS, CHAIN_ID, 1, CANDIDATES[4:7], {}, SITTING)
    assert not found.elected
    assert found.committee is SITTING
    assert elect(PARAMS, CHAIN_ID, 1, CANDIDATES[4:], {}, SITTING).elected
    assert elect(replace(PARAMS, min_seats=1), CHAIN_ID, 1, (), {}, SITTING).committee is SITTING


@given(st.permutations(CANDIDATES), st.integers(1, 50))
def test_the_order_in_which_candidates_are_given_is_nothing(order: list[bytes], epoch: int) -> None:
    records = {key: record(10, 9, epoch) for key in CANDIDATES[:3]}
    found = elect(PARAMS, CHAIN_ID, epoch, order, records, SITTING)
    assert found == elect(PARAMS, CHAIN_ID, epoch, CANDIDATES, records, SITTING)


def test_ties_fall_differently_in_each_epoch_and_chain() -> None:
    """A key that comes first in one epoch has no advantage in the next: with equal scores seats go round."""
    seats: dict[bytes, int] = dict.fromkeys(CANDIDATES, 0)
    for epoch in range(1, 201):
        for key in members(elect(PARAMS, CHAIN_ID, epoch, CANDIDATES, {}, SITTING).committee):
            seats[key] += 1
    assert all(60 < count < 140 for count in seats.values()), "200 epochs, half of the seats each"
    assert tie_break(CHAIN_ID, 1, CANDIDATES[0]) != tie_break(bytes(32), 1, CANDIDATES[0])


# -- on a chain ----------------------------------------------------------------------------------------------------


def test_the_committee_changes_after_the_last_block_of_an_epoch() -> None:
    chain = epoch_chain()
    first = chain.genesis.committee
    chain.add(report(chain, {key: (50, 50 - n) for n, key in enumerate(CANDIDATES[::-1])}), at_ms=LATER)
    for _ in range(EPOCH_BLOCKS - 2):
        chain.add()
        assert chain.blocks[-1].header.next_committee_hash == first.hash()
    election = election_of(chain.add())
    last = chain.blocks[-1].header
    assert (last.height, last.committee_hash) == (EPOCH_BLOCKS, first.hash())
    assert last.next_committee_hash == election.committee.hash() == chain.state.committee.hash()
    assert set(members(election.committee)) == set(CANDIDATES[4:])
    chain.add()
    assert chain.blocks[-1].header.committee_hash == election.committee.hash()
    assert naive_statetree.root(records_of(chain.state)) == chain.state.root()


def test_without_a_registry_the_first_committee_signs_for_ever() -> None:
    chain = Chain(replace(epoch_chain().genesis, registry=None))
    for _ in range(3 * EPOCH_BLOCKS):
        outcome = chain.add()
        assert not [event for event in outcome.events if isinstance(event, EpochEnded)]
    assert chain.state.committee == chain.genesis.committee


def test_the_convicted_are_not_elected(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = epoch_chain()
    convicted = set(CANDIDATES[:2])
    monkeypatch.setattr(Draft, "is_convicted", lambda self, key: key in convicted)
    finish_epoch(chain)
    assert not convicted & set(members(chain.state.committee))
    assert chain.state.committee != chain.genesis.committee
    convicted |= set(CANDIDATES[2:5])
    before = chain.state.committee
    finish_epoch(chain)
    assert chain.state.committee == before, "three are left, four are needed"


def test_a_registered_miner_may_be_elected_at_the_next_end() -> None:
    chain = epoch_chain(start=registry(candidates=CANDIDATES[:4]))
    best = CANDIDATES[6]
    finish_epoch(chain)
    assert set(members(chain.state.committee)) == set(CANDIDATES[:4])
    wider = registry(version=2, candidates=(*CANDIDATES[:4], best))
    chain.add(changed(chain, wider, REGISTRY_KEYS[:2]))
    chain.add(report(chain, {key: (10, 10 if key == best else 5) for key in wider.candidates}), at_ms=LATER)
    assert best not in members(chain.state.committee)
    finish_epoch(chain)
    assert best in members(chain.state.committee)


def test_a_header_that_names_another_committee_is_refused() -> None:
    chain = epoch_chain()
    for _ in range(EPOCH_BLOCKS - 1):
        chain.add()
    block, outcome = chain.make()
    elected = outcome.draft.committee
    for named in (chain.state.committee, Committee(members=elected.members[:3])):
        forged = replace(block, header=replace(block.header, next_committee_hash=named.hash()))
        with pytest.raises(RuleViolation) as broken:
            chain.judge(forged)
        assert broken.value.rule == "CNS-28"
    chain.take(block)


# -- safety does not depend on scores ------------------------------------------------------------------------------


def quorums_meet(committee: Committee) -> bool:
    """Whether any two quorums share more than a third of the weight: at least one honest member."""
    seats = range(len(committee.members))
    quorums = [
        set(chosen)
        for size in range(1, len(seats) + 1)
        for chosen in combinations(seats, size)
        if committee.is_quorum(sum(committee.members[seat].weight for seat in chosen))
    ]
    return all(
        committee.exceeds_faults(sum(committee.members[seat].weight for seat in one & other))
        for one in quorums
        for other in quorums
    )


Report = tuple[tuple[int, int], ...]
reports = st.tuples(*(st.tuples(st.integers(0, 1 << 20), st.integers(0, 1 << 20)) for _ in CANDIDATES))
scripts = st.lists(st.one_of(st.none(), reports), min_size=2 * EPOCH_BLOCKS, max_size=2 * EPOCH_BLOCKS + 3)


def play(script: list[Report | None], params: EpochParams = PARAMS) -> Chain:
    """Make a block for each entry, with a report where there is one."""
    chain = epoch_chain(params)
    chain.add(at_ms=LATER)
    for entry in script:
        energies = None if entry is None else dict(zip(CANDIDATES, entry, strict=True))
        chain.add(*([] if energies is None else [report(chain, energies)]))
    return chain


@settings(max_examples=30, deadline=None)
@given(scripts)
def test_no_reports_can_break_the_quorums_of_an_epoch(script: list[Report | None]) -> None:
    """Reports may be lies from first to last: every committee is fixed within its epoch, signed for by the one before,
    and any two of its quorums share an honest member; so two certificates of one height cannot both come about.
    """
    script = script[:19]
    chain = play(script)
    headers = [block.header for block in chain.blocks]
    assert list(broken_succession(headers, PARAMS)) == []
    assert quorums_meet(chain.state.committee)
    assert set(members(chain.state.committee)) <= set(CANDIDATES)


def elect_in_every_block(draft: Draft, events: list[Event]) -> None:
    """A broken rule: the committee follows the scores at once, within an epoch too."""
    del events
    registered = draft.registry
    if registered is not None:
        records = {key: draft.delivery(key) for key in registered.candidates}
        epoch = draft.genesis.epochs.epoch_of(draft.height) + 1
        draft.committee = elect(
            draft.genesis.epochs, CHAIN_ID, epoch, registered.candidates, records, draft.committee
        ).committee


def forget_the_epochs_end(draft: Draft, events: list[Event]) -> None:
    """A broken rule: nobody is ever elected."""
    del draft, events


def test_a_committee_that_changes_within_an_epoch_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "_end_epoch", elect_in_every_block)
    chain = epoch_chain()
    for n in range(EPOCH_BLOCKS - 1):
        chain.add(report(chain, {key: (9, (m * n) % 9) for m, key in enumerate(CANDIDATES)}), at_ms=LATER + n)
    assert list(broken_succession([block.header for block in chain.blocks], PARAMS))


@pytest.mark.parametrize("twin", [elect_in_every_block, forget_the_epochs_end])
def test_voters_refuse_what_a_broken_miner_names(
    twin: Callable[[Draft, list[Event]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = epoch_chain()
    for n in range(EPOCH_BLOCKS - 1):
        with monkeypatch.context() as broken_miner:
            broken_miner.setattr(execution, "_end_epoch", twin)
            block, _ = chain.make(at_ms=LATER + n)
        if twin is elect_in_every_block:
            with pytest.raises(RuleViolation) as broken:
                chain.judge(block)
            assert broken.value.rule in ("LED-36", "CNS-28")
        chain.add(at_ms=LATER + n)
    with monkeypatch.context() as broken_miner:
        broken_miner.setattr(execution, "_end_epoch", twin)
        block, _ = chain.make()
    with pytest.raises(RuleViolation) as broken:
        chain.judge(block)
    assert broken.value.rule in ("LED-36", "CNS-28")


class TwoThirdsWithEqualityCommittee(Committee):
    """A broken committee: two thirds are enough."""

    def is_quorum(self, weight: int) -> bool:
        return 3 * weight >= 2 * self.total_weight


def test_quorums_that_do_not_meet_are_seen() -> None:
    seats = tuple(Member(public_key=key) for key in CANDIDATES[:6])
    assert quorums_meet(Committee(members=seats))
    assert not quorums_meet(TwoThirdsWithEqualityCommittee(members=seats))
