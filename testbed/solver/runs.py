"""Small steps over sorted columns, quicker than numpy's own: clearing one interval takes a hundred of them."""

from __future__ import annotations

import numpy as np

from testbed.solver.arrays import Ints, Mask


def positions(mask: Mask | Ints) -> Ints:
    """Where ``mask`` is true (or not zero)."""
    return mask.nonzero()[0]


def fresh(*columns: Ints) -> Mask:
    """Rows that differ from the row before in any column; the first row does."""
    result = np.empty(len(columns[0]), np.bool_)
    result[:1] = True
    np.not_equal(columns[0][1:], columns[0][:-1], out=result[1:])
    for column in columns[1:]:
        result[1:] |= column[1:] != column[:-1]
    return result


def run_starts(column: Ints) -> Ints:
    """Where each run of equal values begins."""
    return positions(fresh(column))


def run_lengths(starts: Ints, total: int) -> Ints:
    """Lengths of the runs that begin at ``starts`` and fill ``total`` rows."""
    result = np.empty(len(starts), np.int64)
    np.subtract(starts[1:], starts[:-1], out=result[:-1])
    if len(starts):
        result[-1] = total - starts[-1]
    return result


def increments(values: Ints) -> Ints:
    """Differences to the value before, the first one to 0: the inverse of the cumulative sum."""
    result = values.copy()
    result[1:] -= values[:-1]
    return result
