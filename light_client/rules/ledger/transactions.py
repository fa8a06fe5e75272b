"""Transactions: what a party signs, their canonical bytes, and what makes one valid by itself.

On the wire a transaction is ``(body, public_key, signature)``; the body is itself canonical bytes, so the signature covers exactly
what was sent. The signed message is a tagged hash of chain id and body.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from light_client.rules.crypto import address_of, public_key_of, sign, tagged_hash
from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.committee import Verify
from light_client.rules.market.clearing import Solution, solution_from_wire
from light_client.rules.market.intervals import check_ranges
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
    Side,
)

MAX_GRANTS = 1_024
"""Most addresses in one batch of grants."""
MAX_SEQUENCE = 1 << 62


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
            raise RuleViolation(
                "LED-06", "feeder of a grant", got=self.feeder, expected="0..65535"
            )
        first, last = self.first_interval, self.last_interval
        if (
            type(first) is not int
            or type(last) is not int
            or not 0 <= first <= last < MAX_INTERVAL
        ):
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
            if (
                type(value) is not int
                or not 0 <= value <= MAX_ENERGY_J
                or value % LOT_J
            ):
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

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        return (
            self.address,
            self.feeder,
            self.first_interval,
            self.last_interval,
            self.production_j,
            self.consumption_j,
            self.money_uc,
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


Transaction = GrantAssets | PostOffer | SubmitSolution | DepositAssets


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTransaction:
    """A transaction as it travels."""

    transaction: Transaction
    body: bytes
    public_key: bytes
    signature: bytes
    raw: bytes

    @property
    def address(self) -> Address:
        """Address of the signer."""
        return Address(address_of(self.public_key))

    def tx_id(self) -> bytes:
        """Identity of the transaction: hash of all its bytes, 32 bytes."""
        return tagged_hash("gridlight/tx/1", self.raw)


def _grant_to_body(tx: GrantAssets) -> tuple[Any, ...]:
    return (1, tx.sequence, tuple(asset.to_wire() for asset in tx.assets))


def _grant_from_body(fields: tuple[Any, ...]) -> GrantAssets:
    _, sequence, rows = fields
    if type(rows) is not tuple or len(rows) > MAX_GRANTS:
        raise RuleViolation("LED-06", "grants of a batch", got=rows, expected=f"at most {MAX_GRANTS}")
    return GrantAssets(sequence=sequence, assets=tuple(asset_from_wire(row) for row in rows))


def asset_from_wire(row: Any) -> Asset:
    """Read ``(address, feeder, first, last, production, consumption, money)``.

    Raises:
        RuleViolation: LED-06 for another shape, or values out of bounds.
    """
    if type(row) is not tuple or len(row) != 7:
        raise RuleViolation("LED-06", "a grant has seven fields", got=row, expected="7 fields")
    return Asset(
        address=row[0],
        feeder=row[1],
        first_interval=row[2],
        last_interval=row[3],
        production_j=row[4],
        consumption_j=row[5],
        money_uc=row[6],
    )


def _offer_to_body(tx: PostOffer) -> tuple[Any, ...]:
    offer = tx.offer
    ranges = tuple(
        value for first, last in offer.ranges for value in (first, last - first)
    )
    return (
        2,
        tx.sequence,
        int(offer.side),
        offer.feeder,
        offer.energy_j,
        offer.price_uc_per_kwh,
        ranges,
    )


def _offer_from_body(fields: tuple[Any, ...], address: Address) -> PostOffer:
    _, sequence, side, feeder, energy_j, price, flat = fields
    if side not in (0, 1):
        raise RuleViolation("MKT-03", "side of an offer", got=side, expected="0 or 1")
    if (
        type(flat) is not tuple
        or len(flat) % 2
        or any(type(value) is not int for value in flat)
    ):
        raise RuleViolation(
            "MKT-04",
            "interval ranges of an offer",
            got=flat,
            expected="pairs of whole numbers",
        )
    ranges = tuple(
        (first, first + length)
        for first, length in zip(flat[::2], flat[1::2], strict=True)
    )
    check_ranges(ranges)
    offer = Offer(
        side=Side(side),
        feeder=feeder,
        energy_j=energy_j,
        ranges=ranges,
        price_uc_per_kwh=price,
        address=address,
    )
    return PostOffer(sequence=sequence, offer=offer)


_FIELDS = {1: 3, 2: 7, 3: 2, 4: 2}
"""Kind -> number of fields of the body."""


def body_of(transaction: Transaction) -> bytes:
    """Canonical bytes of what is signed."""
    match transaction:
        case GrantAssets():
            return encode(_grant_to_body(transaction))
        case PostOffer():
            return encode(_offer_to_body(transaction))
        case SubmitSolution():
            return encode((3, transaction.solution.to_wire()))
        case _:
            return encode((4, transaction.sequence))


def signing_message(chain_id: bytes, body: bytes) -> bytes:
    """The bytes that the signer of a transaction signs."""
    return tagged_hash("gridlight/sign-tx/1", chain_id, body)


def sign_transaction(
    transaction: Transaction, chain_id: bytes, secret: bytes
) -> SignedTransaction:
    """Sign with a secret key held in memory."""
    return assemble(
        transaction,
        chain_id,
        public_key_of(secret),
        lambda message: sign(secret, message),
    )


def assemble(
    transaction: Transaction,
    chain_id: bytes,
    public_key: bytes,
    signer: Callable[[bytes], bytes],
) -> SignedTransaction:
    """Sign with whatever keeps the key."""
    body = body_of(transaction)
    signature = signer(signing_message(chain_id, body))
    raw = encode((body, public_key, signature))
    return SignedTransaction(
        transaction=transaction,
        body=body,
        public_key=public_key,
        signature=signature,
        raw=raw,
    )


def decode_transaction(raw: bytes, *, max_bytes: int) -> SignedTransaction:
    """Read a transaction: sizes first, then shape, then each field; the signature is checked by ``check_signature``.

    Raises:
        RuleViolation: ENC-xx for other bytes, LED-02 for another shape, LED-06 or MKT-xx for fields out of bounds.
    """
    envelope = decode(raw, max_bytes=max_bytes, max_depth=1, max_items=8)
    if type(envelope) is not tuple or len(envelope) != 3:
        raise RuleViolation(
            "LED-02",
            "a transaction is body, key and signature",
            got=raw,
            expected="3 fields",
        )
    body, public_key, signature = envelope
    if (
        type(body) is not bytes
        or type(public_key) is not bytes
        or type(signature) is not bytes
    ):
        raise RuleViolation(
            "LED-02",
            "a transaction is body, key and signature",
            got=raw,
            expected="3 byte strings",
        )
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        raise RuleViolation(
            "LED-02",
            "key or signature of a transaction",
            got=len(signature),
            expected=SIGNATURE_BYTES,
        )
    fields = decode(body, max_bytes=max_bytes)
    if (
        type(fields) is not tuple
        or not fields
        or type(fields[0]) is not int
        or len(fields) != _FIELDS.get(fields[0])
    ):
        raise RuleViolation(
            "LED-02",
            "kind of a transaction",
            got=body,
            expected="a known kind with its fields",
        )
    if fields[0] != 3 and (
        type(fields[1]) is not int or not 0 <= fields[1] < MAX_SEQUENCE
    ):
        raise RuleViolation(
            "LED-02",
            "sequence number",
            got=fields[1],
            expected=f"0..{MAX_SEQUENCE - 1}",
        )
    transaction = _transaction_of(fields, public_key)
    return SignedTransaction(
        transaction=transaction,
        body=body,
        public_key=public_key,
        signature=signature,
        raw=raw,
    )


def _transaction_of(fields: tuple[Any, ...], public_key: bytes) -> Transaction:
    match fields[0]:
        case 1:
            return _grant_from_body(fields)
        case 2:
            return _offer_from_body(fields, Address(address_of(public_key)))
        case 3:
            return SubmitSolution(solution=solution_from_wire(fields[1]))
        case _:
            return DepositAssets(sequence=fields[1])


def check_signature(
    signed: SignedTransaction, chain_id: bytes, verify_signature: Verify
) -> None:
    """LED-03: the signature is the signer's, over this body, for this chain."""
    if not verify_signature(
        signed.public_key, signed.signature, signing_message(chain_id, signed.body)
    ):
        raise RuleViolation(
            "LED-03",
            "signature of a transaction",
            got=signed.signature,
            expected="valid for this chain",
        )
