"""The records of the ledger state and their canonical bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from light_client.rules.encoding import encode
from light_client.rules.market.certificate import Certificate
from light_client.rules.market.offer import OpenOffer
from light_client.rules.market.plan import Plan
from light_client.rules.statetree import state_key
from light_client.rules.units import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What an address holds."""

    feeder: int
    first_interval: int
    last_interval: int
    """Intervals for which the DSO granted."""
    production_j: int
    """Energy it may still offer for sale, J."""
    consumption_j: int
    """Energy it may still ask for, J."""
    money_uc: int
    """Money not set aside for an offer."""
    sold_j: int = 0
    """Energy sold and final, J: owed to the grid, billed by the DSO."""
    bought_j: int = 0
    """Energy bought and final, J."""
    next_sequence: int = 0
    """Next number a transaction of this address must carry."""
    open_offers: int = 0

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        return (
            self.feeder,
            self.first_interval,
            self.last_interval,
            self.production_j,
            self.consumption_j,
            self.money_uc,
            self.sold_j,
            self.bought_j,
            self.next_sequence,
            self.open_offers,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Quantities that are conserved."""

    production_j: int = 0
    consumption_j: int = 0
    money_uc: int = 0
    sold_j: int = 0
    bought_j: int = 0

    def to_wire(self) -> tuple[int, ...]:
        """Canonical form."""
        return (self.production_j, self.consumption_j, self.money_uc, self.sold_j, self.bought_j)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """The ledger's counters."""

    next_interval: int
    """The interval that becomes final next."""
    gate_offer: int | None = None
    """While an interval is being cleared: offers numbered below this one take part. None: offers are open."""
    next_offer: int = 1
    next_grant: int = 0
    """Next number a batch of grants must carry."""
    granted: Amounts
    """Everything that ever came in."""
    deposited: Amounts
    """Everything that ever went back to the DSO."""
    traded_j: int = 0
    """Energy ever traded, J."""

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        gate = () if self.gate_offer is None else (self.gate_offer,)
        counters = (self.next_interval, gate, self.next_offer, self.next_grant)
        return (*counters, self.granted.to_wire(), self.deposited.to_wire(), self.traded_j)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The plan that clears if no solver answers: the rest of the last proven one."""

    plan: Plan
    certificate: Certificate | None
    """Its energy certificate, from which the gap of a kept plan is derived."""

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        base = self.plan.first_interval
        certificate = () if self.certificate is None else self.certificate.to_wire(base)
        return (self.plan.to_wire(), certificate)


def account_key(address: Address) -> bytes:
    """Key of an account in the state tree."""
    return state_key("account", address)


def offer_key(offer_id: int) -> bytes:
    """Key of an open offer in the state tree."""
    return state_key("offer", offer_id.to_bytes(8, "big"))


META_KEY = state_key("meta", b"")
CANDIDATE_KEY = state_key("candidate", b"")


def encode_account(account: Account) -> bytes:
    """Bytes whose hash stands in the state tree."""
    return encode(account.to_wire())


def encode_offer(offer: OpenOffer) -> bytes:
    """Bytes whose hash stands in the state tree."""
    ranges = tuple(value for pair in offer.ranges for value in pair)
    fields = (offer.offer_id, offer.address, int(offer.side), offer.feeder, offer.price_uc_per_kwh)
    return encode((*fields, ranges, offer.remaining_j, offer.escrow_uc))
