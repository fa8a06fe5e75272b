"""Members of the committee that play false together. Up to f of them change nothing; more are seen by the meters."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from light_client.messages.chain import Blocks, CertifiedBlock
from light_client.messages.codec import decode_message
from light_client.messages.consensus import Proposal, Vote
from light_client.rules.ledger.committee import QuorumCertificate, VoteKind
from light_client.session.actor import Actor, Effect, Event, PeerName, Received, Send
from testbed.adversaries.disguise import Disguise, HostileSeat, Window, saying, told
from testbed.adversaries.lies import false_block
from testbed.adversaries.miners import twin_of
from testbed.miner.wal import SeenBlock

_PROPOSAL, _VOTE = 1, 2
_SUBSCRIBE = b"\x04"


class Ring:
    """What the members of a ring know of each other, without a word on the wire."""

    def __init__(self, members: Iterable[PeerName] = ()) -> None:
        """Begin with nothing planned.

        Args:
            members: names of all of them.
        """
        self.members = frozenset(members)
        self.sides: dict[PeerName, int] = {}
        """Honest miner -> the block that it is shown, 0 or 1."""
        self.twins: dict[bytes, Proposal] = {}
        """Hash of the first block -> the proposal of the second."""
        self.lies: dict[bytes, Proposal] = {}
        """Hash of an honest block -> the false proposal in its place."""
        self._seats: dict[PeerName, HostileSeat] = {}

    def join(self, seat: HostileSeat) -> None:
        """A member is there: the others are shared out, and every second one is shown the second block."""
        self._seats[seat.name] = seat
        honest = [name for name in seat.miners if name not in self.members]
        self.sides = {name: number % 2 for number, name in enumerate(honest)}

    def certified(self, lie: Proposal) -> CertifiedBlock | None:
        """The false block under the members' signatures, if these are a quorum."""
        at = [seat.at(lie.height) for seat in self._seats.values()]
        seats = {seat.number: seat for seat in at if seat.number is not None}
        if not seats:
            return None
        committee = at[0].committee
        if not committee.is_quorum(sum(committee.members[number].weight for number in seats)):
            return None
        header_hash = lie.header.hash()
        certificate = QuorumCertificate(
            height=lie.height,
            round_=lie.round_,
            header_hash=header_hash,
            bitmap=sum(1 << number for number in seats),
            signatures=tuple(
                seat.sign_vote(VoteKind.PRECOMMIT, lie.height, lie.round_, header_hash).signature
                for _, seat in sorted(seats.items())
            ),
        )
        return CertifiedBlock(header=lie.header, certificate=certificate, body=lie.body)


class ColludingVoter(Disguise):
    """Votes for whatever the ring proposes, and proposes clearings that do not hold.

    A ring that is a quorum certifies them too, and sends them to everybody who follows it.
    """

    def __init__(self, inner: Actor, window: Window, seat: HostileSeat, ring: Ring, chance: Random) -> None:
        super().__init__(inner, window)
        self._seat = seat
        self._ring = ring
        self._chance = chance
        self._followers: set[PeerName] = set(seat.others)
        self._published: set[bytes] = set()

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """React; where the ring has proposed something false, vote for it as well."""
        effects = super().handle(event, now_ms)
        if isinstance(event, Received) and event.message[1:2] == _SUBSCRIBE:
            self._followers.add(event.peer)
        effects.extend(self._publish())
        if isinstance(event, Received) and event.peer in self._ring.members and self._window.holds(now_ms):
            message = decode_message(event.message)
            if isinstance(message, Proposal) and self._is_of_the_ring(message):
                effects.extend(self._votes_for(message))
        return effects

    def twist(self, send: Send, now_ms: int) -> Iterable[Effect]:
        """Its own proposals become false ones, and its votes follow them."""
        del now_ms
        message = saying(send) if send.message[1] in (_PROPOSAL, _VOTE) else None
        if isinstance(message, Proposal) and message.pol_round is None:
            lie = self._lie(message)
            return (send,) if lie is None else (told(send.peer, lie),)
        if isinstance(message, Vote) and message.header_hash in self._ring.lies:
            lie_hash = self._ring.lies[message.header_hash].header.hash()
            return (told(send.peer, self._seat.vote_instead(message, lie_hash)),)
        return (send,)

    def _publish(self) -> Iterable[Send]:
        """Send what the ring can certify, once."""
        for key in self._ring.lies.keys() - self._published:
            self._published.add(key)
            block = self._ring.certified(self._ring.lies[key])
            if block is not None:
                yield from (told(peer, Blocks(blocks=(block,))) for peer in sorted(self._followers))

    def _is_of_the_ring(self, proposal: Proposal) -> bool:
        return any(lie.header == proposal.header for lie in self._ring.lies.values())

    def _votes_for(self, proposal: Proposal) -> Iterable[Send]:
        seat, header_hash = self._seat.at(proposal.height), proposal.header.hash()
        if seat.number is None:
            return
        for kind in VoteKind:
            vote = seat.sign_vote(kind, proposal.height, proposal.round_, header_hash)
            yield from (told(peer, vote) for peer in self._seat.others)

    def _lie(self, proposal: Proposal) -> Proposal | None:
        seat, key = self._seat.first, proposal.header.hash()
        if not self._seat.leads(proposal):
            return None
        if key not in self._ring.lies:
            block = false_block(SeenBlock(proposal.header, proposal.body), seat, self._chance)
            if block is None:
                return None
            lie = seat.sign_proposal(block, block.header.hash(), proposal.round_, None)
            self._ring.lies[key] = lie
        return self._ring.lies[key]


class ForkingMiner(Disguise):
    """Shows one half of the honest one block and the rest another, and votes with each half for what it was shown.

    With more than f of them both halves decide, in one round and at one height. The members themselves stay with the
    first block.
    """

    def __init__(self, inner: Actor, window: Window, seat: HostileSeat, ring: Ring) -> None:
        super().__init__(inner, window)
        self._seat = seat
        self._ring = ring

    def twist(self, send: Send, now_ms: int) -> Iterable[Effect]:
        """To those on the second side: the second block, and votes for it; of the first side's votes, nothing."""
        del now_ms
        if self._ring.sides.get(send.peer) != 1 or send.message[1] not in (_PROPOSAL, _VOTE):
            return (send,)
        message = saying(send)
        if isinstance(message, Proposal) and message.pol_round is None and self._seat.leads(message):
            return (told(send.peer, self._twin(message)),)
        if isinstance(message, Vote) and message.header_hash in self._ring.twins:
            if message.seat != self._seat.at(message.height).number:
                return ()
            other = self._ring.twins[message.header_hash].header.hash()
            return (told(send.peer, self._seat.vote_instead(message, other)),)
        return (send,)

    def _twin(self, proposal: Proposal) -> Proposal:
        return self._ring.twins.setdefault(proposal.header.hash(), twin_of(proposal, self._seat))
