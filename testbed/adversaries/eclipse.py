"""Somebody who holds all lines of one meter: what is signed cannot be altered unseen, but it can be withheld."""

from __future__ import annotations

from dataclasses import replace

from light_client.messages.chain import Blocks, CertifiedBlock
from light_client.messages.codec import decode_message, encode_message
from light_client.session.actor import Actor, Effect, Event, PeerName, Received
from testbed.adversaries.disguise import Window


class Eclipse:
    """Around an honest meter: from the miners, one captor alone gets through, and its blocks carry no good quorum."""

    def __init__(self, inner: Actor, window: Window, captor: PeerName, operator: PeerName) -> None:
        self.name = inner.name
        self.inner = inner
        """The honest meter."""
        self._window = window
        self._passes = (captor, operator)

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Let the meter hear what the captor wants it to hear."""
        if isinstance(event, Received) and self._window.holds(now_ms):
            if event.peer not in self._passes:
                return []
            message = decode_message(event.message)
            if isinstance(message, Blocks):
                faked = Blocks(blocks=tuple(map(_faked, message.blocks)))
                event = Received(peer=event.peer, message=encode_message(faked))
        return self.inner.handle(event, now_ms)


def _faked(block: CertifiedBlock) -> CertifiedBlock:
    """The block with another time, under the signatures of the true one."""
    return replace(block, header=replace(block.header, time_ms=block.header.time_ms + 1))
