"""A spare address: what it is to be granted before anybody knows what it will offer."""

from __future__ import annotations

from dataclasses import dataclass

from light_client.rules.ledger.transactions import Asset
from light_client.rules.units import Address, FeederId


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """One of a batch of addresses that are asked for ahead.

    Who asks the DSO offer by offer tells it, and everybody who reads the ledger, what will be offered and when. A batch
    for a whole day, in standard lots, does not. An intent that no spare address covers gets one of its own.
    """

    first_interval: int
    last_interval: int
    """The intervals it may trade in, absolute, inclusive."""
    production_j: int = 0
    """Most energy to sell, J; a multiple of 1 Wh."""
    consumption_j: int = 0
    """Most energy to buy, J; a multiple of 1 Wh."""
    money_uc: int = 0
    """To pay with, micro-currency."""

    def asset(self, address: Address, feeder: FeederId) -> Asset:
        """What the DSO is asked to grant to an address."""
        return Asset(
            address=address,
            feeder=feeder,
            first_interval=self.first_interval,
            last_interval=self.last_interval,
            production_j=self.production_j,
            consumption_j=self.consumption_j,
            money_uc=self.money_uc,
        )
