"""Auctions in blocks: gate, broadcast average, improved limits, final trades; each block judged and followed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from light_client.rules.crypto import verify
from light_client.rules.encoding import encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.apply import apply_transaction
from light_client.rules.ledger.block import Block, Clearing
from light_client.rules.ledger.chain import judge_block
from light_client.rules.ledger.events import AverageBroadcast, Cleared, Event, LimitImproved
from light_client.rules.ledger.improvement import ImproveOffer
from light_client.rules.ledger.records import RecordKind, reaction_from_bytes
from light_client.rules.ledger.snapshot import restore
from light_client.rules.market.mechanisms.kinds import Continuous, MechanismParams, TwoStage, UniformPrice
from light_client.rules.market.mechanisms.mechanism import Transfer
from light_client.rules.market.routing import path_queue, routes_hash
from light_client.rules.statetree import prove, state_key
from light_client.rules.units import OfferId
from tests.ledger_kit import BUY, FIRST, INTERVAL_MS, KWH, SELL, Chain, Person, genesis

CENT = 10_000
REACTION_MS = 300_000


def auction_chain(mechanism: MechanismParams) -> tuple[Chain, list[Person]]:
    """Return a chain on which two sellers and two buyers have offers for the first interval.

    Offers 1 and 2 sell a kWh each at 10 and 26 cents, 3 and 4 buy one each at 30 and 20 cents.
    """
    chain = Chain(genesis(mechanism=mechanism))
    people = [Person(number, feeder=1 + number % 3) for number in range(4)]
    sellers, buyers = people[:2], people[2:]
    chain.add(
        chain.grant(
            *(person.asset(sells_j=KWH) for person in sellers),
            *(person.asset(buys_j=KWH, money_uc=40 * CENT) for person in buyers),
        )
    )
    prices = (10 * CENT, 26 * CENT, 30 * CENT, 20 * CENT)
    chain.add(
        *(
            chain.post(person, person.offer(SELL if person in sellers else BUY, KWH, price, FIRST))
            for person, price in zip(people, prices, strict=True)
        )
    )
    return chain, people


def refused(chain: Chain, person: Person, offer_id: int, limit: int) -> str:
    """Return the rule that refuses an improved limit, in the ledger and in a meter's replica."""
    with pytest.raises(RuleViolation) as broken:
        chain.make(chain.improve(person, offer_id, limit))
    return broken.value.rule


@pytest.mark.parametrize(("mechanism", "paid"), [(UniformPrice(), 230_000), (Continuous(), 100_000)])
def test_one_stage_clears_in_the_block_that_closes_the_gate(mechanism: MechanismParams, paid: int) -> None:
    chain, people = auction_chain(mechanism)
    outcome = chain.add(at_ms=chain.gate())
    assert outcome.clearing == Clearing(
        how=Cleared.COMPUTED,
        interval=FIRST,
        traded_j=KWH,
        gap_j=0,
        routes=routes_hash(FIRST, path_queue(chain.state.grid.parents, (Transfer(1, 3, KWH),))),
    )
    assert [(trade.offer_id, trade.energy_j, trade.amount_uc) for trade in outcome.trades] == [
        (1, KWH, paid),
        (3, KWH, paid),
    ]
    assert chain.account(people[0]).money_uc == paid
    assert chain.account(people[2]).money_uc == 40 * CENT - paid
    assert not chain.state.offers
    assert chain.state.candidate.plan.flows == {}


def test_an_empty_auction_is_vacuous_and_the_chain_goes_on() -> None:
    chain = Chain(genesis(mechanism=TwoStage()))
    for interval in range(FIRST, FIRST + 3):
        assert chain.add(at_ms=chain.gate(interval)).clearing.how == Cleared.VACUOUS


def test_what_is_left_of_an_offer_takes_part_in_its_next_interval() -> None:
    chain = Chain(genesis(mechanism=Continuous()))
    seller, buyer = Person(1, feeder=1), Person(2, feeder=2)
    chain.add(chain.grant(seller.asset(sells_j=3 * KWH), buyer.asset(buys_j=2 * KWH, money_uc=100 * CENT)))
    chain.add(
        chain.post(seller, seller.offer(SELL, 3 * KWH, 10 * CENT, ((FIRST, FIRST + 2),))),
        *(chain.post(buyer, buyer.offer(BUY, KWH, 20 * CENT, FIRST + n), sequence=n // 2) for n in (0, 2)),
    )
    traded = [chain.add(at_ms=chain.gate(FIRST + n)).clearing.traded_j for n in range(3)]
    assert traded == [KWH, 0, KWH]
    assert chain.account(seller).production_j == KWH


def test_two_stages_with_improved_limits() -> None:
    chain, people = auction_chain(TwoStage(reaction_ms=REACTION_MS))
    outcome = chain.add(at_ms=chain.gate())
    assert outcome.clearing.how == Cleared.NOTHING
    assert outcome.events == (AverageBroadcast(interval=FIRST, average_uc_per_kwh=20 * CENT),)
    assert chain.state.reaction is not None
    key = state_key(RecordKind.REACTION, b"")
    assert prove(chain.state.tree, key) != prove(Chain(chain.genesis).state.tree, key)
    dear, poor = people[1], people[3]
    chain.add(chain.improve(dear, 2, 24 * CENT))
    improved = chain.add(chain.improve(poor, 4, 23 * CENT), chain.improve(dear, 2, 22 * CENT))
    assert LimitImproved(offer_id=4, address=poor.address, limit_uc_per_kwh=23 * CENT) in improved.events
    assert chain.followed is not None
    assert chain.followed.reaction == chain.state.reaction
    assert chain.state.reaction.limits == {2: 22 * CENT, 4: 23 * CENT}
    assert chain.state.offers[OfferId(4)].escrow_uc == 23 * CENT
    assert chain.account(poor).money_uc == 17 * CENT
    waiting = chain.add(at_ms=chain.gate() + REACTION_MS - 1)
    assert waiting.clearing.how == Cleared.NOTHING
    done = chain.add(at_ms=chain.gate() + REACTION_MS)
    assert done.clearing.how == Cleared.COMPUTED
    assert [(trade.offer_id, trade.energy_j, trade.amount_uc) for trade in done.trades] == [
        (1, KWH, 20 * CENT),
        (2, KWH, 225_000),
        (3, KWH, 20 * CENT),
        (4, KWH, 225_000),
    ]
    assert chain.state.reaction is None
    assert chain.account(poor).money_uc == 40 * CENT - 225_000


def test_without_reactions_the_second_stage_trades_nothing_more() -> None:
    chain, _ = auction_chain(TwoStage(reaction_ms=REACTION_MS))
    chain.add(at_ms=chain.gate())
    done = chain.add(at_ms=chain.gate() + REACTION_MS)
    assert (done.clearing.how, done.clearing.traded_j) == (Cleared.COMPUTED, KWH)


def test_an_improved_limit_ends_with_its_interval() -> None:
    chain = Chain(genesis(mechanism=TwoStage(reaction_ms=REACTION_MS)))
    seller, buyer, other = (Person(number) for number in (1, 2, 3))
    chain.add(
        chain.grant(
            seller.asset(sells_j=2 * KWH),
            buyer.asset(buys_j=KWH, money_uc=40 * CENT),
            other.asset(sells_j=KWH, buys_j=2 * KWH, money_uc=40 * CENT),
        )
    )
    chain.add(
        chain.post(seller, seller.offer(SELL, 2 * KWH, 26 * CENT, ((FIRST, FIRST + 1),))),
        chain.post(buyer, buyer.offer(BUY, KWH, 30 * CENT, FIRST)),
        chain.post(other, other.offer(BUY, KWH // 2, 20 * CENT, FIRST)),
        chain.post(other, other.offer(BUY, KWH // 2, 20 * CENT, FIRST + 1), sequence=1),
    )
    chain.add(at_ms=chain.gate())
    chain.add(chain.improve(seller, 1, 20 * CENT))
    assert chain.add(at_ms=chain.gate() + REACTION_MS).clearing.traded_j == KWH + KWH // 2
    assert chain.add(at_ms=chain.gate(FIRST + 1)).clearing.traded_j == 0, "26 cents again"


def test_limits_are_improved_between_the_stages_only_and_only_improved() -> None:
    chain, (cheap, dear, rich, poor) = auction_chain(TwoStage(reaction_ms=REACTION_MS))
    assert refused(chain, dear, 2, 20 * CENT) == "MKT-36"
    chain.add(at_ms=chain.gate())
    late = Person(9)
    chain.add(chain.grant(late.asset(sells_j=KWH)))
    chain.add(chain.post(late, late.offer(SELL, KWH, 20 * CENT, FIRST + 1)))
    assert refused(chain, dear, 2, 26 * CENT) == "MKT-38"
    assert refused(chain, dear, 2, 27 * CENT) == "MKT-38"
    assert refused(chain, poor, 4, 20 * CENT) == "MKT-38"
    assert refused(chain, poor, 4, 41 * CENT) == "LED-13"
    assert refused(chain, poor, 2, 20 * CENT) == "MKT-37", "somebody else's"
    assert refused(chain, poor, 77, 20 * CENT) == "MKT-37", "no such offer"
    assert refused(chain, late, 5, 10 * CENT) == "MKT-37", "posted after the gate"
    with pytest.raises(RuleViolation, match="LED-08"):
        chain.make(chain.improve(Person(50), 2, 10 * CENT, sequence=0))
    with pytest.raises(RuleViolation, match="LED-09"):
        chain.make(chain.improve(dear, 2, 20 * CENT, sequence=7))
    chain.add(chain.improve(dear, 2, 24 * CENT))
    assert refused(chain, dear, 2, 25 * CENT) == "MKT-38", "better than at first, but not than now"
    with pytest.raises(RuleViolation, match="MKT-36"):
        chain.make(chain.improve(dear, 2, 20 * CENT), at_ms=chain.gate() + REACTION_MS)
    chain.add(chain.improve(cheap, 1, 9 * CENT), chain.improve(rich, 3, 31 * CENT))


def test_an_offer_of_another_interval_takes_no_part() -> None:
    chain, (_, dear, *_) = auction_chain(TwoStage(reaction_ms=REACTION_MS))
    person = Person(9)
    chain.add(chain.grant(person.asset(sells_j=KWH)))
    chain.add(chain.post(person, person.offer(SELL, KWH, 20 * CENT, FIRST + 1)))
    chain.add(at_ms=chain.gate())
    assert refused(chain, person, 5, 10 * CENT) == "MKT-37"
    chain.add(chain.improve(dear, 2, 24 * CENT))


@pytest.mark.parametrize(
    ("offer_id", "limit", "rule"), [(0, 1, "LED-02"), (1, -1, "MKT-06"), (1, 1 << 32, "MKT-06")]
)
def test_an_improved_limit_has_bounds(offer_id: int, limit: int, rule: str) -> None:
    with pytest.raises(RuleViolation, match=rule):
        ImproveOffer(sequence=0, offer_id=OfferId(offer_id), limit_uc_per_kwh=limit)


@pytest.mark.parametrize("mechanism", [UniformPrice(), Continuous(), TwoStage()], ids=lambda m: m.kind.name)
def test_voters_and_meters_refuse_what_the_auction_does_not_say(mechanism: MechanismParams) -> None:
    chain, _ = auction_chain(mechanism)
    if isinstance(mechanism, TwoStage):
        chain.add(at_ms=chain.gate())
    block, _ = chain.make(at_ms=chain.gate() + REACTION_MS)
    clearing = block.header.clearing
    lies = (
        replace(clearing, how=Cleared.PROVEN),
        replace(clearing, how=Cleared.KEPT),
        replace(clearing, how=Cleared.NOTHING),
        replace(clearing, traded_j=clearing.traded_j - 1),
        replace(clearing, routes=bytes(32)),
        replace(clearing, routes=routes_hash(FIRST, ())),
    )
    for lie in lies:
        forged = Block(header=replace(block.header, clearing=lie), body=block.body)
        with pytest.raises(RuleViolation) as voter:
            chain.judge(forged)
        with pytest.raises(RuleViolation) as meter:
            chain.replica.follow(forged.header, forged.body)
        assert (voter.value.rule, meter.value.rule) in {("LED-21", "LED-21"), ("LED-36", "LED-33")}
    other_root = replace(block.header, solution_root=bytes(32))
    with pytest.raises(RuleViolation, match="LED-33"):
        chain.replica.follow(other_root, block.body)
    chain.take(block)


def test_a_solution_has_no_place_in_an_auction() -> None:
    chain, _ = auction_chain(Continuous())
    block, _ = chain.make(at_ms=chain.gate(), solution=b"\x00")
    assert block.body.solution == b""


def test_the_gate_waits_for_nothing_in_an_auction_that_lags() -> None:
    chain, _ = auction_chain(UniformPrice())
    assert chain.add(at_ms=chain.gate() + 5 * INTERVAL_MS).clearing.interval == FIRST
    assert chain.add(at_ms=chain.tip.time_ms + 1).clearing.interval == FIRST + 1


def test_a_pool_takes_improvements_one_after_the_other() -> None:
    chain, (_, dear, _, poor) = auction_chain(TwoStage(reaction_ms=REACTION_MS))
    chain.add(at_ms=chain.gate())
    draft = chain.state.draft()
    events: list[Event] = []
    for signed in (chain.improve(dear, 2, 24 * CENT), chain.improve(poor, 4, 23 * CENT)):
        apply_transaction(draft, signed, verify, events)
    problem = draft.problem()
    assert problem.reaction is not None
    assert problem.reaction.limits == {2: 24 * CENT, 4: 23 * CENT}
    again = chain.improve(dear, 2, 23 * CENT, sequence=2)
    apply_transaction(draft, again, verify, events)
    renewed = draft.problem().reaction
    assert renewed is not None
    assert renewed.limits == {2: 23 * CENT, 4: 23 * CENT}
    assert chain.problem().reaction is not renewed, "the state itself is not changed"


def test_a_snapshot_between_two_stages_goes_on_like_the_chain() -> None:
    chain, (_, dear, _, poor) = auction_chain(TwoStage(reaction_ms=REACTION_MS))
    chain.add(at_ms=chain.gate())
    chain.add(chain.improve(dear, 2, 22 * CENT))
    restored = restore(chain.genesis, chain.blocks[-1].header, chain.state.records())
    assert restored.reaction == chain.state.reaction
    assert restored.draft().problem() == chain.problem()
    block, _ = chain.make(chain.improve(poor, 4, 23 * CENT))
    outcome = judge_block(restored, chain.tip, block, verify)
    assert outcome.draft.reaction is not None
    assert outcome.draft.reaction.limits == {2: 22 * CENT, 4: 23 * CENT}


@pytest.mark.parametrize(
    "wire",
    [
        0,
        (1, 2, 3),
        (1, 2, 3, 4),
        (1, 2, 3, (4,)),
        (1, 2, 3, ((1,),)),
        (1, b"", 3, ()),
        (-1, 2, 3, ()),
        (1, 2, 3, ((1, -1),)),
        (1, 2, 3, ((2, 1), (1, 1))),
        (1, 2, 3, ((1, 1), (1, 1))),
        (1, 2, 3, ((b"", 1),)),
    ],
)
def test_the_record_between_two_stages_has_one_shape(wire: Any) -> None:
    with pytest.raises(RuleViolation, match="LED-38"):
        reaction_from_bytes(encode(wire), 100)
