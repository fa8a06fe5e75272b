"""The battery's offers can be kept under every spread: proven by trying them all on a battery of exact fractions."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.bidding.battery import (
    BatteryState,
    Flow,
    cycles_left_j,
    hold_j,
    needed_j,
    own_use,
    room_in,
    spare_j,
)
from firmware_app.bidding.commitments import Commitment, Committed
from firmware_app.bidding.settings import BatterySettings
from light_client.rules.errors import LocalError
from light_client.rules.units import JOULES_PER_WH, Side

HOUR_S = 3_600


def a_battery(**changes: Any) -> BatterySettings:
    fields: dict[str, Any] = {"capacity_wh": 6_000, "charge_w": 3_000, "discharge_w": 2_000}
    return BatterySettings(**(fields | changes))


def an_offer(first: int, last: int, offered_wh: int, *traded: tuple[int, int]) -> Commitment:
    return Commitment(
        side=Side.SELL,
        first_interval=first,
        last_interval=last,
        price_uc_per_kwh=1,
        offered_j=offered_wh * JOULES_PER_WH,
        alive=True,
        traded=tuple((at, wh * JOULES_PER_WH) for at, wh in traded),
    )


def spreads(offer: tuple[int, int, int]) -> Iterator[dict[int, int]]:
    """Every way in which a market may serve an offer (first, last, units), whole units, all or part of it."""
    first, last, units = offer
    for parts in product(range(units + 1), repeat=last - first + 1):
        if sum(parts) <= units:
            yield dict(zip(range(first, last + 1), parts, strict=True))


def deliverable(
    offers: Sequence[tuple[int, int, int]], *, stored: int, power: int, efficiency: Fraction, last: int
) -> bool:
    """Whether a battery without losses of rounding keeps every offer under every spread. Units per interval."""
    for choice in product(*(list(spreads(offer)) for offer in offers)):
        left = Fraction(stored)
        for interval in range(last + 1):
            sold = sum(part.get(interval, 0) for part in choice)
            left -= sold / efficiency
            if sold > power or left < 0:
                return False
    return True


small_offers = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 3)).map(
        lambda row: (min(row[0], row[1]), max(row[0], row[1]) + 1, row[2])
    ),
    max_size=3,
)


@given(small_offers, st.integers(0, 8), st.integers(1, 6), st.sampled_from([500, 1_000]))
def test_the_two_conditions_say_exactly_what_can_be_kept(
    offers: list[tuple[int, int, int]], stored: int, power: int, permille: int
) -> None:
    battery = a_battery(capacity_wh=10_000, discharge_w=power * 1_000, discharge_permille=permille)
    committed = Committed([an_offer(first, last, units * 1_000) for first, last, units in offers], 24)
    rounding = sum(last - first for first, last, _ in offers)
    ours = hold_j(battery, committed) - rounding <= stored * 1_000 * JOULES_PER_WH and all(
        room_in(battery, committed, interval, HOUR_S) >= 0 for interval in range(4)
    )
    truth = deliverable(offers, stored=stored, power=power, efficiency=Fraction(permille, 1_000), last=3)
    assert ours == truth


def test_without_the_power_condition_a_spread_breaks_the_promise() -> None:
    """The check that offers fit one by one is not enough: both may be served in the interval they share."""
    offers = [(0, 1, 2), (1, 2, 2)]
    fit_alone = all(units <= 3 for _, _, units in offers)
    assert fit_alone
    assert not deliverable(offers, stored=9, power=3, efficiency=Fraction(1), last=2)
    committed = Committed([an_offer(0, 1, 2_000), an_offer(1, 2, 2_000)], 24)
    assert room_in(a_battery(discharge_w=3_000), committed, 1, HOUR_S) < 0


@given(
    st.integers(0, 6_000),
    st.lists(st.integers(-4_000, 4_000), max_size=12),
    st.integers(0, 6_000),
    st.integers(800, 1_000),
)
def test_own_use_stays_within_power_store_and_what_is_held(
    stored_wh: int, net_wh: list[int], held_wh: int, permille: int
) -> None:
    battery = a_battery(charge_permille=permille, discharge_permille=permille)
    net = [value * JOULES_PER_WH for value in net_wh]
    held = held_wh * JOULES_PER_WH
    left = begin = stored_wh * JOULES_PER_WH
    for flow, surplus in zip(own_use(battery, begin, held, net, HOUR_S), net, strict=True):
        assert 0 <= flow.charged_j <= min(max(0, surplus), battery.charge_w * HOUR_S)
        assert 0 <= flow.delivered_j <= min(max(0, -surplus), battery.discharge_w * HOUR_S)
        left += battery.stored_from(flow.charged_j) - battery.taken_for(flow.delivered_j)
        assert left <= battery.capacity_j
        assert left >= min(begin, held) or flow.delivered_j == 0


@given(st.lists(st.integers(-3_000, 3_000), max_size=10), st.integers(0, 6_000))
def test_what_is_spare_is_not_missed_by_the_home(net_wh: list[int], stored_wh: int) -> None:
    """Selling it leaves every own deficit served as it would have been, up to rounding."""
    battery = a_battery(charge_permille=1_000, discharge_permille=1_000, reserve_wh=500)
    net = [value * JOULES_PER_WH for value in net_wh]
    state = BatteryState(stored_j=stored_wh * JOULES_PER_WH)
    spare = spare_j(battery, state, Committed([], 24), net, HOUR_S)
    before = own_use(battery, state.stored_j, battery.reserve_j, net, HOUR_S)
    after = own_use(battery, state.stored_j - spare, battery.reserve_j, net, HOUR_S)
    assert [flow.delivered_j for flow in after] == [flow.delivered_j for flow in before]
    assert state.stored_j - spare >= min(state.stored_j, battery.reserve_j)


def test_a_full_battery_before_a_sunny_day_spares_all_above_the_reserve() -> None:
    battery = a_battery(reserve_wh=1_000, charge_permille=1_000, discharge_permille=1_000)
    state = BatteryState(stored_j=battery.capacity_j)
    sunny = [3_000 * JOULES_PER_WH] * 6
    assert spare_j(battery, state, Committed([], 24), sunny, HOUR_S) == 5_000 * JOULES_PER_WH
    assert needed_j(battery, [-2_000 * JOULES_PER_WH] * 9, HOUR_S) == battery.capacity_j


def test_what_waits_to_be_sold_leaves_no_room_for_the_sun() -> None:
    """Two sunny hours before the sale cannot fill a battery that is full already: tonight's need counts in whole."""
    battery = a_battery(charge_permille=1_000, discharge_permille=1_000)
    state = BatteryState(stored_j=battery.capacity_j)
    net = [wh * JOULES_PER_WH for wh in (2_000, 2_000, -2_000, -2_000, -1_000, 9_000)]
    assert spare_j(battery, state, Committed([], 24), net, HOUR_S, first=2) == 1_000 * JOULES_PER_WH
    assert spare_j(battery, state, Committed([], 24), net, HOUR_S) == 5_000 * JOULES_PER_WH


def test_a_dip_before_the_sale_bounds_it() -> None:
    battery = a_battery(charge_permille=1_000, discharge_permille=1_000)
    state = BatteryState(stored_j=2_000 * JOULES_PER_WH)
    net = [wh * JOULES_PER_WH for wh in (-1_500, 3_000, 0, 0)]
    assert spare_j(battery, state, Committed([], 24), net, HOUR_S, first=2) == 500 * JOULES_PER_WH


def test_promises_count_against_what_is_spare_and_held() -> None:
    battery = a_battery(discharge_permille=500, reserve_wh=1_000)
    committed = Committed([an_offer(5, 9, 1_500, (5, 500))], 24)
    assert hold_j(battery, committed) == (1_000 + 2_000) * JOULES_PER_WH + 4
    state = BatteryState(stored_j=6_000 * JOULES_PER_WH)
    assert spare_j(battery, state, committed, [], HOUR_S) == 1_500 * JOULES_PER_WH - 2


def test_the_limit_of_cycles_counts_what_was_and_what_may_still_be_discharged() -> None:
    battery = a_battery(cycles_per_day_permille=500, discharge_permille=1_000)
    state = BatteryState(stored_j=0, discharged_today_j=1_000 * JOULES_PER_WH)
    committed = Committed([an_offer(20, 25, 1_500)], 24)
    assert cycles_left_j(battery, state, committed, 20, today=True) == 500 * JOULES_PER_WH
    assert cycles_left_j(battery, state, committed, 24, today=False) == 1_500 * JOULES_PER_WH


def test_a_battery_without_energy_does_nothing() -> None:
    assert own_use(a_battery(), 0, 0, [-1, 0], HOUR_S) == [Flow(0, 0), Flow(0, 0)]


@pytest.mark.parametrize(
    "change",
    [{"capacity_wh": 0}, {"discharge_permille": 1_001}, {"reserve_wh": 6_001}, {"window_intervals": 1}],
)
def test_refuses_a_battery_that_cannot_be(change: dict[str, int]) -> None:
    with pytest.raises(LocalError):
        a_battery(**change)


def test_refuses_negative_energies() -> None:
    with pytest.raises(LocalError, match="energies of a battery"):
        BatteryState(stored_j=-1)
