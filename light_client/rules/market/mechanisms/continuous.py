"""The continuous double auction: each offer meets what waits on the other side, in the order of the ledger.

The order of the ledger is public and final, so whoever follows the chain knows a match as soon as its later offer is in
a block; the trades of an interval become final together, when its gate closes.
"""

from __future__ import annotations

from light_client.rules.market.mechanisms.book import Entry, Group, Queue, Room, entries_of, group_of
from light_client.rules.market.mechanisms.kinds import Continuous, PairPrice
from light_client.rules.market.mechanisms.matching import Match, midpoint, outcome_of
from light_client.rules.market.mechanisms.mechanism import Outcome
from light_client.rules.market.problem import Problem
from light_client.rules.units import OfferId, Side


class ContinuousAuction:
    """The mechanism, for the parameters of a genesis."""

    def __init__(self, params: Continuous) -> None:
        self._params = params

    def average(self, _problem: Problem) -> int | None:
        """There is one stage only."""
        return None

    def outcome(self, problem: Problem) -> Outcome:
        """Replay the offers of the first interval as they came."""
        book = _Book(Room(problem.grid), self._params.pair_price)
        for entry in entries_of(problem):
            book.arrive(entry)
        return outcome_of(problem.first_interval, book.matches)


class _Book:
    """What waits, by price, then by time, and the matches so far."""

    def __init__(self, room: Room, pair_price: PairPrice) -> None:
        self.matches: list[Match] = []
        self._room = room
        self._pair_price = pair_price
        self._waiting = (Queue(), Queue())
        self._group: dict[OfferId, Group] = {}
        self._left: dict[OfferId, int] = {}

    def arrive(self, entry: Entry) -> None:
        """Match an offer with the best that wait on feeders with room; what is left of it waits."""
        own = self._group[entry.offer_id] = group_of(entry)
        other_side = self._waiting[1 - entry.side]
        sign = 1 if entry.side == Side.BUY else -1
        rest = entry.energy_j
        while rest:
            open_ = {feeder: self._between(entry, feeder, rest) for feeder in other_side.feeders()}
            best = other_side.best(sign * entry.price_uc_per_kwh, open_)
            if best is None:
                break
            feeder, number = best
            resting = OfferId(number)
            energy_j = min(open_[feeder], self._left[resting])
            self._match(own, self._group[resting], energy_j, selling=entry.side == Side.SELL)
            rest -= energy_j
            self._left[resting] -= energy_j
            if not self._left[resting]:
                other_side.drop(feeder)
        if rest:
            self._left[entry.offer_id] = rest
            key = (-sign * entry.price_uc_per_kwh, entry.offer_id)
            self._waiting[entry.side].add(entry.feeder, key, entry.offer_id)

    def _between(self, entry: Entry, feeder: int, energy_j: int) -> int:
        pair = (entry.feeder, feeder) if entry.side == Side.SELL else (feeder, entry.feeder)
        return self._room.between(*pair, energy_j)

    def _match(self, own: Group, resting: Group, energy_j: int, *, selling: bool) -> None:
        ask, bid = (own, resting) if selling else (resting, own)
        self._room.take(ask.feeder, bid.feeder, energy_j)
        resting_price = self._pair_price == PairPrice.RESTING
        twice_price = 2 * resting.price_uc_per_kwh if resting_price else midpoint(ask, bid)
        self.matches.append(Match(ask, bid, energy_j, twice_price))
