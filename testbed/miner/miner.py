"""The miner: an actor that joins mempool, consensus, ledger and followers.

    timer         meaning
    consensus/*   of the height under way (``consensus``)
    work          a block falls due: transactions have waited long enough, a gate closes, or the kept plan may clear
    relay, gossip what came in a moment ago is sent on to the other miners; what has waited too long again
    join          a part of a snapshot has not come in time (``sync``)
    rebuild       a snapshot is on disk: begin again from there
    heartbeat     tell one other miner where we stand, so that a chain without work is the same everywhere

An idle chain is quiet: a height begins when a miner knows of work. Every miner waits for the leader from then on, so
that a dead leader is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from light_client.messages.anchors import ForkMessage
from light_client.messages.chain import Blocks, CertifiedBlock, GetBlocks, NewBlock, Unavailable
from light_client.messages.codec import Message, decode_message, encode_message
from light_client.messages.consensus import Proposal, RoundStatus, Vote
from light_client.messages.snapshots import (
    ChunkMessage,
    GetChunk,
    GetHashes,
    GetSnapshot,
    HashesMessage,
    SnapshotMessage,
)
from light_client.messages.submission import SubmitTx
from light_client.rules.errors import LocalError, RuleViolation
from light_client.rules.ledger.block import body_from_bytes
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.transactions import ReadTransaction, decode_transaction
from light_client.session.actor import (
    Effect,
    Event,
    PeerName,
    Received,
    Report,
    Send,
    SetTimer,
    Started,
    Storage,
    TimerFired,
    Write,
)
from testbed.miner.agenda import Agenda
from testbed.miner.consensus import Broadcast, Consensus, Decided, Output, Step
from testbed.miner.intake import Intake
from testbed.miner.ledger import Joined, Ledger
from testbed.miner.memo import SignatureMemo, TransactionMemo
from testbed.miner.params import MinerParams
from testbed.miner.receipts import Receipts
from testbed.miner.schedule import next_block_ms
from testbed.miner.seat import Seat, check_proposal, check_vote
from testbed.miner.serving import Server
from testbed.miner.sync import TIMER as JOIN_TIMER
from testbed.miner.sync import Sync
from testbed.miner.wal import VoteLog
from testbed.miner.witness import Witness

_CONSENSUS = "consensus/"
_QUIET = "quiet"
_FOR_MINERS = (GetSnapshot, GetChunk, GetHashes)
"""Answered to other miners only: the answers are long."""
_FROM_SERVER = (Blocks, SnapshotMessage, ChunkMessage, HashesMessage, Unavailable)
_FROM_MINERS = (Proposal, Vote, RoundStatus, NewBlock, *_FROM_SERVER)


class Miner:
    """One registered miner: it votes while it sits in the committee, and follows while it does not."""

    def __init__(
        self,
        *,
        name: PeerName,
        genesis: Genesis,
        public_key: bytes,
        signer: Callable[[bytes], bytes],
        miners: tuple[PeerName, ...],
        storage: Storage,
        params: MinerParams | None = None,
        read: ReadTransaction = decode_transaction,
    ) -> None:
        """Build the miner on what is durable.

        Args:
            public_key: ours, in the committee or not.
            signer: signs a message with our key.
            miners: names of all miners, those that are not elected and ours included.
            read: how transactions are read; what they mean is judged here in any case.

        Raises:
            LocalError: our name is not among them.
            RuleViolation: a stored block or record breaks a rule.
        """
        if name not in miners:
            raise LocalError("the list of all miners lacks our name", got=name, expected=miners)
        self.name = name
        self._genesis = genesis
        self._public_key = public_key
        self._signer = signer
        self._storage = storage
        self._params = params or MinerParams()
        self._verify = SignatureMemo()
        self._read = read
        self._miners = frozenset(miners) - {name}
        self._others = tuple(peer for peer in miners if peer != name)
        self._effects: list[Effect] = []
        self._work_at_ms: int | None = None
        self._beats = 0
        self._build()

    def _build(self) -> None:
        """Begin with what is on disk: at the start, and once a snapshot is there."""
        storage, params = self._storage, self._params
        self._awaited: Write | None = None
        """Of a snapshot that is on its way to the disk; everything is built anew once it is there."""
        self._quiet = storage.get(_QUIET, b"") is not None
        memo = TransactionMemo(self._read)
        self.ledger = Ledger(self._genesis, storage, self._verify, params, memo)
        self._server = Server(self.ledger)
        self._sync = Sync(self.ledger, self._others, params, self._verify)
        self._seat = self._take_seat()
        self._witness = Witness(self.ledger, self._seat, storage)
        ledger, receipts, others = self.ledger, Receipts(storage), self._miners
        self._intake = Intake(ledger, self._witness, receipts, self._verify, params, miners=others, memo=memo)
        self._agenda = Agenda(self.ledger, self._intake.pool, self._intake.solutions, params.block_txs)
        self._consensus = Consensus(self._seat, self._agenda, VoteLog(self.ledger.height + 1).load(storage))
        self._early: dict[tuple[PeerName, int, int], Proposal | Vote] = {}

    def _take_seat(self) -> Seat:
        """Our place at the height under way."""
        committee = self.ledger.state.committee
        return Seat(
            chain_id=self.ledger.state.chain_id,
            committee=committee,
            public_key=self._public_key,
            number=None if self._quiet else committee.index_of(self._public_key),
            signer=self._signer,
            verify_signature=self._verify,
            timeouts=self._params.timeouts,
        )

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """React to one event."""
        if self._awaited is not None:
            if self._storage.get(self._awaited.table, self._awaited.key) != self._awaited.value:
                return [SetTimer(name="rebuild", at_ms=now_ms + 1)]  # drivers commit several calls together
            self._build()
        match event:
            case Received(peer=peer, message=raw):
                self._received(peer, raw, now_ms)
            case TimerFired(name=name):
                self._fired(name, now_ms)
            case Started():
                self._effects.append(Report(name="started", value=self.ledger.height))
                self._emit(self._consensus.resume(now_ms), now_ms)
                self._to_miners(self._consensus.status())
                self._emit(self._intake.hand_in_kept(now_ms), now_ms)
                self._set_timer("heartbeat", now_ms + self._params.heartbeat_ms)
        self._work(now_ms)
        if self._sync.joined is None:
            self._effects.extend(self.ledger.checkpoint())
        elif self._awaited is None:
            self._join(self._sync.joined, now_ms)
        effects, self._effects = self._effects, []
        return effects

    # -- events ----------------------------------------------------------------------------------------------------

    def _received(self, peer: PeerName, raw: bytes, now_ms: int) -> None:
        try:
            message = decode_message(raw)
        except RuleViolation as broken:
            self._effects.append(Report(name="refused", value=(peer, str(broken))))
            if self._sync.expects(peer):
                self._effects.extend(self._sync.fault(peer, broken, now_ms))
            return
        try:
            if isinstance(message, SubmitTx | ForkMessage):
                self._emit(self._intake.handed_in(message, peer, now_ms), now_ms)
            elif peer in self._miners and isinstance(message, _FROM_MINERS):
                self._heard(message, peer, now_ms)
            elif peer in self._miners or not isinstance(message, _FOR_MINERS):
                answer = self._server.answer(message, peer, now_ms)
                if answer is not None:
                    self._send(peer, answer)
        except RuleViolation as broken:
            self._effects.append(Report(name="refused", value=(peer, str(broken))))

    def _heard(self, message: Message, peer: PeerName, now_ms: int) -> None:
        """Something that only miners tell each other."""
        match message:
            case Proposal() | Vote():
                self._agree(message, peer, now_ms)
            case RoundStatus():
                self._caught_up(message, peer, now_ms)
            case NewBlock():
                self._announced(message, peer, now_ms)
            case Blocks():
                self._synced(message, peer, now_ms)
            case SnapshotMessage() | ChunkMessage() | HashesMessage() | Unavailable():
                self._effects.extend(self._sync.take(peer, message, now_ms))

    def _fired(self, name: str, now_ms: int) -> None:
        if name.startswith(_CONSENSUS):
            self._emit(self._consensus.on_timeout(name.removeprefix(_CONSENSUS), now_ms), now_ms)
        elif name == "work":
            self._work_at_ms = None
        elif name in Intake.TIMERS:
            self._emit(self._intake.woken(name, now_ms), now_ms)
        elif name == JOIN_TIMER:
            self._effects.extend(self._sync.woken(now_ms))
        elif name == "heartbeat":
            if self._others:
                self._send(self._others[self._beats % len(self._others)], self._consensus.status())
                self._beats += 1
            self._effects.extend(self._sync.beat())
            self._set_timer("heartbeat", now_ms + self._params.heartbeat_ms)

    # -- agreement -------------------------------------------------------------------------------------------------

    def _agree(self, message: Proposal | Vote, peer: PeerName, now_ms: int) -> None:
        ahead = message.height - self._consensus.height
        if ahead == 0:
            self._take_part(message, now_ms)
        elif ahead == 1:
            self._keep_early(message, peer)
        elif ahead > 1:
            self._effects.extend(self._sync.behind(peer, message.height - 1, now_ms))
        elif isinstance(message, Vote):
            check_vote(message, replace(self._seat, committee=self.ledger.committee_at(message.height)))
            self._emit(self._intake.accuse(self._witness.in_vote(message), now_ms), now_ms)

    def _take_part(self, message: Proposal | Vote, now_ms: int) -> None:
        if isinstance(message, Vote):
            self._emit(self._consensus.on_vote(message, now_ms), now_ms)
            self._emit(self._intake.accuse(self._witness.in_vote(message), now_ms), now_ms)
            return
        self._emit(self._consensus.on_proposal(message, now_ms), now_ms)
        block = self._consensus.block(message.header.hash())
        if block is not None and not self.ledger.is_valid(block):
            self._emit(self._intake.accuse(self._witness.in_proposal(message), now_ms), now_ms)

    def _keep_early(self, message: Proposal | Vote, peer: PeerName) -> None:
        """Keep the latest of each kind and seat for the next height, which others have reached before us.

        At the end of an epoch the next committee is not known yet: the latest of each kind and seat from each peer is
        kept then, and checked once it is.
        """
        if isinstance(message, Proposal):
            leader = self._seat.committee.leader(message.height, message.round_)
            check, place = partial(check_proposal, message), (leader, 0)
        else:
            check, place = partial(check_vote, message), (message.seat, int(message.kind))
        last_of_epoch = self._genesis.epochs.ends_at(self._consensus.height)
        if not last_of_epoch:
            check(self._seat)
        self._early[peer if last_of_epoch else "", *place] = message

    def _emit(self, outputs: Iterable[Output], now_ms: int) -> None:
        """Turn what consensus says into effects."""
        for output in outputs:
            if isinstance(output, Broadcast):
                self._to_miners(output.message)
            elif isinstance(output, Decided):
                block = CertifiedBlock(
                    header=output.block.header, certificate=output.certificate, body=output.block.body
                )
                self._speak_again()
                self._adopt(block, now_ms)
            else:
                self._effects.append(output)
                if isinstance(output, Report):
                    self._emit(self._intake.accuse(self._witness.between(output.value), now_ms), now_ms)

    def _adopt(self, block: CertifiedBlock, now_ms: int) -> None:
        """Make a decided block the tip, and turn to the next height."""
        outcome, writes = self.ledger.adopt(block)
        self._effects.extend(writes)
        self._effects.extend(self._consensus.forget_log())
        self._effects.append(Report(name="block", value=block.header))
        self._effects.append(Report(name="events", value=outcome.events))
        self._effects.extend(self._server.announce(block, now_ms))
        body = body_from_bytes(block.body, self.ledger.genesis.chain)
        self._emit(self._intake.renew(body, outcome.draft.accounts.keys(), now_ms), now_ms)
        self._seat = self._take_seat()
        self._witness.sit(self._seat)
        self._consensus = Consensus(self._seat, self._agenda, VoteLog(self.ledger.height + 1))
        early, self._early = self._early, {}
        for (peer, _, _), message in early.items():
            try:
                self._agree(message, peer, now_ms)
            except RuleViolation as broken:
                self._effects.append(Report(name="refused", value=(peer, str(broken))))

    # -- catching up -----------------------------------------------------------------------------------------------

    def _caught_up(self, status: RoundStatus, peer: PeerName, now_ms: int) -> None:
        if status.height == self._consensus.height:
            for message in self._consensus.answer(status):
                self._send(peer, message)
        elif status.height > self._consensus.height:
            self._effects.extend(self._sync.behind(peer, status.height - 1, now_ms))
        else:
            newest = self._server.newest()
            if newest is not None:
                self._send(peer, newest)

    def _announced(self, message: NewBlock, peer: PeerName, now_ms: int) -> None:
        """Others have decided: take the block if it is at hand, else ask for it."""
        header = message.header
        self._compare(message, peer, now_ms)
        seen = self._consensus.block(header.hash()) if header.height == self._consensus.height else None
        if seen is not None and self.ledger.is_valid(seen):
            self._adopt(
                CertifiedBlock(header=header, certificate=message.certificate, body=seen.body), now_ms
            )
        elif header.height >= self._consensus.height:
            self._effects.extend(self._sync.behind(peer, header.height, now_ms))

    def _synced(self, message: Blocks, peer: PeerName, now_ms: int) -> None:
        """Take in blocks that a quorum signed, each judged like a proposal."""
        before = self.ledger.height
        for block in message.blocks:
            announced = NewBlock(header=block.header, certificate=block.certificate)
            if block.header.height < self._consensus.height:
                self._compare(announced, peer, now_ms)
            elif block.header.height == self._consensus.height:
                if block.header.previous_hash != self.ledger.state.head:
                    self._look_back(announced, peer)
                self._adopt(block, now_ms)
        if self.ledger.height > before:
            self._effects.extend(self._sync.behind(peer, self.ledger.height + 1, now_ms))

    def _compare(self, message: NewBlock, peer: PeerName, now_ms: int) -> None:
        """Hold what others have decided against our own chain: two certificates for one height are a fork."""
        fork = self._witness.in_announcement(message)
        if fork is not None:
            self._effects.append(Report(name="fork", value=(fork[0], message)))
            self._emit(self._intake.accuse(fork[1], now_ms), now_ms)
            if fork[0].header.previous_hash != message.header.previous_hash:
                self._look_back(message, peer)

    def _look_back(self, message: NewBlock, peer: PeerName) -> None:
        """A block does not follow ours: ask for the one before it, until the two chains meet."""
        if message.header.height > 1:
            self._send(peer, GetBlocks(from_height=message.header.height - 1, limit=1))

    def _join(self, joined: Joined, now_ms: int) -> None:
        """Put a snapshot on disk; everything is built anew from there at the next call.

        A miner without any memory may have lost it: what it signed at the height under way it does not know, so it
        stays quiet until that height is decided.
        """
        self._effects.extend(self._consensus.forget_log())
        if not self.ledger.height:
            self._effects.append(Write(table=_QUIET, key=b"", value=b"\x01"))
        writes = self.ledger.join(joined)
        self._effects.extend(writes)
        self._awaited = writes[-1]
        self._set_timer("rebuild", now_ms)

    def _speak_again(self) -> None:
        """A height was decided before our eyes: nothing signed in another life can matter any more."""
        if self._quiet:
            self._quiet = False
            self._effects.append(Write(table=_QUIET, key=b"", value=None))

    # -- work ------------------------------------------------------------------------------------------------------

    def _work(self, now_ms: int) -> None:
        """Begin the next height if it is time, or see to it that we wake then."""
        height = -1
        while self._consensus.step == Step.WAITING and height != self._consensus.height:
            height = self._consensus.height
            self._emit(self._intake.close_gate(now_ms), now_ms)
            due_ms = next_block_ms(self.ledger, self._intake.pool, self._intake.solutions, self._params)
            if due_ms <= now_ms:
                self._emit(self._consensus.begin(now_ms), now_ms)
            elif due_ms != self._work_at_ms:
                self._work_at_ms = due_ms
                self._set_timer("work", due_ms)

    # -- sending ---------------------------------------------------------------------------------------------------

    def _send(self, peer: PeerName, message: Message) -> None:
        self._effects.append(Send(peer=peer, message=encode_message(message)))

    def _to_miners(self, message: Message) -> None:
        raw = encode_message(message)
        self._effects.extend(Send(peer=peer, message=raw) for peer in self._others)

    def _set_timer(self, name: str, at_ms: int) -> None:
        self._effects.append(SetTimer(name=name, at_ms=at_ms))
