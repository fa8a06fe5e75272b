"""A real home from counted intervals to intents and books: what it learns, what it offers, what it keeps."""

from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random

from firmware_app.bidding.bidder import Bidder
from firmware_app.bidding.settings import BiddingSettings, PrivacySettings
from firmware_app.config.schema import BatterySection, MeterSection, Role
from firmware_app.device.bidding_home import BiddingHome
from firmware_app.device.charge import StateOfCharge
from firmware_app.device.decision import Occasion
from firmware_app.device.outlook import Outlook
from firmware_app.device.reporting import OPERATOR, Reporting
from firmware_app.forecast.settings import ForecastSettings, Series
from firmware_app.meters.desk import MeterDesk
from firmware_app.reconcile.deviation import ImbalancePrices
from firmware_app.reconcile.report import read_signed_report
from firmware_app.reconcile.sealing import public_seal_key, unseal
from firmware_app.reconcile.settings import ReportSettings
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.params import StoreParams
from firmware_app.store.rows import Answer, EventRow, HeaderRow, IntervalRow, OfferRow, TradeRow, VerdictRow
from firmware_app.trading.intent import Intent
from firmware_app.trading.news import Final, News
from firmware_app.trading.orders import Order, Stage, asset_for
from light_client.rules.crypto import public_key_of, sign, verify
from light_client.rules.ledger.block import NO_CLEARING, Clearing
from light_client.rules.ledger.events import Cleared
from light_client.rules.market.clearing import Trade
from light_client.rules.market.params import MarketParams
from light_client.rules.units import FeederId, OfferId, Side
from light_client.store.memory import MemoryStorage
from light_client.wallet.wallet import Wallet
from meter_io.bus.dialogue import Said
from meter_io.intervals import IntervalEnergy
from meter_io.obis import STATE_OF_CHARGE
from meter_io.reading import MeterId, Unit, Value
from meter_io.span import Basis
from tests.light_client.messages.samples import HEADER

_DAY = 96
_NOW = 20_000 * _DAY + 40
"""Ten in the morning of some day."""
_MARKET = MarketParams(interval_s=900, t_clear=1, horizon=96)
_KWH = 3_600_000
_SEAL = bytes(range(32))


class _TrustedDesk(MeterDesk):
    """A desk at which a good reading has just come."""

    def is_measured(self) -> bool:
        return True


def _usual_j(interval: int) -> int:
    """Load less generation of the home: 2 kWh to spare at noon, half a kilowatt-hour needed else."""
    return -2 * _KWH if 36 <= interval % _DAY < 60 else _KWH // 2


@dataclass
class _Board:
    folder: Path
    now_ms: int = _NOW * 900_000

    def __post_init__(self) -> None:
        self.store = DeviceStore(self.folder, StoreParams(), clock=self, boot_id="boot")
        self.home = self.build()

    def utc_ms(self) -> int | None:
        return self.now_ms

    def monotonic_ms(self) -> int:
        return self.now_ms

    def build(self, *, trusted: bool = True) -> BiddingHome:
        """The home as it is built at the program's start."""
        desk_type = _TrustedDesk if trusted else MeterDesk
        sections = (
            MeterSection(name="house", role=Role.GRID, profile="eastron-sdm630", port="/dev/ttyUSB0"),
        )
        reporting = Reporting(
            meter_id="meter-0101",
            interval_s=900,
            prices=ImbalancePrices(),
            settings=ReportSettings(operator_key=public_seal_key(_SEAL).hex()),
            store=self.store,
            sign=partial(sign, bytes(31) + b"\x05"),
            chance=Random(2).randbytes,
        )
        reporting.recall("house", self.now_ms)
        return BiddingHome(
            grid_meter="house",
            desk=desk_type(
                sections,
                {},
                self.store,
                interval_s=900,
                on_interval=self._counted,
                monotonic_ms=self.monotonic_ms,
            ),
            outlook=Outlook(ForecastSettings(), self.store, interval_s=900, pv_meters=0),
            bidder=Bidder(
                market=_MARKET, settings=BiddingSettings(), privacy=PrivacySettings(), chance=Random(1)
            ),
            reporting=reporting,
            store=self.store,
            market=_MARKET,
            bidding=BiddingSettings(),
            privacy=PrivacySettings(),
        )

    def _counted(self, role: Role, energy: IntervalEnergy) -> None:
        self.home.counted(role, energy)

    def live(self, first: int, last: int) -> None:
        """Intervals that the grid meter counts, as they are usual, and the desk writes down."""
        for interval in range(first, last):
            net = _usual_j(interval)
            energy = IntervalEnergy(
                meter=MeterId("house"),
                interval=interval,
                energy_j=(max(0, net), max(0, -net)),
                basis=Basis.MEASURED,
                covered_ms=900_000,
            )
            self.store.record(IntervalRow.of(energy, interval_s=900))
            self.home.counted(Role.GRID, energy)

    def decide(self, orders: tuple[Order, ...] = ()) -> tuple[Intent, ...]:
        return self.home.decide(Occasion(interval=_NOW, now_ms=self.now_ms, decided=None, orders=orders))


def _order(intent: Intent, number: int, stage: Stage = Stage.OPEN) -> Order:
    wallet = Wallet(b"s" * 32, b"c" * 32, MemoryStorage())
    key = wallet.key_at(number)
    return Order(
        key=key,
        asset=asset_for(intent, key.address, FeederId(1)),
        request=0,
        wish=intent,
        stage=stage,
        offer_id=OfferId(number),
    )


def test_a_home_that_knows_nothing_offers_nothing(tmp_path: Path) -> None:
    assert _Board(tmp_path).decide() == ()


def test_a_home_that_knows_its_days_offers_its_surplus_and_no_joule_twice(tmp_path: Path) -> None:
    board = _Board(tmp_path)
    board.live(_NOW - 5 * _DAY, _NOW)
    intents = board.decide()
    assert intents
    assert {intent.side for intent in intents} == {Side.SELL}
    for first in {intent.first_interval for intent in intents}:
        offered_j = sum(intent.energy_j for intent in intents if intent.first_interval == first)
        assert 0.9 * 2 * _KWH <= offered_j <= 2 * _KWH, "what it has to spare, in lots"
    orders = tuple(_order(intent, number) for number, intent in enumerate(intents, start=1))
    assert board.decide(orders) == (), "all of it is promised already"


def test_a_home_whose_meter_is_doubtful_offers_nothing(tmp_path: Path) -> None:
    board = _Board(tmp_path)
    board.live(_NOW - 5 * _DAY, _NOW)
    board.home = board.build(trusted=False)
    assert board.decide() == ()


def test_what_was_learnt_is_known_after_a_restart(tmp_path: Path) -> None:
    board = _Board(tmp_path)
    board.live(_NOW - 5 * _DAY, _NOW)
    before = board.decide()
    board.home.outlook.keep()
    board.store.close()
    again = _Board(tmp_path)
    assert [intent.energy_j for intent in again.decide()] == [intent.energy_j for intent in before]


def test_the_daily_batch_holds_what_was_offered_the_day_before(tmp_path: Path) -> None:
    board = _Board(tmp_path)
    board.live(_NOW - 5 * _DAY, _NOW)
    orders = tuple(_order(intent, number) for number, intent in enumerate(board.decide(), start=1))
    first = (_NOW // _DAY + 1) * _DAY
    wants = board.home.reserve(first, first + _DAY - 1, orders)
    assert len(wants) % PrivacySettings().batch_lots == 0
    sizes = {want.production_j for want in wants if want.production_j}
    assert {order.intent.energy_j for order in orders} <= sizes
    assert all((want.production_j == 0) != (want.consumption_j == 0) for want in wants)
    assert all(want.money_uc > 0 for want in wants if want.consumption_j)
    assert all(want.first_interval == first and want.last_interval > first + _DAY - 1 for want in wants)


def _on_disk(board: _Board) -> int:
    """Trades in the file, without those that wait in memory."""
    assert board.store._database is not None
    return int(board.store._database.value("SELECT count(*) FROM trades"))


def test_news_become_history_and_books_once(tmp_path: Path) -> None:
    board = _Board(tmp_path)
    board.live(_NOW - _DAY, _NOW)
    board.live(_NOW, _NOW + 1)
    sale = Intent(
        side=Side.SELL,
        energy_j=_KWH,
        first_interval=_NOW,
        last_interval=_NOW,
        price_uc_per_kwh=100_000,
        post_interval=_NOW - 2,
    )
    order = _order(sale, 7)
    trade = Trade(offer_id=7, side=Side.SELL, interval=_NOW, energy_j=_KWH, amount_uc=120_000)
    news = News(orders=[order], finals=[Final(order, trade, 5)])
    board.home.hear(news, board.now_ms)
    board.home.hear(News(finals=[Final(order, trade, 0)]), board.now_ms)
    assert _on_disk(board) == 0, "held back until the interval is over"
    board.live(_NOW + 1, _NOW + 2)
    assert _on_disk(board) == 1, "and then written with its energies"
    assert [row.height for row in board.store.newest(TradeRow, 9)] == [5], (
        "the second telling changes nothing"
    )
    assert [row.stage for row in board.store.newest(OfferRow, 9)] == ["open"]
    for home in (board.home, board.build()):
        (settled,) = home.reporting.settle(_NOW, _NOW).deviations
        assert (settled.traded_j, settled.deviation_j) == (_KWH, _KWH)


def test_what_was_verified_and_what_was_not_is_on_record(tmp_path: Path) -> None:
    board = _Board(tmp_path)
    cleared = Clearing(how=Cleared.PROVEN, interval=_NOW, traded_j=_KWH, gap_j=0)
    header = replace(HEADER, height=9, clearing=cleared)
    idle = replace(HEADER, height=10, clearing=NO_CLEARING)
    board.home.hear(News(headers=[header, idle], alarms=[(10, "two headers of one height")]), board.now_ms)
    accepted, rejected = board.store.newest(VerdictRow, 9)
    assert (accepted.answer, accepted.height, accepted.interval) == (Answer.ACCEPTED, 9, _NOW)
    assert (rejected.answer, rejected.height) == (Answer.REJECTED, 10)
    assert rejected.reason == "two headers of one height"
    assert len(board.store.newest(HeaderRow, 9)) == 2


def test_a_day_that_is_over_is_reported_once_and_a_restart_reports_nothing_again(tmp_path: Path) -> None:
    board = _Board(tmp_path)
    midnight = _NOW // _DAY * _DAY
    board.live(midnight - _DAY, midnight)
    board.decide()
    board.decide()
    (message,) = board.store.outbox.pending(OPERATOR)
    report = read_signed_report(
        unseal(message.body, _SEAL), lambda _: public_key_of(bytes(31) + b"\x05"), verify
    )
    assert (report.first_interval, report.version, len(report.rows)) == (midnight - _DAY, 1, _DAY)
    assert sum(row.import_j - row.export_j for row in report.rows) == sum(map(_usual_j, range(_DAY)))
    board.store.close()
    again = _Board(tmp_path)
    again.decide()
    assert [one.key for one in again.store.outbox.pending(OPERATOR)] == [message.key]


def test_load_and_generation_are_told_apart_where_the_sun_is_metered(tmp_path: Path) -> None:
    board = _Board(tmp_path)
    outlook = Outlook(ForecastSettings(), board.store, interval_s=900, pv_meters=1)

    def counted(meter: str, interval: int, energy_j: tuple[int, int]) -> IntervalEnergy:
        return IntervalEnergy(
            meter=MeterId(meter),
            interval=interval,
            energy_j=energy_j,
            basis=Basis.MEASURED,
            covered_ms=900_000,
        )

    for interval in range(_NOW - 5 * _DAY, _NOW):
        sun_j = 3 * _KWH if 36 <= interval % _DAY < 60 else 0
        net_j = _KWH - sun_j
        pv, grid = (
            counted("pv", interval, (0, sun_j)),
            counted("house", interval, (max(0, net_j), max(0, -net_j))),
        )
        for role, energy in ((Role.PV, pv), (Role.GRID, grid))[:: 1 if interval % 2 else -1]:
            outlook.take(role, energy)
    load, generation = outlook.forecasters[Series.LOAD], outlook.forecasters[Series.GENERATION]
    assert abs(load.predict(_NOW, 1).at(_NOW, 500) - _KWH) <= _KWH // 20
    assert abs(generation.predict(_NOW, 1).at(_NOW, 500) - 3 * _KWH) <= _KWH // 10
    net = outlook.net(_NOW, 4)
    assert net is not None
    assert abs(net.at(_NOW, 500) - 2 * _KWH) <= _KWH // 5
    outlook.take(Role.GRID, counted("house", _NOW, (_KWH, 0)))
    outlook.take(Role.GRID, counted("house", _NOW + 1, (_KWH, 0)))
    assert load.status().measured == 5 * _DAY, "without the sun's meter nothing is known of the load"


def test_the_forecast_is_of_the_home_without_its_battery(tmp_path: Path) -> None:
    """A battery takes the noon's surplus and gives it back at night: the meter at the grid sees a flat line."""
    board = _Board(tmp_path)
    outlook = Outlook(ForecastSettings(), board.store, interval_s=900, pv_meters=0, battery="cellar")
    for interval in range(_NOW - 5 * _DAY, _NOW):
        net_j = _usual_j(interval)
        flat_j = _KWH // 10
        into_j = flat_j - net_j
        for role, name, drawn_j in ((Role.GRID, "house", flat_j), (Role.BATTERY, "cellar", into_j)):
            energy = IntervalEnergy(
                meter=MeterId(name),
                interval=interval,
                energy_j=(max(0, drawn_j), max(0, -drawn_j)),
                basis=Basis.MEASURED,
                covered_ms=900_000,
            )
            outlook.take(role, energy)
    noon = (_NOW // _DAY + 1) * _DAY + 48
    net = outlook.net(_NOW, noon - _NOW + 1)
    assert net is not None
    assert abs(net.at(noon, 500) - 2 * _KWH) <= _KWH // 5, "what is over at noon is over, wherever it went"


def test_a_battery_of_which_nobody_knows_what_it_holds_sells_nothing(tmp_path: Path) -> None:
    board = _Board(tmp_path)
    evening = _NOW // _DAY * _DAY + 66
    board.now_ms = evening * 900_000
    board.live(_NOW - 5 * _DAY, evening)
    section = BatterySection(
        meter="cellar",
        capacity_wh=100_000,
        charge_w=20_000,
        discharge_w=20_000,
        sell=True,
        window_intervals=4,
    )
    charge = StateOfCharge(section, monotonic_ms=board.monotonic_ms, event=board.store.event, interval_s=900)
    board.home.charge = charge
    bidder = Bidder(
        market=_MARKET,
        settings=BiddingSettings(),
        privacy=PrivacySettings(),
        chance=Random(1),
        battery=section,
    )
    board.home.follow(bidder, BiddingSettings(), PrivacySettings())

    def sold() -> list[Intent]:
        occasion = Occasion(interval=evening, now_ms=board.now_ms, decided=None, orders=())
        return [
            intent for intent in board.home.decide(occasion) if intent.first_interval < intent.last_interval
        ]

    assert sold() == []
    charge.hear(Said("inverter", {STATE_OF_CHARGE: Value(Decimal(100), Unit.PERCENT)}), board.now_ms)
    assert sold(), "a full battery has more than the night needs"
    assert board.home.hold_j > 0
    board.home.follow(
        Bidder(
            market=_MARKET,
            settings=BiddingSettings(),
            privacy=PrivacySettings(),
            chance=Random(1),
            battery=replace(section, sell=False),
        ),
        BiddingSettings(),
        PrivacySettings(),
    )
    assert sold() == [], "nobody steers the inverter"
    assert [row.name for row in board.store.newest(EventRow, 9)] == ["battery.unknown", "battery.back"]
