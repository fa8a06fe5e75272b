"""Members of the committee that play false alone. What stops each is in docs/adversaries.md."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from random import Random

from light_client.messages.consensus import Proposal, Vote
from light_client.rules.ledger.committee import NIL
from light_client.session.actor import (
    Actor,
    Effect,
    Event,
    PeerName,
    Received,
    Send,
    SetTimer,
    TimerFired,
)
from testbed.adversaries.disguise import Disguise, HostileSeat, Window, saying, told
from testbed.adversaries.lies import false_block
from testbed.miner.wal import SeenBlock

_PROPOSAL, _VOTE = 1, 2
"""Second byte of these messages."""


def twin_of(proposal: Proposal, seat: HostileSeat) -> Proposal:
    """A second proposal for the same height and round: the same block, a millisecond later."""
    header = replace(proposal.header, time_ms=proposal.header.time_ms + 1)
    block = SeenBlock(header, proposal.body)
    return seat.first.sign_proposal(block, header.hash(), proposal.round_, proposal.pol_round)


class EquivocatingLeader(Disguise):
    """Proposes two blocks in one round: one to half of the others, one to the rest, and votes for both."""

    def __init__(self, inner: Actor, window: Window, seat: HostileSeat) -> None:
        super().__init__(inner, window)
        self._seat = seat
        self._fooled = frozenset(seat.others[: (len(seat.others) + 1) // 2])
        self._twins: dict[bytes, Proposal] = {}

    def twist(self, send: Send, now_ms: int) -> Iterable[Effect]:
        """Another proposal to some, and votes that go with it."""
        del now_ms
        if send.peer not in self._fooled or send.message[1] not in (_PROPOSAL, _VOTE):
            return (send,)
        message = saying(send)
        if isinstance(message, Proposal) and self._seat.leads(message) and message.pol_round is None:
            twin = self._twins.setdefault(message.header.hash(), twin_of(message, self._seat))
            return (told(send.peer, twin),)
        if isinstance(message, Vote) and message.header_hash in self._twins:
            other = self._twins[message.header_hash].header.hash()
            return (told(send.peer, self._seat.vote_instead(message, other)),)
        return (send,)


class TwoFacedVoter(Disguise):
    """Tells some of the others the opposite of its vote, and the rest both, each with a good signature."""

    def __init__(self, inner: Actor, window: Window, seat: HostileSeat) -> None:
        super().__init__(inner, window)
        self._seat = seat

    def twist(self, send: Send, now_ms: int) -> Iterable[Effect]:
        """Its own votes are doubled or turned round."""
        del now_ms
        vote = saying(send) if send.message[1] == _VOTE else None
        if not isinstance(vote, Vote) or vote.seat != self._seat.at(vote.height).number:
            return (send,)
        other = NIL if vote.header_hash != NIL else bytes(31) + b"\x01"
        lie = told(send.peer, self._seat.vote_instead(vote, other))
        return (lie,) if send.peer < self.name else (send, lie)


class LyingLeader(Disguise):
    """Proposes blocks whose clearing does not follow from the offers, and votes for them."""

    def __init__(self, inner: Actor, window: Window, seat: HostileSeat, chance: Random) -> None:
        super().__init__(inner, window)
        self._seat = seat
        self._chance = chance
        self._lies: dict[bytes, Proposal] = {}

    def twist(self, send: Send, now_ms: int) -> Iterable[Effect]:
        """A false block instead of its own proposal, and votes for it."""
        del now_ms
        message = saying(send) if send.message[1] in (_PROPOSAL, _VOTE) else None
        if isinstance(message, Proposal) and message.pol_round is None:
            lie = self._lie(message)
            return (send,) if lie is None else (told(send.peer, lie),)
        if isinstance(message, Vote) and message.header_hash in self._lies:
            lie_hash = self._lies[message.header_hash].header.hash()
            return (told(send.peer, self._seat.vote_instead(message, lie_hash)),)
        return (send,)

    def _lie(self, proposal: Proposal) -> Proposal | None:
        if not self._seat.leads(proposal):
            return None
        seat = self._seat.first
        known = self._lies.get(proposal.header.hash())
        if known is None:
            block = false_block(SeenBlock(proposal.header, proposal.body), seat, self._chance)
            if block is None:
                return None
            known = seat.sign_proposal(block, block.header.hash(), proposal.round_, None)
            self._lies[proposal.header.hash()] = known
        return known


class SilentMiner(Disguise):
    """Listens, and never says a word."""

    def twist(self, send: Send, now_ms: int) -> Iterable[Effect]:
        """Nothing."""
        del send, now_ms
        return ()


class SlowMiner(Disguise):
    """Says everything, seconds late."""

    _TIMER = "slow"

    def __init__(self, inner: Actor, window: Window, chance: Random) -> None:
        super().__init__(inner, window)
        self._chance = chance
        self._waiting: deque[tuple[int, Send]] = deque()

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Let go of what has waited long enough."""
        if isinstance(event, TimerFired) and event.name == self._TIMER:
            effects: list[Effect] = []
        else:
            effects = super().handle(event, now_ms)
        while self._waiting and self._waiting[0][0] <= now_ms:
            effects.append(self._waiting.popleft()[1])
        if self._waiting:
            effects.append(SetTimer(name=self._TIMER, at_ms=self._waiting[0][0]))
        return effects

    def twist(self, send: Send, now_ms: int) -> Iterable[Effect]:
        """Put it into the queue; the queue keeps its order."""
        last_ms = self._waiting[-1][0] if self._waiting else 0
        self._waiting.append((max(last_ms, now_ms + self._chance.randrange(200, 8_000)), send))
        return ()


class Replayer(Disguise):
    """Sends what it once heard or said again, to whomever, at any later time."""

    _KEPT = 400

    def __init__(self, inner: Actor, window: Window, seat: HostileSeat, chance: Random) -> None:
        super().__init__(inner, window)
        self._others = seat.others
        self._chance = chance
        self._heard: deque[bytes] = deque(maxlen=self._KEPT)

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """React, and now and then say something old."""
        if isinstance(event, Received):
            self._heard.append(event.message)
        effects = super().handle(event, now_ms)
        if self._window.holds(now_ms) and self._heard and self._chance.random() < 0.3:
            peer: PeerName = self._chance.choice(self._others)
            effects.append(Send(peer=peer, message=self._chance.choice(self._heard)))
        return effects

    def twist(self, send: Send, now_ms: int) -> Iterable[Effect]:
        """As it is; remembered."""
        del now_ms
        self._heard.append(send.message)
        return (send,)


class TimeShifter(Disguise):
    """Lives in another time: its clock is wrong by more than anybody tolerates."""

    def __init__(self, inner: Actor, window: Window, shift_ms: int) -> None:
        super().__init__(inner, window)
        self._shift_ms = shift_ms

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """React as if it were another time."""
        shift_ms = self._shift_ms if self._window.holds(now_ms) else 0
        effects = self.inner.handle(event, now_ms + shift_ms)
        return [
            SetTimer(name=effect.name, at_ms=effect.at_ms - shift_ms)
            if isinstance(effect, SetTimer)
            else effect
            for effect in effects
        ]
