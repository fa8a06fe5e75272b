"""Making up for lost messages within a height: what a miner says it has, and what others send it for that."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from light_client.messages.codec import Message
from light_client.messages.consensus import PolRequest, RoundStatus
from light_client.rules.ledger.committee import NIL, Committee
from testbed.miner.ballots import Round


def status_of(
    height: int, round_: int, rounds: Mapping[int, Round], blocks: Collection[bytes], committee: Committee
) -> RoundStatus:
    """Where a miner stands.

    Args:
        rounds: what it has received.
        blocks: hashes of the blocks at hand. One that an honest seat voted for and that is not among them is asked
            for like a missing proposal: a faulty leader may have shown us another.
    """
    here = rounds.get(round_) or Round(committee)
    lacking = any(
        block != NIL and block not in blocks
        for ballots in here.ballots.values()
        for block in ballots.supported()
    )
    return RoundStatus(
        height=height,
        round_=round_,
        has_proposal=here.proposal is not None and not lacking,
        prevotes=here.prevotes.bitmap(),
        precommits=here.precommits.bitmap(),
        pol=_wanted_proof(here, rounds, committee),
    )


def _wanted_proof(here: Round, rounds: Mapping[int, Round], committee: Committee) -> PolRequest | None:
    """The prevotes that are missing to believe the proposal's proof of lock."""
    if here.proposal is None or here.proposal.pol_round is None:
        return None
    prevotes = (rounds.get(here.proposal.pol_round) or Round(committee)).prevotes
    if committee.is_quorum(prevotes.weight_for(here.proposal_hash)):
        return None
    have = prevotes.bitmap(here.proposal_hash)
    return PolRequest(round_=here.proposal.pol_round, header_hash=here.proposal_hash, have=have)


def missing_there(status: RoundStatus, rounds: Mapping[int, Round]) -> list[Message]:
    """What another miner at this height lacks of the rounds it asks about, as far as it was received here."""
    missing: list[Message] = []
    there = rounds.get(status.round_)
    if there is not None:
        if there.proposal is not None and not status.has_proposal:
            missing.append(there.proposal)
        for ballots, have in ((there.prevotes, status.prevotes), (there.precommits, status.precommits)):
            missing.extend(vote for vote in ballots.votes() if not have >> vote.seat & 1)
    if status.pol is not None and status.pol.round_ in rounds:
        wanted = rounds[status.pol.round_].prevotes.votes(status.pol.header_hash)
        missing.extend(vote for vote in wanted if not status.pol.have >> vote.seat & 1)
    return missing
