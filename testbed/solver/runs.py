"""Small steps over sorted columns, quicker than numpy's own: clearing one interval takes a hundred of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from testbed.solver.errors import TooLargeError

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


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


def upto_each(values: Ints, starts: Ints) -> Ints:
    """Running sums, each run that begins at ``starts`` from 0."""
    upto: Ints = values.cumsum()
    if len(starts) > 1:
        upto -= (upto[starts] - values[starts]).repeat(run_lengths(starts, len(values)))
    return upto


def ordered_groups(columns: Sequence[Ints]) -> tuple[Ints, Ints]:
    """Sort rows and find the groups of equal ones.

    Args:
        columns: the most significant first; nothing negative.

    Returns:
        The rows in ascending order (equal ones keep theirs), and where in that order each group begins.

    Raises:
        TooLargeError: more than 62 bits of differences.
    """
    count = len(columns[0])
    if not count:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    packed, bits = _packed(columns)
    tail = count.bit_length()
    if (
        bits + tail <= 62
    ):  # with its place in the last bits each row is a number of its own, and those sort fastest
        ranked = (packed << tail) | np.arange(count)
        ranked.sort()
        order, ranked = ranked & ((1 << tail) - 1), ranked >> tail
    else:
        order = np.argsort(packed, kind="stable")
        ranked = packed[order]
    return order, run_starts(ranked)


def _packed(columns: Sequence[Ints]) -> tuple[Ints, int]:
    """One number per row that orders as the rows do, and how many bits it has at most."""
    widths = [int(column.max()).bit_length() for column in columns]
    if sum(widths) > 62:
        columns = [np.unique(column, return_inverse=True)[1].reshape(-1) for column in columns]
        widths = [int(column.max()).bit_length() for column in columns]
    if sum(widths) > 62:
        raise TooLargeError("offers differ in too many ways to be grouped in 64 bits")
    packed = columns[0]
    for column, width in zip(columns[1:], widths[1:], strict=True):
        if width:
            packed = (packed << width) | column
    return packed, sum(widths)
