"""The workflow of section 6.4 of the transactive-energy paper, step by step, and every way to clear an interval."""

from __future__ import annotations

import pytest

from light_client.rules.crypto import address_of, public_key_of
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.events import (
    AssetAdded,
    Cleared,
    Deposited,
    FinancialAdded,
    OfferClosed,
    OfferPosted,
    SolutionAccepted,
    SolutionFinalised,
)
from light_client.rules.ledger.records import Amounts
from light_client.rules.units import Address
from tests.ledger_kit import (
    BUY,
    FIRST,
    KWH,
    SELL,
    SOLVER_SECRET,
    Chain,
    Person,
    genesis,
    secret,
    sell_everything,
    seller_and_buyer,
)

SOLVER = Address(address_of(public_key_of(SOLVER_SECRET)))


def refused(chain: Chain, rule: str, *transactions: object, **options: object) -> RuleViolation:
    """Expect the block to break a rule, and the state to stay what it was."""
    root = chain.state.root()
    with pytest.raises(RuleViolation) as broken:
        chain.make(*transactions, **options)  # type: ignore[arg-type]
    assert broken.value.rule == rule
    assert chain.state.root() == root
    return broken.value


def test_the_whole_workflow_from_withdrawal_to_deposit() -> None:
    chain = Chain()
    seller, buyer = Person(1, feeder=1), Person(2, feeder=2)
    granted = chain.add(
        chain.grant(seller.asset(sells_j=2 * KWH), buyer.asset(buys_j=3 * KWH, money_uc=600_000))
    )
    assert set(granted.events) == {
        AssetAdded(address=seller.address, production_j=2 * KWH, consumption_j=0),
        AssetAdded(address=buyer.address, production_j=0, consumption_j=3 * KWH),
        FinancialAdded(address=buyer.address, money_uc=600_000),
    }
    posted = chain.add(
        chain.post(seller, seller.offer(SELL, 2 * KWH, 100_000, FIRST)),
        chain.post(buyer, buyer.offer(BUY, 3 * KWH, 200_000, FIRST)),
    )
    assert posted.events == (
        OfferPosted(offer_id=1, address=seller.address),
        OfferPosted(offer_id=2, address=buyer.address),
    )
    assert (chain.account(buyer).money_uc, chain.account(buyer).consumption_j) == (0, 0)
    problem = chain.close_gate()
    cleared = chain.add(solution=chain.solution(sell_everything(problem)))
    sale, purchase = cleared.trades
    assert (sale.energy_j, sale.amount_uc) == (purchase.energy_j, purchase.amount_uc) == (2 * KWH, 300_000)
    accepted, finalised, *closed = sorted(
        cleared.events, key=lambda event: type(event).__name__, reverse=True
    )
    assert accepted == SolutionFinalised(interval=FIRST, how=Cleared.PROVEN, gap_j=0, trades=cleared.trades)
    assert finalised == SolutionAccepted(interval=FIRST, solver=SOLVER, energy_j=2 * KWH)
    assert closed == [
        OfferClosed(offer_id=1, address=seller.address, returned_j=0),
        OfferClosed(offer_id=2, address=buyer.address, returned_j=KWH),
    ]
    ended = chain.add(chain.deposit(seller), chain.deposit(buyer))
    assert ended.events == (
        Deposited(address=seller.address, amounts=Amounts(money_uc=300_000, sold_j=2 * KWH)),
        Deposited(
            address=buyer.address,
            amounts=Amounts(consumption_j=KWH, money_uc=300_000, bought_j=2 * KWH),
        ),
    )
    meta = chain.state.meta
    assert meta.traded_j == 2 * KWH
    assert meta.deposited == Amounts(consumption_j=KWH, money_uc=600_000, sold_j=2 * KWH, bought_j=2 * KWH)
    assert chain.state.offers == {}


def test_a_failed_withdrawal_leaves_everything_where_it_was() -> None:
    chain = Chain()
    person = Person(1)
    chain.add(chain.grant(person.asset(sells_j=KWH)))
    refused(chain, "LED-07", chain.grant(person.asset(sells_j=KWH), Person(2).asset(buys_j=KWH)))
    assert Person(2).address not in chain.state.accounts
    assert chain.state.meta.granted == Amounts(production_j=KWH)


def test_a_kept_plan_clears_after_the_deadline_and_says_its_gap() -> None:
    chain = Chain()
    seller, buyer = seller_and_buyer(chain, intervals=(FIRST, FIRST + 1))
    problem = chain.close_gate()
    chain.add(solution=chain.solution(sell_everything(problem)))
    late = Person(3, feeder=3)
    chain.add(chain.grant(late.asset(sells_j=KWH)))
    chain.add(chain.post(late, late.offer(SELL, KWH // 2, 150_000, FIRST + 1)))
    chain.close_gate()
    waiting = chain.add(at_ms=chain.deadline(FIRST + 1) - 1)
    assert waiting.clearing.how == Cleared.NOTHING
    kept = chain.add(at_ms=chain.deadline(FIRST + 1))
    assert (kept.clearing.how, kept.clearing.traded_j) == (Cleared.KEPT, KWH)
    assert kept.clearing.gap_j == KWH // 2, "the late seller could have sold half a kilowatt-hour more"
    assert (chain.account(seller).sold_j, chain.account(buyer).bought_j) == (2 * KWH, 2 * KWH)


def test_a_kept_plan_of_a_uniform_market_serves_the_levelled_buyers() -> None:
    chain = Chain(genesis(price=100_000))
    seller, buyer = seller_and_buyer(chain, ask=100_000, bid=100_000, intervals=(FIRST, FIRST + 1))
    problem = chain.close_gate()
    chain.add(solution=chain.solution(sell_everything(problem)))
    chain.close_gate()
    kept = chain.add(at_ms=chain.deadline(FIRST + 1))
    assert (kept.clearing.how, kept.clearing.traded_j, kept.clearing.gap_j) == (Cleared.KEPT, KWH, 0)
    assert chain.account(buyer).bought_j == chain.account(seller).sold_j == 2 * KWH


def test_without_any_earlier_plan_the_kept_one_is_empty_and_its_gap_large() -> None:
    chain = Chain()
    seller, _ = seller_and_buyer(chain)
    chain.close_gate()
    kept = chain.add(at_ms=chain.deadline())
    assert (kept.clearing.how, kept.clearing.traded_j, kept.clearing.gap_j) == (Cleared.KEPT, 0, KWH)
    assert chain.account(seller).production_j == KWH, "what expired went back"


def test_an_interval_without_two_sides_clears_by_itself() -> None:
    chain = Chain()
    seller = Person(1)
    chain.add(chain.grant(seller.asset(sells_j=KWH)))
    chain.add(chain.post(seller, seller.offer(SELL, KWH, 5, FIRST)))
    outcome = chain.add(at_ms=chain.gate())
    assert (outcome.clearing.how, outcome.clearing.interval) == (Cleared.VACUOUS, FIRST)
    assert chain.account(seller).production_j == KWH
    assert chain.state.meta.next_interval == FIRST + 1


def test_offers_posted_while_an_interval_is_being_cleared_wait_for_the_next() -> None:
    chain = Chain()
    seller_and_buyer(chain)
    late = Person(3, feeder=3)
    chain.add(chain.grant(late.asset(sells_j=KWH)))
    chain.close_gate()
    refused(chain, "MKT-07", chain.post(late, late.offer(SELL, KWH, 1, FIRST)))
    chain.add(chain.post(late, late.offer(SELL, KWH, 1, FIRST + 1)))
    problem = chain.problem()
    assert all(key.feeder != 3 for key in problem.classes), "the late offer takes no part"
    cleared = chain.add(solution=chain.solution(sell_everything(problem)))
    assert {trade.offer_id for trade in cleared.trades} == {1, 2}
    assert [key.feeder for key in chain.problem().classes] == [3]


def test_the_gate_closes_at_its_time_and_not_before() -> None:
    chain = Chain()
    seller_and_buyer(chain)
    chain.add(at_ms=chain.gate() - 1)
    assert chain.state.meta.gate_offer is None
    chain.add(at_ms=chain.gate())
    assert chain.state.meta.gate_offer == 3


def test_an_offer_in_the_block_of_the_gate_is_too_late() -> None:
    chain = Chain()
    seller = Person(1)
    chain.add(chain.grant(seller.asset(sells_j=KWH)))
    late = chain.post(seller, seller.offer(SELL, KWH, 5, FIRST))
    refused(chain, "MKT-07", late, at_ms=chain.gate())
    chain.make(late, at_ms=chain.gate() - 1)


@pytest.mark.parametrize("t_clear", [1, 2, 5])
def test_the_gate_lies_so_many_intervals_ahead(t_clear: int) -> None:
    chain = Chain(genesis(t_clear=t_clear))
    assert chain.gate(FIRST) == (FIRST + 1 - t_clear) * 900_000
    seller_and_buyer(chain)
    problem = chain.close_gate()
    cleared = chain.add(solution=chain.solution(sell_everything(problem)))
    assert cleared.clearing.interval == FIRST
    late = Person(3)
    chain.add(chain.grant(late.asset(sells_j=KWH)))
    chain.add(chain.post(late, late.offer(SELL, KWH, 5, FIRST + 1)))
    chain.add(at_ms=chain.gate(FIRST + 1))
    assert chain.state.meta.next_interval == FIRST + 2, "nobody buys: cleared at its gate"


def test_a_stalled_chain_catches_up_one_interval_a_block() -> None:
    chain = Chain()
    seller, buyer = seller_and_buyer(chain, intervals=(FIRST, FIRST + 1, FIRST + 3))
    problem = chain.close_gate()
    long_after = chain.deadline(FIRST + 6)
    chain.add(solution=chain.solution(sell_everything(problem)), at_ms=long_after)
    seen = []
    while chain.state.meta.next_interval <= FIRST + 6:
        outcome = chain.add()
        seen.append((outcome.clearing.interval - FIRST, outcome.clearing.how.name, outcome.clearing.traded_j))
    assert seen == [
        (1, "KEPT", KWH),
        (2, "KEPT", 0),
        (3, "KEPT", KWH),
        (4, "VACUOUS", 0),
        (5, "VACUOUS", 0),
        (6, "VACUOUS", 0),
    ]
    assert chain.account(seller).sold_j == chain.account(buyer).bought_j == 3 * KWH


def test_while_a_stalled_chain_catches_up_a_solver_may_still_prove() -> None:
    chain = Chain()
    seller_and_buyer(chain, intervals=(FIRST, FIRST + 1))
    chain.close_gate()
    chain.add(at_ms=chain.deadline(FIRST + 3))
    assert chain.state.meta.next_interval == FIRST + 1
    draft = chain.state.draft()
    outcome = chain.add(solution=chain.solution(sell_everything(draft.problem())))
    assert (outcome.clearing.how, outcome.clearing.interval) == (Cleared.PROVEN, FIRST + 1)


def test_a_stalled_chain_takes_no_offers_for_intervals_whose_gate_has_passed() -> None:
    """The seller of a quarter that is over knows what it produced: its offer would be no offer any more."""
    chain = Chain()
    seller_and_buyer(chain)
    late = Person(3, feeder=3)
    chain.add(chain.grant(late.asset(sells_j=KWH)))
    at_ms = chain.gate(FIRST + 3)
    for interval in range(FIRST, FIRST + 4):
        refused(chain, "MKT-07", chain.post(late, late.offer(SELL, KWH, 1, interval)), at_ms=at_ms)
        refused(
            chain, "MKT-07", chain.post(late, late.offer(SELL, KWH, 1, ((interval, FIRST + 6),))), at_ms=at_ms
        )
    chain.add(chain.post(late, late.offer(SELL, KWH, 1, FIRST + 4)), at_ms=at_ms)


def test_a_solution_of_nobody_known_is_as_good_as_any() -> None:
    chain = Chain()
    seller_and_buyer(chain)
    solved = sell_everything(chain.close_gate())
    from light_client.rules.ledger.transactions import SubmitSolution

    raw = chain.sign(SubmitSolution(solution=solved), secret(4_711)).raw
    assert chain.add(solution=raw).clearing.how == Cleared.PROVEN
