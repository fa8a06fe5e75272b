"""A witness that has less than is trusted here: honestly behind, or stuck on another branch?

    idle        it says how far it is            -> asked for its newest certified header   SHOWN
    SHOWN       the header is one that is known  -> it is behind, no more                    idle
                it is not known                  -> the primary is asked for ours            CONTESTED
    CONTESTED   ours is proven by the trusted history, and is the same   -> behind           idle
                it is another, of the same committee                     -> a fork           idle
                it is another, of another committee                      -> the turn before decides
                the primary has not got it                               -> undecided        idle

So a branch that was left behind is found out by what it ends with, however long ago that was, within the trusting
period: committees are accountable for no longer.
"""

from __future__ import annotations

from typing import NamedTuple

from light_client.client.belief import Belief
from light_client.messages.anchors import GetHistory, HistoryMessage
from light_client.messages.chain import Unavailable
from light_client.messages.codec import encode_message, number_of
from light_client.rules.ancestry import header_is_an_ancestor
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import Header
from light_client.rules.ledger.committee import Committee
from light_client.rules.ledger.fork import CertifiedHeader, Fork, check_fork, fork_of
from light_client.rules.light import Update, header_is_certified
from light_client.rules.verdict import Rejected
from light_client.session.actor import Effect, PeerName, Send
from light_client.sync.servers import Fault, Servers
from light_client.sync.witness import WitnessPlanner

_HISTORY = number_of(GetHistory)


class EarlierFork(NamedTuple):
    """The two chains part below a height: they have different committees there."""

    height: int


class _Contest(NamedTuple):
    """A header of a witness that is not known here."""

    witness: PeerName
    other: CertifiedHeader
    primary: PeerName
    """Who was asked for ours."""
    head: Header
    """What was trusted then, and has to prove it."""


class Lagging:
    """One witness at a time."""

    def __init__(self, belief: Belief, servers: Servers, planner: WitnessPlanner) -> None:
        self._belief = belief
        self._servers = servers
        self._planner = planner
        self._shown: tuple[PeerName, int] | None = None
        self._contest: _Contest | None = None

    def unavailable(self, peer: PeerName, message: Unavailable, now_ms: int) -> list[Effect] | None:
        """A server has not got something; None if that does not concern a comparison."""
        contest = self._contest
        if contest is not None and (peer, message.request) == (contest.primary, _HISTORY):
            self._contest = None
            return []
        if peer != self._planner.asked or peer == self._servers.primary:
            return None
        self._shown = None
        behind = message.height < self._belief.trusted.height
        if message.request == _HISTORY or not behind or not message.height:
            return self._planner.failed(Fault.BEHIND if behind else Fault.SILENT, now_ms)
        self._shown = (peer, message.height)
        request = GetHistory(height=message.height, head_height=message.height)
        return [Send(peer=peer, message=encode_message(request)), self._planner.wait(now_ms)]

    def shows(self, peer: PeerName, message: HistoryMessage) -> bool:
        """Whether this is the newest header of a witness that was asked for it."""
        return self._shown == (peer, message.header.height) and message.head_height == message.header.height

    def shown(self, peer: PeerName, message: HistoryMessage, now_ms: int) -> list[Effect]:
        """The newest header of a witness: if it is not known here, the primary has to prove ours."""
        self._shown = None
        header, head = message.header, self._belief.trusted.header
        known = self._belief.header_at(header.height)
        if head is None or header.height >= head.height or (known is not None and known == header):
            return self._planner.failed(Fault.BEHIND, now_ms)
        other = CertifiedHeader(header=header, certificate=message.certificate)
        self._contest = _Contest(peer, other, self._servers.primary, head)
        request = GetHistory(height=header.height, head_height=head.height)
        ask = Send(peer=self._servers.primary, message=encode_message(request))
        return [ask, *self._planner.start(now_ms)]

    def proves(self, peer: PeerName, message: HistoryMessage) -> bool:
        """Whether this is our own header of a contested height."""
        contest = self._contest
        if contest is None or peer != contest.primary:
            return False
        return (message.header.height, message.head_height) == (
            contest.other.header.height,
            contest.head.height,
        )

    def proven(
        self, message: HistoryMessage, now_ms: int
    ) -> tuple[PeerName, Fork | Fault | EarlierFork | None]:
        """Our own header of a contested height: returns who did what; nobody did anything where it is the same."""
        contest, self._contest = self._contest, None
        if contest is None:
            return self._servers.primary, None
        ours = CertifiedHeader(header=message.header, certificate=message.certificate)
        try:
            header_is_an_ancestor(contest.head, ours.header, message.inclusion)
            committee = self._belief.committee_of(ours.header.committee_hash)
            if committee is not None:
                update = Update(header=ours.header, certificate=ours.certificate)
                header_is_certified(committee, contest.head.chain_id, update)
        except RuleViolation as broken:
            self._belief.checked.refuse(Rejected(rule=broken.rule, reason=str(broken)))
            return contest.primary, Fault.LYING
        expired = now_ms - ours.header.time_ms >= self._belief.params.trusting_period_ms
        if ours.header == contest.other.header or committee is None or expired:
            self._servers.failed(contest.witness, Fault.BEHIND, now_ms)
            return contest.witness, None
        return contest.witness, self._against(contest, ours, committee)

    def _against(
        self, contest: _Contest, ours: CertifiedHeader, committee: Committee
    ) -> Fork | Fault | EarlierFork:
        """The witness's header contradicts the history that we verified."""
        if contest.other.header.committee_hash != ours.header.committee_hash:
            return EarlierFork(ours.header.height)
        fork = fork_of(ours, contest.other)
        try:
            check_fork(fork, contest.head.chain_id, committee)
        except RuleViolation as broken:
            self._belief.checked.refuse(Rejected(rule=broken.rule, reason=str(broken)))
            return Fault.LYING
        return fork
