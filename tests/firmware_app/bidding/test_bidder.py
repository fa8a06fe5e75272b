"""What the bidder decides in plain situations."""

from random import Random

import pytest

from firmware_app.bidding.battery import BatteryState
from firmware_app.bidding.bidder import Bidder, Decision
from firmware_app.bidding.commitments import Commitment
from firmware_app.bidding.settings import BatterySettings, BiddingSettings, PrivacySettings
from firmware_app.forecast.quantiles import QuantileForecast
from firmware_app.trading.intent import Intent
from light_client.rules.market.mechanisms.kinds import TwoStage
from light_client.rules.market.params import MarketParams
from light_client.rules.units import JOULES_PER_WH, Side

NOW = 1_000
WH = JOULES_PER_WH
HOURLY = MarketParams(interval_s=3_600, horizon=24)
SETTINGS = BiddingSettings(feed_in_uc_per_kwh=450_000, retail_uc_per_kwh=670_000)
PRIVACY = PrivacySettings(lot_wh=100, lot_units=(1, 10), price_step_uc_per_kwh=20_000, spread_intervals=1)
BATTERY = BatterySettings(
    capacity_wh=6_000, charge_w=3_000, discharge_w=2_000, charge_permille=1_000, discharge_permille=1_000
)


def nets(*rows: tuple[int, int, int], first: int = NOW) -> QuantileForecast:
    """A net forecast at 10, 50 and 90 %, Wh."""
    return QuantileForecast(
        first_interval=first,
        levels_permille=(100, 500, 900),
        energy_j=tuple(tuple(value * WH for value in row) for row in rows),
    )


def decide(
    forecast: QuantileForecast,
    *,
    settings: BiddingSettings = SETTINGS,
    privacy: PrivacySettings = PRIVACY,
    market: MarketParams = HOURLY,
    battery: BatterySettings | None = None,
    stored_wh: int | None = None,
    commitments: tuple[Commitment, ...] = (),
) -> Decision:
    state = None if stored_wh is None else BatteryState(stored_j=stored_wh * WH)
    bidder = Bidder(market=market, settings=settings, privacy=privacy, battery=battery, chance=Random(1))
    return bidder.decide(NOW, forecast, state, commitments)


def told(intents: tuple[Intent, ...]) -> list[tuple[str, int, int, int, int]]:
    """Side, Wh, first and last interval from now, price."""
    return [
        (
            one.side.name,
            one.energy_j // WH,
            one.first_interval - NOW,
            one.last_interval - NOW,
            one.price_uc_per_kwh,
        )
        for one in intents
    ]


def flat(wh: int, count: int = 6) -> QuantileForecast:
    return nets(*((wh, wh, wh),) * count)


def test_a_surplus_is_sold_in_lots_and_what_is_short_of_one_is_not() -> None:
    sold = told(decide(flat(1_250)).intents)
    assert sold == [
        ("SELL", 1_000, 2, 2, 460_000),
        ("SELL", 100, 2, 2, 460_000),
        ("SELL", 100, 2, 2, 460_000),
    ]


def test_a_deficit_is_bought() -> None:
    assert told(decide(flat(-330)).intents) == [("BUY", 100, 2, 2, 660_000)] * 3


def test_being_surer_offers_less() -> None:
    row = (200, 500, 800)
    rows = nets(*(row,) * 4)
    sums = []
    for chance in (900, 500, 100):
        settings = BiddingSettings(sell_chance_permille=chance)
        sums.append(sum(one.energy_j for one in decide(rows, settings=settings).intents) // WH)
    assert sums == [200, 500, 800]
    lacking = nets(*((-800, -500, -200),) * 4)
    careful = BiddingSettings(buy_chance_permille=900)
    assert sum(one.energy_j for one in decide(lacking, settings=careful).intents) // WH == 200


def test_what_is_promised_is_not_offered_again() -> None:
    first = decide(flat(1_250)).intents
    promised = tuple(
        Commitment(
            side=one.side,
            first_interval=one.first_interval,
            last_interval=one.last_interval,
            price_uc_per_kwh=one.price_uc_per_kwh,
            offered_j=one.energy_j,
            alive=True,
        )
        for one in first
    )
    assert decide(flat(1_250), commitments=promised).intents == ()
    assert told(decide(flat(1_350), commitments=promised).intents) == [("SELL", 100, 2, 2, 460_000)]


def test_what_was_given_up_may_be_offered_again_and_what_was_traded_may_not() -> None:
    gone = Commitment(
        side=Side.SELL,
        first_interval=NOW + 2,
        last_interval=NOW + 2,
        price_uc_per_kwh=1,
        offered_j=1_000 * WH,
        alive=False,
        traded=((NOW + 2, 400 * WH),),
    )
    assert sum(one.energy_j for one in decide(flat(1_000), commitments=(gone,)).intents) == 600 * WH


def test_nobody_trades_with_himself() -> None:
    sale = Commitment(
        side=Side.SELL,
        first_interval=NOW + 1,
        last_interval=NOW + 4,
        price_uc_per_kwh=1,
        offered_j=WH,
        alive=True,
    )
    assert decide(flat(-1_000), commitments=(sale,)).intents == ()


def test_the_operators_limits() -> None:
    def sold(**changes: int) -> int:
        settings = BiddingSettings(**changes)  # type: ignore[arg-type]
        return sum(one.energy_j for one in decide(flat(5_000), settings=settings).intents) // WH

    assert sold() == 5_000
    assert sold(max_power_w=1_250) == 1_200
    assert sold(max_sell_wh_per_day=700) == 700
    assert sold(sell=False) == 0
    hour = (NOW + 2) % 24
    closed = BiddingSettings(excluded=(f"{hour:02}:00-{hour:02}:30",))
    assert decide(flat(5_000), settings=closed).intents == ()
    assert decide(flat(-5_000), settings=BiddingSettings(buy=False)).intents == ()
    assert decide(flat(-900), settings=BiddingSettings(max_buy_wh_per_day=300)).intents[1:] != ()


def test_a_longer_spread_decides_earlier_and_posts_at_any_time_before_the_gate() -> None:
    spread = PrivacySettings(lot_wh=100, lot_units=(1,), spread_intervals=3)
    intents = decide(flat(2_000), privacy=spread).intents
    assert {one.first_interval - NOW for one in intents} == {2, 3, 4}
    posted = {(one.first_interval - NOW, one.post_interval - NOW) for one in intents}
    assert {post for first, post in posted if first == 4} == {1, 2, 3}
    assert all(0 < post < first for first, post in posted)


def test_the_forecasts_end_is_the_end_of_offers() -> None:
    assert decide(flat(1_000, count=2)).intents == ()
    late = nets(*((900, 900, 900),) * 2, first=NOW + 2)
    assert sum(one.energy_j for one in decide(late).intents) == 900 * WH


@pytest.mark.parametrize(
    ("price", "sides"), [(400_000, {"BUY"}), (500_000, {"SELL", "BUY"}), (700_000, {"SELL"})]
)
def test_in_a_uniform_market_the_one_price_is_taken_or_left(price: int, sides: set[str]) -> None:
    market = MarketParams(interval_s=3_600, horizon=24, uniform_price_uc_per_kwh=price)
    intents = (*decide(flat(1_000), market=market).intents, *decide(flat(-1_000), market=market).intents)
    assert {one.side.name for one in intents} == sides
    assert {one.price_uc_per_kwh for one in intents} == {price}


def test_in_a_two_stage_auction_the_home_follows_as_far_as_its_true_price() -> None:
    market = MarketParams(interval_s=3_600, horizon=24, mechanism=TwoStage(reaction_ms=60_000))
    assert {one.last_limit_uc_per_kwh for one in decide(flat(1_000), market=market).intents} == {460_000}
    assert {one.last_limit_uc_per_kwh for one in decide(flat(1_000)).intents} == {None}


def test_a_battery_takes_the_surplus_first_and_serves_the_home_first() -> None:
    empty = decide(flat(2_500), battery=BATTERY, stored_wh=0)
    assert sum(one.energy_j for one in empty.intents) == 1_500 * WH, "2.5, 2.5, then room for 1 kWh"
    full = decide(flat(-1_500, count=4), battery=BATTERY, stored_wh=6_000)
    assert full.intents == ()


def test_what_the_home_will_not_need_is_one_offer_over_several_intervals() -> None:
    night = nets(*((-300, -300, -300),) * 5, *((5_000, 5_000, 5_000),) * 3)
    decision = decide(night, battery=BATTERY, stored_wh=3_500)
    assert told(decision.intents) == [("SELL", 1_000, 2, 4, 460_000)] * 2, (
        "3.5 less 1.5 kWh, until the sun is back"
    )
    assert decision.hold_j == 2_000 * WH + 2 * 2


def test_the_battery_sells_no_more_than_it_can_deliver_in_one_interval() -> None:
    night = nets(*((0, 0, 0),) * 8)
    assert sum(one.energy_j for one in decide(night, battery=BATTERY, stored_wh=6_000).intents) == 2_000 * WH


def test_nothing_is_sold_from_a_battery_about_which_nothing_is_known() -> None:
    night = nets(*((0, 0, 0),) * 8)
    assert decide(night, battery=BATTERY).intents == ()
    assert decide(night, battery=BATTERY, stored_wh=99).intents == ()


def test_stored_energy_is_never_cheaper_than_it_was_before_it_was_stored() -> None:
    lossy = BatterySettings(
        capacity_wh=6_000, charge_w=3_000, discharge_w=2_000, charge_permille=900, discharge_permille=900
    )
    night = nets(*((0, 0, 0),) * 8)
    prices = {one.price_uc_per_kwh for one in decide(night, battery=lossy, stored_wh=3_000).intents}
    assert prices == {560_000}, "0.45 / 0.81 is 0.5556"
    worse = BatterySettings(
        capacity_wh=6_000, charge_w=3_000, discharge_w=2_000, charge_permille=800, discharge_permille=800
    )
    assert decide(night, battery=worse, stored_wh=3_000).intents == ()
    uniform = MarketParams(interval_s=3_600, horizon=24, uniform_price_uc_per_kwh=550_000)
    assert decide(night, battery=lossy, stored_wh=3_000, market=uniform).intents == ()
    assert decide(night, battery=BATTERY, stored_wh=3_000, market=uniform).intents != ()
    assert (
        decide(
            night, battery=BATTERY, stored_wh=3_000, settings=BiddingSettings(floor_uc_per_kwh=400_000)
        ).intents
        == ()
    )
