"""What was received of one round: its proposal, and the votes counted by weight."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from light_client.messages.consensus import Proposal, Vote
from light_client.rules.ledger.committee import Committee, VoteKind

HASHES_PER_SEAT = 2
"""A second hash from one seat is the proof of its fault, and counts: the other miners may have seen only that one."""


class Equivocation(NamedTuple):
    """Two signed votes of one seat that contradict each other: transferable evidence."""

    first: Vote
    second: Vote


class Ballots:
    """Signature-checked votes by seat. The caller has checked kind, height and round."""

    def __init__(self, committee: Committee) -> None:
        self._committee = committee
        self._votes: dict[int, dict[bytes, Vote]] = {}
        self._weights: dict[bytes, int] = {}
        self.weight = 0
        """Weight of the seats that voted for anything."""

    def has(self, vote: Vote) -> bool:
        """Whether this seat's vote for this hash is counted already."""
        return vote.header_hash in self._votes.get(vote.seat, ())

    def add(self, vote: Vote, *, proposed: bool) -> Equivocation | None:
        """Count a vote once.

        Args:
            proposed: the hash is that of a proposal at hand; such a vote counts whatever else the seat has signed, so
                that a faulty seat cannot hide the vote that others rely on.

        Returns:
            Evidence, the first time that the seat contradicts itself.
        """
        votes = self._votes.setdefault(vote.seat, {})
        if vote.header_hash in votes or (len(votes) >= HASHES_PER_SEAT and not proposed):
            return None
        weight = self._committee.members[vote.seat].weight
        if not votes:
            self.weight += weight
        votes[vote.header_hash] = vote
        self._weights[vote.header_hash] = self._weights.get(vote.header_hash, 0) + weight
        if len(votes) == HASHES_PER_SEAT:
            return Equivocation(*votes.values())
        return None

    def weight_for(self, header_hash: bytes) -> int:
        """Weight of the votes for one hash."""
        return self._weights.get(header_hash, 0)

    def quorum(self) -> bytes | None:
        """The hash that a quorum voted for (nil included), or None."""
        for header_hash, weight in self._weights.items():
            if self._committee.is_quorum(weight):
                return header_hash
        return None

    def supported(self) -> Iterator[bytes]:
        """The hashes that at least one honest seat voted for."""
        for header_hash, weight in self._weights.items():
            if self._committee.exceeds_faults(weight):
                yield header_hash

    def bitmap(self, header_hash: bytes | None = None) -> int:
        """Seats that voted for a hash, or for anything, as bits."""
        return sum(
            1 << seat
            for seat, votes in self._votes.items()
            if (votes if header_hash is None else header_hash in votes)
        )

    def votes(self, header_hash: bytes | None = None) -> list[Vote]:
        """The votes for a hash, or all, by seat."""
        return [
            vote
            for seat in sorted(self._votes)
            for found, vote in self._votes[seat].items()
            if header_hash is None or found == header_hash
        ]


class Round:
    """What was received of one round."""

    def __init__(self, committee: Committee) -> None:
        self.proposal: Proposal | None = None
        self.proposal_hash = b""
        self.ballots = {kind: Ballots(committee) for kind in VoteKind}

    @property
    def prevotes(self) -> Ballots:
        """Prevotes of the round."""
        return self.ballots[VoteKind.PREVOTE]

    @property
    def precommits(self) -> Ballots:
        """Precommits of the round."""
        return self.ballots[VoteKind.PRECOMMIT]
