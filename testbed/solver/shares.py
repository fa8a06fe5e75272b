"""Equals share pro rata, in columns: the twin of ``rules.market.shares.prefix_shares`` for a whole plan at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from light_client.rules.market.shares import prefix_shares
from testbed.solver.arrays import Classes, Members
from testbed.solver.runs import Ints, fresh, increments, positions

SAFE = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Fills:
    """What offers of one side trade, ordered by interval, price, then row of the offer."""

    row: Ints
    """Row of the offer in its table."""
    t: Ints
    price: Ints
    energy: Ints
    """J, positive."""


def split(*, members: Members, energy_of: Ints, classes: Classes, traded: Ints) -> Fills:
    """Split class totals among members on what these have left, interval after interval.

    Args:
        members: of the classes.
        energy_of: energy left of each offer of the table, J.
        classes: of one side.
        traded: energy per entry, J.
    """
    positive = positions(traded)
    owner, t, total = classes.entry_class[positive], classes.entry_t[positive], traded[positive]
    left = energy_of[members.rows]
    parts = []
    for chosen in _turns(owner):
        place, sizes = _members(members.bounds, owner[chosen])
        energy = shares_of(left[place], sizes, total[chosen])
        left[place] -= energy
        parts.append((place, chosen.repeat(sizes), energy))
    place, entry, energy = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
    some = positions(energy)
    row, entry, energy = members.rows[place[some]], entry[some], energy[some]
    t, price = t[entry], classes.price[owner[entry]]
    order = np.lexsort((row, price, t))
    return Fills(row=row[order], t=t[order], price=price[order], energy=energy[order])


def _turns(owner: Ints) -> list[Ints]:
    """Which entries trade at the same time: the first one of every class, then the second one of those that have it."""
    opens = fresh(owner)
    every = np.arange(len(owner))
    if opens.all():
        return [every]
    turn = every - np.maximum.accumulate(np.where(opens, every, 0))
    return [positions(turn == now) for now in range(int(turn.max()) + 1)]


def _members(bounds: Ints, classes: Ints) -> tuple[Ints, Ints]:
    """Places of the members of each class, one class after the other, and how many each has."""
    sizes = bounds[classes + 1] - bounds[classes]
    shift = bounds[classes] - (sizes.cumsum() - sizes)
    return np.arange(int(sizes.sum())) + np.repeat(shift, sizes), sizes


def shares_of(weights: Ints, sizes: Ints, totals: Ints) -> Ints:
    """``prefix_shares`` of consecutive groups of weights."""
    upto = weights.cumsum()
    end = sizes.cumsum()
    begin = end - sizes
    before = upto[begin] - weights[begin]
    whole = upto[end - 1] - before
    if int(whole.max(initial=0)) * int(totals.max(initial=0)) >= SAFE:
        return _exact_shares(weights, sizes, totals)
    prefix = upto - before.repeat(sizes)
    given = prefix * totals.repeat(sizes) // np.maximum(whole, 1).repeat(sizes)
    shares = increments(given)
    shares[begin] = given[begin]
    return shares


def _exact_shares(weights: Ints, sizes: Ints, totals: Ints) -> Ints:
    """The same where products leave 64 bits."""
    ends = sizes.cumsum().tolist()
    weight, shares = weights.tolist(), []
    for end, size, total in zip(ends, sizes.tolist(), totals.tolist(), strict=True):
        shares += prefix_shares(weight[end - size : end], total)
    return np.array(shares, np.int64)
