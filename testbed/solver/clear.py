"""Clears a market of columns: which method for which intervals, and both certificates.

Intervals that no offer with a choice touches are circulations by themselves; with one price for all the whole
market is one; what is left is a linear program. All parts are weighted alike: a joule sold is worth ``mu -
(kappa - k0)``, so that one more joule always counts for more than any tie-break, and ``mu`` is doubled where
that turns out not to hold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from light_client.rules.market.params import Objective
from testbed.solver.arrays import Market, one_price
from testbed.solver.bounds import Table
from testbed.solver.circulation import (
    Network,
    Prices,
    Residual,
    network_of,
    prices_of,
    solve_flow,
)
from testbed.solver.errors import NotSolvedError, UnsupportedObjectiveError
from testbed.solver.exact import clear_exactly
from testbed.solver.levels import Joined, solve_lazily
from testbed.solver.program import Vertex, program_of, rounded_prices, solve_program
from testbed.solver.reduction import Reduced, reduce
from testbed.solver.repair import whole_plan, with_whole_splits
from testbed.solver.runs import Ints, Mask
from testbed.solver.spot import clear_spot, is_spot
from testbed.solver.task import SCALES, Cleared, Duals, Stats, Task, first_mu

MAX_MU = 1 << 40
ATTEMPTS = 3
"""How often a linear program is tried, each time with twice the weight of energy."""


def clear(market: Market) -> Cleared:
    """The most energy, then the soonest-expiring, with certificates.

    A gap above 0 says that no optimal plan in whole joules was found, or none could be proven; the plan is
    feasible in any case.

    Raises:
        UnsupportedObjectiveError: the genesis certifies welfare too, and offers have prices.
        TooLargeError: numbers beyond exact 64-bit arithmetic.
        NotSolvedError: a numerical library gave up.
    """
    third, one_level = Objective.WELFARE in market.params.objectives, one_price(market)
    if third and not one_level:
        raise UnsupportedObjectiveError("this solver certifies welfare only where all offers have one price")
    if one_level and is_spot(market):
        spot = clear_spot(market)
        return _with_welfare(market, spot) if third else spot
    reduced = reduce(market)
    coupled = np.zeros(len(market.two_sided), np.bool_)
    if not one_level:
        for arcs in (reduced.sells, reduced.buys):
            coupled[arcs.t[arcs.owner >= 0]] = True
    task = Task(market=market, reduced=reduced, lowest=_lowest(reduced.sells.kappa), stats=Stats())
    network = _by_flow(task, ~coupled, one_level=one_level)
    if coupled.any():
        return _with_program(task, network, coupled)
    second, mu = network.second_prices(first_mu(reduced.sells.kappa))
    cleared = task.judged(
        network.sold,
        network.bought,
        Duals(first=network.first, first_scale=1, second=second, second_scale=1, mu=mu),
    )
    return _with_welfare(market, cleared) if third else cleared


def _with_welfare(market: Market, cleared: Cleared) -> Cleared:
    """Welfare where all offers have one price: always 0, which a schedule at minus that price proves."""
    count_t, count_f = len(market.two_sided), len(market.feeders)
    price = int(market.sells.price[0]) if len(market.sells) else 0
    nothing = np.zeros(count_t * count_f, np.int64)
    table = Table(
        weights=(0, 0, 1),
        step_t=np.arange(count_t),
        step_price=np.zeros(count_t, np.int64),
        step_value=np.full(count_t, -price),
        net=nothing,
        production=nothing,
        consumption=nothing,
    )
    return replace(
        cleared, tables=(*cleared.tables, table), values=(*cleared.values, 0), bounds=(*cleared.bounds, 0)
    )


def _lowest(kappa: Ints) -> int:
    return int(kappa.min()) if len(kappa) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _FlowAnswer:
    """An optimal circulation of a relaxation, and its prices for the first objective."""

    network: Network
    residual: Residual
    prices: Prices
    sold: Ints
    bought: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class _NetworkPart:
    """The part of a market that is a network, solved."""

    task: Task
    joined: Joined
    answer: _FlowAnswer
    sold: Ints
    """Per sellers' arc of the market, 0 outside this part."""
    bought: Ints
    first: Prices

    def second_prices(self, mu: int) -> tuple[Prices, int]:
        """Prices for the second objective, and the mu at which they hold: the given one, or doubled until they do."""
        network, reduced = self.answer.network, self.joined.reduced
        while mu <= MAX_MU:
            weight = self.task.weight(reduced.sells, mu)[network.sell_arcs]
            distance = self.answer.residual.potentials(weight)
            if distance is not None:
                return _parted(prices_of(reduced, network, distance), self.joined), mu
            mu *= 2
        raise NotSolvedError(f"no weight up to {MAX_MU} lets energy decide before the tie-break")


def _by_flow(task: Task, intervals: Mask, *, one_level: bool) -> _NetworkPart:
    def solve(joined: Joined) -> _FlowAnswer:
        answer = _circulate(joined.reduced, intervals, one_level=one_level)
        task.stats.flows += 1
        task.stats.flow_arcs = len(answer.network.tail)
        return answer

    joined, answer, sold, bought = solve_lazily(task.reduced, solve, gradually=True)
    first = _parted(answer.prices, joined)
    return _NetworkPart(task=task, joined=joined, answer=answer, sold=sold, bought=bought, first=first)


def _circulate(reduced: Reduced, intervals: Mask, *, one_level: bool) -> _FlowAnswer:
    """Most energy, then least tie-break cost. Costs are as small as they can be, which the flow solver likes."""
    network = network_of(reduced, intervals, one_level=one_level)
    cost = reduced.sells.kappa[network.sell_arcs]
    if len(cost):
        if one_level:
            cost = cost - cost.min()
        else:
            lowest = np.full(len(intervals), cost.max())
            np.minimum.at(lowest, reduced.sells.t[network.sell_arcs], cost)
            cost = cost - lowest[reduced.sells.t[network.sell_arcs]]
    step = int(np.gcd.reduce(cost)) if len(cost) else 0
    cost = cost // step if step else cost
    ones = np.ones(len(cost), np.int64)
    mu = 4 * (int(cost.max(initial=0)) + 1) if step else 1
    while True:
        flow = solve_flow(network, mu - cost)
        residual = Residual(network, flow)
        distance = residual.potentials(ones)
        if distance is not None:
            break
        mu *= 2
    sold, bought = np.zeros(len(reduced.sells), np.int64), np.zeros(len(reduced.buys), np.int64)
    sellers, buyers = len(network.sell_arcs), len(network.buy_arcs)
    sold[network.sell_arcs] = flow[:sellers]
    bought[network.buy_arcs] = flow[sellers : sellers + buyers]
    prices = prices_of(reduced, network, distance)
    return _FlowAnswer(network=network, residual=residual, prices=prices, sold=sold, bought=bought)


def _parted(prices: Prices, joined: Joined) -> Prices:
    """Prices of a relaxation on the levels of the market itself."""
    return replace(prices, level=prices.level[joined.level_of])


@dataclass(frozen=True, slots=True, kw_only=True)
class _ProgramAnswer:
    """An optimal plan of a relaxation in whole joules, from a vertex of its linear program."""

    vertex: Vertex
    sold: Ints
    bought: Ints


def _with_program(task: Task, network: _NetworkPart, coupled: Mask) -> Cleared:
    """Solve the rest by a linear program; of several attempts the one with the smallest gaps."""
    best: Cleared | None = None
    mu = first_mu(task.reduced.sells.kappa)
    for _ in range(ATTEMPTS):
        second, mu = network.second_prices(mu)
        joined, answer, sold, bought = _by_program(task, coupled, mu)
        for scale in SCALES:
            one, two = (
                _parted(rounded_prices(joined.reduced, answer.vertex, divisor), joined)
                for divisor in (mu / scale, 1 / scale)
            )
            duals = Duals(
                first=_sum(network.first, one, scale),
                first_scale=scale,
                second=_sum(second, two, scale),
                second_scale=scale,
                mu=mu * scale,
            )
            found = task.judged(network.sold + sold, network.bought + bought, duals)
            if best is None or found.gaps < best.gaps:
                best = found
            if best.optimal:
                return best
        mu *= 2
    if best is None:
        raise NotSolvedError("the linear program was not tried")
    exact = clear_exactly(task, mu)
    return exact if exact is not None and exact.gaps < best.gaps else best


def _by_program(task: Task, coupled: Mask, mu: int) -> tuple[Joined, _ProgramAnswer, Ints, Ints]:
    def solve(joined: Joined) -> _ProgramAnswer:
        reduced, stats = joined.reduced, task.stats
        program = program_of(task.market, reduced, coupled)
        weight = task.weight(reduced.sells, mu)
        vertex = solve_program(reduced, program, weight)
        stats.programs += 1
        stats.program_columns = len(program.upper)
        stats.program_rows = program.equal.shape[0] + program.at_most.shape[0]
        plan = whole_plan(reduced, program, vertex)
        if plan is None:
            stats.repaired = True
            plan = with_whole_splits(reduced, program, vertex, coupled, weight)
        sold, bought = np.zeros(len(reduced.sells), np.int64), np.zeros(len(reduced.buys), np.int64)
        sold[program.sell_arcs], bought[program.buy_arcs] = plan
        return _ProgramAnswer(vertex=vertex, sold=sold, bought=bought)

    return solve_lazily(task.reduced, solve, gradually=False)


def _sum(flow: Prices, program: Prices, scale: int) -> Prices:
    """Prices of both parts: each is 0 where the other one speaks."""
    return Prices(
        level=flow.level * scale + program.level,
        net=flow.net * scale + program.net,
        production=flow.production * scale + program.production,
        consumption=flow.consumption * scale + program.consumption,
    )
