"""A solver as an actor: follows the offers, solves when the gate of an interval closes, submits to every miner.

Anyone may run one. Its word counts for nothing: what it submits carries its own proof.
"""

from __future__ import annotations

from light_client.messages.chain import Blocks, GetUpdate, NewBlock, UpdateMessage
from light_client.messages.codec import decode_message, encode_message
from light_client.messages.submission import SubmitTx, TxResult
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.audit import MarketReplica
from light_client.rules.ledger.block import body_from_bytes
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.transactions import SubmitSolution, sign_transaction
from light_client.rules.light import Update, header_is_certified
from light_client.rules.market.clearing import needs_no_solution
from light_client.session.actor import (
    Effect,
    Event,
    PeerName,
    Received,
    Report,
    Send,
    SetTimer,
    Started,
    TimerFired,
)
from light_client.sync.follow import TIMER as FOLLOW_TIMER
from light_client.sync.follow import newest_of
from testbed.solver.errors import NotSolvedError
from testbed.solver.params import SolverParams
from testbed.solver.solve import Outcome, solve

_RESEND_TIMER = "resend"


class SolverService:
    """One solver."""

    def __init__(
        self,
        name: PeerName,
        genesis: Genesis,
        secret: bytes,
        miners: tuple[PeerName, ...],
        params: SolverParams | None = None,
    ) -> None:
        self.name = name
        self._genesis = genesis
        self._secret = secret
        self._miners = miners
        self._params = params or SolverParams()
        self.replica = MarketReplica(genesis)
        self._follower = self._params.follow.follower(miners)
        self._solved: tuple[int, bytes] | None = None
        self._committee = genesis.committee
        self._signers_hash = genesis.committee.hash()
        """Who signs the next block, as the last header says."""

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """React to one event."""
        match event:
            case Started():
                return self._follower.start(self.replica.height, now_ms)
            case TimerFired(name=name) if name == FOLLOW_TIMER:
                return self._follower.woken(self.replica.height, now_ms)
            case TimerFired():
                return self._submit(now_ms)
            case Received(peer=peer, message=raw):
                try:
                    return self._received(raw, now_ms)
                except RuleViolation as broken:
                    return [Report(name="message-refused", value=(peer, broken.rule))]
        return []

    def _received(self, raw: bytes, now_ms: int) -> list[Effect]:
        message = decode_message(raw)
        match message:
            case NewBlock():
                return self._follower.announced(message.header.height, self.replica.height, now_ms)
            case Blocks():
                return self._follow(message, now_ms)
            case UpdateMessage():
                return self._learn(message, now_ms)
            case TxResult(accepted=False):
                return [Report(name="solution-refused", value=message.rule)]
        return []

    def _follow(self, blocks: Blocks, now_ms: int) -> list[Effect]:
        received = 0
        for certified in blocks.blocks:
            header = certified.header
            if header.height != self.replica.height + 1:
                continue
            if self._committee.hash() != self._signers_hash:
                return self._ask_committee()
            try:
                update = Update(header=header, certificate=certified.certificate)
                header_is_certified(self._committee, self.replica.chain_id, update)
                self.replica.follow(header, body_from_bytes(certified.body, self._genesis.chain))
            except RuleViolation as broken:
                refusal = Report(name="block-refused", value=broken.rule)
                return [refusal, *self._follower.refused(self.replica.height, now_ms)]
            received += 1
            self._signers_hash = header.next_committee_hash
        effects = self._follower.came(received, newest_of(blocks), self.replica.height, now_ms)
        return [*effects, *self._solve(now_ms)]

    def _ask_committee(self) -> list[Effect]:
        """The last header that a quorum signed names a committee that is not known here: ask for the list."""
        request = GetUpdate(trusted_height=self.replica.height - 1)
        return [Send(peer=self._follower.server, message=encode_message(request))]

    def _learn(self, message: UpdateMessage, now_ms: int) -> list[Effect]:
        """Take the list whose hash is the one that was signed; nothing else of the message matters here."""
        for update in message.updates:
            listed = update.next_committee
            if listed is not None and listed.hash() == self._signers_hash != self._committee.hash():
                self._committee = listed
                return self._follower.start(self.replica.height, now_ms)
        return []

    def _solve(self, now_ms: int) -> list[Effect]:
        problem = self.replica.closed
        if problem is None or needs_no_solution(problem) or not problem.params.mechanism.by_solver:
            return []
        if self._solved is not None and self._solved[0] == problem.first_interval:
            return []
        try:
            solved = solve(problem)
        except NotSolvedError as failure:
            return [Report(name="not-solved", value=str(failure))]
        if solved.outcome is Outcome.GAP:
            return [Report(name="gap", value=(problem.first_interval, solved.gaps))]
        transaction = SubmitSolution(solution=solved.solution)
        signed = sign_transaction(transaction, self.replica.chain_id, self._secret)
        self._solved = (problem.first_interval, signed.raw)
        return [
            Report(name="solved", value=(problem.first_interval, solved.gaps)),
            *self._submit(now_ms),
        ]

    def _submit(self, now_ms: int) -> list[Effect]:
        """Send the solution to every miner, again and again until its interval is final."""
        if self._solved is None or self._solved[0] < self.replica.next_interval:
            return []
        message = encode_message(SubmitTx(raw=self._solved[1]))
        resend = SetTimer(name=_RESEND_TIMER, at_ms=now_ms + self._params.resend_ms)
        return [*(Send(peer=miner, message=message) for miner in self._miners), resend]
