"""Transactions: what a party signs, their canonical bytes, and what makes one valid by itself.

On the wire a transaction is ``(kind, fields..., public_key, signature)``. The signature covers a tagged hash of
the chain id and of all bytes before it, exactly as they were sent: nothing is encoded anew to check it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

from light_client.rules.crypto import address_of, public_key_of, sign, tagged_hash
from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.committee import Verify
from light_client.rules.ledger.delivery import ReportDelivery, report_from_fields
from light_client.rules.ledger.evidence import Evidence, evidence_from_wire
from light_client.rules.ledger.improvement import ImproveOffer, improvement_from_fields
from light_client.rules.ledger.offer_fields import offer_from_fields, offer_to_fields
from light_client.rules.ledger.registry import ChangeRegistry, change_from_fields
from light_client.rules.market.clearing import Solution, solution_from_wire
from light_client.rules.market.offer import Offer
from light_client.rules.units import (
    ADDRESS_BYTES,
    LOT_J,
    MAX_ENERGY_J,
    MAX_INTERVAL,
    MAX_MONEY_UC,
    PUBLIC_KEY_BYTES,
    SIGNATURE_BYTES,
    Address,
    FeederId,
)

MAX_GRANTS = 1_024
"""Most addresses in one batch of grants."""
MAX_SEQUENCE = 1 << 62
_SIGNATURE_ITEM_BYTES = 2 + SIGNATURE_BYTES
"""A signature as the last item: a byte-string head of two bytes, then the signature."""


class Kind(IntEnum):
    """First field of a transaction."""

    GRANT_ASSETS = 1
    POST_OFFER = 2
    SUBMIT_SOLUTION = 3
    DEPOSIT_ASSETS = 4
    REPORT_DELIVERY = 5
    EVIDENCE = 6
    CHANGE_REGISTRY = 7
    IMPROVE_OFFER = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """What the DSO grants one fresh address: how much it may sell and buy in which intervals, and money to pay with."""

    address: Address
    feeder: FeederId
    first_interval: int
    last_interval: int
    production_j: int
    """Most energy the address may sell, J; a multiple of 1 Wh."""
    consumption_j: int
    """Most energy the address may buy, J; a multiple of 1 Wh."""
    money_uc: int

    def __post_init__(self) -> None:
        if type(self.address) is not bytes or len(self.address) != ADDRESS_BYTES:
            raise RuleViolation(
                "LED-06",
                "address of a grant",
                got=self.address,
                expected=f"{ADDRESS_BYTES} bytes",
            )
        if type(self.feeder) is not int or not 0 <= self.feeder <= 65_535:
            raise RuleViolation("LED-06", "feeder of a grant", got=self.feeder, expected="0..65535")
        first, last = self.first_interval, self.last_interval
        if type(first) is not int or type(last) is not int or not 0 <= first <= last < MAX_INTERVAL:
            raise RuleViolation(
                "LED-06",
                "intervals of a grant",
                got=(first, last),
                expected="first <= last",
            )
        for name, value in (
            ("production_j", self.production_j),
            ("consumption_j", self.consumption_j),
        ):
            if type(value) is not int or not 0 <= value <= MAX_ENERGY_J or value % LOT_J:
                raise RuleViolation(
                    "LED-06",
                    f"{name} of a grant",
                    got=value,
                    expected=f"a multiple of {LOT_J}",
                )
        if type(self.money_uc) is not int or not 0 <= self.money_uc <= MAX_MONEY_UC:
            raise RuleViolation(
                "LED-06",
                "money of a grant",
                got=self.money_uc,
                expected=f"0..{MAX_MONEY_UC}",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantAssets:
    """DSO -> fresh addresses, a batch in ascending order of address, so that the order tells nothing."""

    sequence: int
    assets: tuple[Asset, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.assets) <= MAX_GRANTS:
            raise RuleViolation(
                "LED-06", "number of grants in a batch", got=len(self.assets), expected=f"1..{MAX_GRANTS}"
            )
        previous = b""
        for asset in self.assets:
            if asset.address <= previous:
                raise RuleViolation(
                    "LED-06", "addresses of a batch are not ascending", got=asset.address, expected=previous
                )
            previous = asset.address


@dataclass(frozen=True, slots=True, kw_only=True)
class PostOffer:
    """An address offers what it was granted."""

    sequence: int
    offer: Offer


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitSolution:
    """A solver's plan with its certificates, for the interval whose gate has closed."""

    solution: Solution


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositAssets:
    """An address hands everything it holds back to the DSO and ends."""

    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitEvidence:
    """Anybody shows what a member of the committee signed and must not have signed."""

    evidence: Evidence

    def to_fields(self) -> tuple[Any, ...]:
        """Fields after the kind."""
        return (self.evidence.to_wire(),)


Transaction = (
    GrantAssets
    | PostOffer
    | SubmitSolution
    | DepositAssets
    | ReportDelivery
    | SubmitEvidence
    | ChangeRegistry
    | ImproveOffer
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTransaction:
    """A transaction as it travels."""

    transaction: Transaction
    public_key: bytes
    signature: bytes
    raw: bytes

    @property
    def address(self) -> Address:
        """Address of the signer."""
        return Address(address_of(self.public_key))

    @property
    def signed_part(self) -> bytes:
        """The bytes that the signature covers: all but itself and its head."""
        return self.raw[:-_SIGNATURE_ITEM_BYTES]

    def tx_id(self) -> bytes:
        """Identity of the transaction: hash of all its bytes, 32 bytes."""
        return tagged_hash("gridlight/tx/1", self.raw)


def asset_to_wire(asset: Asset) -> tuple[Any, ...]:
    """Canonical form of one grant."""
    span = (asset.first_interval, asset.last_interval)
    return (asset.address, asset.feeder, *span, asset.production_j, asset.consumption_j, asset.money_uc)


def asset_from_wire(row: Any) -> Asset:
    """Read one grant back.

    Raises:
        RuleViolation: LED-06 for another shape, or values out of bounds.
    """
    if type(row) is not tuple or len(row) != 7:
        raise RuleViolation("LED-06", "a grant has seven fields", got=row, expected="7 fields")
    address, feeder, first, last, production_j, consumption_j, money_uc = row
    return Asset(
        address=address,
        feeder=feeder,
        first_interval=first,
        last_interval=last,
        production_j=production_j,
        consumption_j=consumption_j,
        money_uc=money_uc,
    )


def _grant_to_fields(tx: GrantAssets) -> tuple[Any, ...]:
    return (int(Kind.GRANT_ASSETS), tx.sequence, tuple(asset_to_wire(asset) for asset in tx.assets))


def _grant_from_fields(fields: tuple[Any, ...]) -> GrantAssets:
    _, sequence, rows = fields
    if type(rows) is not tuple or len(rows) > MAX_GRANTS:
        raise RuleViolation("LED-06", "grants of a batch", got=rows, expected=f"at most {MAX_GRANTS}")
    return GrantAssets(sequence=sequence, assets=tuple(asset_from_wire(row) for row in rows))


_FIELDS: dict[int, int] = {
    Kind.GRANT_ASSETS: 3,
    Kind.POST_OFFER: 7,
    Kind.SUBMIT_SOLUTION: 2,
    Kind.DEPOSIT_ASSETS: 2,
    Kind.REPORT_DELIVERY: 4,
    Kind.EVIDENCE: 2,
    Kind.CHANGE_REGISTRY: 4,
    Kind.IMPROVE_OFFER: 4,
}
"""Kind -> number of fields before key and signature, the kind included."""


def fields_of(transaction: Transaction) -> tuple[Any, ...]:
    """Canonical fields, without key and signature."""
    match transaction:
        case GrantAssets():
            return _grant_to_fields(transaction)
        case PostOffer():
            return (int(Kind.POST_OFFER), transaction.sequence, *offer_to_fields(transaction.offer))
        case SubmitSolution():
            return (int(Kind.SUBMIT_SOLUTION), transaction.solution.to_wire())
        case DepositAssets():
            return (int(Kind.DEPOSIT_ASSETS), transaction.sequence)
        case _:
            return (int(_SELF_WRITTEN[type(transaction)]), *transaction.to_fields())


_SELF_WRITTEN: dict[type, Kind] = {
    ReportDelivery: Kind.REPORT_DELIVERY,
    SubmitEvidence: Kind.EVIDENCE,
    ChangeRegistry: Kind.CHANGE_REGISTRY,
    ImproveOffer: Kind.IMPROVE_OFFER,
}
"""Kinds that write their own fields."""


def signing_message(chain_id: bytes, signed_part: bytes) -> bytes:
    """The bytes that the signer of a transaction signs."""
    return tagged_hash("gridlight/sign-tx/1", chain_id, signed_part)


def sign_transaction(transaction: Transaction, chain_id: bytes, secret: bytes) -> SignedTransaction:
    """Sign with a secret key held in memory."""
    return assemble(transaction, chain_id, public_key_of(secret), lambda message: sign(secret, message))


def assemble(
    transaction: Transaction, chain_id: bytes, public_key: bytes, signer: Callable[[bytes], bytes]
) -> SignedTransaction:
    """Sign with whatever keeps the key."""
    unsigned = encode((*fields_of(transaction), public_key, bytes(SIGNATURE_BYTES)))
    signature = signer(signing_message(chain_id, unsigned[:-_SIGNATURE_ITEM_BYTES]))
    raw = unsigned[:-SIGNATURE_BYTES] + signature
    return SignedTransaction(transaction=transaction, public_key=public_key, signature=signature, raw=raw)


def decode_transaction(raw: bytes, /, *, max_bytes: int) -> SignedTransaction:
    """Read a transaction: sizes first, then shape, then each field; the signature is checked by ``check_signature``.

    Raises:
        RuleViolation: ENC-xx for other bytes, LED-02 for another shape, LED-06, EVI-xx or MKT-xx for fields out of
            bounds.
    """
    wire = decode(raw, max_bytes=max_bytes)
    if type(wire) is not tuple or len(wire) < 3 or type(wire[0]) is not int:
        raise RuleViolation(
            "LED-02", "a transaction is fields, key and signature", got=raw, expected="a list"
        )
    fields, public_key, signature = wire[:-2], wire[-2], wire[-1]
    if len(fields) != _FIELDS.get(wire[0]):
        raise RuleViolation("LED-02", "kind of a transaction", got=wire[0], expected="a kind with its fields")
    if type(public_key) is not bytes or len(public_key) != PUBLIC_KEY_BYTES:
        raise RuleViolation(
            "LED-02", "key of a transaction", got=public_key, expected=f"{PUBLIC_KEY_BYTES} bytes"
        )
    if type(signature) is not bytes or len(signature) != SIGNATURE_BYTES:
        raise RuleViolation(
            "LED-02", "signature of a transaction", got=signature, expected=f"{SIGNATURE_BYTES} bytes"
        )
    numbered = wire[0] not in (Kind.SUBMIT_SOLUTION, Kind.EVIDENCE)
    if numbered and (type(fields[1]) is not int or not 0 <= fields[1] < MAX_SEQUENCE):
        raise RuleViolation("LED-02", "sequence number", got=fields[1], expected=f"0..{MAX_SEQUENCE - 1}")
    transaction = _transaction_of(fields, public_key)
    return SignedTransaction(transaction=transaction, public_key=public_key, signature=signature, raw=raw)


class ReadTransaction(Protocol):
    """Reads a transaction as ``decode_transaction`` does; one that remembers what it read serves as well."""

    def __call__(self, raw: bytes, /, *, max_bytes: int) -> SignedTransaction:
        """See ``decode_transaction``."""


def _transaction_of(fields: tuple[Any, ...], public_key: bytes) -> Transaction:
    if fields[0] == Kind.POST_OFFER:  # nearly all of them
        offer = offer_from_fields(fields[2:], Address(address_of(public_key)))
        return PostOffer(sequence=fields[1], offer=offer)
    return _READERS[fields[0]](fields)


_READERS: dict[int, Callable[[tuple[Any, ...]], Transaction]] = {
    Kind.GRANT_ASSETS: _grant_from_fields,
    Kind.SUBMIT_SOLUTION: lambda fields: SubmitSolution(solution=solution_from_wire(fields[1])),
    Kind.DEPOSIT_ASSETS: lambda fields: DepositAssets(sequence=fields[1]),
    Kind.REPORT_DELIVERY: lambda fields: report_from_fields(fields[1:]),
    Kind.EVIDENCE: lambda fields: SubmitEvidence(evidence=evidence_from_wire(fields[1])),
    Kind.CHANGE_REGISTRY: lambda fields: change_from_fields(fields[1:]),
    Kind.IMPROVE_OFFER: lambda fields: improvement_from_fields(fields[1:]),
}


def kind_of(raw: bytes) -> int:
    """The kind of a transaction that is known to be well-formed, without decoding it; 0 for what cannot be one."""
    return raw[1] if len(raw) > 1 else 0


def signer_of(raw: bytes) -> bytes:
    """The public key in a transaction that is known to be well-formed, without decoding it."""
    return raw[-_SIGNATURE_ITEM_BYTES - PUBLIC_KEY_BYTES : -_SIGNATURE_ITEM_BYTES]


def granted_addresses(raw: bytes, *, max_bytes: int) -> tuple[Address, ...]:
    """The addresses in a batch of grants that a quorum has accepted, at a third of the cost of reading all of it."""
    wire = decode(raw, max_bytes=max_bytes)
    rows = wire[2] if type(wire) is tuple and len(wire) > 2 else ()
    if type(rows) is not tuple:
        raise RuleViolation("LED-06", "grants of a batch", got=rows, expected="rows")
    return tuple(Address(row[0]) for row in rows if type(row) is tuple and row and type(row[0]) is bytes)


def check_signature(signed: SignedTransaction, chain_id: bytes, verify_signature: Verify) -> None:
    """LED-03: the signature is the signer's, over this body, for this chain."""
    if not verify_signature(
        signed.public_key, signed.signature, signing_message(chain_id, signed.signed_part)
    ):
        raise RuleViolation(
            "LED-03",
            "signature of a transaction",
            got=signed.signature,
            expected="valid for this chain",
        )
