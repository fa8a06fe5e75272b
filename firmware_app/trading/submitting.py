"""Transactions that are on their way to a miner, and whose they are."""

from __future__ import annotations

from firmware_app.trading.orders import Order
from light_client.client.client import LightClient
from light_client.messages.codec import encode_message
from light_client.messages.submission import SubmitTx
from light_client.rules.ledger.transactions import SignedTransaction
from light_client.session.actor import Send


class Submissions:
    """What was sent to the server that is followed, and not answered yet."""

    def __init__(self, client: LightClient) -> None:
        self._client = client
        self._unconfirmed: dict[bytes, Order] = {}

    def submit(self, order: Order, signed: SignedTransaction) -> Send:
        """Send an order's transaction; sending the same again is harmless."""
        self._unconfirmed[signed.tx_id()] = order
        return self.send(signed)

    def send(self, signed: SignedTransaction) -> Send:
        """Send a transaction without following up what becomes of it."""
        return Send(peer=self._client.server, message=encode_message(SubmitTx(raw=signed.raw)))

    def taken(self, tx_id: bytes) -> Order | None:
        """A miner has taken a transaction; returns whose it is."""
        return self._unconfirmed.pop(tx_id, None)

    def owner(self, tx_id: bytes) -> Order | None:
        """Whose transaction it is that no miner has taken yet."""
        return self._unconfirmed.get(tx_id)
