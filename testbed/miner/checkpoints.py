"""The state on disk: written every so many blocks, so that a restart need not begin at the genesis, served to others
as snapshots, and the reason why old blocks can be deleted.

    table     key               value
    record    key in the tree   the record as it was after the checkpoint's block
    base      none              the checkpoint: header, certificate, frontier of the history before it

A checkpoint is one batch of writes, so that the disk always holds the whole state after one block, whatever happens.
What is served is a *pin*: the tree as it was at a checkpoint, and the old versions of records that later checkpoints
have overwritten. A pin costs memory for what has changed since, not for what there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from light_client.rules.encoding import decode, encode
from light_client.rules.ledger.block import Header, header_from_wire
from light_client.rules.ledger.committee import QuorumCertificate, certificate_of_quorum_from_wire
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.records import Record
from light_client.rules.ledger.snapshot import (
    MAX_BITS,
    Manifest,
    chunk_of,
    encode_record,
    record_from_wire,
    restore,
)
from light_client.rules.ledger.state import LedgerState
from light_client.rules.statetree import Node, nodes_at, summary_of
from light_client.session.actor import Storage, Write

_RECORD: Final = "record"
_BASE: Final = "base"
_PINS: Final = 2
"""Snapshots served: a download goes on while the next one comes about."""


class Base(NamedTuple):
    """The block whose state is on disk."""

    header: Header
    certificate: QuorumCertificate
    frontier: tuple[bytes, ...]
    """Of the history of all headers before."""


@dataclass(slots=True)
class Pin:
    """A snapshot that is served."""

    base: Base
    tree: Node
    records: int
    """How many there are, for the size of chunks."""
    older: dict[bytes, bytes | None] = field(default_factory=dict)
    """Key -> what stood there at the pin, for records that the disk has in a later version by now."""

    def bits(self, chunk_records: int) -> int:
        """Depth of the cut at which a chunk holds about ``chunk_records``."""
        return min(MAX_BITS, max(0, (self.records // chunk_records).bit_length()))


class Checkpoints:
    """Writes checkpoints, and hands out the pinned ones in chunks."""

    def __init__(self, storage: Storage, *, chunk_records: int) -> None:
        self._storage = storage
        self._chunk_records = chunk_records
        self._changed: dict[bytes, Record | None] = {}
        self._pins: list[Pin] = []
        self.base: Base | None = self._load_base()

    @property
    def height(self) -> int:
        """Height of the checkpoint on disk; 0 if there is none."""
        return 0 if self.base is None else self.base.header.height

    def _load_base(self) -> Base | None:
        value = self._storage.get(_BASE, b"")
        if value is None:
            return None
        wire: Any = decode(value, max_bytes=1 << 16)
        header, certificate, frontier = wire
        return Base(header_from_wire(header), certificate_of_quorum_from_wire(certificate), frontier)

    def load(self, genesis: Genesis) -> LedgerState | None:
        """The state on disk, held to the root in its header; None if there is no checkpoint.

        Raises:
            RuleViolation: LED-38, LED-60, LED-63, LED-20: the disk is damaged.
        """
        if self.base is None:
            return None
        state = restore(genesis, self.base.header, (record for _, record in self._on_disk()))
        self._pin(self.base, state)
        return state

    def _on_disk(self, start: bytes = b"") -> Iterator[tuple[bytes, Record]]:
        for key, value in self._storage.scan(_RECORD, start):
            yield key, _read(value)

    # -- writing -------------------------------------------------------------------------------------------------------

    def note(self, changed: Mapping[bytes, Record | None]) -> None:
        """A block has changed these records of the state."""
        self._changed.update(changed)

    def write(self, base: Base, state: LedgerState, *, pin: bool) -> list[Write]:
        """Make the state after ``base`` the one on disk; once in a call of ``handle``, since it looks at the disk.

        Args:
            pin: whether it is also served from now on.
        """
        if self.base is None:  # the first one: everything, what stood in the genesis' state too
            self._changed = {record.key(): record for record in state.records()}
        writes = []
        for key, record in self._changed.items():
            if self._pins:
                before = self._storage.get(_RECORD, key)
                for pinned in self._pins:
                    pinned.older.setdefault(key, before)
            value = None if record is None else encode_record(record)
            writes.append(Write(table=_RECORD, key=key, value=value))
        self._changed = {}
        writes.append(self._base_write(base))
        if pin:
            self._pin(base, state)
        return writes

    def replace(self, base: Base, records: Iterable[Record]) -> list[Write]:
        """Make what came from others the state on disk; whoever calls this builds the miner anew from the disk."""
        fresh = {record.key(): encode_record(record) for record in records}
        gone = [key for key, _ in self._storage.scan(_RECORD) if key not in fresh]
        writes = [Write(table=_RECORD, key=key, value=None) for key in gone]
        writes += [Write(table=_RECORD, key=key, value=value) for key, value in fresh.items()]
        return [*writes, self._base_write(base)]

    def _base_write(self, base: Base) -> Write:
        self.base = base
        value = encode((base.header.to_wire(), base.certificate.to_wire(), base.frontier))
        return Write(table=_BASE, key=b"", value=value)

    def _pin(self, base: Base, state: LedgerState) -> None:
        records = len(state.accounts) + len(state.offers) + len(state.deliveries)
        self._pins = [*self._pins, Pin(base=base, tree=state.tree, records=records)][-_PINS:]

    # -- serving -------------------------------------------------------------------------------------------------------

    @property
    def newest_pin(self) -> Base | None:
        """The newest snapshot that is served."""
        return self._pins[-1].base if self._pins else None

    def manifest(self) -> tuple[Base, Manifest] | None:
        """The newest snapshot; None if there is none."""
        if not self._pins:
            return None
        pin = self._pins[-1]
        nodes = nodes_at(pin.tree, pin.bits(self._chunk_records))
        summaries = tuple(summary_of(node) for node in nodes)
        return pin.base, Manifest(summaries=summaries, frontier=pin.base.frontier)

    def chunk(self, height: int, number: int) -> tuple[Record, ...] | None:
        """The records of a chunk, ascending by key; None if the snapshot of this height is not served."""
        pin = next((pin for pin in self._pins if pin.base.header.height == height), None)
        bits = 0 if pin is None else pin.bits(self._chunk_records)
        if pin is None or number >= 1 << bits:
            return None
        found: dict[bytes, Record] = {}
        for key, record in self._on_disk((number << 16 - bits).to_bytes(2, "big")):
            if chunk_of(key, bits) != number:
                break
            found[key] = record
        for key, value in pin.older.items():
            if chunk_of(key, bits) == number:
                found.pop(key, None)
                if value is not None:
                    found[key] = _read(value)
        return tuple(found[key] for key in sorted(found))


def _read(value: bytes) -> Record:
    return record_from_wire(decode(value, max_bytes=32 << 20))
