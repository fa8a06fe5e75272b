"""MKT-28, MKT-29, the judgement as a whole, kept plans, and the trades that become final."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light_client.rules.errors import RuleViolation
from light_client.rules.market.clearing import (
    Solution,
    Trade,
    check_solution,
    empty_plan,
    final_trades,
    kept_plan,
    needs_no_solution,
    proven_bounds,
    solution_from_wire,
)
from light_client.rules.market.feasibility import check_feasible
from light_client.rules.market.levelling import complete
from light_client.rules.market.offer import OpenOffer
from light_client.rules.market.problem import Problem, problem_of
from light_client.rules.units import OfferId
from tests.light_client.rules.market.samples import BUY, FEW, SELL, certificate, key, plan, problem, proven
from tests.oracles.certifier import NoWholeAnswer
from tests.oracles.fairness import pro_rata
from tests.oracles.pairwise import PairMarket, optimum, violations
from tests.oracles.translate import (
    class_flows,
    class_market,
    first_interval_of,
    open_offers,
    params_of,
    problem_from,
)
from tests.property.markets import markets

SUBJECT = problem(
    [(1, 5, 40, (0,)), (2, 5, 40, (0, 1))], [(2, 6, 30, (0,)), (1, 7, 30, (0, 1))], external={1: 10, 2: 20}
)


def test_an_honest_solution_is_accepted_with_all_gaps_zero() -> None:
    judged = check_solution(SUBJECT, proven(SUBJECT))
    best = optimum(class_market(SUBJECT))
    assert judged.values == (best.energy, -best.expiry_cost) == judged.bounds
    assert judged.gaps == (0, 0)


@settings(max_examples=FEW)
@given(markets(), st.booleans())
def test_the_wire_carries_an_honest_solution_unchanged(drawn: PairMarket, welfare: bool) -> None:
    subject = problem_from(drawn, params_of(drawn, welfare=welfare))
    try:
        solution = proven(subject)
    except NoWholeAnswer:
        return
    read = solution_from_wire(solution.to_wire())
    assert read == solution
    assert read.to_wire() == solution.to_wire()
    assert check_solution(subject, read).gaps == (0,) * len(subject.params.objectives)


@pytest.mark.parametrize(
    ("rule", "wire"),
    [
        ("MKT-10", None),
        ("MKT-10", ()),
        ("MKT-10", ((0, ()),)),
        ("MKT-10", [(0, ()), ()]),
        ("MKT-10", ((0, ()), [])),
        ("MKT-10", (None, ())),
        ("MKT-20", ((0, ()), (None,))),
        ("MKT-21", ((0, ()), (((1,), ((0, (), ()),), (), (), ()),))),
        ("MKT-22", ((0, ()), (((1,), (), (), ((0, 1, -1),), ()),))),
    ],
)
def test_a_solution_of_any_other_shape_is_refused_by_name(rule: str, wire: Any) -> None:
    with pytest.raises(RuleViolation) as caught:
        solution_from_wire(wire)
    assert caught.value.rule == rule


def test_the_number_of_certificates_and_of_weights_follows_from_the_genesis() -> None:
    honest = proven(SUBJECT)
    first, second = honest.certificates
    wrong = ((), (first,), (first, second, second), (second, second), (first, first), (second, first))
    for certificates in wrong:
        with pytest.raises(RuleViolation) as caught:
            check_solution(SUBJECT, replace(honest, certificates=certificates))
        assert caught.value.rule == "MKT-28"


def test_a_plan_short_of_the_bound_breaks_mkt_29() -> None:
    honest = proven(SUBJECT)
    with pytest.raises(RuleViolation) as caught:
        check_solution(SUBJECT, replace(honest, plan=empty_plan(0)))
    assert caught.value.rule == "MKT-29"
    assert caught.value.got == optimum(class_market(SUBJECT)).energy


def test_an_optimal_plan_with_a_loose_proof_breaks_mkt_29() -> None:
    honest = proven(SUBJECT)
    loose = replace(honest.certificates[0], net={0: {1: 5}})
    with pytest.raises(RuleViolation) as caught:
        check_solution(SUBJECT, replace(honest, certificates=(loose, honest.certificates[1])))
    assert caught.value.rule == "MKT-29"


LATE_OR_SOON = ([(1, 5, 10, (0,)), (1, 5, 10, (0, 1))], [(1, 5, 10, (0,))])


@pytest.mark.parametrize("max_gap_j", [0, 3])
def test_only_a_tolerant_genesis_lets_the_tie_break_slip(max_gap_j: int) -> None:
    subject = problem(*LATE_OR_SOON, external={1: 0}, max_gap_j=max_gap_j)
    honest = proven(subject)
    lazy = replace(honest, plan=plan({key(SELL, 1, 5, 0, 1): {0: 10}, key(BUY, 1, 5, 0): {0: 10}}))
    if max_gap_j:
        assert check_solution(subject, lazy).gaps[1] > 0
        return
    with pytest.raises(RuleViolation) as caught:
        check_solution(subject, lazy)
    assert caught.value.rule == "MKT-29"


@pytest.mark.parametrize(("joules", "accepted"), [(10, True), (8, True), (7, True), (6, False)])
def test_a_tolerant_genesis_allows_exactly_its_gap(joules: int, accepted: bool) -> None:
    subject = problem(*LATE_OR_SOON, external={1: 0}, max_gap_j=3)
    short = plan({key(SELL, 1, 5, 0): {0: joules}, key(BUY, 1, 5, 0): {0: joules}})
    solution = replace(proven(subject), plan=short)
    if accepted:
        assert check_solution(subject, solution).gaps[0] == 10 - joules
        return
    with pytest.raises(RuleViolation) as caught:
        check_solution(subject, solution)
    assert (caught.value.rule, caught.value.got, caught.value.expected) == ("MKT-29", 4, 3)


def test_bounds_take_off_what_the_earlier_objectives_earn() -> None:
    first = certificate((2,), {0: ((5,), (0,)), 1: ((5,), (0,))})
    second = certificate((300, 2), {0: ((5,), (0,)), 1: ((5,), (0,))})
    bounds = proven_bounds(SUBJECT, (first, second), (7, -100))
    assert bounds[0] == 80
    spot, flexible = 40 * (300 - 2 * 0), 40 * (300 - 2 * (128 * 1 + 0))
    assert bounds[1] == (spot + flexible - 300 * 7) // 2


def test_where_no_interval_is_two_sided_nothing_needs_proof() -> None:
    assert needs_no_solution(problem([(1, 5, 9, (0,))], [(1, 5, 9, (1,))], external={1: 0}))
    assert not needs_no_solution(SUBJECT)
    assert empty_plan(4).flows == {}


def test_final_trades_of_the_first_interval_only() -> None:
    subject = problem(
        [(1, 100, 3_600_000, (0,)), (1, 100, 1_800_000, (0,))],
        [(1, 300, 4_500_000, (0, 1)), (2, 200, 9_000, (1,))],
        external={1: 0, 2: 0},
    )
    sold, bought = key(SELL, 1, 100, 0), key(BUY, 1, 300, 0, 1)
    trades = final_trades(subject, plan({sold: {0: 3_600_000}, bought: {0: 3_600_000}}))
    assert trades == (
        Trade(1, SELL, 0, 2_400_000, 133),
        Trade(2, SELL, 0, 1_200_000, 67),
        Trade(3, BUY, 0, 3_600_000, 200),
    )
    assert final_trades(subject, plan({bought: {1: 9}})) == ()


@settings(max_examples=FEW)
@given(markets())
def test_final_trades_share_classes_pro_rata_and_conserve(drawn: PairMarket) -> None:
    subject = problem_from(drawn)
    try:
        whole = check_solution(subject, proven(subject)).plan
    except NoWholeAnswer:
        return
    trades = {trade.offer_id: trade for trade in final_trades(subject, whole)}
    assert sum(t.energy_j if t.side == SELL else -t.energy_j for t in trades.values()) == 0
    assert sum(t.amount_uc if t.side == SELL else -t.amount_uc for t in trades.values()) == 0
    for cls, members in subject.shares.items():
        total = dict(whole.flows.get(cls, ())).get(subject.first_interval, 0)
        split = pro_rata([energy for _, energy in members], total)
        got = [trades[number].energy_j if number in trades else 0 for number, _ in members]
        assert got == split
    assert list(trades) == sorted(trades)


def test_trades_of_an_infeasible_plan_are_refused_where_money_would_break_a_limit() -> None:
    subject = problem([(1, 9, 10, (0,))], [(1, 5, 10, (0,))], external={1: 0})
    with pytest.raises(RuleViolation) as caught:
        final_trades(subject, plan({key(SELL, 1, 9, 0): {0: 10}, key(BUY, 1, 5, 0): {0: 10}}))
    assert caught.value.rule == "MKT-19"


def rolled(offers: list[OpenOffer], subject: Problem, trades: tuple[Trade, ...]) -> list[OpenOffer]:
    """The offers after the first interval of ``subject`` is final."""
    traded = {trade.offer_id: trade for trade in trades}
    left = []
    for offer in offers:
        trade = traded.get(offer.offer_id)
        after = offer.after_trade(trade.interval, trade.energy_j, 0) if trade else offer
        if after.remaining_j and after.ranges and after.ranges[-1][1] > subject.first_interval:
            left.append(after)
    return left


def newcomers(later: PairMarket, subject: Problem) -> list[OpenOffer]:
    """Offers of another market on feeders of this one, from the second interval of ``subject`` on."""
    shift = subject.first_interval + 1 - first_interval_of(later)
    price = subject.params.uniform_price_uc_per_kwh
    return [
        offer._replace(
            offer_id=OfferId(offer.offer_id + 1_000),
            price_uc_per_kwh=offer.price_uc_per_kwh if price is None else price,
            ranges=tuple((first + shift, last + shift) for first, last in offer.ranges),
        )
        for offer in open_offers(later)
        if offer.feeder in subject.grid.ext_j
    ]


@settings(max_examples=FEW)
@given(markets(), markets(), st.booleans())
def test_a_kept_plan_stays_feasible_whatever_is_posted(
    drawn: PairMarket, later: PairMarket, posted: bool
) -> None:
    """Clear interval by interval with the first plan only; new offers of another market join after the first."""
    offers, subject = open_offers(drawn), problem_from(drawn)
    try:
        kept = proven(subject).plan
    except NoWholeAnswer:
        return
    joining = newcomers(later, subject) if posted else []
    for first in range(subject.first_interval + 1, subject.first_interval + 9):
        whole = complete(subject, kept)
        check_feasible(subject, whole)
        assert violations(class_market(subject), *class_flows(subject, whole)) == []
        offers = [*rolled(offers, subject, final_trades(subject, whole)), *joining]
        joining = []
        subject = problem_of(offers, first_interval=first, params=subject.params, grid=subject.grid)
        kept = kept_plan(subject, whole)
        assert kept == kept_plan(subject, kept), "a plan that is kept twice is the same"
    assert not offers


@settings(max_examples=FEW)
@given(markets())
def test_without_new_offers_the_rest_of_a_proven_plan_is_optimal(drawn: PairMarket) -> None:
    """Once the first interval of an optimal plan is final, what is left of it trades as much as any plan could."""
    offers, subject = open_offers(drawn), problem_from(drawn)
    try:
        solution = proven(subject)
    except NoWholeAnswer:
        return
    judged = check_solution(subject, solution)
    if judged.values[0] != optimum(class_market(subject)).relaxed:
        return
    left = rolled(offers, subject, final_trades(subject, judged.plan))
    rest = problem_of(
        left, first_interval=subject.first_interval + 1, params=subject.params, grid=subject.grid
    )
    best = optimum(class_market(rest))
    kept = complete(rest, kept_plan(rest, judged.plan))
    assert sum(q for _, _, q in class_flows(rest, kept)[0]) == best.energy


def test_a_uniform_plan_is_kept_when_a_buyer_is_left_with_one_interval() -> None:
    """Its purchases were stated before and follow from the rule now: they must leave the plan, or it could
    not clear.
    """
    subject = problem([(1, 5, 9, (1,))], [(1, 5, 9, (0, 1)), (1, 5, 3, (1,))], external={1: 0}, uniform=True)
    first = plan({key(SELL, 1, 5, 1): {1: 9}, key(BUY, 1, 5, 0, 1): {1: 9}})
    check_feasible(subject, complete(subject, first))
    later = problem([(1, 5, 9, (1,))], [(1, 5, 9, (1,)), (1, 5, 3, (1,))], external={1: 0}, uniform=True)
    kept = kept_plan(later, first)
    assert kept.flows == {key(SELL, 1, 5, 1): ((1, 9),)}
    assert complete(later, kept).flows[key(BUY, 1, 5, 1)] == ((1, 9),)
    with pytest.raises(RuleViolation, match="MKT-26"):
        complete(later, first.without(0))


def test_a_solution_of_another_moment_is_refused() -> None:
    honest = proven(SUBJECT)
    with pytest.raises(RuleViolation) as caught:
        check_solution(SUBJECT, Solution(plan=honest.plan.without(0), certificates=honest.certificates))
    assert caught.value.rule == "MKT-11"
