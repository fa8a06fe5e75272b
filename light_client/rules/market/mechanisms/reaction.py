"""Between two stages: the broadcast average, and the limits that parties improved after they saw it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from light_client.rules.errors import RuleViolation
from light_client.rules.market.intervals import contains
from light_client.rules.market.offer import OpenOffer
from light_client.rules.units import Address, OfferId, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """What the ledger holds while the second stage of an interval takes limits."""

    interval: int
    average_uc_per_kwh: int
    """Mean price of the first stage's trades, micro-currency per kWh, rounded down."""
    gate_offer: int
    """Offers with a lower number take part."""
    limits: Mapping[OfferId, int] = field(default_factory=dict)
    """Offer -> its improved limit, which holds for the second stage of this interval only."""

    def with_limit(self, offer_id: OfferId, limit: int) -> Reaction:
        """The same with one more improved limit."""
        return Reaction(
            interval=self.interval,
            average_uc_per_kwh=self.average_uc_per_kwh,
            gate_offer=self.gate_offer,
            limits={**self.limits, offer_id: limit},
        )

    def limit_of(self, offer: OpenOffer) -> int:
        """The limit in force in the second stage, micro-currency per kWh."""
        return self.limits.get(offer.offer_id, offer.price_uc_per_kwh)

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        limits = tuple((number, self.limits[number]) for number in sorted(self.limits))
        return (self.interval, self.average_uc_per_kwh, self.gate_offer, limits)


def stage_is_open(reaction: Reaction | None) -> Reaction:
    """MKT-36: limits are improved between the two stages of an interval, and at no other time."""
    if reaction is None:
        raise RuleViolation("MKT-36", "no second stage takes limits now", got=None, expected="an average")
    return reaction


def offer_takes_part(reaction: Reaction, offer: OpenOffer | None, address: Address) -> OpenOffer:
    """MKT-37: the offer is open, the signer's own, and takes part in the interval whose second stage is open."""
    if (
        offer is None
        or offer.address != address
        or offer.offer_id >= reaction.gate_offer
        or not contains(offer.ranges, reaction.interval)
    ):
        raise RuleViolation(
            "MKT-37",
            "an improved limit of an offer that is not the signer's or takes no part",
            got=None if offer is None else offer.offer_id,
            expected=f"an own offer for interval {reaction.interval}",
        )
    return offer


def limit_improves(reaction: Reaction, offer: OpenOffer, limit: int) -> None:
    """MKT-38: sellers only lower their limit, buyers only raise it."""
    before = reaction.limit_of(offer)
    if limit >= before if offer.side == Side.SELL else limit <= before:
        raise RuleViolation(
            "MKT-38",
            "a limit that does not improve",
            got=limit,
            expected=f"{'below' if offer.side == Side.SELL else 'above'} {before}",
        )


def improve(
    reaction: Reaction | None, offer: OpenOffer | None, address: Address, limit: int
) -> tuple[OpenOffer, Reaction]:
    """Take in an improved limit; returns the offer, and the second stage with its limit.

    Raises:
        RuleViolation: MKT-36 to MKT-38.
    """
    opened = stage_is_open(reaction)
    own = offer_takes_part(opened, offer, address)
    limit_improves(opened, own, limit)
    return own, opened.with_limit(own.offer_id, limit)
