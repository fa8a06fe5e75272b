"""What meters promised and delivered, told from their reports and the trades of their grants: what scores are made of.

Per interval, promised is what the home has sold or bought in sum, and delivered what its meter says of that direction,
as far as it was promised: what flows beyond it is the grid's. An interval of which nothing certain was metered counts
on neither side. Only homes of registered miners are asked about, and what is told is rounded down to the step of the
public report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from firmware_app.reconcile.deviation import FinalTrade
from firmware_app.reconcile.metered import Quality
from light_client.rules.ledger.delivery import REPORT_STEP_J
from light_client.rules.ledger.events import Event, OfferPosted, SolutionFinalised
from light_client.rules.units import Address, Side
from testbed.dso.deliveries import DeliveryDesk


class GrantedTrades:
    """Final trades by the meter whose addresses made them: only who granted the addresses can tell."""

    def __init__(self, owner_of: Callable[[Address], int | None]) -> None:
        """Begin with none.

        Args:
            owner_of: address -> number of the meter that it was granted to; None for an address of nobody.
        """
        self._owner_of = owner_of
        self._meters: dict[int, int] = {}
        self._trades: dict[int, list[FinalTrade]] = {}

    def take(self, events: Iterable[Event]) -> None:
        """Note what a block brought."""
        for event in events:
            match event:
                case OfferPosted(offer_id=offer_id, address=address):
                    owner = self._owner_of(address)
                    if owner is not None:
                        self._meters[offer_id] = owner
                case SolutionFinalised(trades=trades):
                    for trade in trades:
                        final = FinalTrade(
                            offer_id=trade.offer_id,
                            side=Side(trade.side),
                            interval=trade.interval,
                            energy_j=trade.energy_j,
                            amount_uc=trade.amount_uc,
                        )
                        self._trades.setdefault(self._meters.get(trade.offer_id, -1), []).append(final)

    def of(self, meter_id: int) -> tuple[FinalTrade, ...]:
        """All of one meter's, in the order in which they became final."""
        return tuple(self._trades.get(meter_id, ()))


class MeteredDelivery:
    """Answers the reporter's question out of what meters have reported."""

    def __init__(
        self,
        desk: DeliveryDesk,
        homes: Mapping[bytes, str],
        trades_of: Callable[[str], Iterable[FinalTrade]],
        *,
        intervals_per_day: int,
    ) -> None:
        """Join reports and trades.

        Args:
            homes: public key of a registered miner -> name of the meter at its home.
            trades_of: name of a meter -> final trades of all addresses granted to it.
        """
        self._desk = desk
        self._homes = homes
        self._trades_of = trades_of
        self._per_day = intervals_per_day

    def __call__(self, miner: bytes, first: int, last: int) -> tuple[int, int]:
        """Promised and delivered over a stretch, J; nothing for a miner without a home, or a day without a report."""
        meter = self._homes.get(miner)
        if meter is None:
            return 0, 0
        promised_j = delivered_j = 0
        for day in range(first // self._per_day, last // self._per_day + 1):
            settled = self._desk.settle(meter, day * self._per_day, self._trades_of(meter))
            for one in settled.deviations:
                if first <= one.interval <= last and one.quality is not Quality.UNKNOWN:
                    there_j = one.metered_j if one.traded_j > 0 else -one.metered_j
                    promised_j += abs(one.traded_j)
                    delivered_j += max(0, min(there_j, abs(one.traded_j)))
        return _stepped(promised_j), _stepped(delivered_j)


def _stepped(energy_j: int) -> int:
    return energy_j // REPORT_STEP_J * REPORT_STEP_J
