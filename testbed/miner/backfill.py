"""The hashes of the headers that a snapshot skipped, fetched afterwards and at no hurry.

With them a miner that joined by a snapshot proves any history, like one that was there from the beginning. All the
hashes of one miner together have to give the history root that came with the snapshot (LED-61), so whoever sends a
wrong one is known, and another is asked from the beginning. Until then older history is *Unavailable* here.
"""

from __future__ import annotations

from light_client.messages.codec import encode_message
from light_client.messages.snapshots import MAX_HASHES, GetHashes, HashesMessage
from light_client.rules.errors import RuleViolation
from light_client.rules.merkle import Tree
from light_client.session.actor import Effect, PeerName, Report, Send
from testbed.miner.ledger import Ledger


class Backfill:
    """Asks one miner after the other."""

    def __init__(self, ledger: Ledger, others: tuple[PeerName, ...]) -> None:
        self._ledger = ledger
        self._others = others
        self._asked = 0
        """How many miners were asked in vain."""
        self._faulty: set[PeerName] = set()
        self._tree = Tree()
        self._answered = True

    @property
    def _peer(self) -> PeerName:
        return self._others[self._asked % len(self._others)]

    def woken(self) -> list[Effect]:
        """Called now and then: begin, go on, or turn to another miner where the last one has not answered."""
        if not self._ledger.history.known_from or not set(self._others) - self._faulty:
            return []
        if self._tree.size == self._ledger.history.known_from:
            return self._finish()
        if not self._answered:
            self._next()
        return self._ask()

    def _next(self) -> None:
        """Begin anew with another miner, so that it is known whose hashes are wrong."""
        self._asked += 1
        while self._peer in self._faulty:
            self._asked += 1
        self._tree, self._answered = Tree(), True

    def _ask(self) -> list[Effect]:
        self._answered = False
        left = self._ledger.history.known_from - self._tree.size
        request = GetHashes(from_height=self._tree.size + 1, limit=min(left, MAX_HASHES))
        return [Send(peer=self._peer, message=encode_message(request))]

    def take(self, peer: PeerName, message: HashesMessage) -> list[Effect]:
        """Hashes came in: store them, and once all are there, hold them to what the quorum signed."""
        known_from, size = self._ledger.history.known_from, self._tree.size
        hashes = message.hashes[: known_from - size]
        if peer != self._peer or self._answered or message.from_height != size + 1 or not hashes:
            return []
        for hashed in hashes:
            self._tree.append(hashed)
        effects: list[Effect] = [*self._ledger.store.record_hashes(message.from_height, hashes)]
        if self._tree.size < known_from:
            return [*effects, *self._ask()]
        self._answered = True
        return [*effects, *self._finish()]

    def _finish(self) -> list[Effect]:
        """All are there: they prove our history, or their sender lied."""
        peer = self._peer
        try:
            writes = self._ledger.complete_history(self._tree)
        except RuleViolation as broken:
            self._faulty.add(peer)
            if set(self._others) - self._faulty:
                self._next()
            return [Report(name="blame", value=(peer, broken.rule))]
        return [*writes, Report(name="history", value=self._ledger.height)] if writes else []
