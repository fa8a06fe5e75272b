"""Taking blocks in: which of a server's blocks come next, what proves them, and where to stop.

New blocks are verified one by one, header and body. Blocks below the trusted header, as after a restart, need no
signature: the last of them is proven by the history of the trusted one, and each names the one before as its parent.
"""

from __future__ import annotations

from typing import NamedTuple

from light_client.client.belief import Belief
from light_client.client.news import BlockVerified
from light_client.messages.anchors import GetHistory, HistoryMessage
from light_client.messages.chain import Blocks, CertifiedBlock
from light_client.rules.ledger.audit import Followed
from light_client.rules.light import Update
from light_client.rules.verdict import Accepted, Rejected, Verdict
from light_client.session.actor import PeerName
from light_client.sync.follow import newest_of


class Taken(NamedTuple):
    """What became of a server's blocks."""

    verified: tuple[BlockVerified, ...]
    verdict: Verdict
    """Accepted, or on the first block that was not."""
    newest: int
    """Height of the last block that came; 0 if none did."""
    by_quorum: bool = False
    """Whether a committee signed what was refused, so that the server is not to blame."""


class Intake:
    """Blocks on their way into the replica."""

    def __init__(self, belief: Belief) -> None:
        self._belief = belief
        self._held: tuple[PeerName, Blocks] | None = None
        """Old blocks that wait for the proof of the last one."""

    def forget(self) -> None:
        """Drop what waits for a proof."""
        self._held = None

    def take(self, peer: PeerName, message: Blocks, now_ms: int) -> GetHistory | Taken:
        """Take blocks in, or ask for what proves them."""
        old, head = self._old(message), self._belief.trusted.height
        if old and old[-1].header.height < head:
            self._held = (peer, message)
            return GetHistory(height=old[-1].header.height, head_height=head)
        if old:
            verdict = self._belief.take_ancestors([block.header for block in old], (), ())
            if not isinstance(verdict, Accepted):
                return Taken((), verdict, newest_of(message))
        return self._extend(message, now_ms)

    def prove(self, peer: PeerName, message: HistoryMessage, now_ms: int) -> Taken | None:
        """Take in the old blocks that waited for this proof; None if none did."""
        held, self._held = self._held, None
        if held is None or held[0] != peer or message.head_height != self._belief.trusted.height:
            return None
        blocks = held[1]
        old = [block.header for block in self._old(blocks)]
        if not old:
            return None
        verdict = self._belief.take_ancestors(old, message.inclusion, message.consistency)
        if not isinstance(verdict, Accepted):
            return Taken((), verdict, newest_of(blocks))
        return self._extend(blocks, now_ms)

    def _old(self, message: Blocks) -> list[CertifiedBlock]:
        """The blocks of a message that lie between the replica and the trusted header, in sequence."""
        old: list[CertifiedBlock] = []
        for block in message.blocks:
            wanted = self._belief.replica.height + 1 + len(old)
            if block.header.height == wanted <= self._belief.trusted.height:
                old.append(block)
        return old

    def _extend(self, message: Blocks, now_ms: int) -> Taken:
        """Verify the next blocks, header and body; stop at the first that is not right."""
        belief, newest = self._belief, newest_of(message)
        verified: list[BlockVerified] = []
        for block in message.blocks:
            header = block.header
            if header.height != belief.replica.height + 1:
                continue
            if header.height > belief.trusted.height:
                verdict = belief.take_update(Update(header=header, certificate=block.certificate), now_ms)
                if not isinstance(verdict, Accepted):
                    return Taken(tuple(verified), verdict, newest)
            followed = belief.take_body(header, block.body)
            if not isinstance(followed, Followed):
                signed = isinstance(followed, Rejected) and followed.rule != "LED-32"
                return Taken(tuple(verified), followed, newest, signed)
            verified.append(BlockVerified(header=header, followed=followed))
        return Taken(tuple(verified), Accepted(), newest)
