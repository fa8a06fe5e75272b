"""The identified plane: a registered meter asks the DSO to move assets to fresh addresses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

from light_client.messages.shape import (
    check_bytes,
    check_list,
    check_number,
    check_text,
    fields_of,
    flag,
)
from light_client.rules.crypto import tagged_hash
from light_client.rules.encoding import encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.committee import Verify
from light_client.rules.ledger.transactions import MAX_GRANTS
from light_client.rules.units import (
    ADDRESS_BYTES,
    LOT_J,
    MAX_ENERGY_J,
    MAX_INTERVAL,
    MAX_MONEY_UC,
    PUBLIC_KEY_BYTES,
    SIGNATURE_BYTES,
    Address,
)

MAX_METER_ID_CHARACTERS: Final = 60
MAX_REASON_CHARACTERS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawEntry:
    """What one fresh address is to be granted."""

    address: Address
    first_interval: int
    last_interval: int
    production_j: int
    """Most energy to sell, J; a multiple of 1 Wh."""
    consumption_j: int
    """Most energy to buy, J; a multiple of 1 Wh."""
    money_uc: int

    def __post_init__(self) -> None:
        check_bytes("address to grant to", self.address, ADDRESS_BYTES)
        check_number("last interval of a grant", self.last_interval, 0, MAX_INTERVAL - 1)
        check_number("first interval of a grant", self.first_interval, 0, self.last_interval)
        for what, energy_j in (
            ("production", self.production_j),
            ("consumption", self.consumption_j),
        ):
            check_number(f"{what} of a grant", energy_j, 0, MAX_ENERGY_J)
            if energy_j % LOT_J:
                raise RuleViolation(
                    "MSG-04",
                    f"{what} of a grant",
                    got=energy_j,
                    expected=f"a multiple of {LOT_J}",
                )
        check_number("money of a grant", self.money_uc, 0, MAX_MONEY_UC)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        energies = (self.production_j, self.consumption_j)
        return (
            self.address,
            self.first_interval,
            self.last_interval,
            *energies,
            self.money_uc,
        )

    @classmethod
    def from_wire(cls, wire: Any) -> Self:
        """Read the fields."""
        address, first, last, production_j, consumption_j, money_uc = fields_of(wire, 6, "a grant asked for")
        return cls(
            address=address,
            first_interval=first,
            last_interval=last,
            production_j=production_j,
            consumption_j=consumption_j,
            money_uc=money_uc,
        )


def _signed_fields(
    request_id: int,
    meter_id: str,
    entries: tuple[WithdrawEntry, ...],
    public_key: bytes,
) -> tuple[Any, ...]:
    return (
        request_id,
        meter_id,
        tuple(entry.to_wire() for entry in entries),
        public_key,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawRequest:
    """Meter -> DSO: grant these fresh addresses out of what I may sell, buy and spend."""

    request_id: int
    """Rises with every request of a meter; the DSO answers a repeated one as it did before and grants nothing twice."""
    meter_id: str
    """The registered name of the meter."""
    entries: tuple[WithdrawEntry, ...]
    """Strictly ascending by address."""
    public_key: bytes
    """The meter's registered identity key."""
    signature: bytes
    """Over ``withdraw_message``; checked by ``withdraw_is_signed``."""

    def __post_init__(self) -> None:
        check_number("number of a request", self.request_id)
        check_text("name of a meter", self.meter_id, MAX_METER_ID_CHARACTERS, 1)
        check_list("grants asked for", self.entries, MAX_GRANTS)
        previous = b""
        for entry in self.entries:
            if entry.address <= previous:
                raise RuleViolation(
                    "MSG-07",
                    "addresses are not ascending",
                    got=entry.address,
                    expected=previous,
                )
            previous = entry.address
        if not self.entries:
            raise RuleViolation("MSG-07", "grants asked for", got=0, expected="at least one")
        check_bytes("identity key", self.public_key, PUBLIC_KEY_BYTES)
        check_bytes("signature of a request", self.signature, SIGNATURE_BYTES)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        signed = _signed_fields(self.request_id, self.meter_id, self.entries, self.public_key)
        return (*signed, self.signature)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        request_id, meter_id, rows, public_key, signature = fields_of(wire, 5, "a request to withdraw")
        check_list("grants asked for", rows, MAX_GRANTS)
        return cls(
            request_id=request_id,
            meter_id=meter_id,
            entries=tuple(WithdrawEntry.from_wire(row) for row in rows),
            public_key=public_key,
            signature=signature,
        )


def withdraw_message(
    chain_id: bytes,
    request_id: int,
    meter_id: str,
    entries: tuple[WithdrawEntry, ...],
    public_key: bytes,
) -> bytes:
    """The bytes that a meter signs for a request to withdraw."""
    signed = _signed_fields(request_id, meter_id, entries, public_key)
    return tagged_hash("gridlight/withdraw/1", encode((chain_id, *signed)))


def sign_withdraw(
    chain_id: bytes,
    *,
    request_id: int,
    meter_id: str,
    entries: tuple[WithdrawEntry, ...],
    public_key: bytes,
    signer: Callable[[bytes], bytes],
) -> WithdrawRequest:
    """Make a request, its entries put into order and signed by whatever keeps the identity key."""
    ordered = tuple(sorted(entries, key=lambda entry: entry.address))
    signature = signer(withdraw_message(chain_id, request_id, meter_id, ordered, public_key))
    return WithdrawRequest(
        request_id=request_id,
        meter_id=meter_id,
        entries=ordered,
        public_key=public_key,
        signature=signature,
    )


def withdraw_is_signed(request: WithdrawRequest, chain_id: bytes, verify_signature: Verify) -> None:
    """MSG-08: the signature is that of the key named in the request, for this chain.

    Not checked here: that the key is the one registered for the meter.
    """
    message = withdraw_message(
        chain_id,
        request.request_id,
        request.meter_id,
        request.entries,
        request.public_key,
    )
    if not verify_signature(request.public_key, request.signature, message):
        raise RuleViolation(
            "MSG-08",
            "signature of a request",
            got=request.signature,
            expected="valid for this chain",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawReply:
    """DSO -> meter: the grants are on their way into a block, or refused."""

    request_id: int
    accepted: bool
    reason: str = ""
    """One sentence for people; empty if accepted."""

    def __post_init__(self) -> None:
        check_number("number of a request", self.request_id)
        check_text("reason", self.reason, MAX_REASON_CHARACTERS)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.request_id, int(self.accepted), self.reason)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        request_id, accepted, reason = fields_of(wire, 3, "a reply to a withdrawal")
        return cls(request_id=request_id, accepted=flag("accepted", accepted), reason=reason)
