"""A DSO that grants twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from light_client.messages.submission import SubmitTx
from light_client.rules.ledger.transactions import (
    GrantAssets,
    SignedTransaction,
    decode_transaction,
    sign_transaction,
)
from light_client.session.actor import Actor, Effect, PeerName, Send
from testbed.adversaries.disguise import Disguise, Window, saying, told

_MAX_BYTES = 256 << 10


class DoubleGranter(Disguise):
    """Signs every batch of grants twice under one number, the second richer, and then again under the next one."""

    def __init__(
        self, inner: Actor, window: Window, secret: bytes, chain_id: bytes, miners: tuple[PeerName, ...]
    ) -> None:
        super().__init__(inner, window)
        self._secret = secret
        self._chain_id = chain_id
        self._favoured = frozenset(miners[::2])

    def twist(self, send: Send, now_ms: int) -> Iterable[Effect]:
        """Half of the miners hear of the rich batch first; all of them of the repeated one."""
        del now_ms
        message = saying(send)
        if not isinstance(message, SubmitTx):
            return (send,)
        batch = decode_transaction(message.raw, max_bytes=_MAX_BYTES).transaction
        if not isinstance(batch, GrantAssets):
            return (send,)
        rich = self._signed(
            replace(batch, assets=tuple(replace(a, money_uc=a.money_uc + 1) for a in batch.assets))
        )
        again = self._signed(replace(batch, sequence=batch.sequence + 1))
        first = (told(send.peer, SubmitTx(raw=rich.raw)), send)
        ordered = first if send.peer in self._favoured else first[::-1]
        return (*ordered, told(send.peer, SubmitTx(raw=again.raw)))

    def _signed(self, batch: GrantAssets) -> SignedTransaction:
        return sign_transaction(batch, self._chain_id, self._secret)
