"""The market as columns: classes of offers in arrays of int64, intervals relative to the first one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from light_client.rules.market.grid import Grid
from light_client.rules.market.offer import ClassKey
from light_client.rules.market.params import MarketParams
from light_client.rules.market.problem import Problem
from light_client.rules.units import Side
from testbed.solver.errors import TooLargeError, UnknownFeederError
from testbed.solver.runs import Ints, Mask, ordered_groups

UNLIMITED_J = 1 << 52
"""Stands for "no internal limit": more than any market trades, and than any limit of the rules."""
MAX_TOTAL_J = 1 << 51
"""Most energy of one market: sums stay exact in double precision, which counting and linear programs use."""
MAX_SPAN = 1 << 16
"""Most intervals between the first open one and the last one of any offer."""


class OfferTable(Protocol):
    """Parallel columns, one row per offer; the order of rows is the order of offer numbers."""

    @property
    def side(self) -> Ints:
        """``Side`` as a number."""

    @property
    def feeder(self) -> Ints:
        """Number of the feeder."""

    @property
    def price_uc_per_kwh(self) -> Ints:
        """Reservation price."""

    @property
    def energy_j(self) -> Ints:
        """Energy left, J."""

    @property
    def first_interval(self) -> Ints:
        """First interval, absolute."""

    @property
    def last_interval(self) -> Ints:
        """Last interval, absolute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """The classes of one side, in ascending order of their keys, and where they can trade.

    An *entry* is a class together with one two-sided interval that it contains; entries are ordered by class,
    then interval.
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


def one_price(market: Market) -> bool:
    """Whether all offers have the same price."""
    columns = [side.price for side in (market.sells, market.buys) if len(side)]
    return all((column == columns[0][0]).all() for column in columns)


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
class Members:
    """Which offers of a table are the classes of one side."""

    rows: Ints
    """Rows of the offers, class after class, ascending within one."""
    bounds: Ints
    """Where each class begins in ``rows``, and the end."""
    first: Ints
    """First interval of each class, relative; with its last one the whole of its intervals."""


def market_of_table(
    table: OfferTable, *, first_interval: int, params: MarketParams, grid: Grid
) -> tuple[Market, tuple[Members, Members]]:
    """Group a table of offers into classes, the twin of ``problem_of`` followed by ``market_of``.

    Returns:
        The market, and per side the members of its classes. Offers whose last interval has passed are left
        out.

    Raises:
        TooLargeError, UnknownFeederError: as ``market_of``.
    """
    numbers = np.fromiter(grid.ext_j, np.int64, len(grid.ext_j))
    place_of = np.full(int(numbers[-1]) + 2, -1)
    place_of[numbers] = np.arange(len(numbers))
    place = place_of[np.minimum(table.feeder, numbers[-1] + 1)]
    if (place < 0).any():
        unknown = table.feeder[place < 0][0]
        raise UnknownFeederError(f"an offer is on feeder {unknown}, which the grid does not have")
    begin, end = table.first_interval - first_interval, table.last_interval - first_interval
    chosen = (end >= 0).nonzero()[0]
    sides = _grouped(table, chosen, place, begin, end)
    (sells, sellers), (buys, buyers) = sides
    return _market(first_interval, params, grid, sells, buys), (sellers, buyers)


def _grouped(
    table: OfferTable, chosen: Ints, place: Ints, begin: Ints, end: Ints
) -> list[tuple[_Rows, Members]]:
    """Classes and their members, of the sellers and of the buyers: one sort for both sides."""
    if len(chosen) < len(end):
        table_columns = [
            table.side[chosen],
            place[chosen],
            table.price_uc_per_kwh[chosen],
            begin[chosen],
            end[chosen],
        ]
    else:
        table_columns = [table.side, place, table.price_uc_per_kwh, begin, end]
    columns = [*table_columns[:3], np.maximum(table_columns[3], 0), table_columns[4]]
    order, starts = ordered_groups(columns)
    leader = order[starts]
    side, feeder, price, opening, closing = (column[leader] for column in columns)
    rows = chosen[order]
    energies = table.energy_j[rows]
    total = np.add.reduceat(energies, starts) if len(starts) else energies
    bounds = np.concatenate((starts, [len(order)]))
    cut = int(np.searchsorted(side, int(Side.BUY)))
    result = []
    for classes in (slice(0, cut), slice(cut, len(leader))):
        low, high = bounds[classes.start], bounds[classes.stop]
        if float(total[classes].sum(dtype=np.float64)) > MAX_TOTAL_J:
            raise TooLargeError(
                f"offers of one side hold more than the {MAX_TOTAL_J} J up to which the solver is exact"
            )
        group = _Rows(
            feeder=feeder[classes],
            price=price[classes],
            energy=total[classes],
            range_class=np.arange(classes.stop - classes.start),
            range_first=opening[classes],
            range_last=closing[classes],
        )
        members = Members(
            rows=rows[low:high], bounds=bounds[classes.start : classes.stop + 1] - low, first=opening[classes]
        )
        result.append((group, members))
    return result


def _market(base: int, params: MarketParams, grid: Grid, sells: _Rows, buys: _Rows) -> Market:
    span = 1 + max((int(rows.range_last.max()) for rows in (sells, buys) if len(rows.range_last)), default=0)
    if span > MAX_SPAN:
        raise TooLargeError(f"offers span {span} intervals, the solver takes {MAX_SPAN}")
    two_sided = (_covered(sells, span) & _covered(buys, span)).nonzero()[0]
    internal = [UNLIMITED_J if limit is None else limit for limit in grid.int_j.values()]
    return Market(
        base=base,
        params=params,
        ext_j=np.fromiter(grid.ext_j.values(), np.int64, len(grid.ext_j)),
        int_j=np.array(internal, np.int64),
        feeders=np.fromiter(grid.ext_j, np.int64, len(grid.ext_j)),
        two_sided=two_sided,
        sells=_classes(sells, two_sided),
        buys=_classes(buys, two_sided),
    )


def _covered(rows: _Rows, span: int) -> Mask:
    if span == 1:
        return np.array([len(rows.range_first) > 0])
    opened = np.bincount(rows.range_first, minlength=span + 1)
    closed = np.bincount(rows.range_last + 1, minlength=span + 1)
    return np.asarray(np.cumsum(opened - closed)[:span] > 0)


def _classes(rows: _Rows, two_sided: Ints) -> Classes:
    if len(two_sided) == 1 and len(rows.range_class) == len(rows.feeder) and not rows.range_last.any():
        return Classes(  # everybody trades now or never
            feeder=rows.feeder,
            price=rows.price,
            energy=rows.energy,
            last=rows.range_last,
            entry_class=rows.range_class,
            entry_t=rows.range_last,
        )
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
