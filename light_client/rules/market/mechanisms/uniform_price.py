"""The uniform-price call auction: one price where supply meets demand.

The price follows from the offers alone: where a feeder's limit binds, less is traded at it, by those first in order.
"""

from __future__ import annotations

from collections.abc import Sequence

from light_client.rules.market.mechanisms.book import Group, Room, entries_of, groups_of
from light_client.rules.market.mechanisms.kinds import UniformPrice
from light_client.rules.market.mechanisms.matching import match_call, outcome_of
from light_client.rules.market.mechanisms.mechanism import Outcome
from light_client.rules.market.problem import Problem
from light_client.rules.units import Side


def clearing_prices(asks: Sequence[Group], bids: Sequence[Group]) -> tuple[int, int] | None:
    """Lowest and highest price at which supply meets demand, micro-currency per kWh; None where no two offers meet.

    Args:
        asks, bids: best price first.
    """
    if not asks or not bids or asks[0].price_uc_per_kwh > bids[0].price_uc_per_kwh:
        return None
    ask = bid = 0
    ask_left, bid_left = asks[0].energy_j, bids[0].energy_j
    last = (0, 0)
    while ask < len(asks) and bid < len(bids) and asks[ask].price_uc_per_kwh <= bids[bid].price_uc_per_kwh:
        last = (asks[ask].price_uc_per_kwh, bids[bid].price_uc_per_kwh)
        energy_j = min(ask_left, bid_left)
        ask_left -= energy_j
        bid_left -= energy_j
        if not ask_left:
            ask += 1
            ask_left = asks[ask].energy_j if ask < len(asks) else 0
        if not bid_left:
            bid += 1
            bid_left = bids[bid].energy_j if bid < len(bids) else 0
    low, high = last
    if bid < len(bids):
        low = max(low, bids[bid].price_uc_per_kwh)
    if ask < len(asks):
        high = min(high, asks[ask].price_uc_per_kwh)
    return low, high


class UniformPriceAuction:
    """The mechanism, for the parameters of a genesis."""

    def __init__(self, params: UniformPrice) -> None:
        self._params = params

    def price(self, problem: Problem) -> int | None:
        """The price of the problem's first interval, micro-currency per kWh, rounded down; None without a trade."""
        return self._price_of(*_sides(problem))

    def _price_of(self, asks: Sequence[Group], bids: Sequence[Group]) -> int | None:
        between = clearing_prices(asks, bids)
        if between is None:
            return None
        low, high = between
        return low + (high - low) * self._params.price_permille // 1_000

    def average(self, _problem: Problem) -> int | None:
        """There is one stage only."""
        return None

    def outcome(self, problem: Problem) -> Outcome:
        """Everybody whom the price suits, in order, as far as the limits bear it."""
        asks, bids = _sides(problem)
        price = self._price_of(asks, bids)
        if price is None:
            return Outcome((), ())
        suited_asks = [ask for ask in asks if ask.price_uc_per_kwh <= price]
        suited_bids = [bid for bid in bids if bid.price_uc_per_kwh >= price]
        matches = match_call(suited_asks, suited_bids, Room(problem.grid), lambda _ask, _bid: 2 * price)
        return outcome_of(problem.first_interval, matches)


def _sides(problem: Problem) -> tuple[list[Group], list[Group]]:
    """Asks and bids of the first interval, best price first."""
    entries = entries_of(problem)
    return groups_of(problem, entries, Side.SELL), groups_of(problem, entries, Side.BUY)
