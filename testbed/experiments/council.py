"""Delegates that agree on the proven answer to a problem: the miners' consensus, with an answer instead of a body.

Shared with the chain: ``testbed.miner.consensus`` whole (rounds, locks, votes written before they are sent, quorums
strictly above two thirds), its messages and signatures, headers, and the statements of ``rules.ledger.evidence``. Not
used: mempool, ledger, epochs; there is one height, and its header names the problem where a block names its state.

An answer is valid if its own certificate says so, so however many votes an unproven one gathers, no honest delegate's
is among them. A delegate is accused only with what it signed itself; silence and slowness accuse nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from light_client.messages.chain import Blocks, CertifiedBlock
from light_client.messages.codec import Message, decode_message, encode_message
from light_client.messages.consensus import Proposal, RoundStatus, Vote
from light_client.rules import merkle
from light_client.rules.crypto import public_key_of, sign, tagged_hash, verify
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import NO_CLEARING, Header
from light_client.rules.ledger.committee import NIL, Committee, Member, body_hash_of, check_quorum
from light_client.rules.ledger.evidence import (
    Contradiction,
    SignedProposal,
    SignedVote,
    contradiction,
)
from light_client.rules.verdict import Accepted, Rejected, Verdict
from light_client.session.actor import (
    Effect,
    Event,
    PeerName,
    Received,
    Report,
    Send,
    Started,
    Storage,
    TimerFired,
)
from testbed.miner.ballots import Equivocation
from testbed.miner.consensus import Broadcast, Consensus, Decided, Output
from testbed.miner.params import Timeouts
from testbed.miner.seat import Seat
from testbed.miner.wal import SeenBlock, VoteLog
from testbed.miner.witness import said

HEIGHT = 1
_DRIFT_MS = 10_000
_CONSENSUS = "consensus/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What delegates agree on."""

    problem: bytes
    """Hash of the problem."""
    judge: Callable[[bytes], Verdict]
    """The certificate's check of an answer's bytes; the same for the same bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsoundAnswer:
    """Evidence: a delegate proposed, or voted for, a header whose answer does not hold."""

    public_key: bytes
    statement: SignedProposal | SignedVote
    header: Header
    answer: bytes

    def statements(self) -> tuple[SignedProposal | SignedVote, ...]:
        """What the accused must have signed."""
        return (self.statement,)


Charge = Contradiction | UnsoundAnswer


def proves(charge: Charge, case: Case, chain_id: bytes) -> bool:
    """Whether a charge convicts, for whoever looks at it: the signatures, and the answer judged again."""
    for statement in charge.statements():
        message = statement.message(chain_id, HEIGHT)
        if not verify(charge.public_key, statement.signature, message):
            return False
    if isinstance(charge, Contradiction):
        return charge.height == HEIGHT
    header, statement = charge.header, charge.statement
    if statement.header_hash != header.hash() or header.state_root != case.problem:
        return False
    if isinstance(statement, SignedProposal) and statement.body_hash != body_hash_of(charge.answer):
        return False
    if header.tx_root != merkle.root((charge.answer,)):
        return False
    return isinstance(case.judge(charge.answer), Rejected)


class Proven:
    """The application: an answer is valid if its header names it and the problem, and its certificate holds."""

    def __init__(self, case: Case, chain_id: bytes, answer: bytes) -> None:
        self._case, self._chain_id, self._answer = case, chain_id, answer
        self._judged: dict[bytes, bool] = {}

    def make_proposal(self, round_: int, now_ms: int) -> SeenBlock:
        """The answer that this delegate has."""
        return SeenBlock(header_for(self._case, self._chain_id, self._answer, round_, now_ms), self._answer)

    def is_valid(self, block: SeenBlock) -> bool:
        """Judge an answer, once."""
        if block.header.state_root != self._case.problem:
            return False
        if block.header.tx_root != merkle.root((block.body,)):
            return False
        known = self._judged.get(block.header.tx_root)
        if known is None:
            known = isinstance(self._case.judge(block.body), Accepted)
            self._judged[block.header.tx_root] = known
        return known

    def is_timely(self, header: Header, now_ms: int) -> bool:
        """Whether the header's time is not ahead of the clock."""
        return header.time_ms <= now_ms + _DRIFT_MS


def header_for(case: Case, chain_id: bytes, answer: bytes, round_: int, now_ms: int) -> Header:
    """A header that names an answer and its problem."""
    root = merkle.root((answer,))
    return Header(
        chain_id=chain_id,
        height=HEIGHT,
        round_=round_,
        time_ms=now_ms,
        previous_hash=NIL,
        history_root=merkle.EMPTY_ROOT,
        tx_root=root,
        state_root=case.problem,
        solution_root=root,
        committee_hash=NIL,
        next_committee_hash=NIL,
        clearing=NO_CLEARING,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Council:
    """Who sits, and in which order they lead: the second of them first."""

    names: tuple[PeerName, ...]
    timeouts: Timeouts

    @property
    def chain_id(self) -> bytes:
        """What every signature is for."""
        return tagged_hash("gridlight-experiment/council/1", "/".join(self.names).encode())

    def secret(self, name: PeerName) -> bytes:
        """A delegate's key; made up, as everything in a simulation."""
        return tagged_hash("gridlight-experiment/council-key/1", name.encode())

    @property
    def committee(self) -> Committee:
        """Their seats."""
        keys = [public_key_of(self.secret(name)) for name in self.names]
        return Committee(members=tuple(Member(public_key=key) for key in keys))

    def seat(self, name: PeerName) -> Seat:
        """One's own."""
        secret = self.secret(name)
        return Seat(
            chain_id=self.chain_id,
            committee=self.committee,
            public_key=public_key_of(secret),
            number=self.names.index(name),
            signer=lambda message: sign(secret, message),
            verify_signature=verify,
            timeouts=self.timeouts,
        )


class Delegate:
    """An honest delegate: proposes its answer when it leads, votes for what is proven, and keeps evidence."""

    def __init__(
        self, *, name: PeerName, council: Council, case: Case, answer: bytes, storage: Storage
    ) -> None:
        """Build it on what is durable."""
        self.name = name
        self.seat = council.seat(name)
        self.decided: CertifiedBlock | None = None
        self.charges: list[Charge] = []
        self._case = case
        self._others = tuple(other for other in council.names if other != name)
        self._application = Proven(case, council.chain_id, answer)
        self._consensus = Consensus(self.seat, self._application, VoteLog(HEIGHT).load(storage))
        self._votes: list[Vote] = []
        self._effects: list[Effect] = []

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """React to one event."""
        match event:
            case Started():
                self._emit(self._consensus.resume(now_ms))
                self._emit(self._consensus.begin(now_ms))
            case TimerFired(name=name):
                self._emit(self._consensus.on_timeout(name.removeprefix(_CONSENSUS), now_ms))
            case Received(peer=peer, message=raw) if peer in self._others:
                try:
                    self._heard(decode_message(raw), peer, now_ms)
                except RuleViolation as broken:
                    self._effects.append(Report(name="refused", value=(peer, str(broken))))
        effects, self._effects = self._effects, []
        return effects

    def _heard(self, message: Message, peer: PeerName, now_ms: int) -> None:
        match message:
            case Proposal(height=1):
                self._emit(self._consensus.on_proposal(message, now_ms))
                self._accuse_for(message.header, message.body)
                leader = self.seat.committee.leader(HEIGHT, message.round_)
                self._unsound(leader, said(message), message.header, message.body)
            case Vote(height=1):
                self._emit(self._consensus.on_vote(message, now_ms))
                self._votes.append(message)
                block = self._consensus.block(message.header_hash)
                if block is not None:
                    self._unsound(message.seat, said(message), block.header, block.body)
            case RoundStatus(height=1):
                self._answer(message, peer)
            case Blocks(blocks=(CertifiedBlock() as block,)) if self.decided is None:
                self._told(block)

    def _answer(self, status: RoundStatus, peer: PeerName) -> None:
        if self.decided is not None:
            self._send(peer, Blocks(blocks=(self.decided,)))
            return
        for message in self._consensus.answer(status):
            self._send(peer, message)

    def _told(self, block: CertifiedBlock) -> None:
        """Others have decided: believe the quorum's signatures, and still judge the answer."""
        header_hash = block.header.hash()
        if block.certificate.header_hash != header_hash or block.certificate.height != HEIGHT:
            raise RuleViolation(
                "CNS-13", "header of a certificate", got=block.certificate.header_hash, expected=header_hash
            )
        check_quorum(self.seat.committee, self.seat.chain_id, block.certificate, verify)
        if self._application.is_valid(SeenBlock(block.header, block.body)):
            self._decide(block)

    def _accuse_for(self, header: Header, body: bytes) -> None:
        """Votes for this header that came before it."""
        for vote in self._votes:
            if vote.header_hash == header.hash():
                self._unsound(vote.seat, said(vote), header, body)

    def _unsound(
        self, seat: int, statement: SignedProposal | SignedVote, header: Header, answer: bytes
    ) -> None:
        if self._application.is_valid(SeenBlock(header, answer)):
            return
        key = self.seat.committee.members[seat].public_key
        charge = UnsoundAnswer(public_key=key, statement=statement, header=header, answer=answer)
        self._charge(charge)

    def _charge(self, charge: Charge) -> None:
        """Keep what convicts; of each accused, once."""
        if any(known.public_key == charge.public_key for known in self.charges):
            return
        if proves(charge, self._case, self.seat.chain_id):
            self.charges.append(charge)
            self._effects.append(Report(name="charge", value=charge))

    def _emit(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            if isinstance(output, Broadcast):
                for other in self._others:
                    self._send(other, output.message)
            elif isinstance(output, Decided):
                block = output.block
                self._decide(
                    CertifiedBlock(header=block.header, certificate=output.certificate, body=block.body)
                )
            else:
                self._effects.append(output)
                if isinstance(output, Report):
                    self._contradicted(output.value)

    def _contradicted(self, found: object) -> None:
        match found:
            case Equivocation(first=one, second=other):
                seat = one.seat
            case (Proposal() as one, Proposal() as other):
                seat = self.seat.committee.leader(HEIGHT, one.round_)
            case _:
                return
        self._charge(
            contradiction(self.seat.committee.members[seat].public_key, HEIGHT, said(one), said(other))
        )

    def _decide(self, block: CertifiedBlock) -> None:
        self.decided = block
        self._effects.append(Report(name="decided", value=block.body))

    def _send(self, peer: PeerName, message: Message) -> None:
        self._effects.append(Send(peer=peer, message=encode_message(message)))
