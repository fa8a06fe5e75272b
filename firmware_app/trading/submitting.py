"""Transactions that are on their way to a miner, and whose they are.

Each address speaks over a channel of its own, so that no miner learns from a connection which of them belong together.
"""

from __future__ import annotations

from firmware_app.trading.orders import Order
from light_client.client.client import LightClient
from light_client.messages.codec import encode_message
from light_client.messages.submission import SubmitTx
from light_client.rules.ledger.transactions import SignedTransaction
from light_client.session.actor import Send
from light_client.session.channels import channel_of


class Submissions:
    """What was sent to the server that is followed, and not answered yet."""

    def __init__(self, client: LightClient) -> None:
        self._client = client
        self._unconfirmed: dict[bytes, Order] = {}

    def submit(self, order: Order, signed: SignedTransaction) -> Send:
        """Send an order's transaction; sending the same again is harmless."""
        self._unconfirmed[signed.tx_id()] = order
        return self.send(order, signed)

    def send(self, order: Order, signed: SignedTransaction) -> Send:
        """Send an order's transaction without following up what becomes of it."""
        peer = channel_of(self._client.server, order.key.address)
        return Send(peer=peer, message=encode_message(SubmitTx(raw=signed.raw)))

    def taken(self, tx_id: bytes) -> Order | None:
        """A miner has taken a transaction; returns whose it is."""
        return self._unconfirmed.pop(tx_id, None)

    def owner(self, tx_id: bytes) -> Order | None:
        """Whose transaction it is that no miner has taken yet."""
        return self._unconfirmed.get(tx_id)
