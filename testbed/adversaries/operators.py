"""A DSO that grants twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256

from light_client.messages.submission import SubmitTx
from light_client.rules.crypto import address_of, public_key_of
from light_client.rules.ledger.transactions import (
    Asset,
    GrantAssets,
    SignedTransaction,
    decode_transaction,
    sign_transaction,
)
from light_client.rules.units import Address
from light_client.session.actor import Actor, Effect, PeerName, Send
from testbed.adversaries.disguise import Disguise, Window, saying, told

_MAX_BYTES = 256 << 10


class DoubleGranter(Disguise):
    """Signs every batch of grants twice under one number, one of them richer, and once more under the next number."""

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
        rich = self._signed(replace(batch, assets=self._with_accomplice(batch.assets)))
        again = self._signed(replace(batch, sequence=batch.sequence + 1))
        first = (told(send.peer, SubmitTx(raw=rich.raw)), send)
        ordered = first if send.peer in self._favoured else first[::-1]
        return (*ordered, told(send.peer, SubmitTx(raw=again.raw)))

    def _with_accomplice(self, assets: tuple[Asset, ...]) -> tuple[Asset, ...]:
        """The same grants, and one more to somebody who did not ask."""
        address = Address(address_of(public_key_of(sha256(assets[0].address).digest())))
        return tuple(sorted((*assets, replace(assets[0], address=address)), key=lambda asset: asset.address))

    def _signed(self, batch: GrantAssets) -> SignedTransaction:
        return sign_transaction(batch, self._chain_id, self._secret)
