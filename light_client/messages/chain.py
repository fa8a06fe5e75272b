"""What followers of the chain ask a miner, and what they are told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, Self

from light_client.messages.shape import (
    MAX_BODY_BYTES,
    check_bytes_up_to,
    check_hashes,
    check_list,
    check_number,
    fields_of,
    optional,
)
from light_client.rules.ledger.block import Header, header_from_wire
from light_client.rules.ledger.committee import (
    QuorumCertificate,
    certificate_of_quorum_from_wire,
    committee_from_wire,
)
from light_client.rules.light import Update

MAX_BLOCKS: Final = 256
"""Most blocks of one answer."""
MAX_UPDATES: Final = 32
"""Most updates of one answer."""


class Announce(IntEnum):
    """What a follower is sent unasked."""

    HEADERS = 0
    """Header and certificate of every block."""
    CLEARINGS = 1
    """Header and certificate of the blocks that make an interval final."""
    BLOCKS = 2
    """Every block whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """Follower -> miner: announce new blocks to me. Forgotten by the miner after a while and on restart: repeat it."""

    from_height: int
    """Newest height that the follower has; if the chain is longer, the newest block is announced at once."""
    announce: Announce = Announce.HEADERS
    """What to send of each new block."""

    def __post_init__(self) -> None:
        check_number("height to follow from", self.from_height)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.from_height, int(self.announce))

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        from_height, announce = fields_of(wire, 2, "a subscription")
        check_number("what to announce", announce, 0, len(Announce) - 1)
        return cls(from_height=from_height, announce=Announce(announce))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBlock:
    """Miner -> followers and miners: this header was decided."""

    header: Header
    certificate: QuorumCertificate

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.header.to_wire(), self.certificate.to_wire())

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        header, certificate = fields_of(wire, 2, "an announcement")
        return cls(
            header=header_from_wire(header),
            certificate=certificate_of_quorum_from_wire(certificate),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GetBlocks:
    """Ask for whole blocks in sequence."""

    from_height: int
    limit: int

    def __post_init__(self) -> None:
        check_number("height of the first block", self.from_height, 1)
        check_number("number of blocks", self.limit, 1, MAX_BLOCKS)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.from_height, self.limit)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        from_height, limit = fields_of(wire, 2, "a request for blocks")
        return cls(from_height=from_height, limit=limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedBlock:
    """A block as it is stored and sent: header, certificate, and the body's canonical bytes."""

    header: Header
    certificate: QuorumCertificate
    body: bytes

    def __post_init__(self) -> None:
        check_bytes_up_to("body of a block", self.body, MAX_BODY_BYTES, 1)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.header.to_wire(), self.certificate.to_wire(), self.body)

    @classmethod
    def from_wire(cls, wire: Any) -> Self:
        """Read the fields."""
        header, certificate, body = fields_of(wire, 3, "a block")
        return cls(
            header=header_from_wire(header),
            certificate=certificate_of_quorum_from_wire(certificate),
            body=body,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """Blocks in sequence, as many as fit; none if the first one asked for does not exist yet."""

    blocks: tuple[CertifiedBlock, ...]

    def __post_init__(self) -> None:
        check_list("blocks", self.blocks, MAX_BLOCKS)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (tuple(block.to_wire() for block in self.blocks),)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        (rows,) = fields_of(wire, 1, "blocks")
        check_list("blocks", rows, MAX_BLOCKS)
        return cls(blocks=tuple(CertifiedBlock.from_wire(row) for row in rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class GetUpdate:
    """Light client -> miner: bring me from the header that I trust to the newest one."""

    trusted_height: int

    def __post_init__(self) -> None:
        check_number("trusted height", self.trusted_height)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.trusted_height,)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        (trusted_height,) = fields_of(wire, 1, "a request for an update")
        return cls(trusted_height=trusted_height)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateMessage:
    """The way from the trusted header to the newest one: the last header of each committee, then the newest.

    Each update's history holds the header of the one before. As many as fit: after the last one, ask again. If the
    trusted header is the newest, it alone, so that two servers can be compared.
    """

    updates: tuple[Update, ...]

    def __post_init__(self) -> None:
        check_list("updates", self.updates, MAX_UPDATES)
        for update in self.updates:
            check_hashes("history proof", update.history_proof)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (tuple(_update_to_wire(update) for update in self.updates),)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        (rows,) = fields_of(wire, 1, "updates")
        check_list("updates", rows, MAX_UPDATES)
        return cls(updates=tuple(_update_from_wire(row) for row in rows))


def _update_to_wire(update: Update) -> tuple[Any, ...]:
    following = () if update.next_committee is None else (update.next_committee.to_wire(),)
    return (update.header.to_wire(), update.certificate.to_wire(), update.history_proof, following)


def _update_from_wire(wire: Any) -> Update:
    header, certificate, proof, following = fields_of(wire, 4, "an update")
    committee = optional("the next committee", following)
    return Update(
        header=header_from_wire(header),
        certificate=certificate_of_quorum_from_wire(certificate),
        history_proof=proof,
        next_committee=None if committee is None else committee_from_wire(committee),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """Miner -> whoever asked: I cannot answer that; the asked-for thing is not, not yet or no longer here."""

    request: int
    """Type number of the request."""
    height: int
    """Height of the newest block here."""

    def __post_init__(self) -> None:
        check_number("type of the request", self.request, 1, 255)
        check_number("newest height", self.height)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.request, self.height)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        request, height = fields_of(wire, 2, "a refusal")
        return cls(request=request, height=height)
