"""An honest actor inside, something else on the way in or out: what every adversary over an actor shares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from light_client.messages.codec import Message, decode_message, encode_message
from light_client.messages.consensus import Proposal, Vote
from light_client.session.actor import Actor, Effect, Event, PeerName, Send
from testbed.miner.miner import Miner
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
    """What a miner that plays false has of its own: its key, wherever elections put it, and the names of all miners."""

    name: PeerName
    miners: tuple[PeerName, ...]
    first: Seat
    """Its key, in the committee of the genesis."""
    inner: Miner
    """The honest miner inside: its ledger says who signs a height."""

    @property
    def others(self) -> tuple[PeerName, ...]:
        """All other miners."""
        return tuple(name for name in self.miners if name != self.name)

    def at(self, height: int) -> Seat:
        """Its seat at a height: without a number while it is not elected."""
        committee = self.inner.ledger.committee_at(height)
        return replace(self.first, committee=committee, number=committee.index_of(self.first.public_key))

    def leads(self, proposal: Proposal) -> bool:
        """Whether a proposal is its own."""
        seat = self.at(proposal.height)
        return seat.committee.leader(proposal.height, proposal.round_) == seat.number

    def vote_instead(self, vote: Vote, header_hash: bytes) -> Vote:
        """A vote of its own for another block."""
        return self.at(vote.height).sign_vote(vote.kind, vote.height, vote.round_, header_hash)


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
