"""The log of what a miner signed at its present height: read back after a restart, so that it never contradicts itself.

Every entry is a ``Write`` of the same call that sends the message, and a driver makes writes durable before it sends.

Tables: ``vote`` (height, round, kind) -> vote; ``proposal`` (height, round) -> proposal without its block;
``seen`` (height, header hash) -> block; ``lock`` (height) -> lock; ``proof`` (height) -> prevotes of its valid round.

The proof is of others' signatures, and kept all the same: if all who are locked lost it in one power cut, nobody could
show any more why they hold on to their block, and those who are not locked would never follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Self

from light_client.messages.consensus import Proposal, Vote
from light_client.rules.encoding import decode, encode
from light_client.rules.ledger.block import Header, header_from_wire
from light_client.rules.ledger.committee import VoteKind
from light_client.session.actor import Storage, Write

_VOTE, _PROPOSAL, _SEEN, _LOCK, _PROOF = "vote", "proposal", "seen", "lock", "proof"
_MAX_BYTES = 32 << 20


class SeenBlock(NamedTuple):
    """A block that was proposed, its body unread."""

    header: Header
    body: bytes


class Lock(NamedTuple):
    """Tendermint's four variables. Source: arXiv:1807.04938, algorithm 1, lines 1 to 9."""

    locked_round: int = -1
    locked_hash: bytes = b""
    valid_round: int = -1
    valid_hash: bytes = b""


NO_LOCK = Lock()


class VoteLog:
    """What this miner signed at one height."""

    def __init__(self, height: int) -> None:
        self.height = height
        self.votes: dict[tuple[int, VoteKind], Vote] = {}
        self.proposals: dict[int, Proposal] = {}
        self.blocks: dict[bytes, SeenBlock] = {}
        self.lock = NO_LOCK
        self.proof: tuple[Vote, ...] = ()
        """The quorum of prevotes of the lock's valid round."""
        self._prefix = height.to_bytes(8, "big")

    def load(self, storage: Storage) -> Self:
        """Read back what was signed before a restart."""
        for _, wire in self._rows(storage, _VOTE):
            vote = Vote.from_wire(wire)
            self.votes[vote.round_, vote.kind] = vote
        for key, wire in self._rows(storage, _SEEN):
            self.blocks[key] = SeenBlock(header_from_wire(wire[0]), wire[1])
        for key, (pol, header_hash, signature) in self._rows(storage, _PROPOSAL):
            header, body = self.blocks[header_hash]
            self.proposals[int.from_bytes(key, "big")] = Proposal(
                round_=int.from_bytes(key, "big"),
                pol_round=pol[0] if pol else None,
                header=header,
                body=body,
                signature=signature,
            )
        for _, wire in self._rows(storage, _LOCK):
            self.lock = Lock(*wire)
        for _, wire in self._rows(storage, _PROOF):
            self.proof = tuple(map(Vote.from_wire, wire))
        return self

    def _rows(self, storage: Storage, table: str) -> Iterator[tuple[bytes, Any]]:
        for key, value in storage.scan(table, self._prefix):
            if not key.startswith(self._prefix):
                return
            yield key[len(self._prefix) :], decode(value, max_bytes=_MAX_BYTES)

    def _write(self, table: str, key: bytes, value: Any) -> Write:
        return Write(table=table, key=self._prefix + key, value=encode(value))

    def last_round(self) -> int | None:
        """The last round in which this miner signed anything; None if it signed nothing."""
        rounds = [round_ for round_, _ in self.votes] + list(self.proposals)
        return max(rounds, default=None)

    def record_vote(self, vote: Vote) -> list[Write]:
        """Remember a vote."""
        self.votes[vote.round_, vote.kind] = vote
        return [self._write(_VOTE, _round_key(vote.round_) + bytes((vote.kind,)), vote.to_wire())]

    def record_proposal(self, proposal: Proposal, header_hash: bytes) -> list[Write]:
        """Remember one's own proposal, and its block."""
        self.proposals[proposal.round_] = proposal
        pol = () if proposal.pol_round is None else (proposal.pol_round,)
        row = (pol, header_hash, proposal.signature)
        return [
            *self._record_block(header_hash, SeenBlock(proposal.header, proposal.body)),
            self._write(_PROPOSAL, _round_key(proposal.round_), row),
        ]

    def record_lock(self, lock: Lock, block: SeenBlock, proof: Iterable[Vote]) -> list[Write]:
        """Remember the lock, the block that is valid with it, and the prevotes that made it so."""
        self.lock, self.proof = lock, tuple(proof)
        return [
            *self._record_block(lock.valid_hash, block),
            self._write(_LOCK, b"", tuple(lock)),
            self._write(_PROOF, b"", tuple(vote.to_wire() for vote in self.proof)),
        ]

    def _record_block(self, header_hash: bytes, block: SeenBlock) -> list[Write]:
        if header_hash in self.blocks:
            return []
        self.blocks[header_hash] = block
        return [self._write(_SEEN, header_hash, (block.header.to_wire(), block.body))]

    def forget(self) -> list[Write]:
        """Delete everything: the height is decided."""
        keys = [(_VOTE, _round_key(round_) + bytes((kind,))) for round_, kind in self.votes]
        keys += [(_PROPOSAL, _round_key(round_)) for round_ in self.proposals]
        keys += [(_SEEN, header_hash) for header_hash in self.blocks]
        keys += [(_LOCK, b""), (_PROOF, b"")] if self.lock != NO_LOCK else []
        return [Write(table=table, key=self._prefix + key, value=None) for table, key in keys]


def _round_key(round_: int) -> bytes:
    return round_.to_bytes(4, "big")
