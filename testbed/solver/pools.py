"""Offers that a linear program need not tell apart: same feeder and price, intervals that end together.

Such classes are nested: from its start on, each can trade wherever the later ones can. So a *pool* of them
has one column per interval instead of one per class and interval, and what it trades is possible exactly
when, up to every start, no more has been traded than classes started with (Hall). Afterwards earlier classes
trade first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from testbed.solver.arrays import Classes
from testbed.solver.reduction import Arcs
from testbed.solver.runs import Ints, ordered_groups, positions, run_lengths

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """The columns of one side of a program: arcs of one interval as they are, then pools interval by interval."""

    arc: Ints
    """Per column one of its arcs: all of them share place, node and tie-break cost."""
    cap: Ints
    """J."""
    row: Ints
    """Budget rows, as pairs of row and column."""
    row_column: Ints
    limit: Ints
    """Per row: energy of the classes that have started, J."""
    spots: int
    """Columns that are single arcs."""
    member_end: Ints
    """Per member, ordered by pool and start: running total of energy, J."""
    member_class: Ints
    pool_base: Ints
    """Per pooled column: running total of energy before its pool, J."""
    pool_begin: Ints
    """Per pooled column: the first column of its pool, counted from the first pooled one."""
    column_t: Ints
    """Interval of each pooled column."""
    span: int
    """More than any interval."""
    arc_key: Ints
    """Keys (class, interval) of the pooled arcs, ascending."""
    arc_of_key: Ints
    """Position of each of them among the chosen arcs."""


def pool(arcs: Arcs, chosen: Ints, classes: Classes) -> Pools:
    """Pool the chosen arcs of one side."""
    owner = arcs.owner[chosen]
    spot, flexible = positions(owner < 0), positions(owner >= 0)
    span = int(arcs.t.max(initial=0)) + 1
    members, member_of = np.unique(owner[flexible], return_inverse=True)
    member_of, t = member_of.reshape(-1), arcs.t[chosen[flexible]]
    count = np.bincount(member_of, minlength=len(members))
    start = np.full(len(members), span)
    np.minimum.at(start, member_of, t)
    alike = [classes.feeder[members], classes.price[members], classes.last[members]]
    pool_of = _numbers(alike)
    column_key, column_of = np.unique(pool_of[member_of] * span + t, return_inverse=True)
    ends = np.searchsorted(column_key, (pool_of + 1) * span)
    nested = ends - np.searchsorted(column_key, pool_of * span + start) == count
    if not nested.all():
        mixed = np.zeros(len(members), np.bool_)
        mixed[pool_of[~nested]] = True
        pool_of = _numbers([*alike, np.where(mixed[pool_of], members + 1, 0)])
        column_key, column_of = np.unique(pool_of[member_of] * span + t, return_inverse=True)
    column_of = column_of.reshape(-1)
    leader = np.empty(len(column_key), np.int64)
    leader[column_of] = chosen[flexible]
    order = np.lexsort((start, pool_of))
    energy = classes.energy[members[order]]
    row, row_column, limit = _rows(pool_of[order], start[order], energy, column_key, span)
    member_end = energy.cumsum()
    column_pool = column_key // span
    first_member = np.searchsorted(pool_of[order], column_pool)
    total = np.bincount(pool_of, classes.energy[members], len(members)).astype(np.int64)
    key = owner[flexible] * span + t
    by_key = np.argsort(key)
    return Pools(
        arc=np.concatenate((chosen[spot], leader)),
        cap=np.concatenate((arcs.cap[chosen[spot]], total[column_pool])),
        row=row,
        row_column=row_column + len(spot),
        limit=limit,
        spots=len(spot),
        member_end=member_end,
        member_class=members[order],
        pool_base=np.concatenate(([0], member_end))[first_member],
        pool_begin=np.searchsorted(column_key, column_pool * span),
        column_t=column_key % span,
        span=span,
        arc_key=key[by_key],
        arc_of_key=flexible[by_key],
    )


def _numbers(columns: list[Ints]) -> Ints:
    """Equal rows get equal numbers, from 0."""
    order, starts = ordered_groups(columns)
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.repeat(np.arange(len(starts)), run_lengths(starts, len(order)))
    return numbers


def _rows(pool_of: Ints, start: Ints, energy: Ints, column_key: Ints, span: int) -> tuple[Ints, Ints, Ints]:
    """For each pool and start: columns before the next start trade at most what has started so far."""
    count = len(pool_of)
    same_pool = np.zeros(count, np.bool_)
    same_pool[:-1] = pool_of[1:] == pool_of[:-1]
    last = ~same_pool
    last[:-1] |= start[1:] != start[:-1]
    closing = positions(last)
    following = np.minimum(closing + 1, count - 1) if count else closing
    until = np.where(
        same_pool[closing], pool_of[closing] * span + start[following], (pool_of[closing] + 1) * span
    )
    begin, end = np.searchsorted(column_key, pool_of[closing] * span), np.searchsorted(column_key, until)
    upto = energy.cumsum()
    pool_first = np.searchsorted(pool_of, pool_of[closing])
    limit = upto[closing] - np.concatenate(([0], upto))[pool_first]
    width = end - begin
    columns = np.arange(int(width.sum())) + np.repeat(begin - (width.cumsum() - width), width)
    return np.repeat(np.arange(len(closing)), width), columns, limit


def spread(pools: Pools, chosen: Ints, values: Floats) -> Floats:
    """Values of the columns, J, handed to the chosen arcs; within a pool earlier classes trade first."""
    result = np.zeros(len(chosen))
    spots = pools.spots
    is_spot = np.ones(len(chosen), np.bool_)
    is_spot[pools.arc_of_key] = False
    result[positions(is_spot)] = values[:spots]
    pooled = np.maximum(values[spots:], 0)
    if not len(pooled):
        return result
    running = pooled.cumsum()
    upto = pools.pool_base + running - (running - pooled)[pools.pool_begin]
    cuts = np.unique(np.concatenate((upto, upto - pooled, pools.member_end)))
    low, high = cuts[:-1], cuts[1:]
    column = np.minimum(np.searchsorted(upto, high), len(upto) - 1)
    inside = positions((low >= (upto - pooled)[column]) & (high <= upto[column]))
    low, high, column = low[inside], high[inside], column[inside]
    member = np.minimum(np.searchsorted(pools.member_end, high), len(pools.member_end) - 1)
    key = pools.member_class[member] * pools.span + pools.column_t[column]
    place = np.minimum(np.searchsorted(pools.arc_key, key), len(pools.arc_key) - 1)
    known = pools.arc_key[place] == key
    np.add.at(result, pools.arc_of_key[place[known]], (high - low)[known])
    return result
