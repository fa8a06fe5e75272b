"""The gap of a kept plan: sound and bounded, whatever the solver of the last proven plan wrote into its certificate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_client.rules.ledger.events import Cleared
from light_client.rules.ledger.kept import kept_gap
from light_client.rules.market.certificate import MAX_MULTIPLIER, Certificate, Sparse, Steps
from light_client.rules.market.clearing import Solution, empty_plan
from tests.ledger_kit import BUY, FIRST, KWH, SELL, Chain, Person, sell_everything, seller_and_buyer

HUGE = MAX_MULTIPLIER - 1


@pytest.mark.parametrize(
    ("schedule", "net"),
    [
        (((0,), (-HUGE,)), {}),
        (((0,), (HUGE,)), {}),
        (((0,), (0,)), {FIRST + 1: {1: HUGE, 2: -HUGE}}),
        (((5,), (HUGE,)), {}),
    ],
)
def test_a_poisoned_certificate_cannot_stop_the_chain(schedule: Steps, net: Sparse) -> None:
    """Numbers of an interval that does not count yet are the solver's choice; later they would not fit into a header."""
    chain = Chain()
    seller_and_buyer(chain)
    solved = sell_everything(chain.close_gate())
    energy = solved.certificates[0]
    poisoned = replace(energy, schedules={**energy.schedules, FIRST + 1: schedule})
    chain.add(
        solution=chain.solution(Solution(plan=solved.plan, certificates=(poisoned, solved.certificates[1])))
    )
    seller, buyer = Person(3, feeder=1), Person(4, feeder=2)
    chain.add(chain.grant(seller.asset(sells_j=KWH), buyer.asset(buys_j=3 * KWH, money_uc=600_001)))
    chain.add(
        chain.post(seller, seller.offer(SELL, KWH, 1, FIRST + 1)),
        chain.post(buyer, buyer.offer(BUY, 3 * KWH, 200_000, FIRST + 1)),
    )
    chain.close_gate()
    kept = chain.add(at_ms=chain.deadline(FIRST + 1))
    assert kept.clearing.how == Cleared.KEPT
    assert kept.clearing.gap_j == KWH, "no plan can trade more than is offered for sale"
    assert kept_gap(chain.problem(), empty_plan(FIRST + 2), replace(poisoned, net=net)) == 0, (
        "nothing is left"
    )


def test_the_gap_is_never_less_than_what_a_better_plan_would_trade() -> None:
    chain = Chain()
    seller_and_buyer(chain, sells_j=2 * KWH, buys_j=KWH)
    problem = chain.close_gate()
    for value in (-3, -1, 0, 1, 2, 1_000):
        for weight in (1, 2, 7):
            steps: dict[int, Steps] = {FIRST: ((0, 150_000), (value, value + weight))}
            forged = Certificate(weights=(weight,), schedules=steps, net={}, production={}, consumption={})
            assert kept_gap(problem, empty_plan(FIRST), forged) >= KWH
    assert kept_gap(problem, empty_plan(FIRST), None) == KWH


def test_a_certificate_of_past_intervals_still_bounds_the_later_ones() -> None:
    chain = Chain()
    seller_and_buyer(chain, intervals=(FIRST, FIRST + 1))
    solved = sell_everything(chain.close_gate())
    past: Sparse = {FIRST: {1: 5}}
    certificate = replace(solved.certificates[0], net=past)
    chain.add(solution=chain.solution(solved))
    problem = chain.close_gate()
    assert kept_gap(problem, solved.plan.without(FIRST), certificate) == 0, (
        "multipliers of the past do not count"
    )
