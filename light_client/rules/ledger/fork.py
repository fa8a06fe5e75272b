"""Two certified headers of one height: the proof that more than a third of a committee broke its word.

Anybody can check it who knows the committee of that height. It is transferable: it consists of signatures alone.
Members who signed both in one round are thereby convicted. Where the rounds differ, each signature for itself may be
an honest one (a lock can be given up for a later quorum), so the fork is proven and nobody is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from light_client.rules.crypto import verify
from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import Header, header_from_wire
from light_client.rules.ledger.committee import (
    Committee,
    QuorumCertificate,
    Verify,
    certificate_of_quorum_from_wire,
    check_quorum,
)

MAX_FORK_BYTES = 12 << 10
"""Two headers, each with a certificate of 64 signatures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedHeader:
    """A header and the signatures under it."""

    header: Header
    certificate: QuorumCertificate

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        return (self.header.to_wire(), self.certificate.to_wire())


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """Two different headers of one height, each with a certificate, in ascending order of their hashes."""

    first: CertifiedHeader
    second: CertifiedHeader

    def encode(self) -> bytes:
        """Canonical bytes."""
        return encode((self.first.to_wire(), self.second.to_wire()))

    @property
    def height(self) -> int:
        """Where the chain parts."""
        return self.first.header.height

    def culprits(self) -> tuple[int, ...]:
        """Seats that signed both headers in one round, ascending; none where the rounds differ."""
        one, other = self.first.certificate, self.second.certificate
        both = one.bitmap & other.bitmap if one.round_ == other.round_ else 0
        return tuple(seat for seat in range(both.bit_length()) if both >> seat & 1)


def fork_of(one: CertifiedHeader, other: CertifiedHeader) -> Fork:
    """The one spelling of a fork, whichever side was seen first."""
    first, second = sorted((one, other), key=lambda side: side.header.hash())
    return Fork(first=first, second=second)


def fork_from_bytes(raw: bytes) -> Fork:
    """Read a fork, sizes first.

    Raises:
        RuleViolation: ENC-xx, LED-30, CNS-02 for other bytes, LC-19 for another shape.
    """
    wire: Any = decode(raw, max_bytes=MAX_FORK_BYTES, max_depth=4, max_items=256)
    if type(wire) is not tuple or len(wire) != 2 or any(type(s) is not tuple or len(s) != 2 for s in wire):
        raise RuleViolation("LC-19", "a fork is two certified headers", got=wire, expected="2 pairs")
    first, second = (
        CertifiedHeader(header=header_from_wire(header), certificate=certificate_of_quorum_from_wire(signed))
        for header, signed in wire
    )
    return Fork(first=first, second=second)


def check_fork(fork: Fork, chain_id: bytes, committee: Committee, verify_signature: Verify = verify) -> None:
    """LC-19: two headers of one chain and height, not the same, each signed by a quorum of its committee.

    Args:
        committee: whoever signs at that height; both headers name it.

    Raises:
        RuleViolation: LC-19, or CNS-03 to CNS-05 for a certificate that proves nothing.
    """
    one, other = fork.first.header, fork.second.header
    if one.hash() >= other.hash() or one.height != other.height:
        raise RuleViolation(
            "LC-19", "two headers of one height, in order", got=one.height, expected=other.height
        )
    for side in (fork.first, fork.second):
        header, certificate = side.header, side.certificate
        told = (header.chain_id, header.committee_hash, certificate.header_hash, certificate.height)
        if told != (chain_id, committee.hash(), header.hash(), header.height):
            raise RuleViolation(
                "LC-19",
                "a side of a fork",
                got=header.hash(),
                expected="a certified header of this committee",
            )
        check_quorum(committee, chain_id, certificate, verify_signature)
