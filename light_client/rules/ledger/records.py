"""The records of the ledger state and their canonical bytes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation
from light_client.rules.market.certificate import Certificate, certificate_from_wire
from light_client.rules.market.intervals import check_ranges
from light_client.rules.market.mechanisms.reaction import Reaction
from light_client.rules.market.offer import OpenOffer
from light_client.rules.market.plan import Plan, plan_from_wire
from light_client.rules.statetree import state_key
from light_client.rules.units import ADDRESS_BYTES, Address, FeederId, OfferId, Side


class Account(NamedTuple):
    """What an address holds: numbers in the order of the canonical form. Made anew for every offer of every block."""

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
        return tuple(self)


class Amounts(NamedTuple):
    """Quantities that are conserved."""

    production_j: int = 0
    consumption_j: int = 0
    money_uc: int = 0
    sold_j: int = 0
    bought_j: int = 0

    def to_wire(self) -> tuple[int, ...]:
        """Canonical form."""
        return tuple(self)


class Meta(NamedTuple):
    """The ledger's counters."""

    next_interval: int
    """The interval that becomes final next."""
    next_report: int
    """First interval whose deliveries are not reported yet."""
    granted: Amounts
    """Everything that ever came in."""
    deposited: Amounts
    """Everything that ever went back to the DSO."""
    gate_offer: int | None = None
    """While an interval is being cleared: offers numbered below this one take part. None: offers are open."""
    next_offer: int = 1
    next_grant: int = 0
    """Next number a batch of grants must carry."""
    traded_j: int = 0
    """Energy ever traded, J."""

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        gate = () if self.gate_offer is None else (self.gate_offer,)
        counters = (self.next_interval, gate, self.next_offer, self.next_grant, self.next_report)
        return (
            *counters,
            self.granted.to_wire(),
            self.deposited.to_wire(),
            self.traded_j,
        )

    def with_next_offer(self, number: int) -> Meta:
        """The counters after one more offer; spelled out, since it is done for every offer of every block."""
        interval, report, granted, deposited, gate, _, grant, traded_j = self
        return Meta(interval, report, granted, deposited, gate, number, grant, traded_j)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The plan that clears if no solver answers: the rest of the last proven one."""

    plan: Plan
    certificate: Certificate | None
    """Its energy certificate, from which the gap of a kept plan is derived."""

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form; the certificate may speak of intervals that are final, so its intervals count from 0."""
        certificate = () if self.certificate is None else self.certificate.to_wire(0)
        return (self.plan.to_wire(), certificate)


class RecordKind(StrEnum):
    """The kinds of records; each names its record in the state tree together with the record's identity."""

    ACCOUNT = "account"
    OFFER = "offer"
    DELIVERY = "delivery"
    META = "meta"
    CANDIDATE = "candidate"
    REACTION = "reaction"
    COMMITTEE = "committee"
    REGISTRY = "registry"
    ACCOUNTABILITY = "accountability"


class Record(NamedTuple):
    """A record of the state as it is stored and sent; its place in the tree follows from kind and identity."""

    kind: RecordKind
    identity: bytes
    """Address, number of an offer, or public key; no bytes for what there is one of."""
    value: bytes
    """Canonical bytes."""

    def key(self) -> bytes:
        """Key of the record in the state tree."""
        return state_key(self.kind, self.identity)


MAX_RECORD_BYTES = 16 << 10
"""Longest account or open offer, bytes."""


def account_key(address: Address) -> bytes:
    """Key of an account in the state tree."""
    return state_key(RecordKind.ACCOUNT, address)


def offer_key(offer_id: int) -> bytes:
    """Key of an open offer in the state tree."""
    return state_key(RecordKind.OFFER, offer_identity(offer_id))


def offer_identity(offer_id: int) -> bytes:
    """Identity of an open offer's record."""
    return offer_id.to_bytes(8, "big")


def encode_account(account: Account) -> bytes:
    """Bytes whose hash stands in the state tree."""
    return encode(account.to_wire())


def encode_offer(offer: OpenOffer) -> bytes:
    """Bytes whose hash stands in the state tree."""
    ranges = tuple(value for pair in offer.ranges for value in pair)
    fields = (offer.offer_id, offer.address, int(offer.side), offer.feeder, offer.price_uc_per_kwh)
    return encode((*fields, ranges, offer.remaining_j, offer.escrow_uc))


def account_from_bytes(raw: bytes) -> Account:
    """Read an account back, as a server sends it with a proof.

    Raises:
        RuleViolation: ENC-xx for other bytes, LED-38 for another shape.
    """
    wire: Any = decode(raw, max_bytes=MAX_RECORD_BYTES, max_depth=1, max_items=16)
    if type(wire) is not tuple or len(wire) != 10 or any(type(n) is not int or n < 0 for n in wire):
        raise RuleViolation("LED-38", "an account is ten whole numbers", got=wire, expected="10 fields")
    return Account(*wire)


def reaction_from_bytes(raw: bytes, max_bytes: int) -> Reaction:
    """Read back what is held between two stages of an auction, as a snapshot sends it.

    Raises:
        RuleViolation: ENC-xx for other bytes, LED-38 for another shape.
    """
    wire: Any = decode(raw, max_bytes=max_bytes)
    if type(wire) is not tuple or len(wire) != 4 or type(wire[3]) is not tuple:
        raise RuleViolation("LED-38", "a second stage has four fields", got=wire, expected="4 fields")
    interval, average, gate_offer, rows = wire
    if any(type(row) is not tuple or len(row) != 2 for row in rows):
        raise RuleViolation("LED-38", "improved limits", got=rows, expected="(offer, limit)")
    numbers = (interval, average, gate_offer, *(number for row in rows for number in row))
    ascending = [row[0] for row in rows]
    if any(type(number) is not int or number < 0 for number in numbers) or ascending != sorted(
        set(ascending)
    ):
        raise RuleViolation("LED-38", "numbers of a second stage", got=wire, expected="whole, ascending")
    return Reaction(
        interval=interval,
        average_uc_per_kwh=average,
        gate_offer=gate_offer,
        limits={OfferId(offer_id): limit for offer_id, limit in rows},
    )


def offer_from_bytes(raw: bytes) -> OpenOffer:
    """Read an open offer back, as a server sends it with a proof.

    Raises:
        RuleViolation: ENC-xx for other bytes, LED-38 for another shape, MKT-04 for its ranges.
    """
    wire: Any = decode(raw, max_bytes=MAX_RECORD_BYTES, max_depth=2, max_items=1 << 12)
    if type(wire) is not tuple or len(wire) != 8:
        raise RuleViolation("LED-38", "an open offer has eight fields", got=wire, expected="8 fields")
    offer_id, address, side, feeder, price, flat, remaining_j, escrow_uc = wire
    numbers = (offer_id, side, feeder, price, remaining_j, escrow_uc)
    if any(type(number) is not int or number < 0 for number in numbers) or side > 1:
        raise RuleViolation("LED-38", "numbers of an open offer", got=wire, expected="whole numbers")
    if type(address) is not bytes or len(address) != ADDRESS_BYTES:
        raise RuleViolation("LED-38", "address of an open offer", got=address, expected="20 bytes")
    if type(flat) is not tuple or len(flat) % 2 or any(type(number) is not int for number in flat):
        raise RuleViolation("LED-38", "ranges of an open offer", got=flat, expected="pairs of numbers")
    ranges = tuple(zip(flat[::2], flat[1::2], strict=True))
    check_ranges(ranges)
    return OpenOffer(
        offer_id=OfferId(offer_id),
        address=Address(address),
        side=Side(side),
        feeder=FeederId(feeder),
        price_uc_per_kwh=price,
        ranges=ranges,
        remaining_j=remaining_j,
        escrow_uc=escrow_uc,
    )


def meta_from_bytes(raw: bytes) -> Meta:
    """Read the counters back.

    Raises:
        RuleViolation: ENC-xx for other bytes, LED-38 for another shape.
    """
    wire: Any = decode(raw, max_bytes=MAX_RECORD_BYTES, max_depth=2, max_items=32)
    if type(wire) is not tuple or len(wire) != 8:
        raise RuleViolation("LED-38", "counters have eight fields", got=wire, expected="8 fields")
    next_interval, gate, next_offer, next_grant, next_report, granted, deposited, traded_j = wire
    if type(gate) is not tuple or len(gate) > 1:
        raise RuleViolation("LED-38", "gate of the counters", got=gate, expected="() or (number,)")
    numbers = (next_interval, *gate, next_offer, next_grant, next_report, traded_j)
    if any(type(number) is not int or number < 0 for number in numbers):
        raise RuleViolation("LED-38", "numbers of the counters", got=numbers, expected="whole numbers")
    return Meta(
        next_interval=next_interval,
        gate_offer=gate[0] if gate else None,
        next_offer=next_offer,
        next_grant=next_grant,
        next_report=next_report,
        granted=_amounts(granted),
        deposited=_amounts(deposited),
        traded_j=traded_j,
    )


def _amounts(wire: Any) -> Amounts:
    if type(wire) is not tuple or len(wire) != 5 or any(type(n) is not int or n < 0 for n in wire):
        raise RuleViolation("LED-38", "amounts are five whole numbers", got=wire, expected="5 numbers")
    return Amounts(*wire)


def candidate_from_bytes(raw: bytes, max_bytes: int) -> Candidate:
    """Read the candidate plan back.

    Args:
        max_bytes: longest record: the plan of a block and its certificate, so that of a block.

    Raises:
        RuleViolation: ENC-xx for other bytes, LED-38, MKT-10, MKT-20 to MKT-22 for another shape.
    """
    wire: Any = decode(raw, max_bytes=max_bytes)
    if type(wire) is not tuple or len(wire) != 2:
        raise RuleViolation("LED-38", "a candidate is a plan and a certificate", got=wire, expected="a pair")
    plan, certificate = wire
    read = None if certificate == () else certificate_from_wire(certificate, 0)
    return Candidate(plan=plan_from_wire(plan), certificate=read)
