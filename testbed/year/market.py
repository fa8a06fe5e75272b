"""The market of the trial: the project's own clearing, a proven problem every hour, on one feeder without limits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from firmware_app.bidding.commitments import Commitment
from firmware_app.trading.intent import Intent
from light_client.rules.market.clearing import Trade, final_trades
from light_client.rules.market.grid import Feeder, Grid
from light_client.rules.market.levelling import complete
from light_client.rules.market.offer import OpenOffer
from light_client.rules.market.params import MarketParams
from light_client.rules.units import ADDRESS_BYTES, Address, FeederId, OfferId, Side
from testbed.solver.rolling import clear_at_once

_FEEDER = FeederId(1)


@dataclass(slots=True)
class Order:
    """One offer of one home, as the trader would keep it."""

    home: int
    intent: Intent
    number: int
    posted_ms: int
    """When it is posted, UTC ms."""
    traded: dict[int, int] = field(default_factory=dict)
    alive: bool = True
    _told: tuple[tuple[int, bool], Commitment] | None = None

    @property
    def left_j(self) -> int:
        """Energy that has not traded, J."""
        return self.intent.energy_j - sum(self.traded.values())

    def commitment(self) -> Commitment:
        """What it binds its home to; made anew only when something has changed."""
        state = (len(self.traded), self.alive)
        if self._told is None or self._told[0] != state:
            self._told = (state, self._commitment())
        return self._told[1]

    def _commitment(self) -> Commitment:
        intent = self.intent
        return Commitment(
            side=intent.side,
            first_interval=intent.first_interval,
            last_interval=intent.last_interval,
            price_uc_per_kwh=intent.price_uc_per_kwh,
            offered_j=intent.energy_j,
            alive=self.alive,
            traded=tuple(sorted(self.traded.items())),
        )


class Market:
    """Open orders, cleared interval after interval."""

    def __init__(self, params: MarketParams) -> None:
        self.params = params
        self._grid = Grid(
            feeders=(Feeder(feeder=_FEEDER, c_ext_w=1_000_000_000),), interval_s=params.interval_s
        )
        self._open: dict[int, Order] = {}

    def post(self, orders: Iterable[Order]) -> None:
        """Take orders in; each waits until its time of posting."""
        self._open.update((order.number, order) for order in orders)

    def clear(self, interval: int) -> list[tuple[Order, Trade]]:
        """Make an interval final: its trades, and everything that is over leaves the market."""
        gate_ms = interval * self.params.interval_s * 1_000
        offers = tuple(
            _offer_of(order, interval) for order in self._open.values() if order.posted_ms < gate_ms
        )
        trades: list[tuple[Order, Trade]] = []
        sides = {offer.side for offer in offers if offer.ranges[0][0] <= interval <= offer.ranges[-1][1]}
        if len(sides) == len(Side):
            cleared = clear_at_once(offers, first_interval=interval, params=self.params, grid=self._grid)
            solved = cleared.solved
            plan = solved.proven.plan if solved.proven else complete(cleared.problem, solved.solution.plan)
            trades = [(self._open[trade.offer_id], trade) for trade in final_trades(cleared.problem, plan)]
        for order, trade in trades:
            order.traded[interval] = trade.energy_j
        for number in [number for number, order in self._open.items() if _is_over(order, interval)]:
            self._open.pop(number).alive = False
        return trades


def _is_over(order: Order, interval: int) -> bool:
    return order.intent.last_interval <= interval or not order.left_j


def _offer_of(order: Order, interval: int) -> OpenOffer:
    intent = order.intent
    return OpenOffer(
        offer_id=OfferId(order.number),
        address=Address(bytes(ADDRESS_BYTES)),
        side=intent.side,
        feeder=_FEEDER,
        price_uc_per_kwh=intent.price_uc_per_kwh,
        ranges=((max(intent.first_interval, interval), intent.last_interval),),
        remaining_j=order.left_j,
        escrow_uc=0,
    )
