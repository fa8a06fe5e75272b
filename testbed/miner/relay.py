"""What came in from outside, on its way to the other miners: those of a moment travel in one message.

The submitter is told that a transaction was accepted by the call that sends it on, not before: an answer never speaks
of something that this miner alone has.
"""

from __future__ import annotations

from light_client.messages.codec import encode_message
from light_client.messages.submission import MAX_RAW_BYTES, MAX_TOGETHER, SubmitTx, TxResult
from light_client.session.actor import PeerName, Send

TIMER = "relay"
_BATCH = 256
"""Transactions that are sent on at once, however short they have waited."""


class Relay:
    """Transactions and answers that wait for the next message."""

    def __init__(self) -> None:
        self._raws: list[bytes] = []
        self._bytes = 0
        self._answers: list[tuple[PeerName, bytes]] = []
        self._refused: dict[bytes, str] = {}

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._raws

    @property
    def due(self) -> bool:
        """Whether it is enough for a message."""
        return len(self._raws) >= _BATCH or self._bytes >= MAX_RAW_BYTES // 4

    def add(self, raw: bytes, tx_id: bytes, peer: PeerName) -> None:
        """Send a transaction on soon, and tell its submitter then."""
        self._raws.append(raw)
        self._bytes += len(raw)
        self._answers.append((peer, tx_id))

    def refuse(self, tx_id: bytes, rule: str) -> None:
        """A transaction became invalid before its answer left."""
        if any(waiting == tx_id for _, waiting in self._answers):
            self._refused[tx_id] = rule

    def flush(self) -> tuple[list[SubmitTx], list[Send]]:
        """Everything that waits: for the other miners, and for the submitters."""
        answers = [
            Send(peer=peer, message=encode_message(self._result(tx_id))) for peer, tx_id in self._answers
        ]
        batches = together(self._raws)
        self._raws, self._bytes, self._answers, self._refused = [], 0, [], {}
        return batches, answers

    def _result(self, tx_id: bytes) -> TxResult:
        rule = self._refused.get(tx_id)
        if rule is None:
            return TxResult(tx_id=tx_id, accepted=True)
        return TxResult(tx_id=tx_id, accepted=False, rule=rule, reason="it became invalid at once")


def together(raws: list[bytes]) -> list[SubmitTx]:
    """Transactions in as few messages as their limits allow."""
    batches: list[SubmitTx] = []
    batch: list[bytes] = []
    size = 0
    for raw in raws:
        if batch and (len(batch) == MAX_TOGETHER or size + len(raw) + 5 > MAX_RAW_BYTES):
            batches.append(SubmitTx(raw=batch[0], more=tuple(batch[1:])))
            batch, size = [], 0
        batch.append(raw)
        size += len(raw) + 5
    if batch:
        batches.append(SubmitTx(raw=batch[0], more=tuple(batch[1:])))
    return batches
