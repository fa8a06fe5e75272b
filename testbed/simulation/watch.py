"""Watches what honest miners sign: none may ever contradict itself, whatever crashes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from light_client.messages.codec import decode_message
from light_client.messages.consensus import Proposal, Vote
from light_client.rules.ledger.committee import Committee
from light_client.session.actor import PeerName, Send

_SIGNED = (b"\x01", b"\x02")
"""Second byte of proposals and votes."""


class Twice(NamedTuple):
    """Two things of one seat, height and round that one node sent."""

    sender: PeerName
    seat: int | None
    """Of a vote; None for a proposal, which is that of the round's leader."""
    kind: int
    height: int
    round_: int


class SignatureWatch:
    """Sees every message that leaves a node."""

    def __init__(self, keys: Mapping[PeerName, bytes]) -> None:
        """Watch miners.

        Args:
            keys: the public key of each honest one.
        """
        self._keys = keys
        self._said: dict[Twice, object] = {}
        self._twice: list[Twice] = []

    def __call__(self, sender: PeerName, send: Send) -> None:
        """Take one message in."""
        if sender not in self._keys or send.message[1:2] not in _SIGNED:
            return
        match decode_message(send.message):
            case Vote() as vote:
                key = Twice(sender, vote.seat, int(vote.kind), vote.height, vote.round_)
                self._compare(key, vote.header_hash)
            case Proposal() as proposal:
                key = Twice(sender, None, 0, proposal.height, proposal.round_)
                self._compare(key, (proposal.header.hash(), proposal.pol_round, proposal.body))

    def _compare(self, key: Twice, said: object) -> None:
        if self._said.setdefault(key, said) != said:
            self._twice.append(key)

    def contradictions(self, committee_at: Callable[[int], Committee]) -> list[str]:
        """What somebody signed twice; what a miner passed on of others is not its own word.

        Args:
            committee_at: who signs a height.
        """
        found = []
        for sender, seat, kind, height, round_ in self._twice:
            committee = committee_at(height)
            spoke = committee.leader(height, round_) if seat is None else seat
            own = spoke < len(committee.members) and committee.members[spoke].public_key == self._keys[sender]
            if own:
                what = ("proposal", "prevote", "precommit")[kind]
                found.append(f"{sender} signed two {what}s of height {height}, round {round_}")
        return found
