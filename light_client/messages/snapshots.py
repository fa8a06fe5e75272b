"""Joining by snapshot: what a new or long-absent miner asks, and what it is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

from light_client.messages.shape import (
    MAX_PROOF_HASHES,
    check_bytes,
    check_list,
    check_number,
    fields_of,
    flag,
)
from light_client.rules.ledger.block import Header, header_from_wire
from light_client.rules.ledger.committee import (
    Committee,
    QuorumCertificate,
    certificate_of_quorum_from_wire,
    committee_from_wire,
)
from light_client.rules.ledger.records import Record
from light_client.rules.ledger.snapshot import MAX_BITS, Manifest, record_from_wire, record_to_wire
from light_client.rules.statetree import Summary
from light_client.rules.units import HASH_BYTES

MAX_TURNS: Final = 128
"""Most changes of committee in one message; who has to catch up with more asks again from the last one."""
MAX_HASHES: Final = 4_096
"""Most hashes of headers in one message."""
MAX_CHUNK_RECORDS: Final = 1 << 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The last header of a committee, and who signs after it."""

    header: Header
    certificate: QuorumCertificate
    committee: Committee
    """The list behind ``next_committee_hash``."""

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.header.to_wire(), self.certificate.to_wire(), self.committee.to_wire())

    @classmethod
    def from_wire(cls, wire: Any) -> Self:
        """Read the fields."""
        header, certificate, committee = fields_of(wire, 3, "a change of committee")
        return cls(
            header=header_from_wire(header),
            certificate=certificate_of_quorum_from_wire(certificate),
            committee=committee_from_wire(committee),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GetSnapshot:
    """Miner -> miner: bring me from the committee that I know to a recent state."""

    known_height: int
    """Height after which the asker knows the committee: 0 for that of the genesis."""

    def __post_init__(self) -> None:
        check_number("height of the known committee", self.known_height)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.known_height,)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        (known_height,) = fields_of(wire, 1, "a request for a snapshot")
        return cls(known_height=known_height)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotMessage:
    """A certified header with the manifest of the state after it, and how its committee came to sign."""

    turns: tuple[Turn, ...]
    """Changes of committee after the known height, ascending: all up to the header, or the first ``MAX_TURNS``."""
    header: Header
    certificate: QuorumCertificate
    manifest: Manifest

    def __post_init__(self) -> None:
        check_list("changes of committee", self.turns, MAX_TURNS)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (
            tuple(turn.to_wire() for turn in self.turns),
            self.header.to_wire(),
            self.certificate.to_wire(),
            tuple((summary.hash, int(summary.is_branch)) for summary in self.manifest.summaries),
            self.manifest.frontier,
        )

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        turns, header, certificate, summaries, frontier = fields_of(wire, 5, "a snapshot")
        check_list("changes of committee", turns, MAX_TURNS)
        check_list("chunks of a snapshot", summaries, 1 << MAX_BITS)
        check_list("frontier of a snapshot", frontier, MAX_PROOF_HASHES)
        for node in frontier:
            check_bytes("frontier of a snapshot", node, HASH_BYTES)
        return cls(
            turns=tuple(Turn.from_wire(turn) for turn in turns),
            header=header_from_wire(header),
            certificate=certificate_of_quorum_from_wire(certificate),
            manifest=Manifest(summaries=tuple(_summary(row) for row in summaries), frontier=frontier),
        )


def _summary(wire: Any) -> Summary:
    hashed, is_branch = fields_of(wire, 2, "a chunk of a snapshot")
    check_bytes("hash of a chunk", hashed, HASH_BYTES)
    return Summary(hashed, flag("whether a chunk branches", is_branch))


@dataclass(frozen=True, slots=True, kw_only=True)
class GetChunk:
    """Miner -> miner: the records of one chunk of the snapshot at a height."""

    height: int
    number: int

    def __post_init__(self) -> None:
        check_number("height of a snapshot", self.height, 1)
        check_number("number of a chunk", self.number, 0, (1 << MAX_BITS) - 1)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.height, self.number)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        height, number = fields_of(wire, 2, "a request for a chunk")
        return cls(height=height, number=number)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkMessage:
    """The records of one chunk, ascending by their keys in the state tree."""

    height: int
    number: int
    records: tuple[Record, ...]

    def __post_init__(self) -> None:
        check_number("height of a snapshot", self.height, 1)
        check_number("number of a chunk", self.number, 0, (1 << MAX_BITS) - 1)
        check_list("records of a chunk", self.records, MAX_CHUNK_RECORDS)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.height, self.number, tuple(record_to_wire(record) for record in self.records))

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        height, number, rows = fields_of(wire, 3, "a chunk")
        check_list("records of a chunk", rows, MAX_CHUNK_RECORDS)
        return cls(height=height, number=number, records=tuple(record_from_wire(row) for row in rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class GetHashes:
    """Miner -> miner: the hashes of headers, for whoever joined by a snapshot and cannot prove what was before it."""

    from_height: int
    limit: int

    def __post_init__(self) -> None:
        check_number("first height", self.from_height, 1)
        check_number("most hashes", self.limit, 1, MAX_HASHES)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.from_height, self.limit)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        from_height, limit = fields_of(wire, 2, "a request for hashes")
        return cls(from_height=from_height, limit=limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class HashesMessage:
    """Hashes of headers in sequence; all of them together give the history root that a quorum signed."""

    from_height: int
    hashes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        check_number("first height", self.from_height, 1)
        check_list("hashes of headers", self.hashes, MAX_HASHES)
        for hashed in self.hashes:
            check_bytes("hash of a header", hashed, HASH_BYTES)

    def to_wire(self) -> tuple[Any, ...]:
        """Fields in order."""
        return (self.from_height, self.hashes)

    @classmethod
    def from_wire(cls, wire: tuple[Any, ...]) -> Self:
        """Read the fields."""
        from_height, hashes = fields_of(wire, 2, "hashes of headers")
        return cls(from_height=from_height, hashes=hashes)
