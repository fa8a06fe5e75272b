"""Most energy that offers can trade, as one linear program: an oracle that shares no code with the solver.

Variables: energy per (offer, interval), carry from each price level to the next one up, net flow per (feeder,
interval). Equivalent to one variable per seller, buyer and interval, because sellers a buyer can afford are
nested.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

from testbed.scenarios.columns import OfferColumns

_UNIT_J = 90_000


class _Rows:
    """A sparse matrix under construction, one named row at a time."""

    def __init__(self) -> None:
        self.names: dict[tuple[object, ...], int] = {}
        self.entries: list[tuple[int, int, float]] = []

    def add(self, row: tuple[object, ...], column: int, value: float) -> None:
        self.entries.append((self.names.setdefault(row, len(self.names)), column, value))

    def matrix(self, columns: int) -> csr_array:
        rows, at, values = zip(*self.entries, strict=True)
        return csr_array((values, (rows, at)), shape=(len(self.names), columns))


def optimum_j(offers: OfferColumns, c_ext_j: int) -> float:  # noqa: C901 one formulation, read in one go
    """Largest tradable energy (J) when every feeder's net flow stays within ``c_ext_j`` per interval."""
    names = ("side", "feeder", "price_uc_per_kwh", "energy_j", "first_interval", "last_interval")
    rows = list(zip(*(getattr(offers, name).tolist() for name in names), strict=True))
    prices: dict[int, set[int]] = defaultdict(set)
    bought: set[int] = set()
    for side, _, price, _, first, last in rows:
        for at in range(first, last + 1):
            if side == 0:
                prices[at].add(price)
            else:
                bought.add(at)
    levels = {at: np.array(sorted(found)) for at, found in prices.items() if at in bought}
    equal, below = _Rows(), _Rows()
    cost: list[float] = []
    bounds: list[tuple[float, float]] = []
    limits: dict[int, float] = {}

    def variable(price: float, low: float, high: float) -> int:
        cost.append(price)
        bounds.append((low, high))
        return len(cost) - 1

    flows: dict[tuple[int, int], int] = {}
    for number, (side, feeder, price, energy, first, last) in enumerate(rows):
        for at in range(first, last + 1):
            if at not in levels:
                continue
            level = int(np.searchsorted(levels[at], price, side="right")) - 1
            if level < 0:
                continue
            sign = 1.0 if side == 0 else -1.0
            column = variable(-1.0 if side == 0 else 0.0, 0, energy / _UNIT_J)
            equal.add(("level", at, level), column, sign)
            equal.add(("feeder", feeder, at), column, sign)
            if (feeder, at) not in flows:
                flows[feeder, at] = variable(0.0, -c_ext_j / _UNIT_J, c_ext_j / _UNIT_J)
                equal.add(("feeder", feeder, at), flows[feeder, at], -1.0)
            if first != last:
                below.add(("offer", number), column, 1.0)
                limits[below.names["offer", number]] = energy / _UNIT_J
    for at, found in levels.items():
        for level in range(len(found) - 1):
            carry = variable(0.0, 0, np.inf)
            equal.add(("level", at, level), carry, -1.0)
            equal.add(("level", at, level + 1), carry, 1.0)
    size = len(cost)
    caps = (
        {}
        if not limits
        else {"A_ub": below.matrix(size), "b_ub": [limits[row] for row in range(len(limits))]}
    )
    matrix = equal.matrix(size)
    result = linprog(cost, A_eq=matrix, b_eq=np.zeros(matrix.shape[0]), bounds=bounds, method="highs", **caps)
    return float(-result.fun * _UNIT_J)
