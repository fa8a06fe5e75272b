"""An honest actor inside, something else on the way in or out: what every adversary over an actor shares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from light_client.messages.codec import Message, decode_message, encode_message
from light_client.session.actor import Actor, Effect, Event, PeerName, Send
from testbed.miner.seat import Seat


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When an adversary plays false; before and after it passes everything through."""

    from_ms: int
    to_ms: int

    def holds(self, now_ms: int) -> bool:
        """Whether it plays false now."""
        return self.from_ms <= now_ms < self.to_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileSeat:
    """What a miner that plays false has of its own: its key and the names of the committee in the order of seats."""

    seat: Seat
    number: int
    """Of the seat; no adversary follows an election."""
    miners: tuple[PeerName, ...]

    @property
    def others(self) -> tuple[PeerName, ...]:
        """Everybody else in the committee."""
        return tuple(name for number, name in enumerate(self.miners) if number != self.number)


class Disguise:
    """Passes events in and twists what comes out."""

    def __init__(self, inner: Actor, window: Window) -> None:
        self.name = inner.name
        self.inner = inner
        self._window = window

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """React as the honest actor does, and lie about it."""
        effects = self.inner.handle(event, now_ms)
        if not self._window.holds(now_ms):
            return effects
        return [said for effect in effects for said in self._twisted(effect, now_ms)]

    def _twisted(self, effect: Effect, now_ms: int) -> Iterable[Effect]:
        return self.twist(effect, now_ms) if isinstance(effect, Send) else (effect,)

    def twist(self, send: Send, now_ms: int) -> Iterable[Effect]:
        """What is sent instead of a message; the message itself, where only the clock or the order is twisted."""
        del now_ms
        return (send,)


def saying(send: Send) -> Message:
    """The message of an honest actor's effect."""
    return decode_message(send.message)


def told(peer: PeerName, message: Message) -> Send:
    """The effect that sends a message."""
    return Send(peer=peer, message=encode_message(message))
