"""Who pays whom, in columns: the twin of ``rules.market.settlement`` for all intervals of a plan at once."""

from __future__ import annotations

import numpy as np

from light_client.rules.market.settlement import HALF_UNITS_PER_UC, Fill, amounts, group_values
from light_client.rules.units import Side
from testbed.solver.runs import Ints, fresh, increments, positions, run_lengths, run_starts, upto_each
from testbed.solver.shares import SAFE, Fills


def payments(sold: Fills, bought: Fills) -> tuple[Ints, Ints]:
    """Micro-currency that each seller receives and each buyer pays; per interval both trade the same energy."""
    if not len(sold.row):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    dearest = int(sold.price.max()) + int(bought.price.max())
    total = int(sold.energy.sum())
    if dearest * total >= SAFE:
        return _exact(sold, bought)
    if dearest == int(sold.price.min()) + int(bought.price.min()):
        return _at_one_rate(sold, dearest), _at_one_rate(bought, dearest)
    groups = [_groups(fills) for fills in (sold, bought)]
    energies = [
        _group_sums(fills.energy, starts) for fills, starts in zip((sold, bought), groups, strict=True)
    ]
    values = _values((sold, bought), groups, energies)
    result = []
    for fills, starts, energy, value in zip((sold, bought), groups, energies, values, strict=True):
        if int((value % energy + HALF_UNITS_PER_UC).max()) * int(energy.max()) >= SAFE:
            return _exact(sold, bought)
        result.append(_amounts(fills, starts, energy, value))
    return result[0], result[1]


def _at_one_rate(fills: Fills, rate: int) -> Ints:
    """Amounts where each side has one price, so that every joule of it is worth the same.

    Args:
        rate: half-units of money per joule.
    """
    opening = run_starts(fills.t)
    standing = upto_each(fills.energy, opening) * rate // HALF_UNITS_PER_UC
    amount = increments(standing)
    amount[opening] = standing[opening]
    return amount


def _values(sides: tuple[Fills, Fills], groups: list[Ints], energies: list[Ints]) -> tuple[Ints, Ints]:
    """Half-units of money per group of either side: joules times the prices of both sides of each group pair."""
    prices = [fills.price[starts] for fills, starts in zip(sides, groups, strict=True)]
    upto = [energy.cumsum() for energy in energies]
    cuts = np.union1d(upto[0], upto[1])
    quantity = increments(cuts)
    pair = [np.searchsorted(side, cuts) for side in upto]
    value = quantity * (prices[0][pair[0]] + prices[1][pair[1]])
    result = []
    for energy, group in zip(energies, pair, strict=True):
        of_group = np.zeros(len(energy), np.int64)
        np.add.at(of_group, group, value)
        result.append(of_group)
    return result[0], result[1]


def _groups(fills: Fills) -> Ints:
    """First fill of each group of equal interval and price."""
    return positions(fresh(fills.t, fills.price))


def _group_sums(values: Ints, starts: Ints) -> Ints:
    return np.add.reduceat(values, starts)


def _amounts(fills: Fills, starts: Ints, energy: Ints, value: Ints) -> Ints:
    """Differences of ``floor(cum / HALF_UNITS_PER_UC)``, cum running over the fills of an interval.

    With V the value and g the energy of a group, u = V // g and v = V % g, a member up to whom ``done``
    joules of the group are sold stands at ``before + V * done / g = before + u * done + v * done / g``: no
    product leaves 64 bits.
    """
    sizes = run_lengths(starts, len(fills.row))
    done = upto_each(fills.energy, starts)
    first_of_t = fresh(fills.t[starts])
    passed = value.cumsum() - value
    before = passed - np.maximum.accumulate(np.where(first_of_t, passed, 0))
    unit: Ints = value // energy
    rest: Ints = value % energy
    upto: Ints = np.repeat(before, sizes) + np.repeat(unit, sizes) * done
    whole: Ints = upto // HALF_UNITS_PER_UC
    part: Ints = upto % HALF_UNITS_PER_UC
    wide: Ints = np.repeat(energy, sizes)
    over: Ints = part * wide + np.repeat(rest, sizes) * done
    over //= wide * HALF_UNITS_PER_UC
    standing = whole + over
    amount = increments(standing)
    opening = starts[first_of_t]
    amount[opening] = standing[opening]
    return amount


def _exact(sold: Fills, bought: Fills) -> tuple[Ints, Ints]:
    """The same by the rules, interval after interval."""
    result = np.zeros(len(sold.row), np.int64), np.zeros(len(bought.row), np.int64)
    for t in np.unique(sold.t):
        where = [positions(fills.t == t) for fills in (sold, bought)]
        fills = [
            [
                Fill(*row)
                for row in zip(
                    side.row[at].tolist(),
                    [int(number)] * len(at),
                    side.price[at].tolist(),
                    side.energy[at].tolist(),
                    strict=True,
                )
            ]
            for number, side, at in ((Side.SELL, sold, where[0]), (Side.BUY, bought, where[1]))
        ]
        values = group_values(fills[0], fills[1])
        for money, at, chosen, value in zip(result, where, fills, values, strict=True):
            amount = amounts(chosen, value)
            money[at] = [amount[fill.offer_id] for fill in chosen]
    return result
