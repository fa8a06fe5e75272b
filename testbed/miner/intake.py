"""What comes in to be put into blocks: transactions, solutions and evidence, taken in once and passed on."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from light_client.messages.anchors import ForkMessage
from light_client.messages.codec import encode_message
from light_client.messages.submission import MAX_RETRY_MS, SubmitTx, TxResult
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import Body
from light_client.rules.ledger.committee import Verify
from light_client.rules.ledger.evidence import Evidence
from light_client.rules.ledger.transactions import SubmitSolution
from light_client.rules.units import Address
from light_client.session.actor import PeerName, Report, Send, SetTimer, Write
from testbed.miner.clearing import Solutions
from testbed.miner.consensus import Broadcast, Output
from testbed.miner.ledger import Ledger
from testbed.miner.memo import TransactionMemo
from testbed.miner.mempool import Dropped, Mempool, tx_id_of
from testbed.miner.params import MinerParams
from testbed.miner.receipts import Receipts
from testbed.miner.relay import TIMER as RELAY_TIMER
from testbed.miner.relay import Relay, together
from testbed.miner.standing import Standings
from testbed.miner.witness import Witness

_GOSSIP = "gossip"
_GOSSIP_LIMIT = 256
_MATTERS_OF_TIME = ("POOL-01", "POOL-02", "POOL-03", "POOL-05")


def _answer(peer: PeerName, result: TxResult) -> Send:
    return Send(peer=peer, message=encode_message(result))


class Intake:
    """Pool, solutions and pending evidence of one miner."""

    TIMERS: Final = (_GOSSIP, RELAY_TIMER)

    def __init__(
        self,
        ledger: Ledger,
        witness: Witness,
        receipts: Receipts,
        verify_signature: Verify,
        params: MinerParams,
        *,
        miners: frozenset[PeerName],
        memo: TransactionMemo,
    ) -> None:
        """Begin empty.

        Args:
            miners: the other ones: what they send is not answered, and not passed on to them.
        """
        self._ledger = ledger
        self._witness = witness
        self._receipts = receipts
        self._params = params
        self._miners = miners
        self._read = memo
        self.pool = Mempool(ledger.state, verify_signature, params.pool, memo)
        self.solutions = Solutions(ledger, verify_signature)
        self._gossiping = False
        self._resend_ms = params.resend_ms
        self._relay = Relay()
        self._standings = Standings(params.pool)

    def handed_in(self, message: SubmitTx | ForkMessage, peer: PeerName, now_ms: int) -> list[Output]:
        """Take in what is to get into a block: transactions, or the fork that a meter has found."""
        if isinstance(message, SubmitTx):
            return self.submitted(message, peer, now_ms)
        return self._told_of_fork(message, peer, now_ms)

    def submitted(self, message: SubmitTx, peer: PeerName, now_ms: int) -> list[Output]:
        """Take in transactions; tell the submitter, and the other miners if they came from outside."""
        out: list[Output] = []
        for raw in message.all:
            out += (
                self._from_miner(raw, peer, now_ms)
                if peer in self._miners
                else self._from_outside(raw, peer, now_ms)
            )
        return out

    def _from_miner(self, raw: bytes, peer: PeerName, now_ms: int) -> list[Output]:
        """Take in what another miner passed on: it is not answered, and not passed on to them."""
        tx_id = tx_id_of(raw)
        if self._knows(raw, tx_id):
            return []
        try:
            return [*self._admit(raw, tx_id, now_ms), *self._gossip_later(now_ms)]
        except RuleViolation as broken:
            return [Report(name="refused", value=(peer, str(broken)))]

    def _from_outside(self, raw: bytes, peer: PeerName, now_ms: int) -> list[Output]:
        """Take in what a client hands in, unless it hands in too much that is refused; answer in any case."""
        tx_id = tx_id_of(raw)
        pause_ms = self._standings.pause_ms(peer, now_ms)
        if pause_ms:
            broken = RuleViolation("POOL-04", "refused transactions of this connection", got="too many")
            return [_answer(peer, TxResult.refused(tx_id, broken, min(pause_ms, MAX_RETRY_MS)))]
        if self._knows(raw, tx_id):
            return [*self._keep(tx_id, raw), _answer(peer, TxResult(tx_id=tx_id, accepted=True))]
        try:
            out = self._admit(raw, tx_id, now_ms, peer)
        except RuleViolation as broken:
            return [_answer(peer, self._refusal(broken, tx_id, peer, now_ms))]
        out += self._keep(tx_id, raw)
        waits = not self._relay.empty
        self._relay.add(raw, tx_id, peer)
        if not self._params.relay_ms or self._relay.due or raw == self.solutions.best:
            out += self.relay()
        elif not waits:
            out.append(SetTimer(name=RELAY_TIMER, at_ms=now_ms + self._params.relay_ms))
        return [*out, *self._gossip_later(now_ms)]

    def _refusal(self, broken: RuleViolation, tx_id: bytes, peer: PeerName, now_ms: int) -> TxResult:
        """What is answered: with a pause where it is a matter of time, and else with a point against the submitter."""
        if broken.rule in _MATTERS_OF_TIME:
            return TxResult.refused(tx_id, broken, max(1, min(self._params.batch_ms, MAX_RETRY_MS)))
        self._standings.refused(peer, now_ms)
        return TxResult.refused(tx_id, broken)

    def relay(self) -> list[Output]:
        """Send on what came in from outside, and say so."""
        batches, answers = self._relay.flush()
        return [*(Broadcast(message=batch) for batch in batches), *answers]

    def _keep(self, tx_id: bytes, raw: bytes) -> list[Write]:
        """Make the answer good that is about to leave."""
        return self._receipts.keep(tx_id, raw) if self.pool.waits(tx_id) else []

    def _knows(self, raw: bytes, tx_id: bytes) -> bool:
        return self.pool.knows(tx_id) or self.solutions.knows(raw)

    def _admit(self, raw: bytes, tx_id: bytes, now_ms: int, peer: PeerName = "") -> list[Output]:
        limits = self._ledger.genesis.chain
        signed = self._read(raw, max_bytes=limits.max_block_bytes)
        if isinstance(signed.transaction, SubmitSolution):
            best = self.solutions.submit(signed)
            interval = signed.transaction.solution.plan.first_interval
            return [Report(name="solution", value=interval)] if best else []
        if len(raw) > limits.max_tx_bytes:
            raise RuleViolation(
                "LED-02", "length of a transaction", got=len(raw), expected=limits.max_tx_bytes
            )
        return self._give_up(self.pool.admit(signed, tx_id, now_ms, peer))

    def _gossip_later(self, now_ms: int) -> list[Output]:
        if self._gossiping:
            return []
        self._gossiping, self._resend_ms = True, self._params.resend_ms
        return [SetTimer(name=_GOSSIP, at_ms=now_ms + self._params.batch_ms + self._params.resend_ms)]

    def woken(self, timer: str, now_ms: int) -> list[Output]:
        """One of our timers ran out."""
        return self.relay() if timer == RELAY_TIMER else self.gossip(now_ms)

    def gossip(self, now_ms: int) -> list[Output]:
        """Send again what should be in a block by now: it may never have reached the leaders."""
        late_ms = now_ms - self._params.batch_ms - self._params.resend_ms + 1
        waiting = self.pool.waiting_since(late_ms, _GOSSIP_LIMIT)
        if self.solutions.best:
            waiting.append(self.solutions.best)
        out: list[Output] = [Broadcast(message=batch) for batch in together(waiting)]
        self._gossiping = bool(waiting) or self.pool.oldest_ms is not None
        if self._gossiping:
            out.append(SetTimer(name=_GOSSIP, at_ms=now_ms + self._resend_ms))
            self._resend_ms = min(2 * self._resend_ms, self._params.patience * self._params.resend_ms)
        return out

    def renew(self, body: Body, touched: Collection[Address], now_ms: int) -> list[Output]:
        """A block was adopted: drop what is done or has become invalid, and hand in what waited for it.

        Args:
            body: of the block.
            touched: the accounts that it changed.
        """
        executed = [tx_id_of(raw) for raw in body.transactions]
        out = self._give_up(self.pool.renew(executed, now_ms, touched))
        out += [*self._receipts.settle(executed), *self._witness.renew(), *self.hand_in_kept(now_ms)]
        for _, broken in self.solutions.renew():
            out.append(Report(name="early solution", value=None if broken is None else str(broken)))
        return out

    def close_gate(self, now_ms: int) -> list[Output]:
        """From the gate time on, take only what can follow the block that closes the gate."""
        return self._give_up(self.pool.close_gate(now_ms))

    def _give_up(self, dropped: Iterable[Dropped]) -> list[Output]:
        """Say what waits no longer, and why; nothing is owed any more for that."""
        return [effect for signed, rule in dropped for effect in self._released(signed.tx_id(), rule)]

    def _released(self, tx_id: bytes, rule: str) -> list[Output]:
        self._relay.refuse(tx_id, rule)
        return [Report(name="dropped", value=(tx_id, rule)), *self._receipts.settle([tx_id])]

    # -- evidence --------------------------------------------------------------------------------------------------

    def accuse(self, found: Iterable[Evidence], now_ms: int) -> list[Output]:
        """Keep evidence, and hand it in."""
        out: list[Output] = []
        for evidence in found:
            kept = self._witness.report(evidence)
            if kept is not None:
                out += [kept, Report(name="evidence", value=evidence), *self.hand_in_kept(now_ms)]
        return out

    def _told_of_fork(self, message: ForkMessage, peer: PeerName, now_ms: int) -> list[Output]:
        """Accuse whom a fork convicts. One that does not hold costs its sender a point, like any other rubbish."""
        if self._standings.pause_ms(peer, now_ms):
            return []
        try:
            found = self._witness.in_fork(message.fork)
        except RuleViolation as broken:
            self._standings.refused(peer, now_ms)
            return [Report(name="refused", value=(peer, str(broken)))]
        return self.accuse(found, now_ms)

    def hand_in_kept(self, now_ms: int) -> list[Output]:
        """Put what is on disk and in no block yet into the pool, and send it to the other miners."""
        out: list[Output] = []
        taken: list[bytes] = []
        for tx_id, raw in (*self._witness.pending(), *self._receipts.owed()):
            if self.pool.knows(tx_id):
                continue
            try:
                out += self._admit(raw, tx_id, now_ms)
            except RuleViolation as broken:
                if broken.rule in _MATTERS_OF_TIME or not self._receipts.owes(tx_id):
                    out.append(Report(name="kept-waits", value=(tx_id, broken.rule)))
                else:
                    out += self._released(tx_id, broken.rule)
                continue
            taken.append(raw)
        if taken:
            out += [*(Broadcast(message=batch) for batch in together(taken)), *self._gossip_later(now_ms)]
        return out
