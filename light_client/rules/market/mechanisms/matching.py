"""Matching two sides, and turning matches into final trades: the part that all auctions share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from light_client.rules.market.clearing import Trade
from light_client.rules.market.mechanisms.book import Entry, Group, Queue, Room
from light_client.rules.market.mechanisms.mechanism import Outcome, Transfer
from light_client.rules.market.settlement import HALF_UNITS_PER_UC
from light_client.rules.market.shares import prefix_shares
from light_client.rules.units import OfferId, Side


class Match(NamedTuple):
    """Energy that two groups trade."""

    ask: Group
    bid: Group
    energy_j: int
    twice_price: int
    """Twice the price, so that a midpoint is whole, micro-currency per kWh."""


TwicePrice = Callable[[Group, Group], int]


def midpoint(ask: Group, bid: Group) -> int:
    """Twice the price half-way between two groups."""
    return ask.price_uc_per_kwh + bid.price_uc_per_kwh


def match_call(
    asks: Sequence[Group], bids: Sequence[Group], room: Room, twice_price: TwicePrice
) -> list[Match]:
    """Match two sorted sides: the cheapest ask with the dearest bid, and so on while they cross.

    Where a limit leaves no room between an ask and the bid in turn, the next bid is taken whose feeder has room; an ask
    for which there is none is passed over. Without limits this is the published two-pointer walk.
    """
    queue = Queue()
    for place, bid in enumerate(bids):
        queue.add(bid.feeder, (-bid.price_uc_per_kwh, place), place)
    left = [bid.energy_j for bid in bids]
    matches: list[Match] = []
    for ask in asks:
        rest = ask.energy_j
        while rest:
            open_ = {feeder: room.between(ask.feeder, feeder, rest) for feeder in queue.feeders()}
            best = queue.best(-ask.price_uc_per_kwh, open_)
            if best is None:
                break
            feeder, place = best
            energy_j = min(open_[feeder], left[place])
            room.take(ask.feeder, feeder, energy_j)
            matches.append(Match(ask, bids[place], energy_j, twice_price(ask, bids[place])))
            rest -= energy_j
            left[place] -= energy_j
            if not left[place]:
                queue.drop(feeder)
    return matches


class _Part(NamedTuple):
    """What one offer traded so far: energy, J, and twice its money times joules per kWh."""

    energy_j: int
    value: int


def outcome_of(interval: int, *stages: Sequence[Match]) -> Outcome:
    """The final trades of an interval out of its matches: groups share pro rata, equals pay equal, money is conserved.

    Each group's energy and value are split over its members by prefix floors; then each side's values, offers
    ascending, become money by cumulative floors, so that both sides end at the same unit and nobody misses a limit by
    1 uc.
    """
    trades: list[Trade] = []
    for side in Side:
        parts = _parts(side, stages)
        value = paid = 0
        for offer_id in sorted(parts):
            energy_j, own = parts[offer_id]
            value += own
            if energy_j:
                upto = value // HALF_UNITS_PER_UC
                trades.append(Trade(offer_id, int(side), interval, energy_j, upto - paid))
                paid = upto
    transfers = tuple(Transfer(m.ask.feeder, m.bid.feeder, m.energy_j) for stage in stages for m in stage)
    return Outcome(tuple(sorted(trades)), transfers)


def left_after(entries: Sequence[Entry], matches: Sequence[Match]) -> list[Entry]:
    """The same entries with what the matches leave of them: 0 J where they are served."""
    traded = {offer_id: part.energy_j for side in Side for offer_id, part in _parts(side, (matches,)).items()}
    return [entry._replace(energy_j=entry.energy_j - traded.get(entry.offer_id, 0)) for entry in entries]


def _parts(side: Side, stages: Sequence[Sequence[Match]]) -> dict[OfferId, _Part]:
    """What each offer of a side trades; a group is known by its first offer, which no other of its stage has."""
    totals: dict[tuple[int, OfferId], tuple[Group, int, int]] = {}
    for number, stage in enumerate(stages):
        for match in stage:
            group = match.ask if side == Side.SELL else match.bid
            place = (number, group.members[0][0])
            _, energy_j, value = totals.get(place, (group, 0, 0))
            value += match.energy_j * match.twice_price
            totals[place] = (group, energy_j + match.energy_j, value)
    parts: dict[OfferId, _Part] = {}
    for group, energy_j, value in totals.values():
        energies = prefix_shares([left_j for _, left_j in group.members], energy_j)
        values = prefix_shares(energies, value)
        for (offer_id, _), own_j, own in zip(group.members, energies, values, strict=True):
            before = parts.get(offer_id, _Part(0, 0))
            parts[offer_id] = _Part(before.energy_j + own_j, before.value + own)
    return parts
