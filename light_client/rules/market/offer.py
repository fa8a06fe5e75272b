"""Offers: what makes one valid by itself, and what is left of it while it is open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from light_client.rules.errors import RuleViolation
from light_client.rules.market.intervals import Ranges, check_ranges, cut_before
from light_client.rules.units import (
    ADDRESS_BYTES,
    LOT_J,
    MAX_ENERGY_J,
    MAX_PRICE_UC_PER_KWH,
    Address,
    FeederId,
    OfferId,
    Side,
)


class ClassKey(NamedTuple):
    """What the market sees of an offer: offers with equal keys are one class and share pro rata."""

    side: int
    feeder: int
    price_uc_per_kwh: int
    ranges: Ranges

    @property
    def last(self) -> int:
        """The last interval, which the rolling window never changes."""
        return self.ranges[-1][1]

    @property
    def single(self) -> bool:
        """Whether only one interval is left."""
        return self.ranges[0][0] == self.ranges[-1][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a prosumer signs. Source: section 4 of the transactive-energy paper, an offer is (E, I, R) on a feeder."""

    side: Side
    feeder: FeederId
    """Feeder of the offering address."""
    energy_j: int
    """Most energy to sell or buy over all intervals together, J; a positive multiple of 1 Wh."""
    ranges: Ranges
    """Intervals in which it may trade."""
    price_uc_per_kwh: int
    """Reservation price: least a seller accepts, most a buyer pays."""
    address: Address

    def __post_init__(self) -> None:
        if self.side.__class__ is not Side:
            raise RuleViolation("MKT-03", "side of an offer", got=self.side, expected="sell or buy")
        if type(self.energy_j) is not int or not 0 < self.energy_j <= MAX_ENERGY_J or self.energy_j % LOT_J:
            expected = f"a positive multiple of {LOT_J}, at most {MAX_ENERGY_J}"
            raise RuleViolation(
                "MKT-05",
                "energy of an offer in joules",
                got=self.energy_j,
                expected=expected,
            )
        price = self.price_uc_per_kwh
        if type(price) is not int or not 0 <= price <= MAX_PRICE_UC_PER_KWH:
            raise RuleViolation(
                "MKT-06",
                "reservation price",
                got=price,
                expected=f"0..{MAX_PRICE_UC_PER_KWH}",
            )
        if type(self.feeder) is not int or not 0 <= self.feeder <= 65_535:
            raise RuleViolation(
                "MKT-02",
                "feeder number out of range",
                got=self.feeder,
                expected="0..65535",
            )
        if type(self.address) is not bytes or len(self.address) != ADDRESS_BYTES:
            raise RuleViolation(
                "MKT-03",
                "address of an offer",
                got=self.address,
                expected=f"{ADDRESS_BYTES} bytes",
            )
        check_ranges(self.ranges)


class OpenOffer(NamedTuple):
    """An accepted offer with what is left of it. Made anew for every offer of every block."""

    offer_id: OfferId
    """Number given by the ledger on acceptance, ascending."""
    address: Address
    side: Side
    feeder: FeederId
    price_uc_per_kwh: int
    ranges: Ranges
    """Intervals still open to it."""
    remaining_j: int
    """Energy not yet traded, J; at least 1."""
    escrow_uc: int
    """Money set aside for it (buyers), micro-currency."""

    def left_with(self, remaining_j: int) -> OpenOffer:
        """The same offer with less energy left; its escrow is untouched."""
        return self._replace(remaining_j=remaining_j)

    def after_trade(self, interval: int, energy_j: int, paid_uc: int) -> OpenOffer:
        """What is left after trading ``energy_j`` in ``interval`` for ``paid_uc`` (0 for sellers)."""
        return self._replace(
            ranges=cut_before(self.ranges, interval + 1),
            remaining_j=self.remaining_j - energy_j,
            escrow_uc=self.escrow_uc - paid_uc,
        )
