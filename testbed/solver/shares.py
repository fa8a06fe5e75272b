"""Equals share pro rata, in columns: the twin of ``rules.market.shares.prefix_shares`` for a whole plan at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from light_client.rules.market.shares import prefix_shares
from testbed.solver.arrays import Classes, Ints, Members
from testbed.solver.runs import fresh, increments, positions, run_lengths

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
    turn = np.arange(len(owner)) - np.maximum.accumulate(np.where(fresh(owner), np.arange(len(owner)), 0))
    places, times, energies = [], [], []
    for now in range(int(turn.max(initial=-1)) + 1):
        chosen = positions(turn == now)
        place, sizes = _members(members.bounds, owner[chosen])
        energy = _shares(left[place], sizes, total[chosen])
        left[place] -= energy
        places.append(place)
        times.append(np.repeat(t[chosen], sizes))
        energies.append(energy)
    if not places:
        none = np.empty(0, np.int64)
        return Fills(row=none, t=none, price=none, energy=none)
    place, t, energy = np.concatenate(places), np.concatenate(times), np.concatenate(energies)
    some = positions(energy)
    place, t, energy = place[some], t[some], energy[some]
    price = np.repeat(classes.price, run_lengths(members.bounds[:-1], len(members.rows)))[place]
    row = members.rows[place]
    order = np.lexsort((row, price, t))
    return Fills(row=row[order], t=t[order], price=price[order], energy=energy[order])


def _members(bounds: Ints, classes: Ints) -> tuple[Ints, Ints]:
    """Places of the members of each class, one class after the other, and how many each has."""
    sizes = bounds[classes + 1] - bounds[classes]
    shift = bounds[classes] - (sizes.cumsum() - sizes)
    return np.arange(int(sizes.sum())) + np.repeat(shift, sizes), sizes


def _shares(weights: Ints, sizes: Ints, totals: Ints) -> Ints:
    """``prefix_shares`` of consecutive groups of weights."""
    upto = weights.cumsum()
    end = sizes.cumsum()
    before = np.concatenate(([0], upto))[end - sizes]
    whole = upto[end - 1] - before
    if int(whole.max(initial=0)) * int(totals.max(initial=0)) >= SAFE:
        return _exact_shares(weights, sizes, totals)
    prefix = upto - np.repeat(before, sizes)
    given = prefix * np.repeat(totals, sizes) // np.repeat(np.maximum(whole, 1), sizes)
    shares = increments(given)
    shares[end - sizes] = given[end - sizes]
    return shares


def _exact_shares(weights: Ints, sizes: Ints, totals: Ints) -> Ints:
    """The same where products leave 64 bits."""
    ends = sizes.cumsum().tolist()
    weight, shares = weights.tolist(), []
    for end, size, total in zip(ends, sizes.tolist(), totals.tolist(), strict=True):
        shares += prefix_shares(weight[end - size : end], total)
    return np.array(shares, np.int64)
