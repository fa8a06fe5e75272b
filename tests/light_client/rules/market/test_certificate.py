"""MKT-20 to MKT-25: certificates on the wire, and the bound that any of them proves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light_client.rules.errors import RuleViolation
from light_client.rules.market.certificate import MAX_MULTIPLIER, Certificate, bound, certificate_from_wire
from light_client.rules.market.objective import objective_values
from light_client.rules.units import MAX_PRICE_UC_PER_KWH
from tests.light_client.rules.market.samples import FEW, certificate, problem, proven
from tests.oracles import certifier
from tests.oracles.pairwise import PairMarket, optimum
from tests.oracles.translate import class_market, params_of, problem_from
from tests.property.markets import markets

SCHEDULE = (2, (5, 9), (-3, 4))
NET = ((0, 1, -7), (2, 0, 3), (2, 4, 1))
WIRE = ((40, 1), (SCHEDULE,), NET, ((2, 1, 5),), ((3, 1, 2),))


def test_the_wire_form_is_relative_and_ordered() -> None:
    read = certificate_from_wire(WIRE, 100)
    assert read == certificate(
        (40, 1),
        {102: ((5, 9), (-3, 4))},
        net={100: {1: -7}, 102: {0: 3, 4: 1}},
        production={102: {1: 5}},
        consumption={103: {1: 2}},
    )
    assert read.to_wire(100) == WIRE


def changed(part: int, value: Any) -> tuple[Any, ...]:
    return (*WIRE[:part], value, *WIRE[part + 1 :])


@pytest.mark.parametrize(
    "wire",
    [
        None,
        [],
        (),
        WIRE[:4],
        (*WIRE, ()),
        changed(0, None),
        changed(0, ()),
        changed(0, (1, 1, 1, 1)),
        changed(0, (1, 0)),
        changed(0, (1, -1)),
        changed(0, (True,)),
        changed(0, (1.0,)),
        changed(0, (MAX_MULTIPLIER, 1)),
        changed(0, (-MAX_MULTIPLIER, 1)),
        changed(0, (1 << 20_000, 1)),
        changed(1, None),
        changed(1, [SCHEDULE]),
        changed(1, (None,)),
        changed(1, (SCHEDULE[:2],)),
        changed(1, ((-1, (5,), (1,)),)),
        changed(1, ((True, (5,), (1,)),)),
        changed(1, ((MAX_MULTIPLIER, (5,), (1,)),)),
        changed(1, (SCHEDULE, SCHEDULE)),
        changed(1, (SCHEDULE, (1, (5,), (1,)))),
        changed(1, ((2, [5], (1,)),)),
        changed(1, ((2, (5,), (MAX_MULTIPLIER,)),)),
        changed(1, ((2, (5,), (True,)),)),
        changed(2, None),
        changed(2, [NET[0]]),
        changed(2, (None,)),
        changed(2, ((0, 1),)),
        changed(2, ((0, 1, 0),)),
        changed(2, ((0, 1, False),)),
        changed(2, ((-1, 1, 3),)),
        changed(2, ((0, -1, 3),)),
        changed(2, (NET[0], NET[0])),
        changed(2, (NET[1], NET[0])),
        changed(3, ((0, 1, MAX_MULTIPLIER),)),
        changed(4, ((0, 1),)),
    ],
)
def test_any_other_shape_order_or_size_breaks_mkt_20(wire: Any) -> None:
    with pytest.raises(RuleViolation) as caught:
        certificate_from_wire(wire, 100)
    assert caught.value.rule == "MKT-20"
    assert str(caught.value)


@pytest.mark.parametrize(
    ("prices", "values"),
    [
        ((), ()),
        ((5,), ()),
        ((5,), (1, 2)),
        ((-1,), (0,)),
        ((MAX_PRICE_UC_PER_KWH + 1,), (0,)),
        ((5, 5), (1, 2)),
        ((6, 5), (1, 2)),
        ((5, 6), (2, 1)),
        ((5, 6, 7), (1, 3, 2)),
    ],
)
def test_a_schedule_that_does_not_ascend_breaks_mkt_21(
    prices: tuple[int, ...], values: tuple[int, ...]
) -> None:
    with pytest.raises(RuleViolation) as caught:
        certificate_from_wire(changed(1, ((2, prices, values),)), 100)
    assert caught.value.rule == "MKT-21"


@pytest.mark.parametrize(
    "steps", [((0,), (-5,)), ((0, MAX_PRICE_UC_PER_KWH), (3, 3)), ((1, 2, 3), (-1, 0, 9))]
)
def test_a_schedule_may_stand_still_and_be_negative(steps: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    assert certificate_from_wire(changed(1, ((2, *steps),)), 0).schedules == {2: steps}


@pytest.mark.parametrize("part", [3, 4])
def test_a_negative_multiplier_of_an_internal_limit_breaks_mkt_22(part: int) -> None:
    with pytest.raises(RuleViolation) as caught:
        certificate_from_wire(changed(part, ((2, 1, -1),)), 100)
    assert caught.value.rule == "MKT-22"


PAIR = problem(
    [(1, 5, 30, (0,)), (1, 5, 20, (0, 1))],
    [(2, 6, 40, (0, 1)), (1, 9, 15, (1,))],
    external={1: 10, 2: 10},
    internal={1: 25},
)
FLAT = {0: ((5,), (0,)), 1: ((5,), (0,))}


def test_the_bound_is_the_right_hand_side_of_the_theorem() -> None:
    loose = certificate((1,), FLAT)
    assert bound(PAIR, loose) == 30 + 20
    tight = certificate(
        (2,),
        {0: ((0, 6), (1, 3)), 1: ((5,), (1,))},
        net={0: {1: 1, 2: -1}},
        production={0: {1: 1}},
        consumption={1: {1: 3}},
    )
    sellers = 30 * 0 + 20 * 1  # 2 - 1 - 1 - 1 < 0 in interval 0; 2 - 1 in interval 1
    buyers = 40 * 2 + 15 * 0  # 3 - 1 beats 1; 1 - 3 < 0
    limits = 10 * 1 + 10 * 1 + 25 * 1 + 25 * 3
    assert bound(PAIR, tight) == sellers + buyers + limits


def test_a_buyer_below_the_schedule_is_left_out() -> None:
    spot = problem(
        [(1, 7, 30, (0,))], [(1, 6, 40, (0,)), (1, 6, 5, (0, 1)), (1, 8, 9, (0,))], external={1: 0}
    )
    assert bound(spot, certificate((1,), {0: ((7,), (1,))})) == 9


@pytest.mark.parametrize("missing", [0, 1])
def test_a_two_sided_interval_without_a_schedule_breaks_mkt_23(missing: int) -> None:
    schedules = {t: steps for t, steps in FLAT.items() if t != missing}
    with pytest.raises(RuleViolation) as caught:
        bound(PAIR, certificate((1,), schedules))
    assert caught.value.rule == "MKT-23"


@pytest.mark.parametrize(
    "parts",
    [
        {"net": {0: {3: 1}}},
        {"production": {0: {2: 1}}},
        {"production": {0: {3: 1}}},
        {"consumption": {1: {2: 1}}},
    ],
)
def test_a_multiplier_of_what_has_no_limit_breaks_mkt_24(parts: dict[str, Any]) -> None:
    with pytest.raises(RuleViolation) as caught:
        bound(PAIR, certificate((1,), FLAT, **parts))
    assert caught.value.rule == "MKT-24"


@pytest.mark.parametrize("seller", [(1, 5, 9, (0,)), (1, 5, 9, (0, 1))])
def test_minus_infinity_under_a_seller_breaks_mkt_25(seller: tuple[int, int, int, tuple[int, ...]]) -> None:
    subject = problem([seller], [(1, 9, 9, (0,))], external={1: 0})
    with pytest.raises(RuleViolation) as caught:
        bound(subject, certificate((1,), {0: ((6,), (0,))}))
    assert caught.value.rule == "MKT-25"


@st.composite
def certificates(draw: st.DrawFn, subject: PairMarket, weights: int) -> Certificate:
    """Any certificate of the right shape for a market, mostly nonsense."""
    times = sorted({t for offer in (*subject.sells, *subject.buys) for t in offer.intervals})
    lowest = min(offer.price for offer in subject.sells)
    small = st.integers(-3, 3)
    schedules = {}
    for t in times:
        steps = draw(st.dictionaries(st.integers(lowest + 1, lowest + 6), small, max_size=3))
        schedules[t] = ((lowest, *sorted(steps)), tuple(sorted([draw(small), *steps.values()])))

    def sparse(feeders: list[int], values: st.SearchStrategy[int]) -> dict[int, dict[int, int]]:
        if not feeders:
            return {}
        inner = st.dictionaries(st.sampled_from(feeders), values, min_size=1, max_size=2)
        return draw(st.dictionaries(st.sampled_from(times), inner, max_size=2))

    limited = [feeder for feeder, limit in subject.internal.items() if limit is not None]
    return certificate(
        (*(draw(st.integers(-600, 600)) for _ in range(weights - 1)), draw(st.integers(1, 3))),
        schedules,
        net=sparse(list(subject.external), small),
        production=sparse(limited, st.integers(0, 3)),
        consumption=sparse(limited, st.integers(0, 3)),
    )


@settings(max_examples=FEW)
@given(markets(most_offers=4), st.integers(1, 3), st.data())
def test_no_certificate_whatever_proves_less_than_the_optimum(
    drawn: PairMarket, stage: int, data: st.DataObject
) -> None:
    subject = problem_from(drawn, params_of(drawn, uniform=False, welfare=True))
    forged = data.draw(certificates(drawn, stage))
    best = optimum(drawn)
    values = (best.energy, -best.expiry_cost, best.welfare)
    top = bound(subject, forged)
    earned = sum(weight * (value or 0) for weight, value in zip(forged.weights, values, strict=False))
    assert top >= earned or best.welfare is None
    proof = certifier.Proof(
        weights=forged.weights,
        schedules=forged.schedules,
        net=forged.net,
        production=forged.production,
        consumption=forged.consumption,
    )
    assert top == certifier.bound(class_market(subject), proof) == certifier.bound(drawn, proof)


@settings(max_examples=FEW)
@given(markets())
def test_honest_certificates_prove_every_stage(drawn: PairMarket) -> None:
    subject = problem_from(drawn, params_of(drawn, uniform=False, welfare=True))
    try:
        solution = proven(subject)
    except certifier.NoWholeAnswer:
        return
    values = objective_values(subject, solution.plan)
    for position, proof in enumerate(solution.certificates):
        earlier = sum(w * v for w, v in zip(proof.weights[:-1], values, strict=False))
        assert (bound(subject, proof) - earlier) // proof.weights[-1] == values[position]
        assert certificate_from_wire(proof.to_wire(subject.first_interval), subject.first_interval) == proof


def test_a_larger_window_keeps_an_old_certificate_a_bound() -> None:
    old = certificate((1,), {0: ((0,), (0,))})
    grown = problem([(1, 5, 30, (0,)), (2, 3, 8, (0,))], [(1, 9, 30, (0,))], external={1: 9, 2: 9})
    assert bound(grown, old) == 38
    assert bound(grown, replace(old, weights=(3,))) == 3 * 38
