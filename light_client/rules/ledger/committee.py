"""The committee, its votes and quorum certificates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from light_client.rules.crypto import tagged_hash, verify
from light_client.rules.encoding import encode
from light_client.rules.errors import RuleViolation
from light_client.rules.units import HASH_BYTES, PUBLIC_KEY_BYTES, SIGNATURE_BYTES

MAX_COMMITTEE = 64
MAX_WEIGHT = 1 << 31
NIL = bytes(HASH_BYTES)
"""Header hash of a vote for no block."""

Verify = Callable[[bytes, bytes, bytes], bool]
"""``(public_key, signature, message) -> bool``, never raising; a caller may hand in one that remembers."""


class VoteKind(IntEnum):
    """The two votes of a round. Source: Tendermint, arXiv:1807.04938."""

    PREVOTE = 1
    PRECOMMIT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One seat."""

    public_key: bytes
    weight: int = 1
    """Voting weight, positive."""

    def __post_init__(self) -> None:
        if type(self.public_key) is not bytes or len(self.public_key) != PUBLIC_KEY_BYTES:
            raise RuleViolation(
                "CNS-01",
                "public key of a member",
                got=self.public_key,
                expected=f"{PUBLIC_KEY_BYTES} bytes",
            )
        if type(self.weight) is not int or not 1 <= self.weight <= MAX_WEIGHT:
            raise RuleViolation(
                "CNS-01",
                "weight of a member",
                got=self.weight,
                expected=f"1..{MAX_WEIGHT}",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Committee:
    """The miners of an epoch, in the order that the bitmap of a certificate follows."""

    members: tuple[Member, ...]
    total_weight: int = field(init=False, repr=False, compare=False)
    """Sum of the weights."""
    _hash: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.members) <= MAX_COMMITTEE:
            raise RuleViolation(
                "CNS-01",
                "number of members",
                got=len(self.members),
                expected=f"1..{MAX_COMMITTEE}",
            )
        if len({member.public_key for member in self.members}) != len(self.members):
            raise RuleViolation(
                "CNS-01",
                "a member sits twice",
                got=len(self.members),
                expected="distinct keys",
            )
        object.__setattr__(self, "total_weight", sum(member.weight for member in self.members))
        object.__setattr__(self, "_hash", tagged_hash("gridlight/committee/1", encode(self.to_wire())))

    def is_quorum(self, weight: int) -> bool:
        """Strictly more than two thirds of the weight, by cross-multiplication."""
        return 3 * weight > 2 * self.total_weight

    def exceeds_faults(self, weight: int) -> bool:
        """At least one honest member among this weight: strictly more than a third."""
        return 3 * weight > self.total_weight

    def index_of(self, public_key: bytes) -> int | None:
        """Seat of a key, or None."""
        for position, member in enumerate(self.members):
            if member.public_key == public_key:
                return position
        return None

    def leader(self, height: int, round_: int) -> int:
        """Seat that proposes in a round: round robin over heights and rounds."""
        return (height + round_) % len(self.members)

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        return tuple((member.public_key, member.weight) for member in self.members)

    def hash(self) -> bytes:
        """What a header commits to, 32 bytes."""
        return self._hash


def committee_from_wire(wire: Any) -> Committee:
    """Read the canonical form back.

    Raises:
        RuleViolation: CNS-01 for anything else.
    """
    if type(wire) is not tuple or any(type(row) is not tuple or len(row) != 2 for row in wire):
        raise RuleViolation(
            "CNS-01",
            "a committee is a list of (key, weight)",
            got=wire,
            expected="rows of two",
        )
    return Committee(members=tuple(Member(public_key=key, weight=weight) for key, weight in wire))


def vote_message(kind: VoteKind, chain_id: bytes, height: int, round_: int, header_hash: bytes) -> bytes:
    """The bytes that every member signs for one vote: identical for all, no time of their own."""
    return tagged_hash("gridlight/vote/1", encode((int(kind), chain_id, height, round_, header_hash)))


def body_hash_of(body: bytes) -> bytes:
    """What a proposal says of its block's body, 32 bytes."""
    return tagged_hash("gridlight/body/1", body)


def proposal_message(
    chain_id: bytes, height: int, round_: int, pol_round: int | None, header_hash: bytes, body_hash: bytes
) -> bytes:
    """The bytes that the leader signs for a proposal: the body too, so that nobody passes it on with another one."""
    pol = () if pol_round is None else (pol_round,)
    return tagged_hash(
        "gridlight/proposal/1", encode((chain_id, height, round_, pol, header_hash, body_hash))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuorumCertificate:
    """Precommits of more than two thirds of the committee for one header."""

    height: int
    round_: int
    header_hash: bytes
    bitmap: int
    """Bit i set: member i signed. A member cannot be counted twice by construction."""
    signatures: tuple[bytes, ...]
    """In the order of the members that signed."""

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        return (
            self.height,
            self.round_,
            self.header_hash,
            self.bitmap,
            self.signatures,
        )


def certificate_of_quorum_from_wire(wire: Any) -> QuorumCertificate:
    """Read the canonical form back; sizes are checked before any signature.

    Raises:
        RuleViolation: CNS-02 for any other shape.
    """
    if type(wire) is not tuple or len(wire) != 5:
        raise RuleViolation(
            "CNS-02",
            "a quorum certificate has five fields",
            got=wire,
            expected="5 fields",
        )
    height, round_, header_hash, bitmap, signatures = wire
    numbers_fit = all(type(n) is int and 0 <= n < 1 << 63 for n in (height, round_)) and type(bitmap) is int
    if not numbers_fit or not 0 <= bitmap < 1 << MAX_COMMITTEE:
        raise RuleViolation(
            "CNS-02",
            "numbers of a quorum certificate",
            got=wire[:2],
            expected="whole numbers",
        )
    if type(header_hash) is not bytes or len(header_hash) != HASH_BYTES or type(signatures) is not tuple:
        raise RuleViolation(
            "CNS-02",
            "header hash of a quorum certificate",
            got=header_hash,
            expected=f"{HASH_BYTES} bytes",
        )
    if (
        any(type(s) is not bytes or len(s) != SIGNATURE_BYTES for s in signatures)
        or len(signatures) != bitmap.bit_count()
    ):
        raise RuleViolation(
            "CNS-02",
            "signatures of a quorum certificate",
            got=len(signatures),
            expected=bitmap.bit_count(),
        )
    return QuorumCertificate(
        height=height,
        round_=round_,
        header_hash=header_hash,
        bitmap=bitmap,
        signatures=signatures,
    )


def check_quorum(
    committee: Committee,
    chain_id: bytes,
    certificate: QuorumCertificate,
    verify_signature: Verify = verify,
) -> None:
    """Check that a quorum of the known committee signed this header.

    Raises:
        RuleViolation: CNS-03 a seat that does not exist, CNS-04 too little weight, CNS-05 a wrong signature.
    """
    if certificate.bitmap >> len(committee.members):
        raise RuleViolation(
            "CNS-03",
            "a seat that does not exist signed",
            got=certificate.bitmap,
            expected=len(committee.members),
        )
    seats = [position for position in range(len(committee.members)) if certificate.bitmap >> position & 1]
    weight = sum(committee.members[position].weight for position in seats)
    if not committee.is_quorum(weight):
        raise RuleViolation(
            "CNS-04",
            "weight of the signers",
            got=weight,
            expected=f"over 2/3 of {committee.total_weight}",
        )
    message = vote_message(
        VoteKind.PRECOMMIT,
        chain_id,
        certificate.height,
        certificate.round_,
        certificate.header_hash,
    )
    for position, signature in zip(seats, certificate.signatures, strict=True):
        if not verify_signature(committee.members[position].public_key, signature, message):
            raise RuleViolation(
                "CNS-05",
                f"signature of seat {position}",
                got=signature,
                expected="a valid precommit",
            )
