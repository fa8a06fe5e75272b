"""The bound of a certificate in numpy, for miners who judge large grids.

The twin of ``rules.market.certificate.bound``.

Same value, same refusals. Where a product or a sum could leave 64 bits it is computed in Python's integers.
"""

from __future__ import annotations

import numpy as np

from light_client.rules.market.certificate import Certificate, Sparse, limits_bound, schedules_cover
from light_client.rules.market.problem import Problem
from testbed.solver.arrays import Market, market_of
from testbed.solver.bounds import Bounds, Table
from testbed.solver.runs import Ints


class FastBound:
    """Bounds of one problem: its columns are made once, for all certificates."""

    def __init__(self, problem: Problem) -> None:
        """Make the columns of ``problem``."""
        self._problem = problem
        self.market: Market = market_of(problem)
        self._bounds = Bounds(self.market)

    def bound(self, certificate: Certificate) -> int:
        """The bound of the theorem, as the rules compute it.

        Raises:
            RuleViolation: MKT-23 to MKT-25, as the rules do.
        """
        schedules_cover(self._problem, certificate)
        limits = limits_bound(self._problem, certificate)
        return limits + self._bounds.offers_part(table_of_certificate(self.market, certificate))


def table_of_certificate(market: Market, certificate: Certificate) -> Table:
    """The columns of a certificate, for the two-sided intervals of a market; all of these have a schedule."""
    intervals = (market.base + market.two_sided).tolist()
    schedules = [certificate.schedules[t] for t in intervals]
    lengths = [len(prices) for prices, _ in schedules]
    return Table(
        weights=certificate.weights,
        step_t=np.repeat(np.arange(len(intervals)), np.array(lengths, np.int64)),
        step_price=np.array([price for prices, _ in schedules for price in prices], np.int64),
        step_value=np.array([value for _, values in schedules for value in values], np.int64),
        net=_dense(market, certificate.net),
        production=_dense(market, certificate.production),
        consumption=_dense(market, certificate.consumption),
    )


def _dense(market: Market, part: Sparse) -> Ints:
    count = len(market.feeders)
    position_of = {interval: at for at, interval in enumerate((market.base + market.two_sided).tolist())}
    place_of = {feeder: at for at, feeder in enumerate(market.feeders.tolist())}
    dense = np.zeros(len(position_of) * count, np.int64)
    for t in part.keys() & position_of.keys():
        for feeder, value in part[t].items():
            dense[position_of[t] * count + place_of[feeder]] = value
    return dense
