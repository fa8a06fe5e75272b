"""What a home intends to offer: the seam between whoever decides (a bidder, a scenario's plan) and whoever trades."""

from __future__ import annotations

from dataclasses import dataclass

from light_client.rules.errors import LocalError
from light_client.rules.units import LOT_J, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One offer to be posted: what, when, at which price.

    Raises:
        LocalError: energy in no whole lots, intervals out of order, a negative price.
    """

    side: Side
    energy_j: int
    """Energy over all its intervals together, J; a positive multiple of 1 Wh."""
    first_interval: int
    last_interval: int
    """First and last interval in which it may trade; absolute, inclusive."""
    price_uc_per_kwh: int
    """Least a seller accepts, most a buyer pays, micro-currency per kWh."""
    post_interval: int
    """The interval in which the home posts it; before ``first_interval``."""
    last_limit_uc_per_kwh: int | None = None
    """How far the home follows a broadcast average if it is left over: least a seller, most a buyer ever accepts."""

    def __post_init__(self) -> None:
        if self.energy_j <= 0 or self.energy_j % LOT_J:
            raise LocalError(
                "energy of an intended offer, J",
                got=self.energy_j,
                expected=f"a positive multiple of {LOT_J}",
            )
        if not self.post_interval < self.first_interval <= self.last_interval:
            raise LocalError(
                "intervals of an intended offer (post, first, last)",
                got=(self.post_interval, self.first_interval, self.last_interval),
                expected="post < first <= last",
            )
        if self.price_uc_per_kwh < 0:
            raise LocalError(
                "price of an intended offer",
                got=self.price_uc_per_kwh,
                expected="0 or more micro-currency per kWh",
            )
