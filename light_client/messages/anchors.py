"""What a light client asks beside updates (older headers, new anchors), and what it tells of a fork."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from light_client.messages.shape import check_bytes_up_to, check_hashes, check_number, fields_of
from light_client.rules.checkpoint import MAX_CHECKPOINT_BYTES
from light_client.rules.ledger.block import Header, header_from_wire
from light_client.rules.ledger.committee import QuorumCertificate, certificate_of_quorum_from_wire
from light_client.rules.ledger.fork import MAX_FORK_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class GetHistory:
    """Light client -> miner: the header of a height, and that it precedes the one that I trust."""

    height: int
    head_height: int
    """Height of the trusted header; equal to ``height`` for the certified header alone."""

    def __post_init__(self) -> None:
        check_number("height of the older header", self.height, 1)
        check_number("height of the trusted header", self.head_height, self.height)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.height, self.head_height)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        height, head_height = fields_of(wire, 2, "a request for an older header")
        check_number("height of the older header", height, 1)
        return cls(height=height, head_height=head_height)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryMessage:
    """A certified header, and its place in the history of a later one, to be checked by ``rules.ancestry``."""

    header: Header
    certificate: QuorumCertificate
    head_height: int
    inclusion: tuple[bytes, ...]
    """Of the header in the history root of the later one; none where the heights are equal."""
    consistency: tuple[bytes, ...]
    """Of the two history roots; none where the heights are equal, and for the first header."""

    def __post_init__(self) -> None:
        check_number("height of the later header", self.head_height, 1)
        check_hashes("inclusion of an older header", self.inclusion)
        check_hashes("consistency of two histories", self.consistency)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        proofs = (self.inclusion, self.consistency)
        return (self.header.to_wire(), self.certificate.to_wire(), self.head_height, *proofs)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        header, certificate, head_height, inclusion, consistency = fields_of(wire, 5, "an older header")
        return cls(
            header=header_from_wire(header),
            certificate=certificate_of_quorum_from_wire(certificate),
            head_height=head_height,
            inclusion=inclusion,
            consistency=consistency,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkMessage:
    """Light client -> everybody it knows: two certified headers of one height, for ``fork.fork_from_bytes``."""

    fork: bytes

    def __post_init__(self) -> None:
        check_bytes_up_to("a fork", self.fork, MAX_FORK_BYTES, 1)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.fork,)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        (fork,) = fields_of(wire, 1, "a fork")
        return cls(fork=fork)


@dataclass(frozen=True, slots=True, kw_only=True)
class GetCheckpoint:
    """Light client -> miner: my trusting period is over, bring me the registry's newest checkpoint."""

    above_height: int
    """Newest height that the light client ever trusted."""

    def __post_init__(self) -> None:
        check_number("height once trusted", self.above_height)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.above_height,)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        (above_height,) = fields_of(wire, 1, "a request for a checkpoint")
        return cls(above_height=above_height)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointMessage:
    """Registry -> miner -> light client: a header vouched for, for ``checkpoint.checkpoint_from_bytes``."""

    checkpoint: bytes

    def __post_init__(self) -> None:
        check_bytes_up_to("a checkpoint", self.checkpoint, MAX_CHECKPOINT_BYTES, 1)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.checkpoint,)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        (checkpoint,) = fields_of(wire, 1, "a checkpoint")
        return cls(checkpoint=checkpoint)
