"""The market as columns: classes of offers in numpy arrays of int64, one row per class, intervals relative to the first one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from light_client.rules.market.grid import Grid
from light_client.rules.market.offer import ClassKey
from light_client.rules.market.params import MarketParams
from light_client.rules.market.problem import Problem
from light_client.rules.units import Side
from testbed.solver.errors import TooLargeError, UnknownFeederError

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

UNLIMITED_J = 1 << 52
"""Stands for "no internal limit": more than any market trades."""
MAX_TOTAL_J = 1 << 51
"""Most energy of one market: sums stay exact in double precision, which counting and linear programs use."""
MAX_SPAN = 1 << 16
"""Most intervals between the first open one and the last one of any offer."""


class OfferTable(Protocol):
    """Parallel columns, one row per offer; the order of rows is the order of offer numbers."""

    @property
    def side(self) -> Ints: ...
    @property
    def feeder(self) -> Ints: ...
    @property
    def price_uc_per_kwh(self) -> Ints: ...
    @property
    def energy_j(self) -> Ints: ...
    @property
    def first_interval(self) -> Ints: ...
    @property
    def last_interval(self) -> Ints: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """The classes of one side, in ascending order of their keys, and where they can trade.

    An *entry* is a class together with one two-sided interval that it contains; entries are ordered by class, then interval.
    """

    feeder: Ints
    """Position of the feeder in the grid."""
    price: Ints
    energy: Ints
    """Energy left, J."""
    last: Ints
    """Last interval, relative."""
    entry_class: Ints
    """Class of each entry."""
    entry_t: Ints
    """Interval of each entry, as position in ``Market.two_sided``."""

    def __len__(self) -> int:
        return len(self.feeder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """One clearing problem as columns."""

    base: int
    """The first interval: all others are relative to it."""
    params: MarketParams
    ext_j: Ints
    """Per feeder: external limit per interval, J."""
    int_j: Ints
    """Per feeder: internal limit per interval, J; ``UNLIMITED_J`` where there is none."""
    feeders: Ints
    """Numbers of the feeders."""
    two_sided: Ints
    """Intervals with offers on both sides, relative, ascending."""
    sells: Classes
    buys: Classes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Classes of one side before the two-sided intervals are known: ranges in CSR form."""

    feeder: Ints
    price: Ints
    energy: Ints
    range_class: Ints
    """Class of each range, ascending."""
    range_first: Ints
    range_last: Ints


def market_of(problem: Problem) -> Market:
    """The columns of a problem; classes keep the order of ``problem.classes`` within their side.

    Raises:
        TooLargeError: energies, or the time that offers span, are beyond the solver's arithmetic.
        UnknownFeederError: an offer is on a feeder outside the grid.
    """
    sells, buys = (_rows_of(keys, problem) for keys in keys_of(problem))
    return _market(problem.first_interval, problem.params, problem.grid, sells, buys)


def keys_of(problem: Problem) -> tuple[list[ClassKey], list[ClassKey]]:
    """Keys of the classes per side, in the order of ``market_of``."""
    sides: tuple[list[ClassKey], list[ClassKey]] = ([], [])
    for key in problem.classes:
        sides[key.side].append(key)
    return sides


def _rows_of(keys: Sequence[ClassKey], problem: Problem) -> _Rows:
    base, count = problem.first_interval, len(keys)
    position: dict[int, int] = {feeder.feeder: index for index, feeder in enumerate(problem.grid.feeders)}
    for key in keys:
        if key.feeder not in position:
            raise UnknownFeederError(f"an offer is on feeder {key.feeder}, which the grid does not have")
    ranges = [
        (index, first - base, last - base) for index, key in enumerate(keys) for first, last in key.ranges
    ]
    table = np.array(ranges, np.int64).reshape(-1, 3)
    energies = [problem.classes[key] for key in keys]
    if sum(energies) > MAX_TOTAL_J:
        raise TooLargeError(
            f"offers of one side hold {sum(energies)} J, the solver is exact up to {MAX_TOTAL_J} J"
        )
    return _Rows(
        feeder=np.fromiter((position[key.feeder] for key in keys), np.int64, count),
        price=np.fromiter((key.price_uc_per_kwh for key in keys), np.int64, count),
        energy=np.array(energies, np.int64),
        range_class=table[:, 0],
        range_first=table[:, 1],
        range_last=table[:, 2],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Which class each offer of a table belongs to."""

    class_of: Ints
    """Per offer: class on its own side, -1 where its last interval has passed."""
    side: Ints


def market_of_table(
    table: OfferTable, *, first_interval: int, params: MarketParams, grid: Grid
) -> tuple[Market, Membership, tuple[Ints, Ints]]:
    """Group a table of offers into classes; the twin of ``problem_of`` followed by ``market_of``.

    Returns:
        The market, the class of every offer, and per side the first interval of every class (relative), which with
        the last one makes its key.
    """
    numbers = np.array([feeder.feeder for feeder in grid.feeders], np.int64)
    place = np.minimum(np.searchsorted(numbers, table.feeder), len(numbers) - 1)
    unknown = np.flatnonzero(numbers[place] != table.feeder)
    if len(unknown):
        raise UnknownFeederError(
            f"an offer is on feeder {table.feeder[unknown[0]]}, which the grid does not have"
        )
    live = table.last_interval >= first_interval
    first = np.maximum(table.first_interval - first_interval, 0)
    last = table.last_interval - first_interval
    class_of = np.full(len(place), -1, np.int64)
    rows, starts = [], []
    for side in (Side.SELL, Side.BUY):
        chosen = np.flatnonzero(live & (table.side == side))
        columns = [column[chosen] for column in (place, table.price_uc_per_kwh, first, last)]
        group, leader = group_rows(columns)
        class_of[chosen] = group
        energy = np.zeros(len(leader), np.int64)
        np.add.at(energy, group, table.energy_j[chosen])
        if float(energy.sum(dtype=np.float64)) > MAX_TOTAL_J:
            raise TooLargeError(
                f"offers of one side hold more than the {MAX_TOTAL_J} J up to which the solver is exact"
            )
        feeder, price, begin, end = (column[leader] for column in columns)
        rows.append(
            _Rows(
                feeder=feeder,
                price=price,
                energy=energy,
                range_class=np.arange(len(leader)),
                range_first=begin,
                range_last=end,
            )
        )
        starts.append(begin)
    market = _market(first_interval, params, grid, rows[Side.SELL], rows[Side.BUY])
    return market, Membership(class_of=class_of, side=table.side), (starts[0], starts[1])


def group_rows(columns: Sequence[Ints]) -> tuple[Ints, Ints]:
    """Number equal rows alike, in ascending order of rows.

    Args:
        columns: the most significant first; whole numbers that are not negative.

    Returns:
        The group of each row, and one row of each group.
    """
    count = len(columns[0])
    if not count:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    lows = [int(column.min()) for column in columns]
    widths = [(int(column.max()) - low).bit_length() for column, low in zip(columns, lows, strict=True)]
    if sum(widths) > 62:
        narrow = [np.unique(column, return_inverse=True)[1].astype(np.int64) for column in columns]
        lows, widths = [0] * len(columns), [int(column.max()).bit_length() for column in narrow]
        if sum(widths) > 62:
            raise TooLargeError("offers differ in too many ways to be grouped in 64 bits")
        columns = narrow
    packed = columns[0] - lows[0]
    for column, low, width in zip(columns[1:], lows[1:], widths[1:], strict=True):
        packed = (packed << width) | (column - low)
    order = np.argsort(packed, kind="stable")
    ranked = packed[order]
    fresh = np.empty(count, np.bool_)
    fresh[0] = True
    np.not_equal(ranked[1:], ranked[:-1], out=fresh[1:])
    group = np.empty(count, np.int64)
    group[order] = np.cumsum(fresh) - 1
    return group, order[fresh]


def _market(base: int, params: MarketParams, grid: Grid, sells: _Rows, buys: _Rows) -> Market:
    span = 1 + max((int(rows.range_last.max()) for rows in (sells, buys) if len(rows.range_last)), default=0)
    if span > MAX_SPAN:
        raise TooLargeError(f"offers span {span} intervals, the solver takes {MAX_SPAN}")
    two_sided = np.flatnonzero(_covered(sells, span) & _covered(buys, span))
    internal = [UNLIMITED_J if limit is None else min(limit, UNLIMITED_J) for limit in grid.int_j.values()]
    return Market(
        base=base,
        params=params,
        ext_j=np.minimum(np.fromiter(grid.ext_j.values(), np.int64, len(grid.ext_j)), UNLIMITED_J),
        int_j=np.array(internal, np.int64),
        feeders=np.fromiter(grid.ext_j, np.int64, len(grid.ext_j)),
        two_sided=two_sided,
        sells=_classes(sells, two_sided),
        buys=_classes(buys, two_sided),
    )


def _covered(rows: _Rows, span: int) -> Mask:
    opened = np.bincount(rows.range_first, minlength=span + 1)
    closed = np.bincount(rows.range_last + 1, minlength=span + 1)
    return np.asarray(np.cumsum(opened - closed)[:span] > 0)


def _classes(rows: _Rows, two_sided: Ints) -> Classes:
    low = np.searchsorted(two_sided, rows.range_first)
    count = np.searchsorted(two_sided, rows.range_last, side="right") - low
    total = int(count.sum())
    shift = low - (np.cumsum(count) - count)
    last = np.zeros(len(rows.feeder), np.int64)
    last[rows.range_class] = rows.range_last
    return Classes(
        feeder=rows.feeder,
        price=rows.price,
        energy=rows.energy,
        last=last,
        entry_class=np.repeat(rows.range_class, count),
        entry_t=np.arange(total) + np.repeat(shift, count),
    )
