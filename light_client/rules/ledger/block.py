"""Headers and blocks: what a quorum signs, and the body that it commits to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from light_client.rules import merkle
from light_client.rules.crypto import tagged_hash
from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.events import Cleared
from light_client.rules.ledger.genesis import PROTOCOL_VERSION, ChainParams
from light_client.rules.market.clearing import Trade
from light_client.rules.market.routing import NO_ROUTES
from light_client.rules.units import HASH_BYTES

MAX_HEADER_BYTES = 1_024
MAX_TIME_MS = 1 << 62
_HASHES = (
    "chain_id",
    "previous_hash",
    "history_root",
    "tx_root",
    "state_root",
    "solution_root",
    "committee_hash",
    "next_committee_hash",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearing:
    """What the block says of clearing."""

    how: Cleared
    interval: int
    """The interval that becomes final, or 0."""
    traded_j: int
    """Energy that becomes final, J."""
    gap_j: int
    """Proven gap of the whole plan that cleared, J: 0 for a proven one under the default genesis."""

    routes: bytes = NO_ROUTES
    """Hash of the queue of paths that the final trades take through the grid (``market.routing``), 32 bytes."""

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        return (int(self.how), self.interval, self.traded_j, self.gap_j, self.routes)


NO_CLEARING = Clearing(how=Cleared.NOTHING, interval=0, traded_j=0, gap_j=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the committee signs."""

    chain_id: bytes
    height: int
    """1 for the first block."""
    round_: int
    """Round in which the block was first proposed."""
    time_ms: int
    """UTC ms by the proposer's clock, later than its parent's."""
    previous_hash: bytes
    """Hash of the header before; 32 zero bytes at height 1."""
    history_root: bytes
    """RFC 9162 root over the hashes of all earlier headers."""
    tx_root: bytes
    """RFC 9162 root over the body: leaf 0 the solution's bytes (empty if none), then the transactions."""
    state_root: bytes
    """Root of the authenticated map after this block."""
    solution_root: bytes
    """RFC 9162 root: leaf 0 the solution's bytes (empty if none), then the final trades by offer number."""
    committee_hash: bytes
    next_committee_hash: bytes
    clearing: Clearing
    _hash: bytes = field(init=False, repr=False, compare=False, default=b"")

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        return (
            PROTOCOL_VERSION,
            self.chain_id,
            self.height,
            self.round_,
            self.time_ms,
            self.previous_hash,
            self.history_root,
            self.tx_root,
            self.state_root,
            self.solution_root,
            self.committee_hash,
            self.next_committee_hash,
            self.clearing.to_wire(),
        )

    def hash(self) -> bytes:
        """What votes and the next header name; computed once, since everything that checks a header asks for it."""
        if not self._hash:
            object.__setattr__(self, "_hash", tagged_hash("gridlight/header/1", encode(self.to_wire())))
        return self._hash


def header_from_wire(wire: Any) -> Header:
    """Read the canonical form back.

    Raises:
        RuleViolation: LED-30 for any other shape.
    """
    if type(wire) is not tuple or len(wire) != 13 or wire[0] != PROTOCOL_VERSION:
        raise RuleViolation(
            "LED-30",
            "a header of this version has thirteen fields",
            got=wire,
            expected="13 fields",
        )
    numbers, hashes, clearing = wire[2:5], (wire[1], *wire[5:12]), wire[12]
    if any(type(number) is not int or not 0 <= number < MAX_TIME_MS for number in numbers) or numbers[0] < 1:
        raise RuleViolation(
            "LED-30",
            "height, round and time of a header",
            got=numbers,
            expected="whole numbers",
        )
    for name, value in zip(_HASHES, hashes, strict=True):
        if type(value) is not bytes or len(value) != HASH_BYTES:
            raise RuleViolation(
                "LED-30",
                f"{name} of a header",
                got=value,
                expected=f"{HASH_BYTES} bytes",
            )
    if (
        type(clearing) is not tuple
        or len(clearing) != 5
        or any(type(n) is not int or n < 0 for n in clearing[:4])
        or clearing[0] > max(Cleared)
        or type(clearing[4]) is not bytes
        or len(clearing[4]) != HASH_BYTES
    ):
        expected = f"4 whole numbers and {HASH_BYTES} bytes"
        raise RuleViolation("LED-30", "clearing of a header", got=clearing, expected=expected)
    named = dict(zip(_HASHES, hashes, strict=True))
    how, interval, traded_j, gap_j, routes = clearing
    return Header(
        height=numbers[0],
        round_=numbers[1],
        time_ms=numbers[2],
        clearing=Clearing(how=Cleared(how), interval=interval, traded_j=traded_j, gap_j=gap_j, routes=routes),
        **named,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a header commits to besides the state."""

    solution: bytes
    """The signed solution that clears, or no bytes."""
    transactions: tuple[bytes, ...]

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        return (self.solution, self.transactions)

    def encode(self) -> bytes:
        """Canonical bytes."""
        return encode(self.to_wire())


def body_from_bytes(raw: bytes, params: ChainParams) -> Body:
    """Read a body, sizes first.

    Raises:
        RuleViolation: ENC-xx for other bytes, LED-31 for another shape or too many transactions.
    """
    wire = decode(
        raw,
        max_bytes=params.max_block_bytes,
        max_depth=2,
        max_items=params.max_block_txs + 4,
    )
    return body_from_wire(wire, params)


def body_from_wire(wire: Any, params: ChainParams) -> Body:
    """Read the canonical form of a body.

    Raises:
        RuleViolation: LED-31 for another shape or too many transactions.
    """
    if type(wire) is not tuple or len(wire) != 2 or type(wire[0]) is not bytes or type(wire[1]) is not tuple:
        raise RuleViolation(
            "LED-31",
            "a body is a solution and transactions",
            got=wire,
            expected="(bytes, list)",
        )
    solution, transactions = wire
    if any(type(tx) is not bytes for tx in transactions) or len(transactions) > params.max_block_txs:
        limit = f"at most {params.max_block_txs} byte strings"
        raise RuleViolation("LED-31", "transactions of a body", got=len(transactions), expected=limit)
    return Body(solution=solution, transactions=transactions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A header with its body."""

    header: Header
    body: Body


def tx_root_of(body: Body) -> bytes:
    """RFC 9162 root over a whole body, so that a server cannot pass off a wrong solution as the quorum's."""
    return merkle.root((body.solution, *body.transactions))


def trade_leaf(trade: Trade) -> bytes:
    """Bytes of a final trade as a leaf of the solution root."""
    return encode(trade)


def solution_leaves(solution: bytes, trades: tuple[Trade, ...]) -> list[bytes]:
    """Leaves of the solution root."""
    return [solution, *(trade_leaf(trade) for trade in trades)]


def solution_root_of(solution: bytes, trades: tuple[Trade, ...], how: Cleared) -> bytes:
    """The solution root; of a block that clears nothing, the root of no leaves."""
    return merkle.root(() if how == Cleared.NOTHING else solution_leaves(solution, trades))


def body_matches(header: Header, body: Body) -> None:
    """LED-32: solution and transactions are the ones that the header commits to."""
    root = tx_root_of(body)
    if root != header.tx_root:
        raise RuleViolation("LED-32", "root of the body", got=root, expected=header.tx_root)
