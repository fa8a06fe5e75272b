"""Solutions handed in for the interval whose gate has closed: judged once on arrival, the best one kept."""

from __future__ import annotations

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.clear import read_solution
from light_client.rules.ledger.committee import Verify
from light_client.rules.ledger.execution import close_gate
from light_client.rules.ledger.transactions import SignedTransaction, SubmitSolution
from light_client.rules.market.clearing import check_solution
from light_client.rules.market.problem import Problem
from testbed.miner.ledger import Ledger

TRIES_PER_SOLVER = 4
"""Solutions of one key that are judged for one interval: judging costs milliseconds, refusing nothing."""
MAX_EARLY = 8
"""Solutions kept, one for each key, that came before the block that closes the gate."""
MAX_SOLVERS = 256


class Solutions:
    """The best proven solution at hand, and those that came early."""

    def __init__(self, ledger: Ledger, verify_signature: Verify) -> None:
        self._ledger = ledger
        self._verify = verify_signature
        self._interval = 0
        self._problem: Problem | None = None
        self._best: bytes = b""
        self._gaps: tuple[int, ...] | None = None
        self._tries: dict[bytes, int] = {}
        self._early: dict[bytes, SignedTransaction] = {}

    @property
    def best(self) -> bytes:
        """The best proven solution for the closed gate, raw; no bytes if there is none."""
        return self._best

    def knows(self, raw: bytes) -> bool:
        """Whether these bytes are the best solution at hand."""
        return bool(raw) and raw == self._best

    def submit(self, signed: SignedTransaction) -> bool:
        """Judge a solution, or keep it until the gate closes here too.

        Returns:
            Whether it is the best one now, and the other miners should have it.

        Raises:
            RuleViolation: SOL-03 the market takes none; SOL-01 too many of this key; SOL-02 for an interval that is
                final; or the rule it breaks.
        """
        transaction = signed.transaction
        if not isinstance(transaction, SubmitSolution):
            return False
        mechanism = self._ledger.genesis.market.mechanism
        if not mechanism.by_solver:
            raise RuleViolation("SOL-03", "this market is an auction", got="a solution", expected="none")
        interval = transaction.solution.plan.first_interval
        waiting = self._ledger.state.meta.next_interval
        if interval < waiting:
            raise RuleViolation("SOL-02", "interval of a solution", got=interval, expected=waiting)
        if interval > waiting or not self._ledger.gate_closed:
            self._early[signed.public_key] = signed
            if len(self._early) > MAX_EARLY:
                del self._early[next(iter(self._early))]
            return False
        return self._judge(signed)

    def _judge(self, signed: SignedTransaction) -> bool:
        if self._gaps is not None and not any(self._gaps):
            return False
        tries = self._tries.get(signed.public_key, 0)
        if tries >= TRIES_PER_SOLVER or len(self._tries) > MAX_SOLVERS:
            raise RuleViolation("SOL-01", "solutions of this key", got=tries, expected=TRIES_PER_SOLVER)
        self._tries[signed.public_key] = tries + 1
        ledger = self._ledger
        solution, _ = read_solution(ledger.genesis, ledger.state.chain_id, signed.raw, self._verify)
        proven = check_solution(self._current_problem(), solution)
        if self._gaps is not None and proven.gaps >= self._gaps:
            return False
        self._best, self._gaps = signed.raw, proven.gaps
        return True

    def _current_problem(self) -> Problem:
        if self._problem is None:
            draft = self._ledger.state.draft()
            close_gate(draft, self._ledger.tip.time_ms)
            self._problem = draft.problem()
        return self._problem

    def renew(self) -> list[tuple[SignedTransaction, RuleViolation | None]]:
        """The state has changed: forget what was for an interval now final, and judge what came early.

        Returns:
            The early solutions that were refused, with the rule they break, and the one that is the best, with None.
        """
        interval = self._ledger.state.meta.next_interval
        if interval != self._interval:
            self._interval = interval
            self._best, self._gaps, self._problem = b"", None, None
            self._tries.clear()
        early, self._early = self._early, {}
        judged: list[tuple[SignedTransaction, RuleViolation | None]] = []
        for signed in early.values():
            try:
                self.submit(signed)
            except RuleViolation as broken:
                judged.append((signed, broken))
                continue
            if signed.raw == self._best:
                judged.append((signed, None))
        return judged
