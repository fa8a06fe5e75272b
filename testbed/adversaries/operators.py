"""A DSO that grants twice, and one that grants more than it was asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
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
from light_client.rules.units import LOT_J, Address
from light_client.session.actor import Actor, Effect, PeerName, Send
from testbed.adversaries.disguise import Disguise, Window, saying, told

_MAX_BYTES = 256 << 10


class _Granter(Disguise, ABC):
    """Changes the batches of grants that a DSO sends."""

    def __init__(self, inner: Actor, window: Window, secret: bytes, chain_id: bytes) -> None:
        super().__init__(inner, window)
        self._secret = secret
        self._chain_id = chain_id

    def twist(self, send: Send, now_ms: int) -> Iterable[Effect]:
        """Everything but batches of grants goes out as it is."""
        del now_ms
        message = saying(send)
        if not isinstance(message, SubmitTx):
            return (send,)
        batch = decode_transaction(message.raw, max_bytes=_MAX_BYTES).transaction
        return self.grants(send, batch) if isinstance(batch, GrantAssets) else (send,)

    @abstractmethod
    def grants(self, send: Send, batch: GrantAssets) -> Iterable[Effect]:
        """What is sent instead of a batch."""

    def _signed(self, batch: GrantAssets) -> SignedTransaction:
        return sign_transaction(batch, self._chain_id, self._secret)


class GenerousGranter(_Granter):
    """Grants everybody more of everything: energy, money and intervals."""

    def grants(self, send: Send, batch: GrantAssets) -> Iterable[Effect]:
        """One rich batch, the same to all miners."""
        richer = tuple(
            replace(
                asset,
                production_j=asset.production_j + LOT_J,
                consumption_j=asset.consumption_j + LOT_J,
                money_uc=asset.money_uc + 1_000_000,
            )
            for asset in batch.assets
        )
        return (told(send.peer, SubmitTx(raw=self._signed(replace(batch, assets=richer)).raw)),)


class DoubleGranter(_Granter):
    """Signs every batch of grants twice under one number, one of them richer, and once more under the next number."""

    def __init__(
        self, inner: Actor, window: Window, secret: bytes, chain_id: bytes, miners: tuple[PeerName, ...]
    ) -> None:
        super().__init__(inner, window, secret, chain_id)
        self._favoured = frozenset(miners[::2])

    def grants(self, send: Send, batch: GrantAssets) -> Iterable[Effect]:
        """Half of the miners hear of the rich batch first; all of them of the repeated one."""
        rich = self._signed(replace(batch, assets=self._with_accomplice(batch.assets)))
        again = self._signed(replace(batch, sequence=batch.sequence + 1))
        first = (told(send.peer, SubmitTx(raw=rich.raw)), send)
        ordered = first if send.peer in self._favoured else first[::-1]
        return (*ordered, told(send.peer, SubmitTx(raw=again.raw)))

    def _with_accomplice(self, assets: tuple[Asset, ...]) -> tuple[Asset, ...]:
        """The same grants, and one more to somebody who did not ask."""
        address = Address(address_of(public_key_of(sha256(assets[0].address).digest())))
        return tuple(sorted((*assets, replace(assets[0], address=address)), key=lambda asset: asset.address))
