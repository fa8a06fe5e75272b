"""Catching up with the others: block by block, or first by a snapshot of the state.

    step       meaning                               left by
    blocks     a little behind, or not at all        too far behind, or the blocks are pruned: asking
    asking     a manifest was asked for              manifest: loading; refusal, fault, silence: asking the next one
    loading    chunks are asked for, some at a time  all there: joined; refusal, fault, silence: asking the next one
    joined     everything is checked                 the miner is built anew on what was fetched

A chunk that was checked is kept while another miner is asked: its hash tells whether it is also part of that one's
snapshot. Who sends what its own words refute is not asked for snapshots again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from light_client.messages.chain import GetBlocks, Unavailable
from light_client.messages.codec import Message, encode_message, number_of
from light_client.messages.snapshots import (
    MAX_TURNS,
    ChunkMessage,
    GetChunk,
    GetHashes,
    GetSnapshot,
    HashesMessage,
    SnapshotMessage,
    Turn,
)
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.committee import Committee, Verify
from light_client.rules.ledger.records import Record
from light_client.rules.ledger.snapshot import chunk_is_the_manifests, manifest_is_the_headers, restore
from light_client.rules.ledger.succession import check_certified, check_turn
from light_client.rules.statetree import Summary
from light_client.session.actor import Effect, PeerName, Report, Send, SetTimer
from testbed.miner.backfill import Backfill
from testbed.miner.checkpoints import Base
from testbed.miner.ledger import Joined, Ledger
from testbed.miner.params import MinerParams

TIMER: Final = "join"
_SYNC_BLOCKS: Final = 64
_WINDOW: Final = 4
"""Chunks asked for at a time."""


@dataclass(slots=True)
class _Join:
    """A snapshot on its way."""

    peer: PeerName
    committee: Committee
    known_height: int
    """``committee`` signs from here on."""
    tried: set[PeerName]
    turns: list[Turn] = field(default_factory=list)
    snapshot: SnapshotMessage | None = None
    wanted: list[int] = field(default_factory=list)
    """Chunks not asked for yet, the next one last."""
    missing: set[int] = field(default_factory=set)


class Sync:
    """Plans what to ask whom, and checks snapshots; blocks are judged by the ledger."""

    def __init__(
        self, ledger: Ledger, others: tuple[PeerName, ...], params: MinerParams, verify_signature: Verify
    ) -> None:
        self._ledger = ledger
        self._others = others
        self._params = params
        self._verify = verify_signature
        self._asked = (0, 0)
        self._join: _Join | None = None
        self._chunks: dict[tuple[int, int, Summary], tuple[Record, ...]] = {}
        self._faulty: set[PeerName] = set()
        self._no_snapshot_until_ms = 0
        self._backfill = Backfill(ledger, others)
        self.joined: Joined | None = None
        """Once a snapshot is complete."""

    def beat(self) -> list[Effect]:
        """Now and then, while nothing else is fetched: what a snapshot skipped."""
        return self._backfill.woken() if self._join is None and self.joined is None else []

    def take(
        self,
        peer: PeerName,
        message: SnapshotMessage | ChunkMessage | HashesMessage | Unavailable,
        now_ms: int,
    ) -> list[Effect]:
        """Take a part of what is fetched; one that does not hold is its sender's fault."""
        try:
            match message:
                case SnapshotMessage():
                    return self.on_snapshot(peer, message, now_ms)
                case ChunkMessage():
                    return self.on_chunk(peer, message, now_ms)
                case HashesMessage():
                    return self._backfill.take(peer, message)
            return self.unavailable(peer, message, now_ms)
        except RuleViolation as broken:
            return self.fault(peer, broken, now_ms)

    # -- blocks --------------------------------------------------------------------------------------------------------

    def behind(self, peer: PeerName, height: int, now_ms: int) -> list[Effect]:
        """A miner is at a later height than we are: ask it for blocks, or for a snapshot if it is far ahead."""
        if self._join is not None or self.joined is not None:
            return []
        far = height - self._ledger.height > self._params.snapshot_gap
        if far and now_ms >= self._no_snapshot_until_ms and peer not in self._faulty:
            return self._ask_snapshot(peer, now_ms)
        wanted = self._ledger.height + 1
        if (wanted == self._asked[0] and now_ms < self._asked[1]) or height < wanted:
            return []
        self._asked = (wanted, now_ms + self._params.sync_retry_ms)
        return [_send(peer, GetBlocks(from_height=wanted, limit=_SYNC_BLOCKS))]

    def unavailable(self, peer: PeerName, message: Unavailable, now_ms: int) -> list[Effect]:
        """A miner has not what we asked for; where it has later blocks only, a snapshot is what helps."""
        if message.request == number_of(GetHashes):
            return []
        if message.request != number_of(GetBlocks):
            return self.refused(peer, now_ms)
        idle = self._join is None and self.joined is None
        known = peer in self._faulty or now_ms < self._no_snapshot_until_ms
        if not idle or known or message.height <= self._ledger.height:
            return []
        return self._ask_snapshot(peer, now_ms)

    # -- snapshots -----------------------------------------------------------------------------------------------------

    def _ask_snapshot(self, peer: PeerName, now_ms: int, tried: set[PeerName] | None = None) -> list[Effect]:
        ledger = self._ledger
        self._join = _Join(
            peer=peer,
            committee=ledger.state.committee,
            known_height=ledger.height,
            tried={*(tried or ()), peer},
        )
        return [_send(peer, GetSnapshot(known_height=ledger.height)), self._patience(now_ms)]

    def _patience(self, now_ms: int) -> SetTimer:
        return SetTimer(name=TIMER, at_ms=now_ms + self._params.join_ms)

    def expects(self, peer: PeerName) -> bool:
        """Whether a part of a snapshot is to come from this miner."""
        return self._join is not None and self._join.peer == peer

    def refused(self, peer: PeerName, now_ms: int) -> list[Effect]:
        """A miner cannot serve what we fetch."""
        join = self._join
        return [] if join is None or not self.expects(peer) else self._next_peer(join, now_ms)

    def fault(self, peer: PeerName, broken: RuleViolation, now_ms: int) -> list[Effect]:
        """What a miner sent for a snapshot is refuted: name it, and ask another one."""
        self._faulty.add(peer)
        return [Report(name="blame", value=(peer, broken.rule)), *self.refused(peer, now_ms)]

    def woken(self, now_ms: int) -> list[Effect]:
        """Nothing has come for long."""
        return [] if self._join is None else self._next_peer(self._join, now_ms)

    def _next_peer(self, join: _Join, now_ms: int) -> list[Effect]:
        left = [peer for peer in self._others if peer not in join.tried and peer not in self._faulty]
        if left:
            return self._ask_snapshot(left[0], now_ms, join.tried)
        self._join = None
        self._no_snapshot_until_ms = now_ms + 4 * self._params.join_ms
        return [Report(name="no-snapshot", value=self._ledger.height)]

    def on_snapshot(self, peer: PeerName, message: SnapshotMessage, now_ms: int) -> list[Effect]:
        """A manifest came in.

        Raises:
            RuleViolation: CNS-29, CNS-30, CNS-03 to CNS-05 for headers that do not follow from what is known; LED-61.
        """
        join = self._join
        if join is None or join.peer != peer or join.snapshot is not None:
            return []
        genesis, header = self._ledger.genesis, message.header
        for turn in message.turns:
            check_turn(
                genesis,
                join.committee,
                turn.header,
                turn.certificate,
                known_height=join.known_height,
                successor=turn.committee,
                verify_signature=self._verify,
            )
            join.committee, join.known_height = turn.committee, turn.header.height
            join.turns.append(turn)
        if len(message.turns) == MAX_TURNS and header.committee_hash != join.committee.hash():
            return [_send(peer, GetSnapshot(known_height=join.known_height)), self._patience(now_ms)]
        check_certified(genesis, join.committee, header, message.certificate, self._verify)
        if header.height <= self._ledger.height:
            return self._next_peer(join, now_ms)
        manifest_is_the_headers(message.manifest, header)
        join.snapshot = message
        bits = message.manifest.bits
        join.missing = {
            number
            for number, summary in enumerate(message.manifest.summaries)
            if (bits, number, summary) not in self._chunks
        }
        join.wanted = sorted(join.missing, reverse=True)
        asks = [ask for _ in range(_WINDOW) for ask in self._ask_chunk(join)]
        return [*asks, self._patience(now_ms), *self._finish(join)]

    def _ask_chunk(self, join: _Join) -> list[Effect]:
        if join.snapshot is None or not join.wanted:
            return []
        height = join.snapshot.header.height
        return [_send(join.peer, GetChunk(height=height, number=join.wanted.pop()))]

    def on_chunk(self, peer: PeerName, message: ChunkMessage, now_ms: int) -> list[Effect]:
        """A chunk came in.

        Raises:
            RuleViolation: LED-62 for records that are not the manifest's.
        """
        join = self._join
        if join is None or join.peer != peer or join.snapshot is None:
            return []
        manifest, number = join.snapshot.manifest, message.number
        if message.height != join.snapshot.header.height or number not in join.missing:
            return []
        chunk_is_the_manifests(message.records, number, manifest)
        self._chunks[manifest.bits, number, manifest.summaries[number]] = message.records
        join.missing.discard(number)
        return [*self._ask_chunk(join), self._patience(now_ms), *self._finish(join)]

    def _finish(self, join: _Join) -> list[Effect]:
        """If all chunks are there, put the state together once, to see that it adds up.

        Raises:
            RuleViolation: LED-38, LED-60, LED-63, LED-20 for a state that a quorum signed and that cannot be one.
        """
        snapshot = join.snapshot
        if snapshot is None or join.missing:
            return []
        manifest, header = snapshot.manifest, snapshot.header
        records = tuple(
            record
            for number, summary in enumerate(manifest.summaries)
            for record in self._chunks[manifest.bits, number, summary]
        )
        state = restore(self._ledger.genesis, header, records)
        turns = list(join.turns)
        if header.next_committee_hash != header.committee_hash:
            turns.append(Turn(header=header, certificate=snapshot.certificate, committee=state.committee))
        base = Base(header, snapshot.certificate, manifest.frontier)
        self.joined = Joined(base=base, turns=tuple(turns), records=records)
        self._join = None
        return [Report(name="joined", value=header.height)]


def _send(peer: PeerName, message: Message) -> Send:
    return Send(peer=peer, message=encode_message(message))
