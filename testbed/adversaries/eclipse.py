"""Somebody who holds all lines of one meter: what is signed cannot be altered unseen, but it can be withheld."""

from __future__ import annotations

from dataclasses import replace

from light_client.messages.chain import Blocks, UpdateMessage
from light_client.messages.codec import Message, decode_message, encode_message
from light_client.rules.ledger.block import Header
from light_client.session.actor import Actor, Effect, Event, PeerName, Received
from light_client.session.channels import base_of
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
            if base_of(event.peer) not in self._passes:
                return []
            event = Received(peer=event.peer, message=encode_message(_faked(decode_message(event.message))))
        return self.inner.handle(event, now_ms)


def _faked(message: Message) -> Message:
    """A message whose headers have another time, under the signatures of the true ones."""
    match message:
        case Blocks(blocks=blocks):
            return Blocks(blocks=tuple(replace(block, header=_later(block.header)) for block in blocks))
        case UpdateMessage(updates=updates):
            return UpdateMessage(
                updates=tuple(replace(update, header=_later(update.header)) for update in updates)
            )
        case _:
            return message


def _later(header: Header) -> Header:
    return replace(header, time_ms=header.time_ms + 1)
