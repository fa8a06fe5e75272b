"""Clearing: judge a solution, and turn the plan of an interval into final trades.

The order of judgement: complete the plan, check feasibility, value it, compare each value with its proven
bound. Whoever wrote the certificates, a plan that passes is optimal (up to the gap that the genesis allows, 0
by default).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from light_client.rules.errors import RuleViolation
from light_client.rules.market.certificate import (
    Certificate,
    bound,
    certificate_from_wire,
)
from light_client.rules.market.feasibility import check_feasible
from light_client.rules.market.levelling import complete, stated
from light_client.rules.market.objective import objective_values
from light_client.rules.market.plan import Plan, plan_from_wire
from light_client.rules.market.problem import Problem
from light_client.rules.market.settlement import Fill, amounts, group_values, prices_are_within_reservations
from light_client.rules.market.shares import prefix_shares


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """A plan and one certificate per objective."""

    plan: Plan
    certificates: tuple[Certificate, ...]

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        base = self.plan.first_interval
        return (
            self.plan.to_wire(),
            tuple(certificate.to_wire(base) for certificate in self.certificates),
        )


def solution_from_wire(wire: Any) -> Solution:
    """Read the canonical form back.

    Raises:
        RuleViolation: MKT-10, MKT-20 to MKT-22 for any other shape.
    """
    if type(wire) is not tuple or len(wire) != 2 or type(wire[1]) is not tuple:
        raise RuleViolation(
            "MKT-10",
            "a solution is a plan and certificates",
            got=wire,
            expected="(plan, certificates)",
        )
    plan = plan_from_wire(wire[0])
    certificates = tuple(certificate_from_wire(part, plan.first_interval) for part in wire[1])
    return Solution(plan=plan, certificates=certificates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What was proven of a solution."""

    plan: Plan
    """The complete plan."""
    values: tuple[int, ...]
    """Value of each objective."""
    bounds: tuple[int, ...]
    """Proven upper bound of each objective, given the values of the more important ones."""

    @property
    def gaps(self) -> tuple[int, ...]:
        """Bound less value, per objective: all zero means optimal."""
        return tuple(top - value for top, value in zip(self.bounds, self.values, strict=True))


def proven_bounds(
    problem: Problem, certificates: tuple[Certificate, ...], values: tuple[int, ...]
) -> tuple[int, ...]:
    """Upper bound of each objective among plans that have the given values of the more important ones.

    Raises:
        RuleViolation: MKT-28 when the certificates do not match the genesis' objectives; MKT-23 to MKT-25.
    """
    if len(certificates) != len(problem.params.objectives):
        raise RuleViolation(
            "MKT-28",
            "number of certificates",
            got=len(certificates),
            expected=len(problem.params.objectives),
        )
    bounds = []
    for position, certificate in enumerate(certificates):
        weights = certificate.weights
        if len(weights) != position + 1:
            raise RuleViolation(
                "MKT-28",
                f"weights of certificate {position + 1}",
                got=len(weights),
                expected=position + 1,
            )
        earlier = sum(weight * value for weight, value in zip(weights[:-1], values, strict=False))
        bounds.append((bound(problem, certificate) - earlier) // weights[-1])
    return tuple(bounds)


def gap_is_allowed(problem: Problem, proven: Proven) -> None:
    """MKT-29: the energy gap is at most what the genesis allows; where it allows none, no later objective has a gap."""
    energy_gap = proven.gaps[0]
    if energy_gap > problem.params.max_gap_j:
        raise RuleViolation(
            "MKT-29",
            "energy short of the proven bound, J",
            got=energy_gap,
            expected=problem.params.max_gap_j,
        )
    if problem.params.max_gap_j == 0 and any(proven.gaps[1:]):
        raise RuleViolation("MKT-29", "a tie-break is not proven", got=proven.gaps, expected="all 0")


def check_solution(problem: Problem, solution: Solution) -> Proven:
    """Judge a solution completely.

    Raises:
        RuleViolation: the first broken rule, MKT-11 to MKT-29.
    """
    plan = complete(problem, solution.plan)
    check_feasible(problem, plan)
    values = objective_values(problem, plan)
    proven = Proven(
        plan=plan,
        values=values,
        bounds=proven_bounds(problem, solution.certificates, values),
    )
    gap_is_allowed(problem, proven)
    return proven


class Trade(NamedTuple):
    """A final trade: one offer, one interval."""

    offer_id: int
    side: int
    interval: int
    energy_j: int
    amount_uc: int
    """Paid by a buyer, received by a seller."""


def final_trades(problem: Problem, plan: Plan) -> tuple[Trade, ...]:
    """The trades of the problem's first interval under a complete, feasible plan; ascending by offer number.

    Class totals are split pro rata on remaining energy, then priced by groups. Offers that trade nothing are left out.

    Raises:
        RuleViolation: MKT-19 when money would break a price limit, which no feasible plan leads to.
    """
    t = problem.first_interval
    sides: tuple[list[Fill], list[Fill]] = ([], [])
    for key, entries in plan.flows.items():
        if entries[0][0] != t:
            continue
        members = problem.shares[key]
        split = prefix_shares([energy_j for _, energy_j in members], entries[0][1])
        fills = sides[key.side]
        for (offer_id, _), energy_j in zip(members, split, strict=True):
            if energy_j:
                fills.append(Fill(offer_id, key.side, key.price_uc_per_kwh, energy_j))
    sold, bought = sides
    seller_value, buyer_value = group_values(sold, bought)
    prices_are_within_reservations(sold, seller_value, selling=True)
    prices_are_within_reservations(bought, buyer_value, selling=False)
    money = amounts(sold, seller_value) | amounts(bought, buyer_value)
    trades = [
        Trade(fill.offer_id, fill.side, t, fill.energy_j, money[fill.offer_id]) for fill in (*sold, *bought)
    ]
    return tuple(sorted(trades))


def kept_plan(problem: Problem, plan: Plan) -> Plan:
    """What a feasible plan for an earlier interval still says about ``problem``, should no solver do better.

    Whatever was final is dropped and classes are cut. In a uniform market buyers left with one interval leave
    the plan, since their purchases now follow from it. ``complete`` finds them, and the result is feasible:
    what is left of the old purchases is one way to serve them, and new offers only add choice. It is not
    proven optimal any more.

    Args:
        problem: the problem to clear next; all trades before its first interval are subtracted from its offers.
        plan: complete or as stated, feasible for an earlier problem of the same offers.
    """
    return stated(problem, plan.without(problem.first_interval - 1))


def needs_no_solution(problem: Problem) -> bool:
    """Whether nothing can trade in any open interval, so that the empty plan is optimal without a proof."""
    return not problem.two_sided


def empty_plan(first_interval: int) -> Plan:
    """The plan that trades nothing."""
    return Plan(first_interval=first_interval, flows={})
