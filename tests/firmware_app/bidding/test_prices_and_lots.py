"""Reservation prices, lots, positions, batches and settings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_app.bidding.batch import daily_batch
from firmware_app.bidding.commitments import Commitment, Committed
from firmware_app.bidding.lots import cut, whole_lots
from firmware_app.bidding.position import net_of, net_of_demand, sure_deficit, sure_surplus
from firmware_app.bidding.prices import price_of, steps_learnt, truthful_price
from firmware_app.bidding.settings import BiddingSettings, PrivacySettings, Strategy
from firmware_app.forecast.quantiles import QuantileForecast
from light_client.rules.errors import LocalError
from light_client.rules.units import JOULES_PER_KWH, LOT_J, Side

TARIFFS = BiddingSettings(feed_in_uc_per_kwh=450_000, retail_uc_per_kwh=670_000)


def past(*served: tuple[int, int, int], side: Side = Side.SELL, alive: bool = False) -> list[Commitment]:
    """Orders of one interval each: (interval, offered, traded)."""
    return [
        Commitment(
            side=side,
            first_interval=at,
            last_interval=at,
            price_uc_per_kwh=1,
            offered_j=offered,
            alive=alive,
            traded=((at, traded),) if traded else (),
        )
        for at, offered, traded in served
    ]


@given(st.integers(1, 50_000), st.integers(0, 100_000), st.sampled_from(Side), st.sampled_from(Strategy))
def test_no_price_loses_against_the_grid(step: int, margin: int, side: Side, strategy: Strategy) -> None:
    settings = BiddingSettings(
        feed_in_uc_per_kwh=450_000, retail_uc_per_kwh=670_000, margin_uc_per_kwh=margin, strategy=strategy
    )
    privacy = PrivacySettings(price_step_uc_per_kwh=step)
    history = past(*((at, 10, 10) for at in range(30)), side=side)
    price = price_of(side, settings, privacy, history)
    if price is None:
        return
    assert price % step == 0
    assert price >= 450_000 + margin if side is Side.SELL else price <= 670_000 - margin
    assert 450_000 <= price <= 670_000


def test_truthful_prices_stand_on_the_grid_inside_the_tariffs() -> None:
    assert truthful_price(Side.SELL, TARIFFS, 20_000) == 460_000
    assert truthful_price(Side.BUY, TARIFFS, 20_000) == 660_000


def test_the_operators_floor_and_ceiling_hold() -> None:
    settings = BiddingSettings(
        feed_in_uc_per_kwh=450_000,
        retail_uc_per_kwh=670_000,
        floor_uc_per_kwh=500_001,
        ceiling_uc_per_kwh=600_000,
    )
    assert truthful_price(Side.SELL, settings, 10_000) == 510_000
    assert truthful_price(Side.BUY, settings, 10_000) == 600_000
    dear = BiddingSettings(floor_uc_per_kwh=400_000)
    assert price_of(Side.SELL, dear, PrivacySettings(), ()) is None
    cheap = BiddingSettings(ceiling_uc_per_kwh=0)
    assert price_of(Side.BUY, cheap, PrivacySettings(), ()) is None
    low = BiddingSettings(ceiling_uc_per_kwh=60_000)
    assert price_of(Side.BUY, low, PrivacySettings(), ()) is None


def test_the_adaptive_price_follows_the_fills_and_forgets_nothing() -> None:
    assert steps_learnt(Side.SELL, past((1, 10, 10), (2, 10, 9), (3, 10, 7)), 4) == 2
    assert steps_learnt(Side.SELL, past((1, 10, 10), (2, 10, 10), (3, 10, 4)), 4) == 1
    assert steps_learnt(Side.SELL, past((1, 10, 0)), 4) == 0
    assert steps_learnt(Side.SELL, past(*((at, 1, 1) for at in range(9))), 4) == 4
    assert steps_learnt(Side.BUY, past((1, 10, 10)), 4) == 0, "the other side teaches nothing"
    assert steps_learnt(Side.SELL, past((1, 10, 10), alive=True), 4) == 0, (
        "what may still trade is no outcome"
    )
    adaptive = BiddingSettings(
        feed_in_uc_per_kwh=450_000, retail_uc_per_kwh=670_000, strategy=Strategy.ADAPTIVE
    )
    served = past((1, 10, 10), (2, 10, 10))
    privacy = PrivacySettings(price_step_uc_per_kwh=20_000)
    assert price_of(Side.SELL, adaptive, privacy, served) == 500_000
    assert price_of(Side.BUY, adaptive, privacy, past((1, 10, 10), side=Side.BUY)) == 640_000
    assert price_of(Side.SELL, TARIFFS, privacy, served) == 460_000


@given(st.integers(-10, 40 * LOT_J * 100), st.integers(1, 500), st.sampled_from([(), (1,), (1, 2, 5, 10)]))
def test_lots_add_up_and_have_standard_sizes(energy_j: int, lot_wh: int, units: tuple[int, ...]) -> None:
    privacy = PrivacySettings(lot_wh=lot_wh, lot_units=units)
    sizes = cut(energy_j, privacy)
    assert sum(sizes) == whole_lots(energy_j, privacy) <= max(0, energy_j)
    assert max(0, energy_j) - sum(sizes) < lot_wh * LOT_J
    if units:
        assert set(sizes) <= {unit * privacy.lot_j for unit in units}
    else:
        assert len(sizes) <= 1


def test_lots_are_few() -> None:
    assert cut(1_850 * LOT_J, PrivacySettings(lot_wh=100)) == tuple(
        lots * 100 * LOT_J for lots in (10, 5, 2, 1)
    )


def a_forecast(
    first: int, *rows: tuple[int, ...], levels: tuple[int, ...] = (100, 500, 900)
) -> QuantileForecast:
    return QuantileForecast(first_interval=first, levels_permille=levels, energy_j=rows)


def test_the_net_pairs_little_sun_with_much_use() -> None:
    load = a_forecast(5, (10, 20, 30), (1, 2, 3))
    sun = a_forecast(4, (9, 9, 9), (5, 25, 45))
    net = net_of(load, sun)
    assert (net.first_interval, net.energy_j) == (5, ((5 - 30, 25 - 20, 45 - 10),))
    assert sure_surplus(net, 900) == (-25,)
    assert sure_deficit(net, 900) == (35,)
    assert sure_surplus(net, 500) == sure_deficit(net, 500) == (5,)


def test_demand_seen_from_the_other_side() -> None:
    demand = a_forecast(7, (-30, 20, 40), levels=(100, 500, 800))
    net = net_of_demand(demand)
    assert (net.levels_permille, net.energy_j, net.first_interval) == ((200, 500, 900), ((-40, -20, 30),), 7)
    assert net_of_demand(net) == demand


def test_two_forecasts_of_different_times_have_no_net() -> None:
    with pytest.raises(LocalError, match="some in common"):
        net_of(a_forecast(0, (1, 1, 1)), a_forecast(1, (1, 1, 1)))


@given(st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 3)), max_size=30), st.integers(1, 9))
def test_a_batch_covers_yesterday_and_is_made_of_equal_grants(
    used: list[tuple[Side, int]], batch_lots: int
) -> None:
    privacy = PrivacySettings(batch_lots=batch_lots)
    yesterday = [past((0, size * privacy.lot_j, 0), side=side)[0] for side, size in used]
    batch = daily_batch(yesterday, first_interval=96, last_interval=207, settings=TARIFFS, privacy=privacy)
    for side in Side:
        for size in (1, 2, 3):
            wanted = sum(one == (side, size) for one in used)
            asked = [g for g in batch if (g.production_j, g.consumption_j)[side] == size * privacy.lot_j]
            assert len(asked) % batch_lots == 0
            assert len(asked) >= wanted
            assert len({(g.first_interval, g.last_interval, g.money_uc) for g in asked}) <= 1
    assert all(g.money_uc >= g.consumption_j * 670_000 // JOULES_PER_KWH for g in batch)
    assert all(g.money_uc == 0 for g in batch if g.production_j)


def test_a_home_that_only_buys_asks_for_no_sales() -> None:
    settings = BiddingSettings(sell=False)
    batch = daily_batch(
        past((0, 360_000, 0)), first_interval=0, last_interval=9, settings=settings, privacy=PrivacySettings()
    )
    assert {grant.production_j for grant in batch} == {0}


def test_an_open_offer_counts_on_every_day_that_it_touches() -> None:
    one = Commitment(
        side=Side.SELL,
        first_interval=22,
        last_interval=25,
        price_uc_per_kwh=1,
        offered_j=10,
        alive=True,
        traded=((23, 4),),
    )
    committed = Committed([one], 24)
    assert committed.on_day_of(Side.SELL, 23) == 4 + 6
    assert committed.on_day_of(Side.SELL, 24) == 6
    assert committed.on_day_of(Side.BUY, 24) == 0
    assert committed.most_in(Side.SELL, 23) == 10
    assert committed.most_in(Side.SELL, 24) == 6
    assert committed.most_in(Side.SELL, 26) == 0
    assert committed.position_in(Side.SELL, 24) == 0


@pytest.mark.parametrize(
    "bad",
    [
        {"first_interval": 3, "last_interval": 2},
        {"traded": ((9, 1),)},
        {"traded": ((1, 11),)},
        {"traded": ((1, -1),)},
    ],
)
def test_refuses_a_commitment_that_cannot_be(bad: dict[str, int]) -> None:
    fields = {
        "first_interval": 1,
        "last_interval": 2,
        "price_uc_per_kwh": 1,
        "offered_j": 10,
        "alive": True,
    }
    with pytest.raises(LocalError):
        Commitment(side=Side.SELL, **(fields | bad))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "bad",
    [
        {"sell_chance_permille": 0},
        {"buy_chance_permille": 1_000},
        {"margin_uc_per_kwh": 110_001},
        {"feed_in_uc_per_kwh": 300_001},
        {"max_power_w": -1},
        {"excluded": ("17:00-25:00",)},
        {"excluded": ("17:00-16:00",)},
        {"excluded": ("24:00-24:30",)},
        {"excluded": ("09:00-24:30",)},
    ],
)
def test_refuses_settings_that_make_no_sense(bad: dict[str, int]) -> None:
    with pytest.raises(LocalError):
        BiddingSettings(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "bad", [{"lot_wh": 0}, {"lot_units": (2,)}, {"lot_units": (1, 1)}, {"batch_lots": 0}]
)
def test_refuses_privacy_that_makes_no_sense(bad: dict[str, int]) -> None:
    with pytest.raises(LocalError):
        PrivacySettings(**bad)  # type: ignore[arg-type]


def test_excluded_times_are_those_that_an_interval_touches() -> None:
    settings = BiddingSettings(excluded=("17:00-20:00", "00:00-00:30"))
    assert [hour for hour in range(24) if settings.excludes(hour, 3_600)] == [0, 17, 18, 19]
    assert settings.excludes(1, 900)
    assert not settings.excludes(2, 900)
    assert settings.excludes(6, 14_000), "an interval past midnight touches the next day's time"
