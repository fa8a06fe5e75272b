"""LED-21 to LED-23: how a block may clear, what a solution must be, and that no buyer owes more than was set aside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.crypto import verify
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.clear import clearing_is_due, deadline_ms
from light_client.rules.ledger.events import Cleared
from light_client.rules.ledger.execution import execute
from light_client.rules.ledger.settle import ended_offers, settle
from light_client.rules.ledger.transactions import DepositAssets, SubmitSolution
from light_client.rules.market.clearing import Solution, Trade, empty_plan
from light_client.rules.market.plan import Plan
from light_client.rules.market.problem import Problem
from tests.ledger_kit import (
    BUY,
    FIRST,
    KWH,
    SELL,
    SOLVER_SECRET,
    Chain,
    Person,
    flat_certificate,
    genesis,
    sell_everything,
    seller_and_buyer,
)

N, P, K, V = Cleared.NOTHING, Cleared.PROVEN, Cleared.KEPT, Cleared.VACUOUS
RAW = b"a solution"


def allowed(chain: Chain, time_ms: int, *, closed: bool) -> set[Cleared]:
    """Return every way of clearing that LED-21 lets pass, with a solution where one belongs."""
    problem = chain.problem() if closed else None
    found = set()
    for how in Cleared:
        try:
            clearing_is_due(chain.genesis, problem, time_ms, how, RAW if how == P else b"")
        except RuleViolation as broken:
            assert broken.rule == "LED-21"
        else:
            found.add(how)
    return found


def test_the_state_and_the_time_decide_how_a_block_may_clear() -> None:
    chain = Chain()
    assert allowed(chain, chain.gate(), closed=False) == {N}
    assert allowed(chain, chain.gate(), closed=True) == {V}, "nobody trades"
    seller_and_buyer(chain)
    deadline = chain.deadline()
    assert deadline == deadline_ms(chain.genesis, FIRST) == chain.gate() + 60_000
    assert allowed(chain, chain.gate(), closed=True) == {N, P}
    assert allowed(chain, deadline - 1, closed=True) == {N, P}
    assert allowed(chain, deadline, closed=True) == {P, K}
    assert allowed(chain, deadline + 10**9, closed=True) == {P, K}


@pytest.mark.parametrize(("how", "solution"), [(P, b""), (N, RAW)])
def test_a_solution_goes_with_a_proven_clearing_only(how: Cleared, solution: bytes) -> None:
    chain = Chain()
    seller_and_buyer(chain)
    with pytest.raises(RuleViolation) as broken:
        clearing_is_due(chain.genesis, chain.problem(), chain.gate(), how, solution)
    assert broken.value.rule == "LED-21"


def refuse_solution(chain: Chain, rule: str, raw: bytes) -> None:
    """Expect a solution to break a rule."""
    with pytest.raises(RuleViolation) as broken:
        chain.make(solution=raw)
    assert broken.value.rule == rule


@pytest.fixture
def closed() -> Chain:
    """A chain whose first gate has closed over one seller and one buyer."""
    chain = Chain()
    seller_and_buyer(chain)
    chain.close_gate()
    return chain


def test_another_transaction_is_no_solution(closed: Chain) -> None:
    refuse_solution(closed, "LED-22", closed.sign(DepositAssets(sequence=0), SOLVER_SECRET).raw)


def test_a_solution_is_signed_for_this_chain(closed: Chain) -> None:
    solved = SubmitSolution(solution=sell_everything(closed.problem()))
    refuse_solution(closed, "LED-03", Chain(genesis(name="test-other")).sign(solved, SOLVER_SECRET).raw)


def test_bytes_that_are_no_transaction_are_no_solution(closed: Chain) -> None:
    refuse_solution(closed, "ENC-02", b"\x83")


Spoil = Callable[[Solution], Solution]


@pytest.mark.parametrize(
    ("rule", "spoil"),
    [
        ("MKT-11", lambda good: replace(good, plan=Plan(first_interval=FIRST - 1, flows=good.plan.flows))),
        ("MKT-28", lambda good: replace(good, certificates=good.certificates[:1])),
        ("MKT-28", lambda good: replace(good, certificates=(good.certificates[1], good.certificates[0]))),
        ("MKT-29", lambda good: replace(good, plan=empty_plan(FIRST))),
    ],
)
def test_a_solution_that_is_not_proven_clears_nothing(closed: Chain, rule: str, spoil: Spoil) -> None:
    refuse_solution(closed, rule, closed.solution(spoil(sell_everything(closed.problem()))))


def test_a_feasible_plan_that_trades_less_is_not_proven_by_any_flat_price(closed: Chain) -> None:
    problem = closed.problem()
    plan = sell_everything(problem).plan
    less = Plan(first_interval=FIRST, flows=dict.fromkeys(plan.flows, ((FIRST, KWH // 2),)))
    for value in (-1, 0, 1, 2):
        forged = Solution(
            plan=less,
            certificates=(flat_certificate(problem, (1,), value), flat_certificate(problem, (1, 1), value)),
        )
        refuse_solution(closed, "MKT-29", closed.solution(forged))


def test_a_kept_clearing_is_not_taken_before_the_deadline(closed: Chain) -> None:
    with pytest.raises(RuleViolation) as broken:
        execute(
            closed.state,
            time_ms=closed.deadline() - 1,
            how=K,
            solution=b"",
            transactions=(),
            verify_signature=verify,
        )
    assert broken.value.rule == "LED-21"


def test_a_payment_beyond_the_escrow_is_refused(closed: Chain) -> None:
    """No clearing leads here, which is what the escrow is for; a broken one would be caught."""
    offer = closed.state.offers[next(key for key, offer in closed.state.offers.items() if offer.side == BUY)]
    settle(closed.state.draft(), Trade(offer.offer_id, BUY, FIRST, KWH, offer.escrow_uc))
    with pytest.raises(RuleViolation) as broken:
        settle(closed.state.draft(), Trade(offer.offer_id, BUY, FIRST, KWH, offer.escrow_uc + 1))
    assert broken.value.rule == "LED-23"


def test_offers_end_when_served_or_when_their_last_interval_is_over(closed: Chain) -> None:
    problem = closed.problem()
    assert ended_offers(problem, (), {}) == [1, 2]
    later = replace(problem, first_interval=FIRST - 1)
    served = Trade(1, SELL, FIRST - 1, KWH, 5)
    assert ended_offers(later, (served,), {1: 0}) == [1]
    assert ended_offers(later, (served,), {1: 1}) == []


@given(
    ask=st.integers(0, 50),
    spread=st.integers(0, 50),
    parts=st.lists(st.integers(1, 3), min_size=1, max_size=4),
)
def test_money_is_exact_and_the_escrow_enough_at_odd_prices(ask: int, spread: int, parts: list[int]) -> None:
    """Prices of a few micro-units per kilowatt-hour: every payment is rounded, interval after interval."""
    chain = Chain()
    buyer = Person(2, feeder=2)
    sellers = [Person(10 + number, feeder=1) for number in range(len(parts))]
    wanted = sum(parts) * 3_600
    window = ((FIRST, FIRST + len(parts) - 1),)
    chain.add(
        chain.grant(
            *(seller.asset(sells_j=3_600 * part) for seller, part in zip(sellers, parts, strict=True)),
            buyer.asset(buys_j=wanted, money_uc=10_000),
        )
    )
    chain.add(
        *(
            chain.post(seller, seller.offer(SELL, 3_600 * part, ask, FIRST + number))
            for number, (seller, part) in enumerate(zip(sellers, parts, strict=True))
        ),
        chain.post(buyer, buyer.offer(BUY, wanted, ask + spread, window)),
    )
    for _ in parts:
        problem = chain.close_gate()
        chain.add(solution=chain.solution(serve_one_buyer(problem)))
    paid = 10_000 - chain.account(buyer).money_uc
    assert paid == sum(chain.account(seller).money_uc for seller in sellers)
    assert chain.account(buyer).bought_j == wanted
    assert abs(2 * KWH * paid - wanted * (2 * ask + spread)) < 2 * KWH * len(parts), (
        "the midpoint, up to rounding"
    )


def serve_one_buyer(problem: Problem) -> Solution:
    """Solve a market of single sellers in consecutive intervals and one buyer who wants all of it."""
    solved = sell_everything(problem)
    sold = sorted(
        (entry for key, entries in solved.plan.flows.items() if key.side == SELL for entry in entries)
    )
    flows = {key: entries for key, entries in solved.plan.flows.items() if key.side == SELL}
    buyer = next(key for key in problem.classes if key.side == BUY)
    return replace(
        solved, plan=Plan(first_interval=problem.first_interval, flows={**flows, buyer: tuple(sold)})
    )
