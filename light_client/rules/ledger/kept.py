"""The kept plan's proven gap: old prices still bound a new problem."""

from __future__ import annotations

from light_client.rules.market.certificate import Certificate, Sparse, Steps, bound
from light_client.rules.market.objective import traded_energy
from light_client.rules.market.plan import Plan
from light_client.rules.market.problem import Problem
from light_client.rules.units import Side

_FREE: Steps = ((0,), (0,))
"""The schedule of an interval that no certificate speaks of: everything is worth its own energy."""


def kept_gap(problem: Problem, plan: Plan, certificate: Certificate | None) -> int:
    """How much more energy, J, any plan could trade than the kept one, proven by the last certificate.

    The certificate is stretched over the problem: intervals it does not know get the free schedule, and schedules that
    begin above price 0 are continued down to it. Any whole numbers make a sound bound, so the result is one, if a loose
    one. What is offered on either side is a bound too: it keeps the numbers that a solver chose for other times out of
    the header.
    """
    weights: tuple[int, ...] = (1,) if certificate is None else certificate.weights
    schedules = {
        t: _stretch(certificate.schedules[t] if certificate and t in certificate.schedules else _FREE)
        for t in problem.two_sided
    }
    stretched = Certificate(
        weights=weights,
        schedules=schedules,
        net=_from(problem, certificate.net) if certificate else {},
        production=_from(problem, certificate.production) if certificate else {},
        consumption=_from(problem, certificate.consumption) if certificate else {},
    )
    proven = bound(problem, stretched) // weights[-1]
    return min(proven, *(_offered(problem, side) for side in Side)) - traded_energy(plan)


def _offered(problem: Problem, side: Side) -> int:
    """All energy offered on one side, J."""
    return sum(energy_j for key, energy_j in problem.classes.items() if key.side == side)


def _stretch(steps: Steps) -> Steps:
    prices, values = steps
    return steps if prices[0] == 0 else ((0, *prices), (values[0], *values))


def _from(problem: Problem, part: Sparse) -> Sparse:
    """The multipliers of intervals that are still open."""
    return {t: feeders for t, feeders in part.items() if t >= problem.first_interval}
