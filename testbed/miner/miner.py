"""The miner: an actor that joins mempool, consensus, ledger and followers.

    timer         meaning
    consensus/*   of the height under way (``consensus``)
    work          a block falls due: transactions have waited long enough, a gate closes, or the kept plan may clear
    gossip        what has waited too long is sent to the other miners again
    heartbeat     tell one other miner where we stand, so that a chain without work is the same everywhere

An idle chain is quiet: a height begins when a miner knows of work. Every miner waits for the leader from then on, so
that a dead leader is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from light_client.messages.chain import Blocks, CertifiedBlock, GetBlocks, NewBlock
from light_client.messages.codec import Message, decode_message, encode_message
from light_client.messages.consensus import Proposal, RoundStatus, Vote
from light_client.messages.submission import SubmitTx, TxResult
from light_client.rules.errors import LocalError, RuleViolation
from light_client.rules.ledger.block import body_from_bytes
from light_client.rules.ledger.evidence import Evidence
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.transactions import SignedTransaction, SubmitSolution, decode_transaction
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
)
from testbed.miner.agenda import Agenda
from testbed.miner.clearing import Solutions
from testbed.miner.consensus import Broadcast, Consensus, Decided, Output, Step
from testbed.miner.ledger import Ledger
from testbed.miner.memo import SignatureMemo
from testbed.miner.mempool import Mempool, tx_id_of
from testbed.miner.params import MinerParams
from testbed.miner.receipts import Receipts
from testbed.miner.schedule import next_block_ms
from testbed.miner.seat import Seat, check_proposal, check_vote
from testbed.miner.serving import Server
from testbed.miner.wal import VoteLog
from testbed.miner.witness import Witness

_CONSENSUS = "consensus/"
_SYNC_BLOCKS = 64
_GOSSIP_LIMIT = 64


class Miner:
    """One seat of the committee."""

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
    ) -> None:
        """Build the miner on what is durable.

        Args:
            public_key: of our seat in the committee.
            signer: signs a message with our key.
            miners: names of the committee's members in the order of their seats, ours included.

        Raises:
            LocalError: the key has no seat, or the names do not fit the committee.
            RuleViolation: a stored block breaks a rule.
        """
        number = genesis.committee.index_of(public_key)
        if number is None or len(miners) != len(genesis.committee.members) or miners[number] != name:
            raise LocalError("this key and name have no seat in the committee", got=name, expected=miners)
        self.name = name
        self._params = params or MinerParams()
        self._verify = SignatureMemo()
        self.ledger = Ledger(genesis, storage, self._verify)
        self._pool = Mempool(self.ledger.state, self._verify, self._params.pool)
        self._solutions = Solutions(self.ledger, self._verify)
        self._agenda = Agenda(self.ledger, self._pool, self._solutions)
        self._server = Server(self.ledger)
        self._miners = frozenset(miners) - {name}
        self._others = tuple(peer for peer in miners if peer != name)
        self._seat = Seat(
            chain_id=self.ledger.state.chain_id,
            committee=genesis.committee,
            number=number,
            signer=signer,
            verify_signature=self._verify,
            timeouts=self._params.timeouts,
        )
        self._witness = Witness(self.ledger, self._seat, storage)
        self._receipts = Receipts(storage)
        self._consensus = Consensus(self._seat, self._agenda, VoteLog(self.ledger.height + 1).load(storage))
        self._early: dict[tuple[int, int], Proposal | Vote] = {}
        self._effects: list[Effect] = []
        self._work_at_ms: int | None = None
        self._gossiping, self._resend_ms = False, self._params.resend_ms
        self._beats = 0
        self._asked: tuple[int, int] = (0, 0)

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """React to one event."""
        match event:
            case Received(peer=peer, message=raw):
                self._received(peer, raw, now_ms)
            case TimerFired(name=name):
                self._fired(name, now_ms)
            case Started():
                self._effects.append(Report(name="started", value=self.ledger.height))
                self._emit(self._consensus.resume(now_ms), now_ms)
                self._to_miners(self._consensus.status())
                self._hand_in_kept(now_ms)
                self._set_timer("heartbeat", now_ms + self._params.heartbeat_ms)
        self._work(now_ms)
        effects, self._effects = self._effects, []
        return effects

    # -- events ----------------------------------------------------------------------------------------------------

    def _received(self, peer: PeerName, raw: bytes, now_ms: int) -> None:
        try:
            message = decode_message(raw)
            if isinstance(message, SubmitTx):
                self._submitted(message.raw, peer, now_ms)
            elif peer in self._miners and isinstance(message, Proposal | Vote):
                self._agree(message, peer, now_ms)
            elif peer in self._miners and isinstance(message, RoundStatus):
                self._caught_up(message, peer, now_ms)
            elif peer in self._miners and isinstance(message, NewBlock):
                self._announced(message, peer, now_ms)
            elif peer in self._miners and isinstance(message, Blocks):
                self._synced(message, peer, now_ms)
            else:
                answer = self._server.answer(message, peer, now_ms)
                if answer is not None:
                    self._send(peer, answer)
        except RuleViolation as broken:
            self._effects.append(Report(name="refused", value=(peer, str(broken))))

    def _fired(self, name: str, now_ms: int) -> None:
        if name.startswith(_CONSENSUS):
            self._emit(self._consensus.on_timeout(name.removeprefix(_CONSENSUS), now_ms), now_ms)
        elif name == "work":
            self._work_at_ms = None
        elif name == "gossip":
            self._gossip(now_ms)
        elif name == "heartbeat":
            if self._others:
                self._send(self._others[self._beats % len(self._others)], self._consensus.status())
                self._beats += 1
            self._set_timer("heartbeat", now_ms + self._params.heartbeat_ms)

    # -- transactions and solutions ------------------------------------------------------------------------------------

    def _submitted(self, raw: bytes, peer: PeerName, now_ms: int) -> None:
        """Take in a transaction; tell the submitter, and the other miners if it came from outside."""
        tx_id = tx_id_of(raw)
        outside = peer not in self._miners
        fresh = not self._pool.knows(tx_id) and not self._solutions.knows(raw)
        try:
            if fresh:
                self._admit(raw, tx_id, now_ms)
        except RuleViolation as broken:
            if not outside:
                raise
            self._send(peer, TxResult.refused(tx_id, broken))
            return
        if outside:
            if self._pool.waits(tx_id):
                self._effects.extend(self._receipts.keep(tx_id, raw))
            self._send(peer, TxResult(tx_id=tx_id, accepted=True))
        if fresh:
            if outside:
                self._to_miners(SubmitTx(raw=raw))
            self._gossip_later(now_ms)

    def _admit(self, raw: bytes, tx_id: bytes, now_ms: int) -> None:
        limits = self.ledger.genesis.chain
        signed = decode_transaction(raw, max_bytes=limits.max_block_bytes)
        if isinstance(signed.transaction, SubmitSolution):
            if self._solutions.submit(signed):
                interval = signed.transaction.solution.plan.first_interval
                self._effects.append(Report(name="solution", value=interval))
            return
        if len(raw) > limits.max_tx_bytes:
            raise RuleViolation(
                "LED-02", "length of a transaction", got=len(raw), expected=limits.max_tx_bytes
            )
        self._pool.admit(signed, tx_id, now_ms)

    def _gossip_later(self, now_ms: int) -> None:
        if not self._gossiping:
            self._gossiping, self._resend_ms = True, self._params.resend_ms
            self._set_timer("gossip", now_ms + self._params.batch_ms + self._params.resend_ms)

    def _gossip(self, now_ms: int) -> None:
        """Send again what should be in a block by now: it may never have reached the leaders."""
        late_ms = now_ms - self._params.batch_ms - self._params.resend_ms + 1
        waiting = self._pool.waiting_since(late_ms, _GOSSIP_LIMIT)
        if self._solutions.best:
            waiting.append(self._solutions.best)
        for raw in waiting:
            self._to_miners(SubmitTx(raw=raw))
        self._gossiping = bool(waiting) or self._pool.oldest_ms is not None
        if self._gossiping:
            self._set_timer("gossip", now_ms + self._resend_ms)
            self._resend_ms = min(2 * self._resend_ms, self._params.patience * self._params.resend_ms)

    # -- agreement -------------------------------------------------------------------------------------------------

    def _agree(self, message: Proposal | Vote, peer: PeerName, now_ms: int) -> None:
        ahead = message.height - self._consensus.height
        if ahead == 0:
            self._take_part(message, now_ms)
        elif ahead == 1:
            self._keep_early(message)
        elif ahead > 1:
            self._ask_blocks(peer, now_ms)
        elif isinstance(message, Vote):
            check_vote(message, self._seat)
            self._accuse(self._witness.in_vote(message), now_ms)

    def _take_part(self, message: Proposal | Vote, now_ms: int) -> None:
        if isinstance(message, Vote):
            self._emit(self._consensus.on_vote(message, now_ms), now_ms)
            self._accuse(self._witness.in_vote(message), now_ms)
            return
        self._emit(self._consensus.on_proposal(message, now_ms), now_ms)
        block = self._consensus.block(message.header.hash())
        if block is not None and not self.ledger.is_valid(block):
            self._accuse(self._witness.in_proposal(message), now_ms)

    def _keep_early(self, message: Proposal | Vote) -> None:
        """Keep the latest of each kind and seat for the next height, which others have reached before us."""
        if isinstance(message, Proposal):
            check_proposal(message, self._seat)
            leader = self._seat.committee.leader(message.height, message.round_)
            self._early[leader, 0] = message
        else:
            check_vote(message, self._seat)
            self._early[message.seat, message.kind] = message

    def _emit(self, outputs: Iterable[Output], now_ms: int) -> None:
        """Turn what consensus says into effects."""
        for output in outputs:
            if isinstance(output, Broadcast):
                self._to_miners(output.message)
            elif isinstance(output, Decided):
                block = CertifiedBlock(
                    header=output.block.header, certificate=output.certificate, body=output.block.body
                )
                self._adopt(block, now_ms)
            else:
                self._effects.append(output)
                if isinstance(output, Report):
                    self._accuse(self._witness.between(output.value), now_ms)

    def _adopt(self, block: CertifiedBlock, now_ms: int) -> None:
        """Make a decided block the tip, and turn to the next height."""
        outcome, writes = self.ledger.adopt(block)
        self._effects.extend(writes)
        self._effects.extend(self._consensus.forget_log())
        self._effects.append(Report(name="block", value=block.header))
        self._effects.append(Report(name="events", value=outcome.events))
        self._effects.extend(self._server.announce(block, now_ms))
        body = body_from_bytes(block.body, self.ledger.genesis.chain)
        self._give_up(self._pool.renew([tx_id_of(raw) for raw in body.transactions], now_ms))
        self._effects.extend(self._witness.renew())
        self._hand_in_kept(now_ms)
        for _, broken in self._solutions.renew():
            self._effects.append(Report(name="early solution", value=None if broken is None else str(broken)))
        self._consensus = Consensus(self._seat, self._agenda, VoteLog(self.ledger.height + 1))
        early, self._early = self._early, {}
        for message in early.values():
            self._agree(message, self.name, now_ms)

    def _give_up(self, dropped: Iterable[tuple[SignedTransaction, str]]) -> None:
        """Say what has become invalid while it waited; nothing is owed any more for that."""
        self._effects.extend(Report(name="dropped", value=(signed.tx_id(), rule)) for signed, rule in dropped)
        self._effects.extend(self._receipts.settle(self._pool))

    def _accuse(self, found: Iterable[Evidence], now_ms: int) -> None:
        """Keep evidence, and hand it in."""
        for evidence in found:
            kept = self._witness.report(evidence)
            if kept is not None:
                self._effects += [kept, Report(name="evidence", value=evidence)]
                self._hand_in_kept(now_ms)

    def _hand_in_kept(self, now_ms: int) -> None:
        """Put what is on disk and in no block yet into the pool, and send it to the other miners."""
        for tx_id, raw in (*self._witness.pending(), *self._receipts.owed()):
            if self._pool.knows(tx_id):
                continue
            try:
                self._admit(raw, tx_id, now_ms)
            except RuleViolation as early:
                self._effects.append(Report(name="kept-waits", value=(tx_id, early.rule)))
            else:
                self._to_miners(SubmitTx(raw=raw))
                self._gossip_later(now_ms)

    # -- catching up -----------------------------------------------------------------------------------------------

    def _caught_up(self, status: RoundStatus, peer: PeerName, now_ms: int) -> None:
        if status.height == self._consensus.height:
            for message in self._consensus.answer(status):
                self._send(peer, message)
        elif status.height > self._consensus.height:
            self._ask_blocks(peer, now_ms)
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
            self._ask_blocks(peer, now_ms)

    def _ask_blocks(self, peer: PeerName, now_ms: int) -> None:
        height, again_ms = self._asked
        wanted = self._consensus.height
        if wanted == height and now_ms < again_ms:
            return
        self._asked = (wanted, now_ms + self._params.sync_retry_ms)
        self._send(peer, GetBlocks(from_height=wanted, limit=_SYNC_BLOCKS))

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
            self._ask_blocks(peer, now_ms)

    def _compare(self, message: NewBlock, peer: PeerName, now_ms: int) -> None:
        """Hold what others have decided against our own chain: two certificates for one height are a fork."""
        fork = self._witness.in_announcement(message)
        if fork is not None:
            self._effects.append(Report(name="fork", value=(fork[0], message)))
            self._accuse(fork[1], now_ms)
            if fork[0].header.previous_hash != message.header.previous_hash:
                self._look_back(message, peer)

    def _look_back(self, message: NewBlock, peer: PeerName) -> None:
        """A block does not follow ours: ask for the one before it, until the two chains meet."""
        if message.header.height > 1:
            self._send(peer, GetBlocks(from_height=message.header.height - 1, limit=1))

    # -- work ------------------------------------------------------------------------------------------------------

    def _work(self, now_ms: int) -> None:
        """Begin the next height if it is time, or see to it that we wake then."""
        height = -1
        while self._consensus.step == Step.WAITING and height != self._consensus.height:
            height = self._consensus.height
            self._give_up(self._pool.close_gate(now_ms))
            due_ms = next_block_ms(self.ledger, self._pool, self._solutions, self._params)
            if due_ms <= now_ms:
                self._emit(self._consensus.begin(now_ms), now_ms)
            elif due_ms != self._work_at_ms:
                self._work_at_ms = due_ms
                self._set_timer("work", due_ms)

    def _send(self, peer: PeerName, message: Message) -> None:
        self._effects.append(Send(peer=peer, message=encode_message(message)))

    def _to_miners(self, message: Message) -> None:
        raw = encode_message(message)
        self._effects.extend(Send(peer=peer, message=raw) for peer in self._others)

    def _set_timer(self, name: str, at_ms: int) -> None:
        self._effects.append(SetTimer(name=name, at_ms=at_ms))
