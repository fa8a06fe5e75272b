"""A server that forks: with the keys of whole committees it shows its followers a second chain.

From the first block of its time on, every block is signed again a millisecond later, over its own history; bodies,
clearings and proofs of trades stay true, so that a meter that hears nobody else finds nothing wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from light_client.messages.anchors import GetHistory, HistoryMessage
from light_client.messages.chain import (
    Announce,
    Blocks,
    CertifiedBlock,
    GetBlocks,
    GetUpdate,
    Subscribe,
    Unavailable,
    UpdateMessage,
)
from light_client.messages.codec import Message, decode_message, encode_message, number_of
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import Header
from light_client.rules.ledger.committee import Committee, QuorumCertificate, VoteKind, vote_message
from light_client.rules.light import Update
from light_client.rules.merkle import Tree
from light_client.session.actor import Actor, Effect, Event, PeerName, Received, Send
from testbed.adversaries.disguise import Window
from testbed.miner.ledger import Ledger

SignFor = Callable[[bytes, bytes], bytes]
"""(public key, message) -> signature by whoever holds that key: the adversary has them all."""


def sign_all(
    chain_id: bytes, header: Header, committee: Committee, sign_for: SignFor, round_: int
) -> QuorumCertificate:
    """A certificate that every member of a committee signed."""
    message = vote_message(VoteKind.PRECOMMIT, chain_id, header.height, round_, header.hash())
    return QuorumCertificate(
        height=header.height,
        round_=round_,
        header_hash=header.hash(),
        bitmap=(1 << len(committee.members)) - 1,
        signatures=tuple(sign_for(member.public_key, message) for member in committee.members),
    )


class ForkingServer:
    """Runs an honest miner inside, and answers followers from a chain of its own."""

    def __init__(
        self,
        inner: Actor,
        ledger: Ledger,
        window: Window,
        miners: Iterable[PeerName],
        sign_for: SignFor,
        stands_still_after: int | None = None,
    ) -> None:
        """Wrap a miner.

        Args:
            stands_still_after: so many blocks of its own chain it makes, and no more: a branch that was left behind.
        """
        self.name = inner.name
        self.inner = inner
        self._ledger = ledger
        self._window = window
        self._miners = frozenset(miners)
        self._sign_for = sign_for
        self._left = stands_still_after
        self._blocks: list[CertifiedBlock] = []
        self._history = Tree()
        self._committee = ledger.genesis.committee
        self._followers: set[PeerName] = set()

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Let the miner work; answer followers from the other chain."""
        if isinstance(event, Received) and event.peer not in self._miners and self._window.holds(now_ms):
            try:
                answered = self._answer(event.peer, decode_message(event.message))
            except RuleViolation:
                return []
            if answered is not None:
                return answered
        before = len(self._blocks)
        effects = [
            effect
            for effect in self.inner.handle(event, now_ms)
            if not (
                isinstance(effect, Send) and effect.peer in self._followers and _is_blocks(effect.message)
            )
        ]
        self._extend()
        if self._window.holds(now_ms) and len(self._blocks) > before:
            pushed = encode_message(Blocks(blocks=tuple(self._blocks[before:][:16])))
            effects += [Send(peer=peer, message=pushed) for peer in sorted(self._followers)]
        return effects

    def _extend(self) -> None:
        """Bring the other chain up to the true one."""
        for height in range(len(self._blocks) + 1, self._ledger.height + 1):
            block = self._ledger.store.block(height)
            if block is None:
                return
            if self._blocks and self._window.holds(block.header.time_ms):
                if self._left == 0:
                    return
                self._left = None if self._left is None else self._left - 1
                block = self._twin(block)
            self._blocks.append(block)
            self._history.append(block.header.hash())
            turn = self._ledger.store.turns.get(height)
            self._committee = self._committee if turn is None else turn.committee

    def _twin(self, block: CertifiedBlock) -> CertifiedBlock:
        header = replace(
            block.header,
            time_ms=block.header.time_ms + 1,
            previous_hash=self._blocks[-1].header.hash(),
            history_root=self._history.root(len(self._blocks)),
        )
        chain_id, round_ = header.chain_id, block.certificate.round_
        certificate = sign_all(chain_id, header, self._committee, self._sign_for, round_)
        return CertifiedBlock(header=header, certificate=certificate, body=block.body)

    def _answer(self, peer: PeerName, request: Message) -> list[Effect] | None:
        self._extend()
        answer: Message | None = None
        match request:
            case Subscribe() if request.announce is Announce.BLOCKS:
                self._followers.add(peer)
                return []
            case GetBlocks():
                start = request.from_height - 1
                answer = Blocks(blocks=tuple(self._blocks[start : start + request.limit]))
            case GetUpdate():
                answer = self._update(request.trusted_height)
            case GetHistory():
                answer = self._older(request)
        return None if answer is None else [Send(peer=peer, message=encode_message(answer))]

    def _update(self, trusted: int) -> Message:
        newest = len(self._blocks)
        if trusted > newest or not newest:
            return Unavailable(request=number_of(GetUpdate), height=newest)
        turns = self._ledger.store.turns
        stops = [height for height in turns if trusted < height <= newest]
        updates = []
        for height in [*stops, newest][: len(stops) + (newest not in stops)]:
            block = self._blocks[height - 1]
            needed = 0 < trusted < height - 1
            updates.append(
                Update(
                    header=block.header,
                    certificate=block.certificate,
                    history_proof=self._history.inclusion_proof(trusted - 1, height - 1) if needed else (),
                    next_committee=turns[height].committee if height in turns else None,
                )
            )
            trusted = height
        return UpdateMessage(updates=tuple(updates))

    def _older(self, request: GetHistory) -> Message:
        height, head = request.height, request.head_height
        if head > len(self._blocks):
            return Unavailable(request=number_of(GetHistory), height=len(self._blocks))
        block, older = self._blocks[height - 1], height < head
        return HistoryMessage(
            header=block.header,
            certificate=block.certificate,
            head_height=head,
            inclusion=self._history.inclusion_proof(height - 1, head - 1) if older else (),
            consistency=self._history.consistency_proof(height - 1, head - 1) if older and height > 1 else (),
        )


def _is_blocks(raw: bytes) -> bool:
    return isinstance(decode_message(raw), Blocks)
