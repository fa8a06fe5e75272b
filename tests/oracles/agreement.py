"""One market, one judgement: the product's solver and rules against the pairwise oracle, replayed from one seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import gcd
from random import Random
from time import perf_counter

from light_client.rules.errors import RuleViolation
from light_client.rules.market.clearing import (
    Proven,
    check_solution,
    final_trades,
    solution_from_wire,
)
from light_client.rules.market.problem import Problem
from light_client.rules.units import Side
from testbed.solver.solve import Outcome, solve
from tests.oracles.corruptions import Wire, corrupt
from tests.oracles.pairwise import Optimum, PairMarket, optimum, violations
from tests.oracles.translate import class_flows, class_market, problem_from
from tests.property.markets import random_market


class DisagreementError(AssertionError):
    """The product and the oracle disagree; the message names the seed to replay."""


@dataclass(slots=True)
class Tally:
    """What a campaign saw."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def lines(self) -> list[str]:
        """The numbers for people."""
        return [
            *(f"{number:7,} {name}" for name, number in sorted(self.counts.items())),
            f"{self.seconds:7.1f} s",
        ]


def _disagree(seed: int, text: str) -> DisagreementError:
    return DisagreementError(
        f"market seed {seed}: {text}; replay: python -m tests.oracles.campaign --seed {seed} --markets 1"
    )


def compare(seed: int) -> str:
    """Solve the market of ``seed`` and hold value, tie-break and verdict against the oracle.

    Returns:
        How the market ended, for the tally.

    Raises:
        DisagreementError: on any difference.
    """
    market = random_market(seed)
    best = optimum(market)
    problem = problem_from(market)
    if optimum(class_market(problem)) != best:
        raise _disagree(seed, "classes have another optimum than their offers")
    if not problem.two_sided:
        return "nothing to trade" if not best.energy else _fail(seed, "an interval is missing")
    solved = solve(problem)
    if solved.outcome is not Outcome.OPTIMAL:
        return _judge_gap(seed, market, best, solved.gaps)
    judged = check_solution(problem, solution_from_wire(solved.solution.to_wire()))
    _hold_against(seed, problem, judged, best)
    kind = "uniform" if problem.uniform else "priced"
    return f"optimal, {kind}" if best.energy else f"optimal, {kind}, blocked"


def _fail(seed: int, text: str) -> str:
    raise _disagree(seed, text)


def _judge_gap(seed: int, market: PairMarket, best: Optimum, gaps: tuple[int, ...]) -> str:
    """An unproven answer is honest only where joules are too coarse to be split, and may then miss very few of them."""
    energies = [offer.energy for offer in (*market.sells, *market.buys)]
    limits = [limit for limit in (*market.external.values(), *market.internal.values()) if limit is not None]
    if gcd(*energies, *limits) % 12 == 0 or gaps[0] > 2:
        raise _disagree(seed, f"the solver leaves gaps of {gaps}, optimum {best}")
    return "gap reported (energies of single joules)"


def _hold_against(seed: int, problem: Problem, judged: Proven, best: Optimum) -> None:
    """An accepted plan is feasible, optimal in both objectives, and its trades conserve energy and money."""
    if wrong := violations(class_market(problem), *class_flows(problem, judged.plan)):
        raise _disagree(seed, f"accepted although {wrong}")
    if judged.values[:2] != (best.energy, -best.expiry_cost):
        raise _disagree(seed, f"accepted values {judged.values}, optimum {best}")
    trades = final_trades(problem, judged.plan)
    if sum(t.energy_j if t.side == Side.SELL else -t.energy_j for t in trades):
        raise _disagree(seed, "final trades do not conserve energy")
    if sum(t.amount_uc if t.side == Side.SELL else -t.amount_uc for t in trades):
        raise _disagree(seed, "final trades do not conserve money")


def attack(seed: int, number: int) -> str:
    """Corrupt the honest solution of the market of ``seed`` in the way ``number`` and see what the rules say.

    Returns:
        How it ended, for the tally: refused with a rule id, or harmless.

    Raises:
        DisagreementError: when something worse than optimal, or infeasible, is accepted.
    """
    honest = _honest(seed)
    if honest is None:
        return "nothing to corrupt"
    market, problem, wire = honest
    other = _honest(seed + 1)
    random = Random(f"{seed}/{number}")
    names, forged = "", wire
    while forged == wire:
        names, forged = corrupt(random, wire, other[2] if other else wire)
    try:
        judged = check_solution(problem, solution_from_wire(forged))
    except RuleViolation as refusal:
        str(refusal)
        return f"refused by {refusal.rule}"
    except Exception as crash:
        raise _disagree(seed, f"corruption {number} ({names}) crashes the verifier: {crash!r}") from crash
    _hold_against(seed, problem, judged, optimum(market))
    return "harmless: still a proven optimum"


def _honest(seed: int) -> tuple[PairMarket, Problem, Wire] | None:
    market = random_market(seed, unit=12)
    problem = problem_from(market)
    if not problem.two_sided:
        return None
    solved = solve(problem)
    if solved.outcome is not Outcome.OPTIMAL:
        raise _disagree(seed, f"the solver leaves gaps of {solved.gaps} with energies of 12 J")
    return market, problem, solved.solution.to_wire()


def campaign(first_seed: int, markets: int, corruptions: int, *, per_market: int = 4) -> Tally:
    """Compare ``markets`` markets, then try ``corruptions`` corruptions, ``per_market`` of each market."""
    tally = Tally()
    started = perf_counter()
    for seed in range(first_seed, first_seed + markets):
        tally.counts[f"market: {compare(seed)}"] += 1
    for number in range(corruptions):
        tally.counts[f"corruption: {attack(first_seed + number // per_market, number % per_market)}"] += 1
    tally.seconds = perf_counter() - started
    return tally
