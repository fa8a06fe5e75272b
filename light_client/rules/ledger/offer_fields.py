"""An offer as the fields of a transaction."""

from __future__ import annotations

from typing import Any

from light_client.rules.errors import RuleViolation
from light_client.rules.market.intervals import Ranges
from light_client.rules.market.offer import Offer
from light_client.rules.units import Address, Side


def offer_to_fields(offer: Offer) -> tuple[Any, ...]:
    """Canonical fields of an offer; its address is that of the key which signs."""
    ranges = tuple(value for first, last in offer.ranges for value in (first, last - first))
    return (int(offer.side), offer.feeder, offer.energy_j, offer.price_uc_per_kwh, ranges)


def offer_from_fields(fields: tuple[Any, ...], address: Address) -> Offer:
    """Read the five fields back.

    Raises:
        RuleViolation: MKT-02 to MKT-06 for fields of another type or out of bounds.
    """
    side, feeder, energy_j, price, flat = fields
    if type(side) is not int or side not in (0, 1):
        raise RuleViolation("MKT-03", "side of an offer", got=side, expected="0 or 1")
    return Offer(
        side=Side.BUY if side else Side.SELL,
        feeder=feeder,
        energy_j=energy_j,
        ranges=_ranges_from_wire(flat),
        price_uc_per_kwh=price,
        address=address,
    )


def _ranges_from_wire(flat: Any) -> Ranges:
    """Ranges out of ``(first, length, first, length, ...)``; whether they are canonical is for the offer to say."""
    if type(flat) is tuple:
        # The usual offer has one range, and a block has thousands of offers: a loop would take three times as long.
        if len(flat) == 2 and type(flat[0]) is int and type(flat[1]) is int:
            return ((flat[0], flat[0] + flat[1]),)
        if len(flat) % 2 == 0 and all(type(value) is int for value in flat):
            pairs = zip(flat[::2], flat[1::2], strict=True)
            return tuple((first, first + length) for first, length in pairs)
    expected = "pairs of whole numbers"
    raise RuleViolation("MKT-04", "interval ranges of an offer", got=flat, expected=expected)
