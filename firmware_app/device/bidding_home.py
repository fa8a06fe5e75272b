"""The home of a real device: its meters are read, its net position is forecast, a bidder decides, books are kept.

Everything durable goes to the store; what this class holds can be built again from it.
"""

from __future__ import annotations

from typing import Final

from firmware_app.bidding.batch import daily_batch
from firmware_app.bidding.battery import BatteryState
from firmware_app.bidding.bidder import Bidder
from firmware_app.bidding.deciding import Deciding, commitment_of
from firmware_app.bidding.settings import BiddingSettings, PrivacySettings
from firmware_app.config.schema import Role
from firmware_app.device import accounting
from firmware_app.device.charge import StateOfCharge
from firmware_app.device.decision import Occasion
from firmware_app.device.outlook import Outlook
from firmware_app.device.reporting import Reporting
from firmware_app.forecast.quantiles import QuantileForecast
from firmware_app.meters.desk import MeterDesk
from firmware_app.reconcile.metered import metered_of
from firmware_app.store.device_store import DeviceStore
from firmware_app.trading.intent import Intent
from firmware_app.trading.news import News
from firmware_app.trading.orders import Order
from firmware_app.trading.reservation import Reservation
from light_client.rules.market.params import MarketParams
from meter_io.intervals import IntervalEnergy

_DAY_MS: Final = 86_400_000


class BiddingHome:
    """Joins desk, forecast, bidder, books and store."""

    def __init__(
        self,
        *,
        grid_meter: str,
        desk: MeterDesk,
        outlook: Outlook,
        bidder: Bidder,
        reporting: Reporting,
        store: DeviceStore,
        market: MarketParams,
        bidding: BiddingSettings,
        privacy: PrivacySettings,
        charge: StateOfCharge | None = None,
    ) -> None:
        self.grid_meter = grid_meter
        self.desk = desk
        self.outlook = outlook
        self._orders: tuple[Order, ...] = ()
        self._deciding = Deciding(bidder, net=self._net, battery=self._stored, orders=lambda: self._orders)
        self.reporting = reporting
        self.charge = charge
        self._now_ms = 0
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
        self.reporting.look(occasion.now_ms)
        if not self.desk.is_measured():
            return ()
        self._orders, self._now_ms = occasion.orders, occasion.now_ms
        return self._deciding(occasion)

    @property
    def hold_j(self) -> int:
        """What must stay in the battery for the promises made so far, J."""
        return self._deciding.hold_j

    def _stored(self) -> BatteryState | None:
        return None if self.charge is None else self.charge.state(self._now_ms)

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
        finals = [one for one in news.finals if self.reporting.traded(accounting.final_trade_of(one))]
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
        if self.charge is not None:
            self.charge.counted((energy,))
        if energy.meter == self.grid_meter:
            self.reporting.counted(metered_of(energy))
