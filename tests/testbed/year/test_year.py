"""A year in small: money and energy add up, nobody beats the bound, and a forgetful bidder is found by its battery."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from firmware_app.bidding.battery import BatteryState
from firmware_app.bidding.bidder import Bidder, Decision
from firmware_app.bidding.commitments import Commitment
from firmware_app.bidding.settings import BatterySettings
from firmware_app.forecast.forecaster import Forecaster
from firmware_app.forecast.quantiles import QuantileForecast
from firmware_app.forecast.settings import ForecastSettings, Series
from firmware_app.trading.intent import Intent
from light_client.rules.market.params import MarketParams
from light_client.rules.units import JOULES_PER_KWH, JOULES_PER_WH, Side
from testbed.scenarios.citylearn import SourceHome
from testbed.year import run as year
from testbed.year.bounds import best_income_uc
from testbed.year.homes import PerfectForesight, SeasonalNaive, Village, village_of
from testbed.year.learnt import Learnt
from testbed.year.market import Market, Order
from testbed.year.run import Cell, Terms, YearResult, trade_year
from testbed.year.study import tariff_terms

DAYS = 10
BATTERY = BatterySettings(capacity_wh=4_000, charge_w=2_000, discharge_w=1_500, reserve_wh=300)


def sources(homes: int = 4, days: int = DAYS, seed: int = 3) -> tuple[SourceHome, ...]:
    """Made-up homes: a noisy load, the sun from 8 to 16 o'clock, and every other roof empty."""
    chance = Random(seed)
    return tuple(
        SourceHome(
            name=f"home-{number}",
            nameplate_w=4_000 * (number % 2),
            load_j=tuple(
                tuple(chance.randrange(200, 1_500) * JOULES_PER_WH for _ in range(24)) for _ in range(days)
            ),
            sun_j_per_kw=tuple(
                tuple(
                    chance.randrange(300, 800) * JOULES_PER_WH if 8 <= hour < 16 else 0 for hour in range(24)
                )
                for _ in range(days)
            ),
            weekend=(False,) * days,
        )
        for number in range(homes)
    )


def terms(**changes: object) -> Terms:
    return replace(tariff_terms(warm_up_days=2), **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=[None, BATTERY], ids=["roofs", "batteries"])
def traded(request: pytest.FixtureRequest) -> tuple[YearResult, YearResult, YearResult]:
    """The same homes with the grid alone, with the naive forecast, and with foresight."""
    village = village_of(sources(), days=DAYS, battery=request.param)
    return (
        trade_year(village, None, terms()),
        trade_year(village, SeasonalNaive(village), terms()),
        trade_year(village, PerfectForesight(village), terms()),
    )


def test_money_stays_among_the_homes_and_energy_adds_up(
    traded: tuple[YearResult, YearResult, YearResult],
) -> None:
    for result in traded:
        assert sum(books.received_uc for books in result.settlements) == 0
        assert sum(books.traded_j for books in result.settlements) == 0
        assert sum(books.metered_j for books in result.settlements) == result.surplus_j - result.shortage_j
        sold = sum(
            energy_j
            for order in result.orders
            if order.intent.side is Side.SELL
            for energy_j in order.traded.values()
        )
        assert sold == result.traded_j


def test_trading_gains_and_nobody_beats_the_bound(
    traded: tuple[YearResult, YearResult, YearResult],
) -> None:
    grid, naive, truth = traded
    first = grid.first_interval - grid.village.first_interval
    best = best_income_uc(grid.village, first, grid.stored_j, terms().imbalance)
    assert grid.traded_j == 0
    assert grid.total_uc < naive.total_uc < truth.total_uc <= best


def test_without_batteries_the_gain_is_the_published_identity() -> None:
    """Joint gain = (retail - feed-in) * energy no longer drawn, whatever the trades cost."""
    village = village_of(sources(), days=DAYS, battery=None)
    grid, naive = trade_year(village, None, terms()), trade_year(village, SeasonalNaive(village), terms())
    saved_j = grid.shortage_j - naive.shortage_j
    assert saved_j == grid.surplus_j - naive.surplus_j
    rounding = 2 * len(grid.settlements) * village.intervals
    assert abs((naive.total_uc - grid.total_uc) - saved_j * 220_000 // JOULES_PER_KWH) <= rounding


def test_the_same_seed_gives_the_same_year() -> None:
    village = village_of(sources(), days=5, battery=BATTERY)
    one, other = (trade_year(village, SeasonalNaive(village), terms()) for _ in range(2))
    assert [order.intent for order in one.orders] == [order.intent for order in other.orders]
    assert one.total_uc == other.total_uc
    other = trade_year(village, SeasonalNaive(village), terms(seed=2))
    assert [order.posted_ms for order in one.orders] != [order.posted_ms for order in other.orders]


class _Forgetful(Bidder):
    def decide(
        self,
        now_interval: int,
        net: QuantileForecast,
        battery_state: BatteryState | None,
        commitments: Iterable[Commitment],
    ) -> Decision:
        return super().decide(now_interval, net, battery_state, ())


def test_a_bidder_that_forgets_sells_what_its_battery_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(year, "Bidder", _Forgetful)
    sunny = tuple(replace(home, nameplate_w=14_000 * (at == 1)) for at, home in enumerate(sources()))
    roomy = replace(BATTERY, capacity_wh=12_000, charge_w=9_000, discharge_w=5_000)
    village = village_of(sunny, days=DAYS, battery=roomy)
    with pytest.raises(ValueError, match="a battery had sold what it cannot deliver"):
        trade_year(village, PerfectForesight(village), terms())


def test_margins_and_habits_of_ones_own() -> None:
    village = village_of(sources(), days=4, battery=None)
    own = terms(
        own_margins_uc=(0, 50_000, 0, 0),
        habits_ms=(1, 2, 3, 4),
        privacy=replace(terms().privacy, price_step_uc_per_kwh=10_000),
    )
    result = trade_year(village, SeasonalNaive(village), own)
    assert {order.posted_ms % 3_600_000 for order in result.orders} <= {1, 2, 3, 4}
    prices = {
        (order.home, order.intent.price_uc_per_kwh)
        for order in result.orders
        if order.intent.side is Side.SELL
    }
    assert prices <= {(1, 500_000), (3, 450_000), (0, 450_000), (2, 450_000)}
    assert len(prices) > 1


def test_the_naive_forecast_is_the_past_of_the_same_hour() -> None:
    village = village_of(sources(), days=DAYS, battery=None)
    forecast = SeasonalNaive(village).net(1, 5 * 24 + 9)
    assert (forecast.first_interval - village.first_interval, len(forecast.energy_j)) == (5 * 24 + 9, 6)
    nine = np.sort(village.homes[1].net_j.reshape(-1, 24)[:5, 9])
    assert nine[0] <= forecast.energy_j[0][0] <= forecast.energy_j[0][-1] <= nine[-1]
    assert forecast.at(forecast.first_interval, 500) == int(np.median(nine))
    assert SeasonalNaive(village).net(0, 0).energy_j[0] == (0,) * len(forecast.levels_permille)


@pytest.mark.parametrize("at_roof", [True, False])
def test_the_learnt_forecast_is_the_devices_own_and_never_looks_ahead(*, at_roof: bool) -> None:
    village = village_of(sources(), days=DAYS, battery=None)
    place, home = 7 * 24 + 9, village.homes[1]
    told = Learnt(village, at_roof=at_roof).net(1, place)
    assert told is not None
    assert (told.first_interval, len(told.energy_j), told.is_fallback) == (
        village.first_interval + place,
        6,
        False,
    )
    assert told.energy_j[0][0] < told.energy_j[0][-1]
    later = np.where(np.arange(len(home.net_j)) < place, 1, 5)
    other = replace(home, net_j=home.net_j * later, sun_j=home.sun_j * later)
    changed = replace(village, homes=(village.homes[0], other))
    assert Learnt(changed, at_roof=at_roof).net(1, place) == told
    one_more = Learnt(changed, at_roof=at_roof).net(1, place + 2)
    assert one_more != Learnt(village, at_roof=at_roof).net(1, place + 2)


def test_a_grid_meter_alone_learns_the_net_as_one_series() -> None:
    village = village_of(sources(), days=DAYS, battery=None)
    place, home = 6 * 24, village.homes[1]
    forecaster = Forecaster(ForecastSettings(), interval_s=3_600, series=Series.NET)
    for at in range(place):
        forecaster.learn(village.first_interval + at, -int(home.net_j[at]))
    by_hand = forecaster.predict(village.first_interval + place, 6)
    told = Learnt(village, at_roof=False).net(1, place)
    assert told is not None
    assert told.energy_j[2][0] == -by_hand.energy_j[2][-1]
    assert [told.at(told.first_interval + 3, level) for level in (300, 500)] == [
        -by_hand.at(by_hand.first_interval + 3, level) for level in (700, 500)
    ]


def test_nobody_offers_while_nothing_is_learnt() -> None:
    village = village_of(sources(), days=3, battery=None)
    learnt = Learnt(village)
    assert learnt.net(0, 0) is None
    result = trade_year(village, learnt, terms(warm_up_days=0))
    assert result.orders
    assert min(order.intent.post_interval for order in result.orders) > village.first_interval
    last = learnt.net(0, village.intervals - 1)
    assert last is not None
    assert len(last.energy_j) == 1


def test_the_bound_of_a_battery_is_that_of_a_hand_worked_day() -> None:
    """2 kWh of sun in the first hour, 2 kWh of need in the second: 1 kWh of battery saves 0.8 of them."""
    net = np.array([2_000, -2_000], np.int64) * JOULES_PER_WH
    lossy = BatterySettings(
        capacity_wh=1_000, charge_w=5_000, discharge_w=5_000, charge_permille=1_000, discharge_permille=800
    )
    home = village_of(sources(1), days=1, battery=lossy).homes[0]
    village = Village(homes=(replace(home, net_j=net),))
    prices = terms().imbalance
    assert best_income_uc(village, 0, 0, prices) == 450_000 - 1_200 * 670
    bare = Village(homes=(replace(home, net_j=net, battery=None),))
    assert best_income_uc(bare, 0, 0, prices) == 2 * 450_000 - 2 * 670_000


def an_order(number: int, side: Side, first: int, last: int, wh: int, *, posted_ms: int = 0) -> Order:
    intent = Intent(
        side=side,
        energy_j=wh * JOULES_PER_WH,
        first_interval=first,
        last_interval=last,
        price_uc_per_kwh=500_000,
        post_interval=first - 1,
    )
    return Order(home=number, intent=intent, number=number, posted_ms=posted_ms)


def test_the_market_clears_what_was_posted_before_the_interval() -> None:
    market = Market(MarketParams(interval_s=3_600))
    seller, buyer = an_order(0, Side.SELL, 10, 12, 700), an_order(1, Side.BUY, 11, 11, 300)
    late = an_order(2, Side.BUY, 11, 11, 900, posted_ms=11 * 3_600_000)
    market.post([seller, buyer, late])
    assert market.clear(10) == []
    assert [(order.number, trade.energy_j // JOULES_PER_WH) for order, trade in market.clear(11)] == [
        (0, 300),
        (1, 300),
    ]
    assert (seller.left_j // JOULES_PER_WH, seller.alive) == (400, True)
    assert seller.commitment().traded == ((11, 300 * JOULES_PER_WH),)
    assert seller.commitment() is seller.commitment()
    assert (buyer.alive, late.alive) == (False, False)
    market.clear(12)
    assert not seller.alive
    assert seller.commitment().open_j == 0


def test_a_cell_refuses_to_deliver_what_it_has_not() -> None:
    cell = Cell(BATTERY, stored_j=1_000)
    assert cell.follow(-5_000, 0, 0, 3_600) == 0, "the reserve is not for the home"
    with pytest.raises(ValueError, match="cannot deliver"):
        cell.follow(0, 2_000, 0, 3_600)
