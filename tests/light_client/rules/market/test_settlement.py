"""MKT-19 and the money: group prices at midpoints, equals pay equal, conservation to the last unit."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.errors import RuleViolation
from light_client.rules.market.settlement import (
    HALF_UNITS_PER_UC,
    Fill,
    amounts,
    group_values,
    most_owed_uc,
    prices_are_within_reservations,
)
from light_client.rules.units import JOULES_PER_KWH, payment_ceiling_uc
from tests.oracles.fairness import unit_prices

KWH = JOULES_PER_KWH


@st.composite
def matched_fills(draw: st.DrawFn) -> tuple[list[Fill], list[Fill]]:
    """Both sides of one interval, joule by joule a possible matching, scattered over offers in any order."""
    pairs = draw(
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 6)), min_size=1, max_size=8)
    )
    pairs = [(min(a, b), max(a, b), q) for a, b, q in pairs]
    numbers = draw(st.permutations(range(2 * len(pairs))))
    sold = [Fill(numbers[i], 0, s, q) for i, (s, _, q) in enumerate(pairs)]
    bought = [Fill(numbers[len(pairs) + i], 1, b, q) for i, (_, b, q) in enumerate(pairs)]
    return sold, bought


def test_one_pair_trades_at_the_midpoint() -> None:
    sold, bought = [Fill(1, 0, 100, KWH)], [Fill(2, 1, 201, KWH)]
    seller_value, buyer_value = group_values(sold, bought)
    assert seller_value == {100: 301 * KWH}
    assert buyer_value == {201: 301 * KWH}
    assert amounts(sold, seller_value) == {1: 150}
    assert amounts(bought, buyer_value) == {2: 150}


def test_groups_are_paired_cheapest_first_and_average() -> None:
    sold = [Fill(1, 0, 100, KWH), Fill(2, 0, 100, KWH), Fill(3, 0, 200, 2 * KWH)]
    bought = [Fill(4, 1, 200, 3 * KWH), Fill(5, 1, 300, KWH)]
    seller_value, buyer_value = group_values(sold, bought)
    assert seller_value == {100: 2 * 300 * KWH, 200: 400 * KWH + 500 * KWH}
    assert buyer_value == {200: 2 * 300 * KWH + 400 * KWH, 300: 500 * KWH}
    assert amounts(sold, seller_value) == {1: 150, 2: 150, 3: 450}
    assert amounts(bought, buyer_value) == {4: 500, 5: 250}


def test_nothing_traded_costs_nothing() -> None:
    assert group_values([], []) == ({}, {})
    assert amounts([], {}) == {}


@given(matched_fills())
def test_unit_prices_are_those_of_the_oracle(fills: tuple[list[Fill], list[Fill]]) -> None:
    sold, bought = fills
    expected = unit_prices(
        [(f.price_uc_per_kwh, f.energy_j) for f in sold], [(f.price_uc_per_kwh, f.energy_j) for f in bought]
    )
    for side, values, prices in zip(fills, group_values(sold, bought), expected, strict=True):
        energy = {p: sum(f.energy_j for f in side if f.price_uc_per_kwh == p) for p in values}
        assert {p: Fraction(value, 2 * energy[p]) for p, value in values.items()} == prices


@given(matched_fills(), st.sampled_from([1, 900, 250_000, KWH]))
def test_money_is_conserved_equal_for_equals_and_within_limits(
    fills: tuple[list[Fill], list[Fill]], unit: int
) -> None:
    sold, bought = ([fill._replace(energy_j=fill.energy_j * unit) for fill in side] for side in fills)
    seller_value, buyer_value = group_values(sold, bought)
    received, paid = amounts(sold, seller_value), amounts(bought, buyer_value)
    assert sum(received.values()) == sum(paid.values()) == sum(seller_value.values()) // HALF_UNITS_PER_UC
    prices_are_within_reservations(sold, seller_value, selling=True)
    prices_are_within_reservations(bought, buyer_value, selling=False)
    for side, values, money in ((sold, seller_value, received), (bought, buyer_value, paid)):
        for fill in side:
            group = sum(other.energy_j for other in side if other.price_uc_per_kwh == fill.price_uc_per_kwh)
            exact = Fraction(values[fill.price_uc_per_kwh] * fill.energy_j, group * HALF_UNITS_PER_UC)
            assert abs(money[fill.offer_id] - exact) < 1, "equals pay equal up to the last unit"
            limit = Fraction(fill.energy_j * fill.price_uc_per_kwh, JOULES_PER_KWH)
            assert money[fill.offer_id] > limit - 1 if side is sold else money[fill.offer_id] < limit + 1
            assert money[fill.offer_id] >= 0


@pytest.mark.parametrize(
    ("fill", "least", "most"), [(Fill(1, 0, 100, 10), 2_000, 9_999), (Fill(2, 1, 200, 10), 0, 4_000)]
)
def test_a_price_outside_a_reservation_breaks_mkt_19(fill: Fill, least: int, most: int) -> None:
    price, selling = fill.price_uc_per_kwh, fill.side == 0
    for value in (least, most):
        prices_are_within_reservations([fill], {price: value}, selling=selling)
    with pytest.raises(RuleViolation) as caught:
        prices_are_within_reservations([fill], {price: least - 1 if selling else most + 1}, selling=selling)
    assert caught.value.rule == "MKT-19"


@given(st.lists(st.integers(1, 2_000_000), min_size=1, max_size=6), st.integers(0, 10_000_000))
def test_an_offer_never_owes_more_than_the_most(parts: list[int], price: int) -> None:
    most = most_owed_uc(sum(parts), price, ((0, len(parts) - 1),))
    assert sum(payment_ceiling_uc(part, price) for part in parts) <= most


def test_several_intervals_can_cost_more_than_one_ceiling() -> None:
    """Two intervals of half a micro-currency each, rounded up by each interval, exceed the ceiling of the whole."""
    half = JOULES_PER_KWH // 2
    owed = 0
    for others in (
        (1, 0),
        (1, 0),
    ):  # in each interval another buyer goes first and leaves the half unit to the second
        first, second = Fill(others[1], 1, 1, half), Fill(others[0], 1, 1, half)
        sold = [Fill(9, 0, 1, JOULES_PER_KWH)]
        _, buyer_value = group_values(sold, [first, second])
        owed += amounts([first, second], buyer_value)[second.offer_id]
    assert owed == 2
    assert payment_ceiling_uc(JOULES_PER_KWH, 1) == 1
    assert most_owed_uc(JOULES_PER_KWH, 1, ((0, 1),)) == 2
