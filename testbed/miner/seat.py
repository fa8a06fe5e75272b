"""A seat in the committee: what it signs, how long it waits, and how it checks what the other seats signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from light_client.messages.consensus import Proposal, Vote
from light_client.rules.errors import LocalError, RuleViolation
from light_client.rules.ledger.committee import (
    Committee,
    QuorumCertificate,
    Verify,
    VoteKind,
    body_hash_of,
    proposal_message,
    vote_message,
)
from testbed.miner.ballots import Ballots
from testbed.miner.params import Timeouts
from testbed.miner.wal import SeenBlock


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Who we are in the committee, and what we sign with."""

    chain_id: bytes
    committee: Committee
    public_key: bytes
    number: int | None
    """Position in the committee; None for a miner that is not elected: it listens, and signs nothing."""
    signer: Callable[[bytes], bytes]
    verify_signature: Verify
    timeouts: Timeouts

    def sign_vote(self, kind: VoteKind, height: int, round_: int, header_hash: bytes) -> Vote:
        """Our vote.

        Raises:
            LocalError: we have no seat.
        """
        if self.number is None:
            raise LocalError("only a seat votes", got=self.number, expected="a seat")
        message = vote_message(kind, self.chain_id, height, round_, header_hash)
        return Vote(
            kind=kind,
            height=height,
            round_=round_,
            header_hash=header_hash,
            seat=self.number,
            signature=self.signer(message),
        )

    def sign_proposal(
        self, block: SeenBlock, header_hash: bytes, round_: int, pol_round: int | None
    ) -> Proposal:
        """Our proposal."""
        message = proposal_message(
            self.chain_id, block.header.height, round_, pol_round, header_hash, body_hash_of(block.body)
        )
        return Proposal(
            round_=round_,
            pol_round=pol_round,
            header=block.header,
            body=block.body,
            signature=self.signer(message),
        )


def check_vote(vote: Vote, seat: Seat) -> None:
    """CNS-11: the voter has a seat and signed the vote."""
    members = seat.committee.members
    if vote.seat >= len(members):
        raise RuleViolation("CNS-11", "seat of a vote", got=vote.seat, expected=f"below {len(members)}")
    if not seat.verify_signature(members[vote.seat].public_key, vote.signature, vote.message(seat.chain_id)):
        raise RuleViolation("CNS-11", "signature of a vote", got=vote.seat, expected="that of its seat")


def check_proposal(proposal: Proposal, seat: Seat) -> None:
    """CNS-12, CNS-14: the round's leader signed the proposal; its header was first proposed in no later round.

    A fresh block carries this very round, one with a proof of lock at most the round of the proof.
    """
    latest = proposal.round_ if proposal.pol_round is None else proposal.pol_round
    fresh = proposal.pol_round is None
    if proposal.header.round_ > latest or (fresh and proposal.header.round_ != proposal.round_):
        raise RuleViolation(
            "CNS-14", "round of a proposed header", got=proposal.header.round_, expected=latest
        )
    leader = seat.committee.members[seat.committee.leader(proposal.height, proposal.round_)]
    if not seat.verify_signature(leader.public_key, proposal.signature, proposal.message(seat.chain_id)):
        raise RuleViolation(
            "CNS-12", "signature of a proposal", got=proposal.signature, expected="that of the round's leader"
        )


def certificate_of(height: int, round_: int, header_hash: bytes, precommits: Ballots) -> QuorumCertificate:
    """The quorum certificate out of the precommits for one block."""
    votes = precommits.votes(header_hash)
    return QuorumCertificate(
        height=height,
        round_=round_,
        header_hash=header_hash,
        bitmap=precommits.bitmap(header_hash),
        signatures=tuple(vote.signature for vote in votes),
    )
