"""Asking the DSO to grant assets to the home's addresses, a batch at a time, again until it answers.

After a restart the requests for what is not granted go out once more; the DSO answers them as it did before. A request
of which every order is too late is not repeated: after a day without the DSO it would grant a day of assets for nought.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from firmware_app.identity.identity import Identity
from firmware_app.trading.order_book import OrderBook
from firmware_app.trading.orders import Order, Stage
from light_client.messages.codec import encode_message
from light_client.messages.registry import WithdrawEntry, WithdrawReply, WithdrawRequest, sign_withdraw
from light_client.session.actor import Effect, PeerName, Report, Send, SetTimer

TIMER: Final = "withdraw"
ASK_BATCH: Final = 200
"""Most addresses in one request."""


class Withdrawing:
    """Requests that the DSO has not answered yet, by their number."""

    def __init__(
        self,
        name: PeerName,
        chain_id: bytes,
        *,
        identity: Identity,
        operator: PeerName,
        book: OrderBook,
        resend_ms: int,
    ) -> None:
        """Ask again for what an earlier life asked for and did not get."""
        self._name = name
        self._chain_id = chain_id
        self._identity = identity
        self._operator = operator
        self._book = book
        self._resend_ms = resend_ms
        self._requests: dict[int, bytes] = {}
        self.want(book.at(Stage.PLANNED))

    @property
    def identity_key(self) -> bytes:
        """Public key under which the DSO knows this meter."""
        return self._identity.public_key

    def want(self, orders: Iterable[Order]) -> None:
        """Request what orders need; those of one request together."""
        by_request: dict[int, list[Order]] = {}
        for order in orders:
            by_request.setdefault(order.request, []).append(order)
        for number, together in by_request.items():
            self._requests[number] = encode_message(self._request(number, together))

    def ask(self, now_ms: int) -> list[Effect]:
        """Send the requests that wait for an answer, and that something can still be offered with."""
        useful = {order.request for order in self._book.at(Stage.PLANNED)}
        self._requests = {number: raw for number, raw in self._requests.items() if number in useful}
        effects: list[Effect] = [Send(peer=self._operator, message=raw) for raw in self._requests.values()]
        if effects:
            effects.append(SetTimer(name=TIMER, at_ms=now_ms + self._resend_ms))
        return effects

    def answered(self, peer: PeerName, reply: WithdrawReply) -> list[Effect]:
        """Take the DSO's answer; what it does not grant cannot be offered."""
        known = peer == self._operator and self._requests.pop(reply.request_id, None) is not None
        if not known or reply.accepted:
            return []
        for order in self._book.at(Stage.PLANNED):
            if order.request == reply.request_id:
                order.advance(Stage.MISSED)
        return [Report(name="withdrawal-failed", value=reply.reason)]

    def _request(self, number: int, orders: list[Order]) -> WithdrawRequest:
        entries = tuple(
            WithdrawEntry(
                address=asset.address,
                first_interval=asset.first_interval,
                last_interval=asset.last_interval,
                production_j=asset.production_j,
                consumption_j=asset.consumption_j,
                money_uc=asset.money_uc,
            )
            for asset in (order.asset for order in orders)
        )
        return sign_withdraw(
            self._chain_id,
            request_id=number,
            meter_id=self._name,
            entries=entries,
            public_key=self.identity_key,
            signer=self._identity.sign,
        )
