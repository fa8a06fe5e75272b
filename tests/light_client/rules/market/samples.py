"""Short spellings for the markets of these tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from light_client.rules.market.certificate import Certificate
from light_client.rules.market.clearing import Solution
from light_client.rules.market.intervals import ranges_of
from light_client.rules.market.offer import ClassKey
from light_client.rules.market.plan import Plan
from light_client.rules.market.problem import Problem
from tests.oracles.certifier import answer
from tests.oracles.pairwise import PairMarket, PairOffer
from tests.oracles.translate import class_market, params_of, problem_from, solution_of

SELL, BUY = 0, 1
FEW = 40
"""Examples of a property that solves a linear program for each: the campaign tries thousands."""
Spec = tuple[int, int, int, tuple[int, ...]]
"""``(feeder, price, energy, intervals)``."""


def market(
    sells: Sequence[Spec],
    buys: Sequence[Spec],
    *,
    external: Mapping[int, int],
    internal: Mapping[int, int] | None = None,
) -> PairMarket:
    """A market of the oracle; feeders without an internal limit have none."""

    def offers(specs: Sequence[Spec]) -> tuple[PairOffer, ...]:
        return tuple(PairOffer(feeder=f, price=p, energy=e, intervals=i) for f, p, e, i in specs)

    return PairMarket(
        sells=offers(sells),
        buys=offers(buys),
        external=dict(external),
        internal={feeder: (internal or {}).get(feeder) for feeder in external},
        expiry_weight=128,
    )


def problem(
    sells: Sequence[Spec],
    buys: Sequence[Spec],
    *,
    external: Mapping[int, int],
    internal: Mapping[int, int] | None = None,
    uniform: bool = False,
    welfare: bool = False,
    max_gap_j: int = 0,
) -> Problem:
    """A problem of the product; priced unless told otherwise."""
    drawn = market(sells, buys, external=external, internal=internal)
    return problem_from(drawn, params_of(drawn, uniform=uniform, welfare=welfare, max_gap_j=max_gap_j))


def key(side: int, feeder: int, price: int, *intervals: int) -> ClassKey:
    """A class."""
    return ClassKey(side, feeder, price, ranges_of(intervals))


def plan(flows: Mapping[ClassKey, Mapping[int, int]], first_interval: int = 0) -> Plan:
    """A plan from interval -> energy per class."""
    ordered = {cls: tuple(sorted(flows[cls].items())) for cls in sorted(flows)}
    return Plan(first_interval=first_interval, flows=ordered)


def proven(subject: Problem) -> Solution:
    """An honest solution, by the independent certifier."""
    stages = len(subject.params.objectives)
    return solution_of(subject, answer(class_market(subject), objectives=stages))


def certificate(
    weights: tuple[int, ...],
    schedules: Mapping[int, tuple[tuple[int, ...], tuple[int, ...]]],
    *,
    net: dict[int, dict[int, int]] | None = None,
    production: dict[int, dict[int, int]] | None = None,
    consumption: dict[int, dict[int, int]] | None = None,
) -> Certificate:
    """A certificate; what is left out is empty."""
    return Certificate(
        weights=weights,
        schedules=dict(schedules),
        net=net or {},
        production=production or {},
        consumption=consumption or {},
    )
