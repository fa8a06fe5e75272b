"""The order book of one interval: who takes part, in which order, and how much the feeders still bear.

Rule for offers with several intervals: they take part in the auction of each of their intervals with all that is left
of them, so they trade as early as anybody meets their price.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappop, heappush
from typing import NamedTuple

from light_client.rules.market.grid import Grid
from light_client.rules.market.problem import Problem
from light_client.rules.units import OfferId, Side

Left = dict[OfferId, int]
"""Offer -> energy that it can still trade, J."""


class Entry(NamedTuple):
    """One offer in the book."""

    offer_id: OfferId
    side: int
    feeder: int
    price_uc_per_kwh: int
    energy_j: int


def entries_of(problem: Problem) -> list[Entry]:
    """The offers that take part in the first interval, ascending by number, which is the order of the ledger."""
    first = problem.first_interval
    return sorted(
        Entry(offer_id, key.side, key.feeder, key.price_uc_per_kwh, energy_j)
        for key, members in problem.shares.items()
        if key.ranges[0][0] == first
        for offer_id, energy_j in members
    )


class Group(NamedTuple):
    """Offers of one side that no rule tells apart: one price, one feeder. They share pro rata."""

    feeder: int
    price_uc_per_kwh: int
    energy_j: int
    members: tuple[tuple[OfferId, int], ...]
    """Offers ascending with the energy that each can still trade, J."""


def group_of(entry: Entry) -> Group:
    """A group of one."""
    member = (entry.offer_id, entry.energy_j)
    return Group(entry.feeder, entry.price_uc_per_kwh, entry.energy_j, (member,))


def groups_of(problem: Problem, entries: list[Entry], side: Side) -> list[Group]:
    """The groups of a side, best price first; at one price the feeders take turns, a different one first each interval.

    Args:
        entries: ascending by offer number; those without energy are passed over.
    """
    members: dict[tuple[int, int], list[tuple[OfferId, int]]] = {}
    for entry in entries:
        if entry.side == side and entry.energy_j:
            place = (entry.price_uc_per_kwh, entry.feeder)
            members.setdefault(place, []).append((entry.offer_id, entry.energy_j))
    turn = turns(problem.grid, problem.first_interval)
    sign = 1 if side == Side.SELL else -1
    return [
        Group(
            feeder,
            price,
            sum(energy_j for _, energy_j in members[price, feeder]),
            tuple(members[price, feeder]),
        )
        for price, feeder in sorted(members, key=lambda place: (sign * place[0], turn[place[1]]))
    ]


def turns(grid: Grid, interval: int) -> dict[int, int]:
    """Feeder -> its place among equals in this interval, from 0."""
    count = len(grid.feeders)
    return {feeder.feeder: (place - interval) % count for place, feeder in enumerate(grid.feeders)}


class Queue:
    """What waits on one side, per feeder in the order of its keys."""

    def __init__(self) -> None:
        self._of: dict[int, list[tuple[tuple[int, int], int]]] = {}

    def add(self, feeder: int, key: tuple[int, int], index: int) -> None:
        """Let something wait; the smallest key is served first."""
        heappush(self._of.setdefault(feeder, []), (key, index))

    def best(self, highest: int, room: Mapping[int, int]) -> tuple[int, int] | None:
        """(feeder, index) of the first in order whose key begins with at most ``highest``, on a feeder with room."""
        heads = [
            (*heap[0], feeder)
            for feeder, heap in self._of.items()
            if room[feeder] and heap[0][0][0] <= highest
        ]
        if not heads:
            return None
        _, index, feeder = min(heads)
        return feeder, index

    def feeders(self) -> list[int]:
        """The feeders on which something waits."""
        return list(self._of)

    def drop(self, feeder: int) -> None:
        """Remove the first of a feeder."""
        heap = self._of[feeder]
        heappop(heap)
        if not heap:
            del self._of[feeder]


class Room:
    """What the limits of the feeders leave in one interval, J; every match keeps all of them."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._net: dict[int, int] = dict.fromkeys(grid.ext_j, 0)
        self._sold: dict[int, int] = dict.fromkeys(grid.ext_j, 0)
        self._bought: dict[int, int] = dict.fromkeys(grid.ext_j, 0)

    def between(self, seller: int, buyer: int, energy_j: int) -> int:
        """As much of ``energy_j`` as may go from one feeder to another; a trade inside a feeder cancels outside it."""
        ext_j, int_j = self._grid.ext_j, self._grid.int_j
        most = energy_j
        if seller != buyer:
            most = min(most, ext_j[seller] - self._net[seller], ext_j[buyer] + self._net[buyer])
        produce, consume = int_j[seller], int_j[buyer]
        if produce is not None:
            most = min(most, produce - self._sold[seller])
        if consume is not None:
            most = min(most, consume - self._bought[buyer])
        return most

    def take(self, seller: int, buyer: int, energy_j: int) -> None:
        """Book a match."""
        self._net[seller] += energy_j
        self._net[buyer] -= energy_j
        self._sold[seller] += energy_j
        self._bought[buyer] += energy_j
