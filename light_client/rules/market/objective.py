"""The objectives of clearing, as whole numbers to be maximised."""

from __future__ import annotations

from light_client.rules.market.params import Objective
from light_client.rules.market.plan import Plan
from light_client.rules.market.problem import Problem
from light_client.rules.units import Side


def traded_energy(plan: Plan) -> int:
    """Energy sold, J. Source: equation (10)."""
    return sum(q for key, entries in plan.flows.items() if key.side == Side.SELL for _, q in entries)


def expiry_cost(plan: Plan, expiry_weight: int) -> int:
    """``sum (N * last + t) * x[s,t]``: small when soon-expiring energy is sold, and sold early; J x index.

    Intervals are absolute indices: a different origin only adds a constant times the traded energy.
    """
    cost = 0
    for key, entries in plan.flows.items():
        if key.side == Side.SELL:
            expiry = expiry_weight * key.last
            for t, q in entries:
                cost += (expiry + t) * q
    return cost


def welfare(plan: Plan) -> int:
    """``sum R_b * y - sum R_s * x``, micro-currency joules per kWh."""
    return sum(
        (1 if key.side else -1) * key.price_uc_per_kwh * q
        for key, entries in plan.flows.items()
        for _, q in entries
    )


def objective_values(problem: Problem, plan: Plan) -> tuple[int, ...]:
    """Values of the genesis' objectives for a complete plan, each to be maximised (the expiry cost counts negative)."""
    value_of = {
        Objective.ENERGY: lambda: traded_energy(plan),
        Objective.EXPIRY: lambda: -expiry_cost(plan, problem.params.expiry_weight),
        Objective.WELFARE: lambda: welfare(plan),
    }
    return tuple(value_of[objective]() for objective in problem.params.objectives)
