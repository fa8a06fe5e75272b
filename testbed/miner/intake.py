"""What comes in to be put into blocks: transactions, solutions and evidence, taken in once and passed on."""

from __future__ import annotations

from collections.abc import Iterable

from light_client.messages.codec import encode_message
from light_client.messages.submission import SubmitTx, TxResult
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.committee import Verify
from light_client.rules.ledger.evidence import Evidence
from light_client.rules.ledger.transactions import SignedTransaction, SubmitSolution, decode_transaction
from light_client.session.actor import PeerName, Report, Send, SetTimer
from testbed.miner.clearing import Solutions
from testbed.miner.consensus import Broadcast, Output
from testbed.miner.ledger import Ledger
from testbed.miner.mempool import Mempool, tx_id_of
from testbed.miner.params import MinerParams
from testbed.miner.receipts import Receipts
from testbed.miner.witness import Witness

TIMER = "gossip"
_GOSSIP_LIMIT = 64


class Intake:
    """Pool, solutions and pending evidence of one miner."""

    def __init__(
        self,
        ledger: Ledger,
        witness: Witness,
        receipts: Receipts,
        verify_signature: Verify,
        params: MinerParams,
        miners: frozenset[PeerName],
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
        self.pool = Mempool(ledger.state, verify_signature, params.pool)
        self.solutions = Solutions(ledger, verify_signature)
        self._gossiping = False
        self._resend_ms = params.resend_ms

    def submitted(self, raw: bytes, peer: PeerName, now_ms: int) -> list[Output]:
        """Take in a transaction; tell the submitter, and the other miners if it came from outside.

        Raises:
            RuleViolation: what another miner passed on is refused.
        """
        tx_id = tx_id_of(raw)
        outside = peer not in self._miners
        fresh = not self.pool.knows(tx_id) and not self.solutions.knows(raw)
        out: list[Output] = []
        try:
            if fresh:
                out += self._admit(raw, tx_id, now_ms)
        except RuleViolation as broken:
            if not outside:
                raise
            refusal = TxResult.refused(tx_id, broken)
            return [Send(peer=peer, message=encode_message(refusal))]
        if outside:
            if self.pool.waits(tx_id):
                out += self._receipts.keep(tx_id, raw)
            out.append(Send(peer=peer, message=encode_message(TxResult(tx_id=tx_id, accepted=True))))
            if fresh:
                out.append(Broadcast(message=SubmitTx(raw=raw)))
        return [*out, *(self._gossip_later(now_ms) if fresh else ())]

    def _admit(self, raw: bytes, tx_id: bytes, now_ms: int) -> list[Output]:
        limits = self._ledger.genesis.chain
        signed = decode_transaction(raw, max_bytes=limits.max_block_bytes)
        if isinstance(signed.transaction, SubmitSolution):
            best = self.solutions.submit(signed)
            interval = signed.transaction.solution.plan.first_interval
            return [Report(name="solution", value=interval)] if best else []
        if len(raw) > limits.max_tx_bytes:
            raise RuleViolation(
                "LED-02", "length of a transaction", got=len(raw), expected=limits.max_tx_bytes
            )
        self.pool.admit(signed, tx_id, now_ms)
        return []

    def _gossip_later(self, now_ms: int) -> list[Output]:
        if self._gossiping:
            return []
        self._gossiping, self._resend_ms = True, self._params.resend_ms
        return [SetTimer(name=TIMER, at_ms=now_ms + self._params.batch_ms + self._params.resend_ms)]

    def gossip(self, now_ms: int) -> list[Output]:
        """Send again what should be in a block by now: it may never have reached the leaders."""
        late_ms = now_ms - self._params.batch_ms - self._params.resend_ms + 1
        waiting = self.pool.waiting_since(late_ms, _GOSSIP_LIMIT)
        if self.solutions.best:
            waiting.append(self.solutions.best)
        out: list[Output] = [Broadcast(message=SubmitTx(raw=raw)) for raw in waiting]
        self._gossiping = bool(waiting) or self.pool.oldest_ms is not None
        if self._gossiping:
            out.append(SetTimer(name=TIMER, at_ms=now_ms + self._resend_ms))
            self._resend_ms = min(2 * self._resend_ms, self._params.patience * self._params.resend_ms)
        return out

    def renew(self, executed: list[bytes], now_ms: int) -> list[Output]:
        """A block was adopted: drop what is done or has become invalid, and hand in what waited for it.

        Args:
            executed: identities of the transactions of the block.
        """
        out = self._give_up(self.pool.renew(executed, now_ms))
        out += [*self._witness.renew(), *self.hand_in_kept(now_ms)]
        for _, broken in self.solutions.renew():
            out.append(Report(name="early solution", value=None if broken is None else str(broken)))
        return out

    def close_gate(self, now_ms: int) -> list[Output]:
        """From the gate time on, take only what can follow the block that closes the gate."""
        return self._give_up(self.pool.close_gate(now_ms))

    def _give_up(self, dropped: Iterable[tuple[SignedTransaction, str]]) -> list[Output]:
        """Say what has become invalid while it waited; nothing is owed any more for that."""
        reports = [Report(name="dropped", value=(signed.tx_id(), rule)) for signed, rule in dropped]
        return [*reports, *self._receipts.settle(self.pool)]

    # -- evidence --------------------------------------------------------------------------------------------------

    def accuse(self, found: Iterable[Evidence], now_ms: int) -> list[Output]:
        """Keep evidence, and hand it in."""
        out: list[Output] = []
        for evidence in found:
            kept = self._witness.report(evidence)
            if kept is not None:
                out += [kept, Report(name="evidence", value=evidence), *self.hand_in_kept(now_ms)]
        return out

    def hand_in_kept(self, now_ms: int) -> list[Output]:
        """Put what is on disk and in no block yet into the pool, and send it to the other miners."""
        out: list[Output] = []
        for tx_id, raw in (*self._witness.pending(), *self._receipts.owed()):
            if self.pool.knows(tx_id):
                continue
            try:
                out += self._admit(raw, tx_id, now_ms)
            except RuleViolation as early:
                out.append(Report(name="kept-waits", value=(tx_id, early.rule)))
                continue
            out += [Broadcast(message=SubmitTx(raw=raw)), *self._gossip_later(now_ms)]
        return out
