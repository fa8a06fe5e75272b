"""Delegates of a council that play false: wrong answers when they lead, silence, vouching for each other."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from light_client.messages.consensus import Proposal, RoundStatus, Vote
from light_client.session.actor import Effect, Event, PeerName, Received, Send
from testbed.adversaries.disguise import Disguise, Window, saying, told
from testbed.experiments.council import Case, Delegate, header_for
from testbed.miner.seat import Seat
from testbed.miner.wal import SeenBlock

_ALWAYS = Window(from_ms=0, to_ms=1 << 62)


@dataclass(slots=True)
class Plot:
    """What those who play together know: the wrong header of each round."""

    headers: dict[int, bytes] = field(default_factory=dict)


class FalseLeader(Disguise):
    """When it leads, shows some of the others a wrong answer and the rest nothing, and votes for it.

    In other rounds it does as it should, in the hope of not being found out.
    """

    def __init__(
        self, inner: Delegate, case: Case, answer: bytes, shown: Collection[PeerName], plot: Plot
    ) -> None:
        super().__init__(inner, _ALWAYS)
        self._seat, self._case = inner.seat, case
        self._answer, self._shown, self._plot = answer, frozenset(shown), plot

    def _instead(self, proposal: Proposal) -> Proposal:
        header = header_for(
            self._case, self._seat.chain_id, self._answer, proposal.round_, proposal.header.time_ms
        )
        self._plot.headers[proposal.round_] = header.hash()
        block = SeenBlock(header, self._answer)
        return self._seat.sign_proposal(block, header.hash(), proposal.round_, None)

    def _is_mine(self, proposal: Proposal) -> bool:
        leader = self._seat.committee.leader(proposal.height, proposal.round_)
        return leader == self._seat.number and proposal.pol_round is None

    def twist(self, send: Send, now_ms: int) -> Iterable[Effect]:
        """Its own proposals are others, and its votes for them."""
        del now_ms
        message = saying(send)
        if isinstance(message, Proposal) and self._is_mine(message):
            wrong = self._instead(message)
            return (told(send.peer, wrong),) if send.peer in self._shown else ()
        return _vouching(self._seat, self._plot, send)


class Deserter(FalseLeader):
    """Says nothing but its wrong answers and the votes for them."""

    def twist(self, send: Send, now_ms: int) -> Iterable[Effect]:
        """Votes for anything else, and all help for those who missed something, are kept back."""
        return (effect for effect in super().twist(send, now_ms) if self._is_wrong(effect))

    def _is_wrong(self, effect: Effect) -> bool:
        message = saying(effect) if isinstance(effect, Send) else None
        if isinstance(message, Proposal):
            return self._is_mine(message)
        wrong = self._plot.headers.values()
        return isinstance(message, Vote) and message.header_hash in wrong


class SilentDelegate(Disguise):
    """Listens, and says nothing."""

    def __init__(self, inner: Delegate) -> None:
        super().__init__(inner, _ALWAYS)

    def twist(self, send: Send, now_ms: int) -> Iterable[Effect]:
        """Nothing leaves."""
        del send, now_ms
        return ()


class Voucher(Disguise):
    """Votes for the wrong answers of the leader it plays with, whatever its own check says."""

    def __init__(self, inner: Delegate, plot: Plot) -> None:
        super().__init__(inner, _ALWAYS)
        self._seat, self._plot = inner.seat, plot

    def twist(self, send: Send, now_ms: int) -> Iterable[Effect]:
        """Its votes of a round with a wrong answer are for it."""
        del now_ms
        return _vouching(self._seat, self._plot, send)


class LyingRelay(Disguise):
    """Answers every proposal with a wrong one in its own name, and says that it is that of the round."""

    def __init__(self, inner: Delegate, case: Case, answer: bytes, others: Collection[PeerName]) -> None:
        super().__init__(inner, _ALWAYS)
        self._seat, self._case, self._answer = inner.seat, case, answer
        self._others = tuple(others)

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Do as an honest one, and pass a wrong copy on."""
        effects = super().handle(event, now_ms)
        message = saying(Send(peer="", message=event.message)) if isinstance(event, Received) else None
        if isinstance(message, Proposal) and message.pol_round is None:
            chain, time_ms = self._seat.chain_id, message.header.time_ms
            header = header_for(self._case, chain, self._answer, message.round_, time_ms)
            block = SeenBlock(header, self._answer)
            wrong = self._seat.sign_proposal(block, header.hash(), message.round_, None)
            effects += [told(other, wrong) for other in self._others]
        return effects

    def twist(self, send: Send, now_ms: int) -> Iterable[Effect]:
        """Nothing that would help others to catch up."""
        del now_ms
        return () if isinstance(saying(send), RoundStatus) else (send,)


def _vouching(seat: Seat, plot: Plot, send: Send) -> Iterable[Effect]:
    """Turn one's own vote of a round with a wrong answer into one for it."""
    message = saying(send)
    if not isinstance(message, Vote) or message.seat != seat.number:
        return (send,)
    wrong = plot.headers.get(message.round_)
    if wrong is None:
        return (send,)
    return (told(send.peer, seat.sign_vote(message.kind, message.height, message.round_, wrong)),)
