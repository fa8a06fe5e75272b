"""The two-stage double auction: a call auction at midpoints, its mean price broadcast, and a second one for the rest.

Source: section 1 of the paper on blockchain-based distributed power transactions (FAIA241134); what it leaves open is
settled by ``kinds.TwoStage`` and stated in docs/adr/0017-mechanisms.md.
"""

from __future__ import annotations

from light_client.rules.market.mechanisms.book import Entry, Room, entries_of, groups_of
from light_client.rules.market.mechanisms.kinds import Average, TwoStage
from light_client.rules.market.mechanisms.matching import Match, left_after, match_call, midpoint, outcome_of
from light_client.rules.market.mechanisms.mechanism import Outcome
from light_client.rules.market.problem import Problem
from light_client.rules.units import Side


class TwoStageAuction:
    """The mechanism, for the parameters of a genesis."""

    def __init__(self, params: TwoStage) -> None:
        self._params = params

    def average(self, problem: Problem) -> int | None:
        """Mean price of the first stage, rounded down; None unless it traded and left offers on both sides."""
        entries = entries_of(problem)
        matches = _stage(problem, entries, Room(problem.grid))
        left = {entry.side for entry in left_after(entries, matches) if entry.energy_j}
        if not matches or len(left) < len(Side):
            return None
        if self._params.average == Average.BY_TRADE:
            return sum(match.twice_price for match in matches) // (2 * len(matches))
        energy_j = sum(match.energy_j for match in matches)
        return sum(match.energy_j * match.twice_price for match in matches) // (2 * energy_j)

    def outcome(self, problem: Problem) -> Outcome:
        """Both stages; the second with the improved limits, if an average was broadcast."""
        entries = entries_of(problem)
        room = Room(problem.grid)
        first = _stage(problem, entries, room)
        if problem.reaction is None:
            return outcome_of(problem.first_interval, first)
        limits = problem.reaction.limits
        rest = [
            entry._replace(price_uc_per_kwh=limits.get(entry.offer_id, entry.price_uc_per_kwh))
            for entry in left_after(entries, first)
        ]
        return outcome_of(problem.first_interval, first, _stage(problem, rest, room))


def _stage(problem: Problem, entries: list[Entry], room: Room) -> list[Match]:
    asks, bids = (groups_of(problem, entries, side) for side in Side)
    return match_call(asks, bids, room, midpoint)
