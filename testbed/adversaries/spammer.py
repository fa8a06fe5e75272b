"""A stranger who floods the miners with what is too long, cannot be read, was never granted, or was there before."""

from __future__ import annotations

from collections import deque
from random import Random

from light_client.messages.chain import Announce, Blocks, Subscribe
from light_client.messages.codec import decode_message, encode_message
from light_client.messages.submission import SubmitTx
from light_client.rules.crypto import address_of, public_key_of
from light_client.rules.ledger.block import body_from_bytes
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.transactions import PostOffer, sign_transaction
from light_client.rules.market.offer import Offer
from light_client.rules.units import Address, Side
from light_client.session.actor import (
    Effect,
    Event,
    PeerName,
    Received,
    Send,
    SetTimer,
    Started,
    TimerFired,
)
from testbed.adversaries.disguise import Window

_TIMER = "spam"
_KEPT = 256


class Spammer:
    """Needs no key of anybody's, and gets nothing into a block."""

    def __init__(
        self,
        name: PeerName,
        genesis: Genesis,
        miners: tuple[PeerName, ...],
        window: Window,
        chance: Random,
        *,
        every_ms: int = 120_000,
        burst: int = 3,
    ) -> None:
        self.name = name
        self._genesis = genesis
        self._chain_id = genesis.chain_id()
        self._miners = miners
        self._window = window
        self._chance = chance
        self._every_ms = every_ms
        self._burst = burst
        self._heard: deque[bytes] = deque(maxlen=_KEPT)

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Listen to the chain, and flood on a timer."""
        match event:
            case Started():
                listen = encode_message(Subscribe(from_height=0, announce=Announce.BLOCKS))
                subscribe = [Send(peer=miner, message=listen) for miner in self._miners]
                return [*subscribe, SetTimer(name=_TIMER, at_ms=max(now_ms, self._window.from_ms))]
            case TimerFired():
                again = SetTimer(name=_TIMER, at_ms=now_ms + self._every_ms)
                return [*self._flood(now_ms), again] if self._window.holds(now_ms) else []
            case Received(message=raw):
                return self._listen(raw)
        return []

    def _listen(self, raw: bytes) -> list[Effect]:
        message = decode_message(raw)
        for block in message.blocks if isinstance(message, Blocks) else ():
            self._heard.extend(body_from_bytes(block.body, self._genesis.chain).transactions)
        return []

    def _flood(self, now_ms: int) -> list[Effect]:
        kinds = (self._oversized, self._malformed, self._unfunded, self._duplicate)
        effects: list[Effect] = []
        for _ in range(self._burst):
            message = self._chance.choice(kinds)(now_ms)
            effects.extend(Send(peer=miner, message=message) for miner in self._miners)
        return effects

    def _oversized(self, _now_ms: int) -> bytes:
        """A transaction that is longer than the chain allows."""
        head = self._chance.randbytes(16)
        return encode_message(SubmitTx(raw=head + bytes(self._genesis.chain.max_tx_bytes)))

    def _malformed(self, _now_ms: int) -> bytes:
        """Noise, as a message or as a transaction."""
        noise = self._chance.randbytes(1 + self._chance.randrange(200))
        return noise if self._chance.random() < 0.5 else encode_message(SubmitTx(raw=noise))

    def _unfunded(self, now_ms: int) -> bytes:
        """A well-formed offer of an address that was never granted anything."""
        secret = self._chance.randbytes(31) + b"\x01"
        interval = self._genesis.first_open_interval(now_ms) + 1
        offer = Offer(
            side=self._chance.choice((Side.SELL, Side.BUY)),
            feeder=self._genesis.feeders[0].feeder,
            energy_j=3_600_000,
            ranges=((interval, interval),),
            price_uc_per_kwh=100_000,
            address=Address(address_of(public_key_of(secret))),
        )
        signed = sign_transaction(PostOffer(sequence=0, offer=offer), self._chain_id, secret)
        return encode_message(SubmitTx(raw=signed.raw))

    def _duplicate(self, now_ms: int) -> bytes:
        """Somebody's transaction that is in a block already."""
        return (
            encode_message(SubmitTx(raw=self._chance.choice(self._heard)))
            if self._heard
            else self._malformed(now_ms)
        )
