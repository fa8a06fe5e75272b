"""Snapshots: the whole state as records, in chunks that are checked one by one against a certified state root.

A snapshot belongs to a header. Its manifest tells the hash of each of the ``2 ** bits`` subtrees of the state tree at
depth ``bits``, which together give the state root; a chunk holds the records below one of them. So whoever sends a
wrong manifest or a wrong chunk is found out by that very message, and nothing unchecked is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.accountability import accountability_from_bytes
from light_client.rules.ledger.block import Header
from light_client.rules.ledger.chain import Tip
from light_client.rules.ledger.committee import committee_from_wire
from light_client.rules.ledger.delivery import delivery_from_bytes
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.records import (
    MAX_RECORD_BYTES,
    Record,
    RecordKind,
    account_from_bytes,
    candidate_from_bytes,
    meta_from_bytes,
    offer_from_bytes,
    offer_identity,
    reaction_from_bytes,
)
from light_client.rules.ledger.registry import registry_from_wire
from light_client.rules.ledger.state import LedgerState, check_state_conserves
from light_client.rules.merkle import History
from light_client.rules.statetree import Summary, root_over, subtree, summary_of, update, value_hash_of
from light_client.rules.units import ADDRESS_BYTES, HASH_BYTES, PUBLIC_KEY_BYTES, Address

MAX_BITS = 12
"""Deepest cut of a snapshot: 4096 chunks."""
_IDENTITY_BYTES = {
    RecordKind.ACCOUNT: ADDRESS_BYTES,
    RecordKind.OFFER: 8,
    RecordKind.DELIVERY: PUBLIC_KEY_BYTES,
}
"""Length of the identities of a kind; records of which there is one have none."""
_MANDATORY = (RecordKind.META, RecordKind.CANDIDATE, RecordKind.COMMITTEE, RecordKind.ACCOUNTABILITY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a snapshot consists of."""

    summaries: tuple[Summary, ...]
    """Of the subtrees at depth ``bits``, left to right: one chunk each."""
    frontier: tuple[bytes, ...]
    """Of the history of all headers before the snapshot's (``merkle.History``)."""

    def __post_init__(self) -> None:
        count = len(self.summaries)
        if not 1 <= count <= 1 << MAX_BITS or count & (count - 1):
            expected = f"a power of two up to {1 << MAX_BITS}"
            raise RuleViolation("LED-60", "chunks of a snapshot", got=count, expected=expected)
        if any(len(part) != HASH_BYTES for part in (*self.frontier, *(s.hash for s in self.summaries))):
            raise RuleViolation("LED-60", "hashes of a manifest", got=self.frontier, expected="32 bytes")

    @property
    def bits(self) -> int:
        """Depth at which the state tree is cut."""
        return len(self.summaries).bit_length() - 1


def manifest_is_the_headers(manifest: Manifest, header: Header) -> Tip:
    """LED-61: the chunks' hashes give the state root, and the frontier the history root.

    Returns:
        The tip from which the chain goes on after ``header``, which a quorum is known to have signed.
    """
    root = root_over(manifest.summaries)
    if root != header.state_root:
        raise RuleViolation("LED-61", "state root of a manifest", got=root, expected=header.state_root)
    size = header.height - 1
    if len(manifest.frontier) != size.bit_count():
        raise RuleViolation(
            "LED-61", "frontier of a manifest", got=len(manifest.frontier), expected=size.bit_count()
        )
    history = History(size=size, frontier=manifest.frontier)
    if history.root != header.history_root:
        raise RuleViolation(
            "LED-61", "history root of a manifest", got=history.root, expected=header.history_root
        )
    return Tip(
        height=header.height,
        header_hash=header.hash(),
        time_ms=header.time_ms,
        history=history.append(header.hash()),
    )


def chunk_of(key: bytes, bits: int) -> int:
    """Number of the chunk that holds a key of the state tree."""
    return int.from_bytes(key[:2], "big") >> (16 - bits)


def chunk_is_the_manifests(records: Sequence[Record], number: int, manifest: Manifest) -> None:
    """LED-62: the records are all those of a chunk, and no others, ascending by key."""
    values: dict[bytes, bytes] = {}
    previous = b""
    for record in records:
        key = record.key()
        if key <= previous or chunk_of(key, manifest.bits) != number:
            raise RuleViolation("LED-62", "record of a chunk", got=key, expected=f"ascending, in {number}")
        previous = key
        values[key] = value_hash_of(record.value)
    got, expected = summary_of(subtree(values, manifest.bits)), manifest.summaries[number]
    if got != expected:
        raise RuleViolation("LED-62", f"hash of chunk {number}", got=got.hash, expected=expected.hash)


def record_to_wire(record: Record) -> tuple[Any, ...]:
    """Canonical form of a record as it is stored and sent."""
    return (record.kind.value, record.identity, record.value)


def record_from_wire(wire: Any) -> Record:
    """Read a record back; its bytes are read by ``restore``.

    Raises:
        RuleViolation: LED-60.
    """
    if type(wire) is not tuple or len(wire) != 3 or type(wire[1]) is not bytes or type(wire[2]) is not bytes:
        raise RuleViolation("LED-60", "a record has three fields", got=wire, expected="kind, two strings")
    try:
        kind = RecordKind(wire[0])
    except ValueError:
        raise RuleViolation("LED-60", "kind of a record", got=wire[0], expected="a known kind") from None
    if len(wire[1]) != _IDENTITY_BYTES.get(kind, 0):
        raise RuleViolation("LED-60", f"identity of a record ({kind})", got=wire[1], expected="its length")
    return Record(kind, wire[1], wire[2])


def restore(genesis: Genesis, header: Header, records: Iterable[Record]) -> LedgerState:
    """The state after ``header``, out of its records.

    Raises:
        RuleViolation: LED-38, LED-60 for a record of another shape; LED-63 for records that do not make up the state
            that the header commits to; LED-20 if energy or money does not add up.
    """
    state = LedgerState(genesis)
    seen: set[RecordKind] = set()
    hashes: dict[bytes, bytes | None] = {}
    state.registry = None
    for record in records:
        _READERS[record.kind](state, record)
        seen.add(record.kind)
        hashes[record.key()] = value_hash_of(record.value)
    missing = [kind.value for kind in _MANDATORY if kind not in seen]
    if missing:
        raise RuleViolation("LED-63", "records of a state", got=sorted(seen), expected=missing)
    state.height, state.head = header.height, header.hash()
    state.tree = update(None, hashes)
    if state.root() != header.state_root:
        raise RuleViolation("LED-63", "root of a state", got=state.root(), expected=header.state_root)
    check_state_conserves(state)
    return state


def _read_account(state: LedgerState, record: Record) -> None:
    state.accounts[Address(record.identity)] = account_from_bytes(record.value)


def _read_offer(state: LedgerState, record: Record) -> None:
    offer = offer_from_bytes(record.value)
    if offer_identity(offer.offer_id) != record.identity:
        raise RuleViolation("LED-60", "number of an offer", got=offer.offer_id, expected=record.identity)
    state.offers[offer.offer_id] = offer


def _read_delivery(state: LedgerState, record: Record) -> None:
    state.deliveries[record.identity] = delivery_from_bytes(record.value)


def _read_meta(state: LedgerState, record: Record) -> None:
    state.meta = meta_from_bytes(record.value)


def _read_candidate(state: LedgerState, record: Record) -> None:
    state.candidate = candidate_from_bytes(record.value, state.genesis.chain.max_block_bytes)


def _read_reaction(state: LedgerState, record: Record) -> None:
    state.reaction = reaction_from_bytes(record.value, state.genesis.chain.max_block_bytes)


def _read_accountability(state: LedgerState, record: Record) -> None:
    state.accountability = accountability_from_bytes(record.value)


def _read_committee(state: LedgerState, record: Record) -> None:
    state.committee = committee_from_wire(decode(record.value, max_bytes=MAX_RECORD_BYTES))


def _read_registry(state: LedgerState, record: Record) -> None:
    state.registry = registry_from_wire(decode(record.value, max_bytes=MAX_RECORD_BYTES))


_READERS: dict[RecordKind, Callable[[LedgerState, Record], None]] = {
    RecordKind.ACCOUNT: _read_account,
    RecordKind.OFFER: _read_offer,
    RecordKind.DELIVERY: _read_delivery,
    RecordKind.META: _read_meta,
    RecordKind.CANDIDATE: _read_candidate,
    RecordKind.REACTION: _read_reaction,
    RecordKind.ACCOUNTABILITY: _read_accountability,
    RecordKind.COMMITTEE: _read_committee,
    RecordKind.REGISTRY: _read_registry,
}
"""Kind of a record -> how it enters a state."""


def encode_record(record: Record) -> bytes:
    """Canonical bytes of a record as it is stored."""
    return encode(record_to_wire(record))
