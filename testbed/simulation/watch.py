"""Watches what honest miners sign: none may ever contradict itself, whatever crashes."""

from __future__ import annotations

from light_client.messages.codec import decode_message
from light_client.messages.consensus import Proposal, Vote
from light_client.session.actor import PeerName, Send

_SIGNED = (b"\x01", b"\x02")
"""Second byte of proposals and votes."""


class SignatureWatch:
    """Sees every message that leaves a node."""

    def __init__(self, miners: tuple[PeerName, ...], hostile: frozenset[PeerName]) -> None:
        """Watch the members of a committee, in the order of its seats, but for the hostile ones."""
        self._seats = {name: seat for seat, name in enumerate(miners) if name not in hostile}
        self._count = len(miners)
        self._said: dict[tuple[int, int, int, int], object] = {}
        self.contradictions: list[str] = []

    def __call__(self, sender: PeerName, send: Send) -> None:
        """Take one message in; what a miner passes on of others is not its own word."""
        seat = self._seats.get(sender)
        if seat is None or send.message[1:2] not in _SIGNED:
            return
        message = decode_message(send.message)
        if isinstance(message, Vote) and message.seat == seat:
            key, said = (seat, int(message.kind), message.height, message.round_), message.header_hash
            self._compare(sender, key, said)
        elif isinstance(message, Proposal) and (message.height + message.round_) % self._count == seat:
            body = (message.header.hash(), message.pol_round, message.body)
            self._compare(sender, (seat, 0, message.height, message.round_), body)

    def _compare(self, sender: PeerName, key: tuple[int, int, int, int], said: object) -> None:
        if self._said.setdefault(key, said) != said:
            _, kind, height, round_ = key
            what = ("proposal", "prevote", "precommit")[kind]
            self.contradictions.append(f"{sender} signed two {what}s of height {height}, round {round_}")
