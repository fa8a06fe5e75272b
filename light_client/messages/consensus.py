"""What miners say to each other to agree on the next block. Source: Tendermint, arXiv:1807.04938, algorithm 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

from light_client.messages.shape import (
    MAX_BODY_BYTES,
    check_bytes,
    check_bytes_up_to,
    check_number,
    fields_of,
    flag,
    optional,
)
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import Header, header_from_wire
from light_client.rules.ledger.committee import (
    MAX_COMMITTEE,
    VoteKind,
    body_hash_of,
    proposal_message,
    vote_message,
)
from light_client.rules.units import HASH_BYTES, SIGNATURE_BYTES

MAX_ROUND: Final = (1 << 31) - 1
_BITMAP_END: Final = (1 << MAX_COMMITTEE) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The leader of a round proposes a block."""

    round_: int
    """Round of this proposal; that of the header may be earlier, if the block was proposed before."""
    pol_round: int | None
    """Round whose prevotes prove that the block may be voted for again (validRound), or None for a fresh one."""
    header: Header
    body: bytes
    """Canonical bytes of the body; read by ``block.body_from_bytes``, which knows the limits of the chain."""
    signature: bytes
    """The leader's, over ``committee.proposal_message``."""

    def __post_init__(self) -> None:
        check_number("round of a proposal", self.round_, 0, MAX_ROUND)
        if self.pol_round is not None:
            check_number("proof-of-lock round of a proposal", self.pol_round, 0, self.round_ - 1)
        check_bytes_up_to("body of a proposal", self.body, MAX_BODY_BYTES, 1)
        check_bytes("signature of a proposal", self.signature, SIGNATURE_BYTES)

    @property
    def height(self) -> int:
        """Height that the block is for."""
        return self.header.height

    def message(self, chain_id: bytes) -> bytes:
        """The bytes that are signed."""
        body_hash = body_hash_of(self.body)
        return proposal_message(
            chain_id, self.height, self.round_, self.pol_round, self.header.hash(), body_hash
        )

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        pol = () if self.pol_round is None else (self.pol_round,)
        return (self.round_, pol, self.header.to_wire(), self.body, self.signature)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        round_, pol, header, body, signature = fields_of(wire, 5, "a proposal")
        return cls(
            round_=round_,
            pol_round=optional("proof-of-lock round", pol),
            header=header_from_wire(header),
            body=body,
            signature=signature,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One member's vote; its signature is the one that goes into a quorum certificate."""

    kind: VoteKind
    height: int
    round_: int
    header_hash: bytes
    """32 zero bytes for no block (nil)."""
    seat: int
    """Position of the voter in the committee."""
    signature: bytes
    """Over ``committee.vote_message``."""

    def __post_init__(self) -> None:
        if self.kind.__class__ is not VoteKind:
            raise RuleViolation(
                "MSG-04",
                "kind of a vote",
                got=self.kind,
                expected="prevote or precommit",
            )
        check_number("height of a vote", self.height, 1)
        check_number("round of a vote", self.round_, 0, MAX_ROUND)
        check_bytes("header hash of a vote", self.header_hash, HASH_BYTES)
        check_number("seat of a vote", self.seat, 0, MAX_COMMITTEE - 1)
        check_bytes("signature of a vote", self.signature, SIGNATURE_BYTES)

    def message(self, chain_id: bytes) -> bytes:
        """The bytes that are signed."""
        return vote_message(self.kind, chain_id, self.height, self.round_, self.header_hash)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (
            int(self.kind),
            self.height,
            self.round_,
            self.header_hash,
            self.seat,
            self.signature,
        )

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        kind, height, round_, header_hash, seat, signature = fields_of(wire, 6, "a vote")
        check_number("kind of a vote", kind, VoteKind.PREVOTE, VoteKind.PRECOMMIT)
        return cls(
            kind=VoteKind(kind),
            height=height,
            round_=round_,
            header_hash=header_hash,
            seat=seat,
            signature=signature,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PolRequest:
    """Prevotes that are missing to believe a proposal's proof of lock."""

    round_: int
    header_hash: bytes
    have: int
    """Bitmap of the seats whose prevote for this block is at hand."""

    def __post_init__(self) -> None:
        check_number("round of a proof of lock", self.round_, 0, MAX_ROUND)
        check_bytes("header hash of a proof of lock", self.header_hash, HASH_BYTES)
        check_number("bitmap of a proof of lock", self.have, 0, _BITMAP_END)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.round_, self.header_hash, self.have)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundStatus:
    """Where a miner stands: whoever has more answers with what is missing, whoever has less asks for blocks.

    Sent on a timer, so that lost messages are made up for.
    """

    height: int
    """Height being decided: one more than that of the newest block at hand."""
    round_: int
    has_proposal: bool
    """Whether the proposal of this round is at hand."""
    prevotes: int
    """Bitmap of the seats whose prevote of this round is at hand."""
    precommits: int
    """Bitmap of the seats whose precommit of this round is at hand."""
    pol: PolRequest | None

    def __post_init__(self) -> None:
        check_number("height of a status", self.height, 1)
        check_number("round of a status", self.round_, 0, MAX_ROUND)
        for what, bitmap in (
            ("prevotes", self.prevotes),
            ("precommits", self.precommits),
        ):
            check_number(f"bitmap of {what}", bitmap, 0, _BITMAP_END)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        pol = () if self.pol is None else (self.pol.to_wire(),)
        return (
            self.height,
            self.round_,
            int(self.has_proposal),
            self.prevotes,
            self.precommits,
            pol,
        )

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        height, round_, has_proposal, prevotes, precommits, pol = fields_of(wire, 6, "a status")
        asked = optional("proof of lock asked for", pol)
        if asked is not None:
            pol_round, header_hash, have = fields_of(asked, 3, "a proof of lock asked for")
            asked = PolRequest(round_=pol_round, header_hash=header_hash, have=have)
        return cls(
            height=height,
            round_=round_,
            has_proposal=flag("whether a proposal is at hand", has_proposal),
            prevotes=prevotes,
            precommits=precommits,
            pol=asked,
        )
