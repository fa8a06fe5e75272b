"""Agreement on one block: Tendermint, as a state machine without I/O. Source: arXiv:1807.04938, algorithm 1.

    step        meaning                              left by
    WAITING     no work is known yet                 begin; a proposal of round 0; rule 55
    PROPOSE     waits for the round's proposal       rules 22, 28; timeout: prevote nil (57)
    PREVOTE     voted; waits for prevotes            rules 36, 44; timeout after rule 34: precommit nil (61)
    PRECOMMIT   voted; waits for precommits          timeout after rule 47: next round (65)
    DECIDED     a quorum precommitted one block      -

    rule: line of the paper, condition                                what follows
    49  a block, and a quorum of precommits for it, in any round      it is decided
    55  more than a third of the weight is in a later round           go there
    22  PROPOSE: a fresh proposal                                     prevote it if valid and not locked otherwise
    28  PROPOSE: one with a quorum of prevotes of an earlier round    prevote it if valid and the lock is no later
    36  from PREVOTE on: a block with a quorum of prevotes            lock and precommit it; it is the valid block
    44  PREVOTE: a quorum of prevotes for nil                         precommit nil
    34  PREVOTE: prevotes of a quorum, for whatever                   wait a little longer
    47  precommits of a quorum, for whatever                          wait a little longer

Locks, votes and own proposals are ``Write``-n by the call that sends them (``wal``). Only signature-checked votes
count; a quorum is strictly more than two thirds of the weight. Of rounds far ahead only who is there is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

from light_client.messages.codec import Message
from light_client.messages.consensus import Proposal, RoundStatus, Vote
from light_client.rules.ledger.block import Header
from light_client.rules.ledger.committee import NIL, QuorumCertificate, VoteKind
from light_client.session.actor import CancelTimer, Effect, Report, SetTimer, Write
from testbed.miner.ballots import Round
from testbed.miner.catchup import missing_there, status_of
from testbed.miner.seat import Seat, certificate_of, check_proposal, check_vote
from testbed.miner.wal import Lock, SeenBlock, VoteLog

FUTURE_ROUNDS: Final = 8
"""Votes of rounds further ahead are not kept."""
PAST_ROUNDS: Final = 32
"""Rounds further back are forgotten, except those of the lock and of the valid block."""


class Step(IntEnum):
    """Where a miner stands within a height."""

    WAITING = 0
    PROPOSE = 1
    PREVOTE = 2
    PRECOMMIT = 3
    DECIDED = 4


class Application(Protocol):
    """What is agreed on: consensus asks for blocks and whether they are valid, and knows nothing else of them."""

    def make_proposal(self, round_: int, now_ms: int) -> SeenBlock:
        """A fresh block, valid and timely."""

    def is_valid(self, block: SeenBlock) -> bool:
        """Whether the block follows all rules; the same answer at every honest miner."""

    def is_timely(self, header: Header, now_ms: int) -> bool:
        """Whether the header's time is not ahead of the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """Send a message to all other miners."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The height is decided."""

    block: SeenBlock
    certificate: QuorumCertificate


Output = Effect | Broadcast | Decided


class Consensus:
    """One height, as one miner sees it."""

    def __init__(self, seat: Seat, application: Application, log: VoteLog) -> None:
        self.height = log.height
        self.round = 0
        self.step = Step.WAITING
        self._seat = seat
        self._committee = seat.committee
        self._application = application
        self._log = log
        self._rounds: dict[int, Round] = {}
        self._blocks: dict[bytes, SeenBlock] = dict(log.blocks)
        self._furthest: dict[int, int] = {}
        self._timers: dict[str, int] = {}
        self._out: list[Output] = []

    @property
    def lock(self) -> Lock:
        """Locked and valid block."""
        return self._log.lock

    def block(self, header_hash: bytes) -> SeenBlock | None:
        """A proposed block at hand."""
        return self._blocks.get(header_hash)

    def forget_log(self) -> list[Write]:
        """Delete what was logged: the height is decided, here or by what others sent."""
        return list(self._log.forget())

    # -- inputs ---------------------------------------------------------------------------------------------------

    def begin(self, now_ms: int) -> list[Output]:
        """There is work: enter round 0, unless under way already."""
        if self.step == Step.WAITING:
            self._start_round(0, now_ms)
        return self._advance(now_ms)

    def resume(self, now_ms: int) -> list[Output]:
        """Go on where the log ends, after a restart; does nothing if nothing was signed at this height."""
        for vote in self._log.proof:
            self._of(vote.round_).prevotes.add(vote, proposed=True)
        last = self._log.last_round()
        if last is None:
            return []
        for vote in self._log.votes.values():
            self._of(vote.round_).ballots[vote.kind].add(vote, proposed=True)
        for proposal in self._log.proposals.values():
            self._keep_proposal(proposal, proposal.header.hash())
        kinds = [kind for round_, kind in self._log.votes if round_ == last]
        if not kinds:
            self._start_round(last, now_ms)
            return self._advance(now_ms)
        self.round = last
        self.step = Step.PRECOMMIT if VoteKind.PRECOMMIT in kinds else Step.PREVOTE
        self._set_timer("status", self._seat.timeouts.status_ms, now_ms)
        self._out.extend(Broadcast(message=self._log.votes[last, kind]) for kind in kinds)
        return self._advance(now_ms)

    def on_proposal(self, proposal: Proposal, now_ms: int) -> list[Output]:
        """A proposal for this height came in.

        Raises:
            RuleViolation: CNS-12 not signed by the leader of its round; CNS-14 its header is of a later round.
        """
        if proposal.round_ > self.round + FUTURE_ROUNDS or proposal.round_ < self.round - PAST_ROUNDS:
            return []
        known = self._of(proposal.round_)
        header_hash = proposal.header.hash()
        if known.proposal is not None and known.proposal_hash == header_hash:
            return []
        check_proposal(proposal, self._seat)
        leader = self._committee.leader(self.height, proposal.round_)
        self._furthest[leader] = max(proposal.round_, self._furthest.get(leader, -1))
        if known.proposal is None:
            self._keep_proposal(proposal, header_hash)
        else:
            self._out.append(Report(name="two-proposals", value=(known.proposal, proposal)))
            if header_hash in known.prevotes.supported():
                self._keep_block(header_hash, SeenBlock(proposal.header, proposal.body))
        if self.step == Step.WAITING and proposal.round_ == 0:
            self._start_round(0, now_ms)
        return self._advance(now_ms)

    def on_vote(self, vote: Vote, now_ms: int) -> list[Output]:
        """A vote for this height came in.

        Raises:
            RuleViolation: CNS-11 no such seat, or not signed by it.
        """
        if vote.round_ < self.round - PAST_ROUNDS and vote.round_ not in self._rounds:
            return []
        near = vote.round_ <= self.round + FUTURE_ROUNDS
        if near and self._of(vote.round_).ballots[vote.kind].has(vote):
            return []
        check_vote(vote, self._seat)
        self._furthest[vote.seat] = max(vote.round_, self._furthest.get(vote.seat, -1))
        if near:
            ballots = self._of(vote.round_).ballots[vote.kind]
            evidence = ballots.add(vote, proposed=vote.header_hash in self._blocks)
            if evidence is not None:
                self._out.append(Report(name="equivocation", value=evidence))
        return self._advance(now_ms)

    def on_timeout(self, name: str, now_ms: int) -> list[Output]:
        """A timer of ours ran out."""
        round_ = self._timers.pop(name, None)
        if name == "status" and self.step not in (Step.WAITING, Step.DECIDED):
            self._out.append(Broadcast(message=self.status()))
            self._set_timer("status", self._seat.timeouts.status_ms, now_ms)
        elif round_ != self.round:
            return []
        elif name == "propose" and self.step == Step.PROPOSE:
            self._vote(VoteKind.PREVOTE, NIL)
        elif name == "prevote" and self.step == Step.PREVOTE:
            self._vote(VoteKind.PRECOMMIT, NIL)
        elif name == "precommit" and self.step != Step.DECIDED:
            self._start_round(self.round + 1, now_ms)
        return self._advance(now_ms)

    # -- what others lack ------------------------------------------------------------------------------------------

    def status(self) -> RoundStatus:
        """Where we stand, and what we have."""
        return status_of(self.height, self.round, self._rounds, self._blocks.keys(), self._committee)

    def answer(self, status: RoundStatus) -> list[Message]:
        """What a miner at the same height lacks, as far as we have it."""
        answer = missing_there(status, self._rounds)
        if status.round_ < self.round:
            own = (self._log.votes.get((self.round, kind)) for kind in VoteKind)
            answer.extend(vote for vote in own if vote is not None)
        return answer

    # -- rules -----------------------------------------------------------------------------------------------------

    def _advance(self, now_ms: int) -> list[Output]:
        """Apply the rules until none applies; return everything that came of it."""
        while self.step != Step.DECIDED and any(rule(self, now_ms) for rule in _RULES):
            pass
        out, self._out = self._out, []
        return out

    def _decide(self, now_ms: int) -> bool:
        """Rule 49."""
        del now_ms
        for round_, seen in self._rounds.items():
            chosen = seen.precommits.quorum()
            block = None if chosen is None or chosen == NIL else self._blocks.get(chosen)
            if chosen is not None and block is not None and self._application.is_valid(block):
                self.step = Step.DECIDED
                self._out.extend(CancelTimer(name=f"consensus/{name}") for name in self._timers)
                certificate = certificate_of(self.height, round_, chosen, seen.precommits)
                self._out.append(Decided(block=block, certificate=certificate))
                return True
        return False

    def _skip(self, now_ms: int) -> bool:
        """Rule 55: the latest round that more than a third of the weight has reached."""
        floor = -1 if self.step == Step.WAITING else self.round
        weight = 0
        for seat in sorted(self._furthest, key=lambda seat: -self._furthest[seat]):
            weight += self._committee.members[seat].weight
            if self._furthest[seat] <= floor:
                return False
            if self._committee.exceeds_faults(weight):
                self._start_round(self._furthest[seat], now_ms)
                return True
        return False

    def _prevote(self, now_ms: int) -> bool:
        """Rules 22 and 28."""
        here = self._of(self.round)
        proposal = here.proposal
        if self.step != Step.PROPOSE or proposal is None:
            return False
        lock = self._log.lock
        if proposal.pol_round is None:
            free = lock.locked_round == -1
        else:
            proof = self._of(proposal.pol_round).prevotes.weight_for(here.proposal_hash)
            if not self._committee.is_quorum(proof):
                return False
            free = lock.locked_round <= proposal.pol_round
        free = free or lock.locked_hash == here.proposal_hash
        block = self._blocks[here.proposal_hash]
        timely = proposal.pol_round is not None or self._application.is_timely(block.header, now_ms)
        good = free and timely and self._application.is_valid(block)
        self._vote(VoteKind.PREVOTE, here.proposal_hash if good else NIL)
        return True

    def _precommit(self, now_ms: int) -> bool:
        """Rule 36."""
        del now_ms
        chosen = self._of(self.round).prevotes.quorum()
        block = None if chosen is None or chosen == NIL else self._blocks.get(chosen)
        if self.step < Step.PREVOTE or chosen is None or block is None:
            return False
        lock = self._log.lock
        if lock.valid_round >= self.round or not self._application.is_valid(block):
            return False
        if self.step == Step.PREVOTE:
            lock = Lock(self.round, chosen, self.round, chosen)
        else:
            lock = lock._replace(valid_round=self.round, valid_hash=chosen)
        self._out.extend(self._log.record_lock(lock, block, self._of(self.round).prevotes.votes(chosen)))
        if self.step == Step.PREVOTE:
            self._vote(VoteKind.PRECOMMIT, chosen)
        return True

    def _precommit_nil(self, now_ms: int) -> bool:
        """Rule 44."""
        del now_ms
        if self.step != Step.PREVOTE or self._of(self.round).prevotes.quorum() != NIL:
            return False
        self._vote(VoteKind.PRECOMMIT, NIL)
        return True

    def _wait(self, now_ms: int) -> bool:
        """Rules 34 and 47."""
        here = self._of(self.round)
        waits = (
            ("prevote", here.prevotes, self.step == Step.PREVOTE),
            ("precommit", here.precommits, self.step >= Step.PROPOSE),
        )
        for name, ballots, applies in waits:
            if applies and self._timers.get(name) != self.round and self._committee.is_quorum(ballots.weight):
                timeouts = self._seat.timeouts
                self._set_timer(name, timeouts.in_round(timeouts.vote_ms, self.round), now_ms)
                return True
        return False

    # -- steps -----------------------------------------------------------------------------------------------------

    def _start_round(self, round_: int, now_ms: int) -> None:
        timeouts = self._seat.timeouts
        self.round, self.step = round_, Step.PROPOSE
        if "status" not in self._timers:
            self._set_timer("status", timeouts.status_ms, now_ms)
        self._set_timer("propose", timeouts.in_round(timeouts.propose_ms, round_), now_ms)
        if round_:
            self._out.append(Report(name="round", value=(self.height, round_)))
        self._forget_old_rounds()
        if self._committee.leader(self.height, round_) == self._seat.number:
            self._propose(now_ms)

    def _propose(self, now_ms: int) -> None:
        """Lines 14 to 19: the valid block again, or a fresh one; what was signed before a restart as it was."""
        proposal = self._log.proposals.get(self.round)
        if proposal is None:
            lock = self._log.lock
            pol_round = None if lock.valid_round < 0 else lock.valid_round
            if pol_round is None:
                block = self._application.make_proposal(self.round, now_ms)
            else:
                block = self._blocks[lock.valid_hash]
            header_hash = block.header.hash()
            proposal = self._seat.sign_proposal(block, header_hash, self.round, pol_round)
            self._out.extend(self._log.record_proposal(proposal, header_hash))
        self._keep_proposal(proposal, proposal.header.hash())
        self._out.append(Broadcast(message=proposal))

    def _vote(self, kind: VoteKind, header_hash: bytes) -> None:
        """Sign, log and send a vote, or the one signed before a restart; without a seat, take the step in silence."""
        self.step = Step.PREVOTE if kind == VoteKind.PREVOTE else Step.PRECOMMIT
        vote = self._log.votes.get((self.round, kind))
        if vote is None:
            if self._seat.number is None:
                return
            vote = self._seat.sign_vote(kind, self.height, self.round, header_hash)
            self._out.extend(self._log.record_vote(vote))
        self._of(self.round).ballots[kind].add(vote, proposed=True)
        self._out.append(Broadcast(message=vote))

    def _of(self, round_: int) -> Round:
        found = self._rounds.get(round_)
        if found is None:
            found = self._rounds[round_] = Round(self._committee)
        return found

    def _keep_proposal(self, proposal: Proposal, header_hash: bytes) -> None:
        here = self._of(proposal.round_)
        here.proposal, here.proposal_hash = proposal, header_hash
        self._keep_block(header_hash, SeenBlock(proposal.header, proposal.body))

    def _keep_block(self, header_hash: bytes, block: SeenBlock) -> None:
        """Keep a block; one with a wrong body, which a faulty leader may have sent, gives way to a later one."""
        known = self._blocks.get(header_hash)
        if known is None or (known.body != block.body and not self._application.is_valid(known)):
            self._blocks[header_hash] = block

    def _forget_old_rounds(self) -> None:
        kept = {self._log.lock.locked_round, self._log.lock.valid_round}
        old = [n for n in self._rounds if n < self.round - PAST_ROUNDS and n not in kept]
        for number in old:
            del self._rounds[number]
        if old:
            needed = {seen.proposal_hash for seen in self._rounds.values()} | self._log.blocks.keys()
            self._blocks = {key: block for key, block in self._blocks.items() if key in needed}

    def _set_timer(self, name: str, after_ms: int, now_ms: int) -> None:
        self._timers[name] = self.round
        self._out.append(SetTimer(name=f"consensus/{name}", at_ms=now_ms + after_ms))


_RULES: Final = (
    Consensus._decide,  # noqa: SLF001 - the table of the class above
    Consensus._skip,  # noqa: SLF001
    Consensus._prevote,  # noqa: SLF001
    Consensus._precommit,  # noqa: SLF001
    Consensus._precommit_nil,  # noqa: SLF001
    Consensus._wait,  # noqa: SLF001
)
"""In the order in which they are tried."""
