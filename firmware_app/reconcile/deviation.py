"""Deviations from finalised trades, and what is owed for them.

Of each interval ``metered export - import = sold - bought + deviation`` holds exactly, so over any time the deviations
add up to what was metered less what was traded. A shortage (deviation below 0) is bought from the grid at the shortage
price, rounded up; a surplus is paid at the surplus price, rounded down. An interval whose energy is unknown owes
nothing yet; one that is estimated owes provisionally.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware_app.reconcile.metered import MeteredInterval, Quality
from light_client.rules.errors import LocalError
from light_client.rules.units import JOULES_PER_KWH, MAX_PRICE_UC_PER_KWH, Side, payment_ceiling_uc


@dataclass(frozen=True, slots=True, kw_only=True)
class ImbalancePrices:
    """What the grid operator states for deviations; typically the retail and the feed-in price.

    Raises:
        LocalError: a price out of bounds, or a surplus dearer than a shortage, which would pay for deviating.
    """

    shortage_uc_per_kwh: int = 300_000
    surplus_uc_per_kwh: int = 80_000

    def __post_init__(self) -> None:
        prices = (self.surplus_uc_per_kwh, self.shortage_uc_per_kwh)
        if not 0 <= prices[0] <= prices[1] <= MAX_PRICE_UC_PER_KWH:
            raise LocalError(
                "imbalance prices (surplus, shortage)", got=prices, expected="0 <= surplus <= shortage"
            )

    def owed_uc(self, deviation_j: int) -> int:
        """What a home owes for a deviation, micro-currency; negative: what it gets."""
        if deviation_j < 0:
            return payment_ceiling_uc(-deviation_j, self.shortage_uc_per_kwh)
        return -(deviation_j * self.surplus_uc_per_kwh // JOULES_PER_KWH)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalTrade:
    """One own trade that became final and was verified.

    Raises:
        LocalError: a negative energy or amount.
    """

    offer_id: int
    side: Side
    interval: int
    energy_j: int
    amount_uc: int
    """Received by a seller, paid by a buyer."""

    def __post_init__(self) -> None:
        if self.energy_j <= 0 or self.amount_uc < 0:
            got = (self.energy_j, self.amount_uc)
            raise LocalError("a final trade (energy, amount)", got=got, expected="above 0, 0 or more")

    @property
    def net_j(self) -> int:
        """Energy fed in by it, J; negative for a purchase."""
        return self.energy_j if self.side is Side.SELL else -self.energy_j

    @property
    def received_uc(self) -> int:
        """Money received by it, micro-currency; negative for a purchase."""
        return self.amount_uc if self.side is Side.SELL else -self.amount_uc


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """One interval, settled as far as it can be."""

    interval: int
    metered_j: int
    """Export less import, J."""
    traded_j: int
    """Sold less bought, J."""
    received_uc: int
    """Money of its trades, micro-currency; negative: paid."""
    quality: Quality
    owed_uc: int | None
    """Owed for the deviation, micro-currency, negative: due to the home; None while the energy is unknown."""

    @property
    def deviation_j(self) -> int:
        """Metered less traded, J; negative: a shortage."""
        return self.metered_j - self.traded_j

    @property
    def provisional(self) -> bool:
        """Whether a correction may still change it."""
        return self.quality is not Quality.MEASURED


def deviation_of(
    metered: MeteredInterval, trades: tuple[FinalTrade, ...], prices: ImbalancePrices
) -> Deviation:
    """Settle one interval.

    Args:
        metered: at the connection.
        trades: the home's own of this interval, all addresses together.

    Raises:
        LocalError: a trade of another interval.
    """
    if any(trade.interval != metered.interval for trade in trades):
        raise LocalError("interval of a trade", got=trades, expected=metered.interval)
    traded_j = sum(trade.net_j for trade in trades)
    known = metered.quality is not Quality.UNKNOWN
    return Deviation(
        interval=metered.interval,
        metered_j=metered.net_j,
        traded_j=traded_j,
        received_uc=sum(trade.received_uc for trade in trades),
        quality=metered.quality,
        owed_uc=prices.owed_uc(metered.net_j - traded_j) if known else None,
    )
