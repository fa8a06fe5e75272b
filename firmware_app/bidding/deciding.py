"""The bidder in the device's seat: forecasts, battery and the trader's orders come in, intents go out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from firmware_app.bidding.battery import BatteryState
from firmware_app.bidding.bidder import Bidder
from firmware_app.bidding.commitments import Commitment
from firmware_app.device.decision import Occasion
from firmware_app.forecast.quantiles import QuantileForecast
from firmware_app.trading.intent import Intent
from firmware_app.trading.orders import Order, Stage

_OVER = (Stage.CLOSED, Stage.DEPOSITED)


def commitment_of(order: Order) -> Commitment:
    """What an order that is not spare binds its home to.

    An offer believed missed counts as alive if it was ever sent, since a block may still turn up with it.
    """
    intent = order.intent
    given_up = order.stage is Stage.MISSED and order.sent_at_ms is None
    return Commitment(
        side=intent.side,
        first_interval=intent.first_interval,
        last_interval=intent.last_interval,
        price_uc_per_kwh=intent.price_uc_per_kwh,
        offered_j=intent.energy_j,
        alive=order.stage not in _OVER and not given_up,
        traded=tuple(sorted((trade.interval, trade.energy_j) for trade in order.trades)),
    )


class Deciding:
    """What ``Device`` asks in each interval.

    Attributes:
        hold_j: what must stay in the battery for the promises made so far, J.
    """

    def __init__(
        self,
        bidder: Bidder,
        *,
        net: Callable[[int], QuantileForecast | None],
        battery: Callable[[], BatteryState | None],
        orders: Callable[[], Iterable[Order]],
    ) -> None:
        """Join a bidder with what it needs to know.

        Args:
            net: generation less load from an interval on, or None while nobody can tell.
            battery: what it holds now; None where there is none, or nobody knows.
            orders: of the trader, spare ones included.
        """
        self._bidder = bidder
        self._net = net
        self._battery = battery
        self._orders = orders
        self.hold_j = 0

    @property
    def reach(self) -> int:
        """How far ahead of a decision the energy may lie that it offers, intervals."""
        return self._bidder.reach

    def follow(self, bidder: Bidder) -> None:
        """Decide by other settings from now on."""
        self._bidder = bidder

    def __call__(self, occasion: Occasion) -> tuple[Intent, ...]:
        """The intents of an interval; none where they were decided before a restart, or nothing is foreseen."""
        if occasion.decided is not None and occasion.interval <= occasion.decided:
            return ()
        net = self._net(occasion.interval)
        if net is None:
            return ()
        commitments = [commitment_of(order) for order in self._orders() if not order.is_spare]
        decision = self._bidder.decide(occasion.interval, net, self._battery(), commitments)
        self.hold_j = decision.hold_j
        return decision.intents
