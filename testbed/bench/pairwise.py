"""The published formulation, for comparison: one variable per seller, buyer and interval, by HiGHS.

Source: equations (3)-(8) and (10) of "The Role of Blockchains in Multi-Stakeholder Transactive Energy
Systems". Sparse matrices from numpy, so that what is timed is the linear program and not the building of it
in Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, vstack

from light_client.rules.units import Side
from testbed.solver.arrays import UNLIMITED_J, OfferTable
from testbed.solver.runs import Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class PairwiseResult:
    """What one run took and found."""

    variables: int
    build_s: float
    solve_s: float
    energy_j: float
    """Optimum of the linear program, J, in double precision."""


def pairs_of(table: OfferTable, first_interval: int) -> tuple[Ints, Ints, Ints]:
    """Seller row, buyer row and interval of every pair that may trade: equations (1)(2)."""
    first = np.maximum(table.first_interval, first_interval)
    sells, buys = np.flatnonzero(table.side == Side.SELL), np.flatnonzero(table.side == Side.BUY)
    low = np.maximum(first[sells][:, None], first[buys][None, :])
    high = np.minimum(table.last_interval[sells][:, None], table.last_interval[buys][None, :])
    possible = (low <= high) & (
        table.price_uc_per_kwh[sells][:, None] <= table.price_uc_per_kwh[buys][None, :]
    )
    at_sell, at_buy = np.nonzero(possible)
    start, count = low[at_sell, at_buy], (high - low + 1)[at_sell, at_buy]
    shift = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(sells[at_sell], count), np.repeat(buys[at_buy], count), np.repeat(start, count) + shift


def count_pairs(table: OfferTable, first_interval: int) -> int:
    """How many variables the formulation has, without making them."""
    total = 0
    first = np.maximum(table.first_interval, first_interval)
    for t in range(first_interval, int(table.last_interval.max(initial=first_interval - 1)) + 1):
        here = (first <= t) & (t <= table.last_interval)
        sells = np.sort(table.price_uc_per_kwh[here & (table.side == Side.SELL)])
        buys = table.price_uc_per_kwh[here & (table.side == Side.BUY)]
        total += int(np.searchsorted(sells, buys, side="right").sum())
    return total


def solve_pairwise(
    table: OfferTable, *, first_interval: int, ext_j: Ints, int_j: Ints, time_limit_s: float
) -> PairwiseResult | None:
    """Solve it, or None where the time limit ends it.

    Args:
        table: offers; feeders are numbered as in ``ext_j`` and ``int_j``.
        ext_j, int_j: limits per feeder number, J per interval.
        time_limit_s: for HiGHS alone.
    """
    started = perf_counter()
    seller, buyer, t = pairs_of(table, first_interval)
    count, offers = len(seller), len(table.side)
    column = np.arange(count)
    feeders, span = len(ext_j), int(table.last_interval.max()) + 1 - first_interval
    sold_at = (t - first_interval) * feeders + table.feeder[seller]
    bought_at = (t - first_interval) * feeders + table.feeder[buyer]
    cells = span * feeders
    ones = np.ones(count)
    energy = csr_matrix(
        (np.tile(ones, 2), (np.concatenate((seller, buyer)), np.tile(column, 2))), shape=(offers, count)
    )
    sold = csr_matrix((ones, (sold_at, column)), shape=(cells, count))
    bought = csr_matrix((ones, (bought_at, column)), shape=(cells, count))
    ext, internal = np.tile(ext_j, span).astype(np.float64), np.tile(int_j, span).astype(np.float64)
    net = sold - bought
    blocks, limits = [energy, net, -net], [table.energy_j.astype(np.float64), ext, ext]
    limited = np.flatnonzero(internal < UNLIMITED_J)
    if len(limited):
        blocks += [sold[limited], bought[limited]]
        limits += [internal[limited], internal[limited]]
    matrix, limit = _stacked(blocks, limits)
    unit = float(np.gcd.reduce(table.energy_j))
    built = perf_counter()
    answer = linprog(
        -ones,
        A_ub=matrix,
        b_ub=limit / unit,
        bounds=(0, None),
        method="highs-ds",
        options={"time_limit": time_limit_s},
    )
    solved = perf_counter()
    if answer.status != 0:
        return None
    return PairwiseResult(
        variables=count, build_s=built - started, solve_s=solved - built, energy_j=-float(answer.fun) * unit
    )


def _stacked(blocks: list[csr_matrix], limits: list[np.ndarray]) -> tuple[csr_matrix, np.ndarray]:
    """All rows that any variable is in."""
    matrix, limit = vstack(blocks, format="csr"), np.concatenate(limits)
    used = np.diff(matrix.indptr) > 0
    return matrix[used], limit[used]
