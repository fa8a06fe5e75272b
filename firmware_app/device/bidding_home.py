"""The home of a real device: its meters are read, its net position is forecast, a bidder decides, books are kept.

Everything durable goes to the store; what this class holds can be built again from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from firmware_app.bidding.batch import daily_batch
from firmware_app.bidding.bidder import Bidder
from firmware_app.bidding.deciding import Deciding, commitment_of
from firmware_app.bidding.settings import BiddingSettings, PrivacySettings
from firmware_app.config.schema import Role
from firmware_app.device import accounting
from firmware_app.device.decision import Occasion
from firmware_app.device.outlook import Outlook
from firmware_app.forecast.quantiles import QuantileForecast
from firmware_app.meters.desk import MeterDesk
from firmware_app.reconcile.deviation import FinalTrade
from firmware_app.reconcile.metered import metered_of
from firmware_app.reconcile.reconciler import Issued, Reconciler
from firmware_app.store.device_store import DeviceStore
from firmware_app.store.outbox import Message, OutboxFullError
from firmware_app.store.rows import IntervalRow, TradeRow
from firmware_app.trading.intent import Intent
from firmware_app.trading.news import News
from firmware_app.trading.orders import Order
from firmware_app.trading.reservation import Reservation
from light_client.rules.market.params import MarketParams
from light_client.rules.units import Side
from meter_io.intervals import IntervalEnergy

OPERATOR: Final = "operator"
"""Destination of delivery reports in the outbox: the management plane."""
_DAY_MS: Final = 86_400_000
_BOOK_DAYS: Final = 14
"""How long a day's report can still be corrected."""
_ISSUED_SLOTS: Final = 32
_ISSUED_BYTES: Final = 8 + 4 + 32


class BiddingHome:
    """Joins desk, forecast, bidder, books and store."""

    def __init__(
        self,
        *,
        grid_meter: str,
        desk: MeterDesk,
        outlook: Outlook,
        bidder: Bidder,
        reconciler: Reconciler,
        store: DeviceStore,
        market: MarketParams,
        bidding: BiddingSettings,
        privacy: PrivacySettings,
    ) -> None:
        self.grid_meter = grid_meter
        self.desk = desk
        self.outlook = outlook
        self._orders: tuple[Order, ...] = ()
        self._deciding = Deciding(bidder, net=self._net, battery=lambda: None, orders=lambda: self._orders)
        self.reconciler = reconciler
        self._store = store
        self._market = market
        self._bidding = bidding
        self._privacy = privacy

    @property
    def reach(self) -> int:
        """How far ahead of a decision the energy may lie that it offers, intervals."""
        return self._deciding.reach

    def follow(self, bidder: Bidder, bidding: BiddingSettings, privacy: PrivacySettings) -> None:
        """Decide by other settings from now on; what was promised stays promised."""
        self._deciding.follow(bidder)
        self._bidding, self._privacy = bidding, privacy

    # -- the seam ------------------------------------------------------------------------------------------------------

    def is_measured(self, now_ms: int) -> bool:
        """Whether the grid meter is to be believed."""
        del now_ms
        return self.desk.is_measured()

    def decide(self, occasion: Occasion) -> tuple[Intent, ...]:
        """What the bidder wants, given the forecast; nothing while the meter or the forecast is silent."""
        self._report_days(occasion.now_ms)
        if not self.desk.is_measured():
            return ()
        self._orders = occasion.orders
        return self._deciding(occasion)

    def _net(self, interval: int) -> QuantileForecast | None:
        ahead = self._market.t_clear + self._market.horizon + self._privacy.spread_intervals + 1
        return self.outlook.net(interval, ahead)

    def reserve(
        self, first_interval: int, last_interval: int, orders: tuple[Order, ...]
    ) -> tuple[Reservation, ...]:
        """The bidder's daily batch, out of what was offered lately."""
        per_day = _DAY_MS // (self._market.interval_s * 1_000)
        lately = [order for order in orders if order.intent.first_interval >= first_interval - per_day]
        return daily_batch(
            map(commitment_of, lately),
            first_interval=first_interval,
            last_interval=last_interval + self._market.t_clear + self._privacy.spread_intervals,
            settings=self._bidding,
            privacy=self._privacy,
        )

    def hear(self, news: News, now_ms: int) -> None:
        """Keep offers, trades and headers; a trade that the books know is in the store already.

        They are written with the energies of the interval, in one commit, which spares the flash: orders and trades
        are durable where they are traded, and after a power cut the trading meter tells of its trades again.
        """
        finals = [one for one in news.finals if self.reconciler.add_trade(accounting.final_trade_of(one))]
        self._store.hold(
            *(accounting.header_row(header) for header in news.headers),
            *(accounting.verdict_row(header) for header in news.headers if header.clearing.interval),
            *(accounting.alarm_row(height, reason, now_ms) for height, reason in news.alarms),
            *(accounting.offer_row(order, now_ms) for order in news.orders if not order.is_spare),
            *(accounting.trade_row(final, now_ms) for final in finals),
        )

    # -- what the meters counted ---------------------------------------------------------------------------------------

    def counted(self, role: Role, energy: IntervalEnergy) -> None:
        """An interval of a meter is over."""
        self.outlook.take(role, energy)
        if energy.meter == self.grid_meter:
            self.reconciler.add_metered(metered_of(energy))

    def _report_days(self, now_ms: int) -> None:
        """Hand the reports of days that are over to the outbox; what was issued is kept in the same batch."""
        for day in self.reconciler.days_due(now_ms):
            report = self.reconciler.report(day)
            if report is None:
                continue
            message = Message(
                destination=OPERATOR,
                key=f"delivery/{day}/{report.version}",
                kind="delivery-report",
                body=report.to_bytes(),
                at_ms=now_ms,
            )
            try:
                self._store.outbox.put(message)
            except OutboxFullError:
                return
            _, issued = self.reconciler.issue(report)
            self._store.keep(_slot(day), _issued_bytes(day, issued))
        interval_ms = self._market.interval_s * 1_000
        self.reconciler.forget_before((now_ms - _BOOK_DAYS * _DAY_MS) // interval_ms)


def recall_books(reconciler: Reconciler, store: DeviceStore, *, grid_meter: str, now_ms: int) -> None:
    """Fill the books out of the history: the intervals and trades of the days that can still be corrected."""
    since_ms = now_ms - _BOOK_DAYS * _DAY_MS
    for row in store.since(IntervalRow, since_ms):
        if row.meter == grid_meter:
            reconciler.add_metered(metered_of(row.energy()))
    for trade in _trades_since(store, since_ms):
        reconciler.add_trade(trade)


def recall_issued(store: DeviceStore, *, now_ms: int) -> dict[int, Issued]:
    """Which versions of which days were handed out in earlier lives."""
    today = now_ms // _DAY_MS
    found = {}
    for day in range(today - _ISSUED_SLOTS + 1, today + 1):
        value = store.kept(_slot(day))
        if value is not None and len(value) == _ISSUED_BYTES and int.from_bytes(value[:8], "big") == day:
            found[day] = Issued(version=int.from_bytes(value[8:12], "big"), digest=value[12:])
    return found


def _slot(day: int) -> str:
    """A day's place: there are so many, and each is used anew after as many days."""
    return f"issued:{day % _ISSUED_SLOTS}"


def _issued_bytes(day: int, issued: Issued) -> bytes:
    return day.to_bytes(8, "big") + issued.version.to_bytes(4, "big") + issued.digest


def _trades_since(store: DeviceStore, since_ms: int) -> Iterable[FinalTrade]:
    for row in store.since(TradeRow, since_ms):
        yield FinalTrade(
            offer_id=row.offer_id,
            side=Side(row.side),
            interval=row.interval,
            energy_j=row.energy_j,
            amount_uc=row.amount_uc,
        )
