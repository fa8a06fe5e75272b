"""Comparing two servers: does the witness have what is trusted here, and if not, who is wrong?

Where the witness leads to another header, its own certified header of a height that is trusted here decides: a valid
certificate of the same committee proves a fork, anything else that it is lying. If the witness names a committee that
is not known, the fork, if it is one, lies further back, and the question is asked at the turn of committees before.
A witness that has less than is trusted here is held to the trusted history (``lagging``).
"""

from __future__ import annotations

from random import Random

from light_client.client.belief import Belief
from light_client.client.lagging import EarlierFork, Lagging
from light_client.messages.anchors import GetHistory, HistoryMessage
from light_client.messages.chain import Unavailable, UpdateMessage
from light_client.messages.codec import encode_message
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.fork import CertifiedHeader, Fork
from light_client.rules.light import TrustedState, Update
from light_client.rules.verdict import Accepted, Rejected
from light_client.session.actor import Effect, PeerName, Send
from light_client.sync.servers import Fault, Servers
from light_client.sync.witness import WitnessParams, WitnessPlanner

Outcome = list[Effect] | Fork | Fault
"""What to do next, or what was found. ``Fault.BEHIND``: the witness is right, and further than the primary."""
_GRACE_MS = 120_000
"""A primary may be this much behind a witness, ms of header age, before it is left."""
_BEYOND_THE_COMMITTEE = ("LC-04", "LC-06")
"""Refusals of a header that may be the other side of a fork."""


class Comparison:
    """One question to one witness at a time, and a confrontation with any server that contradicts."""

    def __init__(self, belief: Belief, servers: Servers, chance: Random, params: WitnessParams) -> None:
        self.planner = WitnessPlanner(servers, chance, params)
        self._belief = belief
        self._lagging = Lagging(belief, servers, self.planner)
        self._confronted: tuple[PeerName, TrustedState] | None = None
        """Who was asked for its header at the height of which anchor."""

    def unavailable(self, peer: PeerName, message: Unavailable, now_ms: int) -> list[Effect] | None:
        """A server has not got something; None if that does not concern a comparison."""
        return self._lagging.unavailable(peer, message, now_ms)

    def history(
        self, peer: PeerName, message: HistoryMessage, now_ms: int
    ) -> tuple[PeerName, Outcome] | None:
        """A certified header that was asked for; returns whose doing the outcome is, or None if it was not for us."""
        if self.confronts(peer, message.header.height):
            return peer, self.header(peer, message, now_ms)
        if self._lagging.shows(peer, message):
            return peer, self._lagging.shown(peer, message, now_ms)
        if not self._lagging.proves(peer, message):
            return None
        who, found = self._lagging.proven(message, now_ms)
        if isinstance(found, EarlierFork):
            return who, self._ask_below(who, found.height, now_ms)
        return who, [] if found is None else found

    def updates(self, message: UpdateMessage, now_ms: int) -> Outcome:
        """The witness shows the way from what is trusted here to its newest header."""
        if not message.updates:
            return Fault.SILENT
        update = message.updates[0]
        header, height = update.header, self._belief.trusted.height
        if header.height > height:
            return self._further(update, now_ms)
        known = self._belief.header_at(header.height)
        if known is None:
            return self.planner.start(now_ms)  # too old to be compared
        if known.hash() == header.hash():
            return self.planner.agreed(now_ms)
        return self._challenge(CertifiedHeader(header=header, certificate=update.certificate), now_ms)

    def _further(self, update: Update, now_ms: int) -> Outcome:
        """The witness has a newer header: does it follow from what is trusted here?"""
        verdict = self._belief.judge(update, now_ms)
        if isinstance(verdict, Accepted):
            late = now_ms - update.header.time_ms > _GRACE_MS
            return Fault.BEHIND if late else self.planner.agreed(now_ms)
        if not isinstance(verdict, Rejected):
            return self.planner.start(now_ms)
        if verdict.rule in _BEYOND_THE_COMMITTEE and self.planner.asked is not None:
            return self.confront(self.planner.asked, now_ms)
        self._belief.checked.refuse(verdict)
        return Fault.LYING

    def confront(self, peer: PeerName, now_ms: int) -> list[Effect]:
        """Ask a server that contradicts for its certified header at the height that is trusted here."""
        anchor = self._belief.trusted
        if anchor.certificate is None:
            return self.planner.start(now_ms)
        return self._ask(peer, anchor, now_ms)

    def _ask(self, peer: PeerName, anchor: TrustedState, now_ms: int) -> list[Effect]:
        self._confronted = (peer, anchor)
        request = encode_message(GetHistory(height=anchor.height, head_height=anchor.height))
        return [Send(peer=peer, message=request), self.planner.wait(now_ms)]

    def confronts(self, peer: PeerName, height: int) -> bool:
        """Whether a header of this height is the answer to a confrontation."""
        asked = self._confronted
        return asked is not None and asked[0] == peer and asked[1].height == height

    def header(self, peer: PeerName, message: HistoryMessage, now_ms: int) -> Outcome:
        """A confronted server shows its header."""
        asked, self._confronted = self._confronted, None
        other = CertifiedHeader(header=message.header, certificate=message.certificate)
        if asked is None:
            return []
        anchor = asked[1]
        if message.header.hash() == anchor.header_hash:
            return Fault.LYING  # it has what is trusted here, so what it led to was none of it
        if message.header.committee_hash == anchor.signers.hash():
            return self._challenge(other, now_ms)
        return self._ask_below(peer, anchor.height, now_ms)

    def _ask_below(self, peer: PeerName, height: int, now_ms: int) -> Outcome:
        """The chains part before a height: at the turn of committees below it they may still have the same one."""
        below = self._belief.anchor_below(height)
        return Fault.LYING if below is None else self._ask(peer, below, now_ms)

    def _challenge(self, other: CertifiedHeader, now_ms: int) -> Outcome:
        """Another header of a height that is trusted here: evidence, or a lie."""
        try:
            fork = self._belief.contradicts(other)
        except RuleViolation as broken:
            self._belief.checked.refuse(Rejected(rule=broken.rule, reason=str(broken)))
            return Fault.LYING
        return self.planner.start(now_ms) if fork is None else fork
