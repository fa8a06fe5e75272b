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
        self._rows: list[tuple[bytes, bytes, PeerName]] = []
        self._bytes = 0

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._rows

    @property
    def due(self) -> bool:
        """Whether it is enough for a message."""
        return len(self._rows) >= _BATCH or self._bytes >= MAX_RAW_BYTES // 4

    def add(self, raw: bytes, tx_id: bytes, peer: PeerName) -> None:
        """Send a transaction on soon, and tell its submitter then."""
        self._rows.append((tx_id, raw, peer))
        self._bytes += len(raw)

    def flush(self) -> list[tuple[bytes, bytes, PeerName]]:
        """Take everything that waits: identity, transaction and submitter of each."""
        rows, self._rows, self._bytes = self._rows, [], 0
        return rows


def accepted(tx_id: bytes, peer: PeerName) -> Send:
    """The answer to the submitter of a transaction that was sent on."""
    return Send(peer=peer, message=encode_message(TxResult(tx_id=tx_id, accepted=True)))


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
