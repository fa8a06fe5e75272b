"""Clears a market of columns: which method for which intervals, and both certificates.

Intervals that no offer with a choice touches are circulations by themselves; with one price for all the whole market is one; what
is left is a linear program. All parts are weighted alike: a joule sold is worth ``mu - (kappa - k0)``, so that one more joule always
counts for more than any tie-break, and ``mu`` is doubled where that turns out not to hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from light_client.rules.market.params import OBJECTIVE_ORDERS
from testbed.solver.arrays import Ints, Market, Mask
from testbed.solver.bounds import Table, bound_of
from testbed.solver.certify import table_of
from testbed.solver.circulation import (
    Network,
    Prices,
    network_of,
    potentials,
    prices_of,
    solve_flow,
)
from testbed.solver.errors import NotSolvedError, UnsupportedObjectiveError
from testbed.solver.program import (
    Program,
    Vertex,
    program_of,
    rounded_prices,
    solve_program,
)
from testbed.solver.reduction import Reduced, hand_back, reduce
from testbed.solver.repair import whole_plan, with_whole_splits

FIRST_MU = 1 << 16
MAX_MU = 1 << 40
SCALES = (1, 2, 4)
"""Scales at which duals of a linear program are tried: mostly whole, sometimes halves."""


@dataclass(slots=True, kw_only=True)
class Stats:
    """What solving took; for reports only."""

    nodes: int = 0
    flow_arcs: int = 0
    program_columns: int = 0
    program_rows: int = 0
    mu: int = 0
    programs: int = 0
    repaired: bool = False
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """A plan per entry and the certificates, all in columns."""

    sold: Ints
    """Per sellers' entry, J."""
    bought: Ints
    """Per buyers' entry, J."""
    tables: tuple[Table, ...]
    values: tuple[int, int]
    """Energy sold, and its tie-break cost with a minus."""
    bounds: tuple[int, int]
    """Proven upper bounds of both."""
    stats: Stats

    @property
    def gaps(self) -> tuple[int, int]:
        """Bound less value, both 0 at a proven optimum."""
        return self.bounds[0] - self.values[0], self.bounds[1] - self.values[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tie:
    """Tie-break costs of the sellers' arcs, and the smallest of them."""

    kappa: Ints
    lowest: int

    def weight(self, mu: int) -> Ints:
        """What a joule of each arc is worth."""
        return mu + self.lowest - self.kappa


def clear(market: Market) -> Cleared:
    """The most energy, then the soonest-expiring, with certificates.

    A gap above 0 says that no optimal plan in whole joules was found, or none could be proven; the plan is feasible in any case.

    Raises:
        UnsupportedObjectiveError: the genesis certifies more than energy and expiry.
        TooLargeError: numbers beyond exact 64-bit arithmetic.
        NotSolvedError: a numerical library gave up.
    """
    if market.params.objectives != OBJECTIVE_ORDERS[0]:
        raise UnsupportedObjectiveError(
            "this solver certifies energy and expiry only, and the genesis asks for welfare too"
        )
    stats = Stats()
    reduced = reduce(market)
    tie = _Tie(
        kappa=reduced.sells.kappa,
        lowest=int(reduced.sells.kappa.min(initial=1 << 40)) if len(reduced.sells) else 0,
    )
    one_level = _one_price(market)
    coupled = np.zeros(len(market.two_sided), np.bool_)
    if not one_level:
        for arcs in (reduced.sells, reduced.buys):
            coupled[arcs.t[arcs.owner >= 0]] = True
    flow = _Flow.solve(reduced, ~coupled, tie, one_level=one_level)
    mu = 1 << max(
        FIRST_MU.bit_length() - 1,
        int(2 * np.ptp(tie.kappa)).bit_length() if len(tie.kappa) else 0,
    )
    stats.nodes, stats.flow_arcs = len(reduced.node_t), len(flow.network.tail)
    if not coupled.any():
        found = _flow_only(market, reduced, flow, tie, mu, stats)
    else:
        found = _with_program(market, reduced, flow, coupled, tie, mu, stats)
    return found


def _one_price(market: Market) -> bool:
    prices = np.concatenate((market.sells.price, market.buys.price))
    return not len(prices) or bool((prices == prices[0]).all())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flow:
    """The part of a market that is a network, solved; prices for the first objective."""

    network: Network
    flow: Ints
    prices: Prices

    @classmethod
    def solve(cls, reduced: Reduced, intervals: Mask, tie: _Tie, *, one_level: bool) -> _Flow:
        """Most energy, then least tie-break cost. Costs are as small as they can be, which the flow solver likes."""
        network = network_of(reduced, intervals, one_level=one_level)
        cost = tie.kappa[network.sell_arcs] - tie.lowest
        if not one_level and len(cost):
            lowest = np.full(len(intervals), cost.max())
            np.minimum.at(lowest, reduced.sells.t[network.sell_arcs], cost)
            cost = cost - lowest[reduced.sells.t[network.sell_arcs]]
        step = int(np.gcd.reduce(cost)) if len(cost) else 0
        cost = cost // step if step else cost
        ones = np.ones(len(cost), np.int64)
        mu = 4 * (int(cost.max(initial=0)) + 1) if step else 1
        while True:
            flow = solve_flow(network, mu - cost)
            distance = potentials(network, ones, flow)
            if distance is not None:
                return cls(
                    network=network,
                    flow=flow,
                    prices=prices_of(reduced, network, distance),
                )
            mu *= 2

    def second_prices(self, reduced: Reduced, tie: _Tie, mu: int) -> tuple[Prices, int]:
        """Prices for the second objective, and the mu at which they hold: the given one, or doubled until they do."""
        while mu <= MAX_MU:
            distance = potentials(self.network, tie.weight(mu)[self.network.sell_arcs], self.flow)
            if distance is not None:
                return prices_of(reduced, self.network, distance), mu
            mu *= 2
        raise NotSolvedError(f"no weight up to {MAX_MU} lets energy decide before the tie-break")

    def arc_flows(self, reduced: Reduced) -> tuple[Ints, Ints]:
        """Flow per sellers' and buyers' arc of the reduced market, 0 outside this part."""
        sold, bought = (
            np.zeros(len(reduced.sells), np.int64),
            np.zeros(len(reduced.buys), np.int64),
        )
        sellers, buyers = len(self.network.sell_arcs), len(self.network.buy_arcs)
        sold[self.network.sell_arcs] = self.flow[:sellers]
        bought[self.network.buy_arcs] = self.flow[sellers : sellers + buyers]
        return sold, bought


def _flow_only(market: Market, reduced: Reduced, flow: _Flow, tie: _Tie, mu: int, stats: Stats) -> Cleared:
    second, mu = flow.second_prices(reduced, tie, mu)
    sold, bought = flow.arc_flows(reduced)
    return _judged(market, reduced, sold, bought, (flow.prices, 1, second, mu, 1), tie, stats)


def _with_program(
    market: Market,
    reduced: Reduced,
    flow: _Flow,
    coupled: Mask,
    tie: _Tie,
    mu: int,
    stats: Stats,
) -> Cleared:
    program = program_of(reduced, coupled)
    stats.program_columns, stats.program_rows = (
        len(program.upper),
        program.equal.shape[0] + program.at_most.shape[0],
    )
    best: Cleared | None = None
    while mu <= MAX_MU:
        second, mu = flow.second_prices(reduced, tie, mu)
        weight = tie.weight(mu)
        vertex = solve_program(reduced, program, weight)
        stats.programs += 1
        sold, bought = flow.arc_flows(reduced)
        sold[program.sell_arcs], bought[program.buy_arcs] = _whole(
            reduced, program, vertex, coupled, weight, stats
        )
        found = _best_scales(market, reduced, sold, bought, flow.prices, second, vertex, mu, tie, stats)
        if best is None or found.gaps < best.gaps:
            best = found
        if best.gaps == (0, 0) or stats.programs == 3:
            return best
        mu *= 2
    raise NotSolvedError(f"no weight up to {MAX_MU} lets energy decide before the tie-break")


def _whole(
    reduced: Reduced,
    program: Program,
    vertex: Vertex,
    coupled: Mask,
    weight: Ints,
    stats: Stats,
) -> tuple[Ints, Ints]:
    plan = whole_plan(reduced, program, vertex)
    if plan is None:
        stats.repaired = True
        plan = with_whole_splits(reduced, program, vertex, coupled, weight)
    return plan


def _best_scales(
    market: Market,
    reduced: Reduced,
    sold: Ints,
    bought: Ints,
    first: Prices,
    second: Prices,
    vertex: Vertex,
    mu: int,
    tie: _Tie,
    stats: Stats,
) -> Cleared:
    """Round the duals at the first scale that proves the plan, else at the best one."""
    best: Cleared | None = None
    for scale in SCALES:
        one = _joined(first, rounded_prices(reduced, vertex, mu / scale), scale)
        two = _joined(second, rounded_prices(reduced, vertex, 1 / scale), scale)
        found = _judged(market, reduced, sold, bought, (one, scale, two, mu, scale), tie, stats)
        if best is None or found.gaps < best.gaps:
            best = found
        if best.gaps == (0, 0):
            break
    if best is None:
        raise NotSolvedError("no scale was tried")
    return best


def _joined(flow: Prices, program: Prices, scale: int) -> Prices:
    """Prices of both parts: each is 0 where the other one speaks."""
    return Prices(
        level=flow.level * scale + program.level,
        net=flow.net * scale + program.net,
        production=flow.production * scale + program.production,
        consumption=flow.consumption * scale + program.consumption,
    )


def _judged(
    market: Market,
    reduced: Reduced,
    sold: Ints,
    bought: Ints,
    duals: tuple[Prices, int, Prices, int, int],
    tie: _Tie,
    stats: Stats,
) -> Cleared:
    """Make the tables and value the plan against them."""
    first, scale, second, mu, scale2 = duals
    rate = market.params.expiry_weight + 1
    count_t = len(market.two_sided)
    absolute_mu = scale2 * (mu + tie.lowest + rate * market.base)
    best_weight = scale2 * (mu + tie.lowest - rate * market.two_sided)
    tables = (
        table_of(market, reduced, first, (scale,), np.full(count_t, scale, np.int64)),
        table_of(market, reduced, second, (absolute_mu, scale2), best_weight),
    )
    energy = int(sold.sum())
    cost = sum(
        q * kappa for q, kappa in zip(sold[sold > 0].tolist(), tie.kappa[sold > 0].tolist(), strict=True)
    )
    cost += energy * rate * market.base
    stats.mu = mu
    return Cleared(
        sold=hand_back(market.sells, reduced.sells, sold),
        bought=hand_back(market.buys, reduced.buys, bought),
        tables=tables,
        values=(energy, -cost),
        bounds=(
            bound_of(market, tables[0]) // scale,
            (bound_of(market, tables[1]) - absolute_mu * energy) // scale2,
        ),
        stats=stats,
    )
