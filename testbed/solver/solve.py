"""The solver as everybody uses it: a problem of the rules in, a solution out that the rules have judged."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from time import perf_counter

from light_client.rules.errors import RuleViolation
from light_client.rules.market.clearing import Proven, Solution, check_solution
from light_client.rules.market.offer import ClassKey
from light_client.rules.market.plan import Entries, Plan
from light_client.rules.market.problem import Problem
from light_client.rules.units import Side
from testbed.solver.arrays import Classes, Market, keys_of, market_of
from testbed.solver.bounds import certificate_of
from testbed.solver.clear import clear
from testbed.solver.errors import NotSolvedError
from testbed.solver.runs import Ints
from testbed.solver.task import Cleared, Stats


class Outcome(Enum):
    """How good an answer is."""

    OPTIMAL = "optimal"
    """Accepted by the rules, every gap 0."""
    WITHIN_GAP = "within the allowed gap"
    """Accepted by the rules, but short of a proof of optimality."""
    GAP = "gap"
    """Feasible, but the rules refuse it: its proven gap is larger than the genesis allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """An answer and what the rules say of it."""

    outcome: Outcome
    solution: Solution
    gaps: tuple[int, ...]
    """Proven bound less value per objective: joules, then joules times index."""
    proven: Proven | None
    """The verdict of the rules; None where they refuse (``outcome`` is ``GAP``)."""
    stats: Stats


def solve(problem: Problem) -> Solved:
    """Clear a problem and judge the answer by the rules, as any miner would.

    Raises:
        UnsupportedObjectiveError, TooLargeError, NotSolvedError: see ``testbed.solver.errors``.
        RuleViolation: the answer breaks a rule other than that of the gap (MKT-29): our bug.
    """
    started = perf_counter()
    market = market_of(problem)
    cleared = clear(market)
    solution = Solution(
        plan=plan_of(problem, market, cleared),
        certificates=tuple(certificate_of(market, table) for table in cleared.tables),
    )
    solved = perf_counter()
    cleared.stats.seconds["solve"] = solved - started
    try:
        proven = check_solution(problem, solution)
    except RuleViolation as refusal:
        if refusal.rule != "MKT-29" or cleared.optimal:
            raise
        return Solved(
            outcome=Outcome.GAP, solution=solution, gaps=cleared.gaps, proven=None, stats=cleared.stats
        )
    cleared.stats.seconds["verify"] = perf_counter() - solved
    if proven.gaps != cleared.gaps:
        raise NotSolvedError(f"the solver counts gaps of {cleared.gaps}, the rules {proven.gaps}")
    outcome = Outcome.WITHIN_GAP if any(proven.gaps) else Outcome.OPTIMAL
    return Solved(outcome=outcome, solution=solution, gaps=proven.gaps, proven=proven, stats=cleared.stats)


def plan_of(problem: Problem, market: Market, cleared: Cleared) -> Plan:
    """The plan as the rules state it: with one price, purchases left with one interval follow from the rest."""
    keys = keys_of(problem)
    flows: dict[ClassKey, Entries] = {}
    for side, classes, energy in (
        (Side.SELL, market.sells, cleared.sold),
        (Side.BUY, market.buys, cleared.bought),
    ):
        derived = problem.uniform and side == Side.BUY
        entries = _entries(market, keys[side], classes, energy)
        flows |= {key: traded for key, traded in entries if not (derived and key.single)}
    return Plan(first_interval=market.base, flows=flows)


def _entries(
    market: Market, keys: list[ClassKey], classes: Classes, energy: Ints
) -> list[tuple[ClassKey, Entries]]:
    traded = energy.nonzero()[0]
    owners = classes.entry_class[traded].tolist()
    times = (market.base + market.two_sided[classes.entry_t[traded]]).tolist()
    rows: dict[int, list[tuple[int, int]]] = {}
    for owner, t, joules in zip(owners, times, energy[traded].tolist(), strict=True):
        rows.setdefault(owner, []).append((t, joules))
    return [(keys[owner], tuple(entries)) for owner, entries in rows.items()]
