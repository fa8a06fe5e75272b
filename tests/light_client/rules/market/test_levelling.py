"""MKT-26, MKT-27: purchases of a uniform market follow from sales, levelled across feeders."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from light_client.rules.errors import RuleViolation
from light_client.rules.market.feasibility import check_feasible
from light_client.rules.market.levelling import Demand, complete, demands_at, level, stated
from light_client.rules.market.plan import Plan
from tests.light_client.rules.market.samples import BUY, FEW, SELL, key, plan, problem, proven
from tests.oracles.fairness import is_max_min_fair, water_level
from tests.oracles.pairwise import PairMarket
from tests.oracles.translate import problem_from
from tests.property.markets import markets


def demands(*entries: tuple[int, int, int]) -> list[Demand]:
    return [Demand(feeder=f, demand=d, low=low, high=high) for f, (d, low, high) in enumerate(entries)]


@pytest.mark.parametrize(
    ("entries", "needed", "served"),
    [
        ([], 0, {}),
        ([(10, 0, 10)], 0, {0: 0}),
        ([(10, 0, 10)], 7, {0: 7}),
        ([(10, 0, 10), (20, 0, 20)], 15, {0: 5, 1: 10}),
        ([(10, 0, 10), (20, 0, 20)], 30, {0: 10, 1: 20}),
        ([(10, 0, 10), (10, 0, 10), (10, 0, 10)], 10, {0: 3, 1: 3, 2: 4}),
        ([(10, 0, 2), (10, 0, 10)], 9, {0: 2, 1: 7}),
        ([(10, 6, 10), (10, 0, 10)], 8, {0: 6, 1: 2}),
        ([(10, 6, 10), (10, 0, 10)], 13, {0: 6, 1: 7}),
        ([(0, 0, 0), (10, 0, 10)], 4, {0: 0, 1: 4}),
        ([(10, 4, 4), (10, 0, 10)], 10, {0: 4, 1: 6}),
        ([(10, 5, 10), (10, 5, 10)], 10, {0: 5, 1: 5}),
    ],
)
def test_shares_rise_together_within_the_limits(
    entries: list[tuple[int, int, int]], needed: int, served: dict[int, int]
) -> None:
    assert level(demands(*entries), needed) == served


@pytest.mark.parametrize(
    ("entries", "needed"),
    [
        ([(10, 5, 4)], 4),
        ([(10, 0, -1)], 0),
        ([(10, 3, 10)], 2),
        ([(10, 0, 6), (10, 0, 3)], 10),
        ([(10, 0, 10)], -1),
        ([], 1),
    ],
)
def test_sales_that_no_purchases_fit_break_mkt_27(entries: list[tuple[int, int, int]], needed: int) -> None:
    with pytest.raises(RuleViolation) as caught:
        level(demands(*entries), needed)
    assert caught.value.rule == "MKT-27"


@st.composite
def bounded_demands(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    entries = []
    for _ in range(draw(st.integers(1, 6))):
        demand = draw(st.integers(0, 40))
        low, high = sorted(draw(st.tuples(st.integers(0, demand), st.integers(0, demand))))
        entries.append((demand, low, high))
    return entries


@given(bounded_demands(), st.data())
def test_levels_are_those_of_the_oracle(entries: list[tuple[int, int, int]], data: st.DataObject) -> None:
    needed = data.draw(st.integers(sum(low for _, low, _ in entries), sum(high for *_, high in entries)))
    exact = water_level(entries, needed)
    assert sum(exact) == needed
    assert is_max_min_fair(dict(enumerate(exact)), dict(enumerate(entries)))
    served = level(demands(*entries), needed)
    assert sum(served.values()) == needed
    for feeder, (_, low, high) in enumerate(entries):
        assert low <= served[feeder] <= high
        assert abs(served[feeder] - exact[feeder]) < 1


@given(bounded_demands(), st.data())
def test_the_oracle_knows_unfair_from_fair(entries: list[tuple[int, int, int]], data: st.DataObject) -> None:
    needed = data.draw(st.integers(sum(low for _, low, _ in entries), sum(high for *_, high in entries)))
    exact = dict(enumerate(water_level(entries, needed)))
    assume(len(entries) > 1)
    taking, giving, *_ = data.draw(st.permutations(range(len(entries))))
    demand, _, high = entries[taking]
    other_demand, low, _ = entries[giving]
    step = min(high - exact[taking], exact[giving] - low)
    assume(step > 0 and Fraction(exact[taking], demand) >= Fraction(exact[giving], other_demand))
    moved = exact | {taking: exact[taking] + step, giving: exact[giving] - step}
    assert not is_max_min_fair(moved, dict(enumerate(entries)))


UNIFORM = problem(
    [(1, 5, 60, (0,)), (2, 5, 30, (0, 1))],
    [(1, 5, 20, (0,)), (2, 5, 40, (0,)), (3, 5, 40, (0,)), (3, 5, 10, (0, 1)), (1, 5, 9, (1,))],
    external={1: 25, 2: 50, 3: 8},
    internal={2: 35},
    uniform=True,
)
KS1, KS2, KB3 = key(SELL, 1, 5, 0), key(SELL, 2, 5, 0, 1), key(BUY, 3, 5, 0, 1)


def test_bounds_of_each_feeder_come_from_sales_limits_and_what_is_taken() -> None:
    assert demands_at(UNIFORM, 0, {1: 40}, {3: 3}) == [
        Demand(feeder=1, demand=20, low=15, high=20),
        Demand(feeder=2, demand=40, low=0, high=35),
        Demand(feeder=3, demand=40, low=0, high=5),
    ]
    assert demands_at(UNIFORM, 0, {}, {2: 30})[1] == Demand(feeder=2, demand=40, low=0, high=5)


def test_a_uniform_plan_is_completed() -> None:
    short = plan({KS1: {0: 40}, KB3: {0: 3}})
    whole = complete(UNIFORM, short)
    assert whole.flows == {
        KS1: ((0, 40),),
        KB3: ((0, 3),),
        key(BUY, 1, 5, 0): ((0, 15),),
        key(BUY, 2, 5, 0): ((0, 17),),
        key(BUY, 3, 5, 0): ((0, 5),),
    }
    check_feasible(UNIFORM, whole)
    assert stated(UNIFORM, whole) == short


def test_a_priced_plan_is_complete_as_it_is() -> None:
    priced = problem([(1, 5, 60, (0,))], [(1, 6, 20, (0,))], external={1: 25})
    short = plan({key(SELL, 1, 5, 0): {0: 40}, key(BUY, 1, 6, 0): {0: 40}})
    assert complete(priced, short) is short
    assert stated(priced, short) is short


def test_stating_what_follows_breaks_mkt_26() -> None:
    with pytest.raises(RuleViolation) as caught:
        complete(UNIFORM, plan({KS1: {0: 5}, key(BUY, 1, 5, 0): {0: 5}}))
    assert caught.value.rule == "MKT-26"


@pytest.mark.parametrize(
    "flows",
    [
        {KS1: {0: 60}},
        {KB3: {0: 1}},
        {KS1: {0: 9}, KB3: {0: 20}},
        {KS2: {1: 10}},
        {key(SELL, 9, 5, 0): {0: 1}},
    ],
)
def test_sales_that_nobody_may_buy_break_mkt_27(flows: dict[tuple[int, int], dict[int, int]]) -> None:
    with pytest.raises(RuleViolation) as caught:
        complete(UNIFORM, plan(flows))  # type: ignore[arg-type]
    assert caught.value.rule == "MKT-27"


@settings(max_examples=FEW)
@given(markets(uniform=True))
def test_whatever_optimal_sales_are_stated_purchases_are_found_and_feasible(drawn: PairMarket) -> None:
    subject = problem_from(drawn)
    sales = proven(subject).plan
    whole = complete(subject, sales)
    check_feasible(subject, whole)
    assert stated(subject, whole) == sales
    shuffled = Plan(first_interval=sales.first_interval, flows=dict(reversed(sales.flows.items())))
    assert complete(subject, shuffled).flows == whole.flows
