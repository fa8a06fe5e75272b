"""Hour after hour: every home decides, the market clears, batteries and meters follow, books are kept.

The order within an interval is that of the live market with ``t_clear = 1``: what was posted before it begins takes
part; decisions made at its beginning are posted later. A home knows its own past and its forecast, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from firmware_app.bidding.battery import BatteryState
from firmware_app.bidding.bidder import Bidder
from firmware_app.bidding.settings import BatterySettings, BiddingSettings, PrivacySettings, Strategy
from firmware_app.reconcile.deviation import FinalTrade, ImbalancePrices
from firmware_app.reconcile.metered import MeteredInterval, Quality
from firmware_app.reconcile.reconciler import Reconciler, Settlement
from light_client.rules.market.clearing import Trade
from light_client.rules.market.params import MarketParams
from light_client.rules.units import Side
from testbed.year.homes import Foresight, Village
from testbed.year.market import Market, Order

LEARN_INTERVALS: Final = 24
"""For how long an order that is over is shown to the bidder, so that prices can learn from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How the homes trade."""

    bidding: BiddingSettings
    privacy: PrivacySettings
    imbalance: ImbalancePrices
    warm_up_days: int = 7
    """Days at the beginning on which nobody offers: the forecasts have seen too little."""
    seed: int = 1
    own_margins_uc: tuple[int, ...] = ()
    """A margin of each home's own on top of the settings', micro-currency per kWh; empty: none has one."""
    habits_ms: tuple[int, ...] = ()
    """At which moment of an interval each home always posts, ms; empty: a moment drawn anew for each offer."""

    def bidding_of(self, home: int) -> BiddingSettings:
        """The settings of one home."""
        if not self.own_margins_uc:
            return self.bidding
        margin = self.bidding.margin_uc_per_kwh + self.own_margins_uc[home]
        return replace(self.bidding, margin_uc_per_kwh=margin)


@dataclass(slots=True)
class Cell:
    """A home's battery as it truly is; charge and promises in whole joules."""

    settings: BatterySettings
    stored_j: int = 0
    discharged_today_j: int = 0

    def follow(self, residual_j: int, sold_j: int, hold_j: int, interval_s: int) -> int:
        """Deliver what was sold, then even out the rest of the home's balance; returns what reaches the connection, J.

        Args:
            residual_j: generation less load less promises from the roof, J.
            sold_j: sold from the battery in this interval, J.
            hold_j: what was to stay in the store before ``sold_j`` left it, J.
        """
        cell = self.settings
        taken = cell.taken_for(sold_j)
        self.stored_j -= taken
        self.discharged_today_j += taken
        if self.stored_j < 0 or sold_j > cell.discharge_w * interval_s:
            raise ValueError("a battery had sold what it cannot deliver")
        if residual_j > 0:
            room = cell.put_in_for(cell.capacity_j - self.stored_j)
            charged = min(residual_j, cell.charge_w * interval_s, room)
            self.stored_j += cell.stored_from(charged)
            return sold_j - charged
        left = cell.delivered_from(max(0, self.stored_j - max(cell.reserve_j, hold_j - taken)))
        own = min(-residual_j, cell.discharge_w * interval_s - sold_j, left)
        self.stored_j -= cell.taken_for(own)
        self.discharged_today_j += cell.taken_for(own)
        return sold_j + own


@dataclass(slots=True)
class _Home:
    """One home while the year passes."""

    bidder: Bidder
    books: Reconciler
    cell: Cell | None
    orders: list[Order] = field(default_factory=list)
    hold_j: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class YearResult:
    """What came of it."""

    village: Village
    first_interval: int
    settlements: tuple[Settlement, ...]
    """Per home, from the end of the warm-up on."""
    orders: tuple[Order, ...]
    """All of them, in order of number."""
    traded_j: int
    stored_j: int
    """Energy in all batteries when the warm-up was over, J."""

    def income_uc(self, home: int) -> int:
        """What a home received less what it paid, market and grid together, micro-currency."""
        books = self.settlements[home]
        return books.received_uc - books.owed_uc

    @property
    def total_uc(self) -> int:
        """Of all homes."""
        return sum(map(self.income_uc, range(len(self.settlements))))

    @property
    def shortage_j(self) -> int:
        """Energy bought from the grid, J."""
        return sum(-min(0, one.deviation_j) for books in self.settlements for one in books.deviations)

    @property
    def surplus_j(self) -> int:
        """Energy left to the grid, J."""
        return sum(max(0, one.deviation_j) for books in self.settlements for one in books.deviations)


def trade_year(
    village: Village,
    foresight: Foresight | None,
    terms: Terms,
    on_day: Callable[[int], None] = lambda _: None,
) -> YearResult:
    """Let the homes trade; without a foresight nobody does, and the grid takes and gives everything."""
    return _Year(village, foresight, terms).run(on_day)


class _Year:
    def __init__(self, village: Village, foresight: Foresight | None, terms: Terms) -> None:
        self._village = village
        self._foresight = foresight
        self._terms = terms
        self._chance = Random(terms.seed)  # noqa: S311 a replayable simulation
        self._market = Market(MarketParams(interval_s=village.interval_s))
        self._per_day = 86_400 // village.interval_s
        self._orders: list[Order] = []
        self._traded_j = 0
        self._homes = [
            _Home(
                bidder=Bidder(
                    market=self._market.params,
                    settings=terms.bidding_of(number),
                    privacy=terms.privacy,
                    battery=home.battery,
                    chance=Random(f"{terms.seed}/{home.name}"),  # noqa: S311
                ),
                books=Reconciler(meter_id=home.name, interval_s=village.interval_s, prices=terms.imbalance),
                cell=None if home.battery is None else Cell(home.battery),
            )
            for number, home in enumerate(village.homes)
        ]

    def run(self, on_day: Callable[[int], None]) -> YearResult:
        begin = self._terms.warm_up_days * self._per_day
        stored_j = 0
        for place in range(self._village.intervals):
            if place == begin:
                stored_j = sum(home.cell.stored_j for home in self._homes if home.cell is not None)
            self._pass(place, counted=place >= begin)
            if (place + 1) % self._per_day == 0:
                on_day(place // self._per_day)
        first = self._village.first_interval + begin
        last = self._village.first_interval + self._village.intervals - 1
        return YearResult(
            village=self._village,
            first_interval=first,
            settlements=tuple(home.books.settle(first, last) for home in self._homes),
            orders=tuple(self._orders),
            traded_j=self._traded_j,
            stored_j=stored_j,
        )

    def _pass(self, place: int, *, counted: bool) -> None:
        now = self._village.first_interval + place
        if now % self._per_day == 0:
            for home in self._homes:
                if home.cell is not None:
                    home.cell.discharged_today_j = 0
        if counted and self._foresight is not None:
            for number, home in enumerate(self._homes):
                self._decide(number, home, self._foresight, place)
        sold = self._settle(now)
        for number, home in enumerate(self._homes):
            self._deliver(number, home, place, *sold.get(number, (0, 0)))

    def _decide(self, number: int, home: _Home, foresight: Foresight, place: int) -> None:
        now = self._village.first_interval + place
        midnight = now - now % self._per_day
        learns = self._terms.bidding.strategy is Strategy.ADAPTIVE
        home.orders = [
            order
            for order in home.orders
            if order.alive
            or (order.traded and order.intent.last_interval >= midnight)
            or (learns and order.intent.last_interval >= now - LEARN_INTERVALS)
        ]
        net = foresight.net(number, place)
        if net is None:
            return
        state = (
            None
            if home.cell is None
            else BatteryState(stored_j=home.cell.stored_j, discharged_today_j=home.cell.discharged_today_j)
        )
        commitments = [order.commitment() for order in home.orders]
        decision = home.bidder.decide(now, net, state, commitments)
        home.hold_j = decision.hold_j
        length_ms = self._village.interval_s * 1_000
        for intent in decision.intents:
            habits = self._terms.habits_ms
            within_ms = habits[number] if habits else self._chance.randrange(length_ms)
            moment = intent.post_interval * length_ms + within_ms
            order = Order(home=number, intent=intent, number=len(self._orders), posted_ms=moment)
            self._orders.append(order)
            home.orders.append(order)
            self._market.post([order])

    def _settle(self, now: int) -> dict[int, tuple[int, int]]:
        """Final trades into the books; per home (net sold from the roof, sold from the battery), J."""
        sold: dict[int, tuple[int, int]] = {}
        for order, trade in self._market.clear(now):
            self._homes[order.home].books.add_trade(_final(trade))
            roof, stored = sold.get(order.home, (0, 0))
            if order.intent.first_interval < order.intent.last_interval:
                stored += trade.energy_j
            else:
                roof += trade.energy_j if trade.side == Side.SELL else -trade.energy_j
            sold[order.home] = (roof, stored)
            self._traded_j += trade.energy_j if trade.side == Side.SELL else 0
        return sold

    def _deliver(self, number: int, home: _Home, place: int, roof_j: int, stored_j: int) -> None:
        """What the meter at the connection counts of it."""
        net_j = int(self._village.homes[number].net_j[place])
        flow_j = 0
        if home.cell is not None:
            flow_j = home.cell.follow(net_j - roof_j, stored_j, home.hold_j, self._village.interval_s)
        metered_j = net_j + flow_j
        home.books.add_metered(
            MeteredInterval(
                interval=self._village.first_interval + place,
                import_j=max(0, -metered_j),
                export_j=max(0, metered_j),
                quality=Quality.MEASURED,
            )
        )


def _final(trade: Trade) -> FinalTrade:
    return FinalTrade(
        offer_id=trade.offer_id,
        side=Side(trade.side),
        interval=trade.interval,
        energy_j=trade.energy_j,
        amount_uc=trade.amount_uc,
    )
