"""What a miner has seen others sign and must not have signed: turned into evidence, and kept until it is punished.

Evidence is stored with the call that finds it, and handed in again after every block and every restart, until a block
convicts the accused or the fault is too old.
"""

from __future__ import annotations

from collections.abc import Callable

from light_client.messages.chain import CertifiedBlock, NewBlock
from light_client.messages.consensus import Proposal, Vote
from light_client.rules import merkle
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.accountability import problem_bytes
from light_client.rules.ledger.block import Header, body_from_bytes
from light_client.rules.ledger.committee import VoteKind, body_hash_of, check_quorum
from light_client.rules.ledger.convict import clearing_does_not_hold, may_sit
from light_client.rules.ledger.evidence import (
    Evidence,
    SignedProposal,
    SignedVote,
    Statement,
    UnsoundClearing,
    contradiction,
    contradictions_in,
    votes_in,
)
from light_client.rules.ledger.execution import close_gate
from light_client.rules.ledger.fork import check_fork, fork_from_bytes
from light_client.rules.ledger.transactions import SubmitEvidence, assemble, decode_transaction
from light_client.session.actor import Storage, Write
from testbed.miner.ballots import Equivocation
from testbed.miner.ledger import Ledger, certificate_fits
from testbed.miner.seat import Seat

_TABLE = "evidence"
TRIED_BLOCKS = 256
"""For how many blocks evidence is handed in again that no block takes: a header may be of a gate never recorded."""

MAX_FORKS = 16
"""Headers of another branch that are remembered, so that each is reported once."""


class Witness:
    """Collects evidence for one miner."""

    def __init__(self, ledger: Ledger, seat: Seat, storage: Storage) -> None:
        self._ledger = ledger
        self._seat = seat
        self._pending: dict[bytes, tuple[Evidence, bytes]] = {}
        for tx_id, raw in storage.scan(_TABLE):
            transaction = decode_transaction(raw, max_bytes=ledger.genesis.chain.max_tx_bytes).transaction
            if isinstance(transaction, SubmitEvidence):
                self._pending[tx_id] = (transaction.evidence, raw)
        self._forks: tuple[bytes, ...] = ()
        self._unsound: dict[bytes, Callable[[bytes, Statement], UnsoundClearing]] = {}

    def sit(self, seat: Seat) -> None:
        """Our place at the height that begins."""
        self._seat = seat

    def pending(self) -> list[tuple[bytes, bytes]]:
        """Evidence that is not punished yet: identity and bytes of each transaction."""
        return [(tx_id, raw) for tx_id, (_, raw) in self._pending.items()]

    def _key(self, seat: int, height: int) -> bytes:
        return self._ledger.committee_at(height).members[seat].public_key

    # -- what is found ---------------------------------------------------------------------------------------------

    def between(self, found: object) -> list[Evidence]:
        """Evidence in what consensus reports: two votes, or two proposals, of one seat."""
        match found:
            case Equivocation(first=first, second=second):
                return self._contradiction(first.seat, first.height, said(first), said(second))
            case (Proposal() as first, Proposal() as second):
                leader = self._ledger.committee_at(first.height).leader(first.height, first.round_)
                return self._contradiction(leader, first.height, said(first), said(second))
            case _:
                return []

    def _contradiction(self, seat: int, height: int, one: Statement, other: Statement) -> list[Evidence]:
        return [contradiction(self._key(seat, height), height, one, other)]

    def in_proposal(self, proposal: Proposal) -> list[Evidence]:
        """Evidence in an invalid proposal for the height under way, if it is its clearing that does not hold."""
        header = proposal.header
        if header.previous_hash != self._ledger.state.head or header.hash() in self._unsound:
            return []
        case = self._case(header, proposal.body)
        if case is None:
            return []
        leader = self._ledger.committee_at(proposal.height).leader(proposal.height, proposal.round_)
        found = case(self._key(leader, proposal.height), said(proposal))
        draft = self._ledger.state.draft()
        close_gate(draft, header.time_ms)
        try:
            clearing_does_not_hold(draft, found, self._seat.verify_signature)
        except RuleViolation:
            return []
        self._unsound[header.hash()] = case
        return [found]

    def _case(
        self, header: Header, body_bytes: bytes
    ) -> Callable[[bytes, Statement], UnsoundClearing] | None:
        """All that evidence about a header holds but who signed it; None if its body cannot be read."""
        draft = self._ledger.state.draft()
        close_gate(draft, header.time_ms)
        if draft.meta.gate_offer is None:
            return None
        try:
            body = body_from_bytes(body_bytes, self._ledger.genesis.chain)
        except RuleViolation:
            return None
        leaves = (body.solution, *body.transactions)
        path, problem = merkle.inclusion_proof(leaves, 0), problem_bytes(draft.problem())

        def accuse(public_key: bytes, statement: Statement) -> UnsoundClearing:
            return UnsoundClearing(
                public_key=public_key,
                header=header,
                statement=statement,
                solution=body.solution,
                leaves=len(leaves),
                path=path,
                problem=problem,
            )

        return accuse

    def in_vote(self, vote: Vote) -> list[Evidence]:
        """Evidence in a vote: for an unsound header, or against what the voter certified at the last height."""
        key = self._key(vote.seat, vote.height)
        case = self._unsound.get(vote.header_hash)
        if case is not None:
            return [case(key, said(vote))]
        block = self._ledger.store.block(vote.height) if vote.height <= self._ledger.height else None
        if block is None or vote.kind is not VoteKind.PRECOMMIT:
            return []
        certified = votes_in(block.certificate).get(vote.seat)
        if certified is None or certified.round_ != vote.round_ or certified.header_hash == vote.header_hash:
            return []
        return [contradiction(key, vote.height, certified, said(vote))]

    def in_announcement(self, message: NewBlock) -> tuple[CertifiedBlock, list[Evidence]] | None:
        """A certificate against a block decided here: the block, and what the pair proves of individual members; once.

        Raises:
            RuleViolation: CNS-03 to CNS-05, CNS-13: it is no certificate at all.
        """
        header_hash, certificate = message.header.hash(), message.certificate
        block = self._ledger.store.block(message.header.height)
        if block is None or header_hash in (block.certificate.header_hash, *self._forks):
            return None
        seat, committee = self._seat, self._ledger.committee_at(message.header.height)
        certificate_fits(message.header, header_hash, certificate)
        check_quorum(committee, seat.chain_id, certificate, seat.verify_signature)
        self._forks = (*self._forks, header_hash)[-MAX_FORKS:]
        return block, list(contradictions_in(block.certificate, certificate, committee))

    def in_fork(self, raw: bytes) -> list[Evidence]:
        """Evidence in a fork that somebody, a meter mostly, has found: against the members that signed both sides.

        A fork that accuses nobody of whom there is not evidence already is not looked into: that costs signatures.

        Raises:
            RuleViolation: the bytes are no fork (LC-19), or its certificates do not hold (CNS-03 to CNS-05).
        """
        fork, chain = fork_from_bytes(raw), self._ledger.genesis.chain
        oldest = max(1, self._ledger.height + 1 - chain.evidence_blocks)
        if not oldest <= fork.height <= self._ledger.height + 1:
            return []
        committee = self._ledger.committee_at(fork.height)
        found = contradictions_in(fork.first.certificate, fork.second.certificate, committee)
        news = [evidence for evidence in found if self._is_news(evidence)]
        if news:
            check_fork(fork, self._seat.chain_id, committee, self._seat.verify_signature)
        return list(news)

    # -- what is kept ----------------------------------------------------------------------------------------------

    def report(self, evidence: Evidence) -> Write | None:
        """Keep evidence as a transaction of ours; None if the accused is convicted, or accused by us, already."""
        if not self._is_news(evidence):
            return None
        seat = self._seat
        signed = assemble(SubmitEvidence(evidence=evidence), seat.chain_id, seat.public_key, seat.signer)
        self._pending[signed.tx_id()] = (evidence, signed.raw)
        return Write(table=_TABLE, key=signed.tx_id(), value=signed.raw)

    def renew(self) -> list[Write]:
        """A height is decided: drop what is punished by now, or older than it helps to try again."""
        self._unsound.clear()
        oldest = self._ledger.height - TRIED_BLOCKS
        done = [
            tx_id
            for tx_id, (evidence, _) in self._pending.items()
            if evidence.height < oldest or self._is_convicted(evidence)
        ]
        for tx_id in done:
            del self._pending[tx_id]
        return [Write(table=_TABLE, key=tx_id, value=None) for tx_id in done]

    def _is_news(self, evidence: Evidence) -> bool:
        """Whether the accused may be punished, and is neither convicted nor accused by us already."""
        state, key = self._ledger.state, evidence.public_key
        accused = any(key == known.public_key for known, _ in self._pending.values())
        return (
            not accused and may_sit(state.committee, state.registry, key) and not self._is_convicted(evidence)
        )

    def _is_convicted(self, evidence: Evidence) -> bool:
        """Whether a conviction is in force, or covers this fault (EVI-06)."""
        state, key = self._ledger.state, evidence.public_key
        earlier = state.accountability.conviction_of(key)
        covered = earlier is not None and evidence.height <= earlier.height
        return covered or state.accountability.is_convicted(key, state.meta.next_interval)


def said(message: Vote | Proposal) -> Statement:
    """A message as evidence carries it."""
    if isinstance(message, Vote):
        return SignedVote(
            kind=message.kind,
            round_=message.round_,
            header_hash=message.header_hash,
            signature=message.signature,
        )
    return SignedProposal(
        round_=message.round_,
        pol_round=message.pol_round,
        header_hash=message.header.hash(),
        body_hash=body_hash_of(message.body),
        signature=message.signature,
    )
