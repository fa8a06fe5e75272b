"""Days of a community in the two-stage auction: four homes sell what their modules give, three buy what they use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from random import Random
from typing import Final

from light_client.rules.market.grid import Feeder, Grid
from light_client.rules.market.mechanisms import reaction as stages
from light_client.rules.market.mechanisms.kinds import TwoStage
from light_client.rules.market.mechanisms.mechanism import Outcome
from light_client.rules.market.mechanisms.two_stage import TwoStageAuction
from light_client.rules.market.offer import OpenOffer
from light_client.rules.market.params import MarketParams
from light_client.rules.market.problem import Problem, problem_of
from light_client.rules.units import JOULES_PER_KWH, LOT_J, Address, FeederId, OfferId, Side
from testbed.scenarios.citylearn import HOURS_PER_DAY, SourceHome

FEED_IN_UC, RETAIL_UC = 450_000, 670_000
"""What the grid pays and asks, micro-currency per kWh."""
SELLERS, BUYERS = 4, 3
_HOUR_S: Final = 3_600


class Bids(Enum):
    """How reservation prices are drawn; all lie between the two tariffs."""

    TRUTHFUL = "truthful"
    """Sellers ask the feed-in tariff, buyers bid the retail price."""
    TRIANGULAR = "triangular"
    """Sellers mostly near the feed-in tariff, buyers mostly near the retail price."""
    UNIFORM = "uniform"


class Reaction(Enum):
    """What whoever is left over does when the average of the first stage is broadcast."""

    NONE = "nobody moves"
    HALF_WAY = "leftovers move half-way"
    ACCEPT = "leftovers accept the average"


@dataclass(frozen=True, slots=True, kw_only=True)
class DayGain:
    """One day against settling everything with the grid."""

    seller_percent: float
    buyer_percent: float
    first_stage_j: int
    second_stage_j: int
    generation_per_load: float
    identity_error_uc: float
    """Joint gain less tariff difference times traded energy."""


@dataclass(slots=True)
class _Books:
    """Sums of a day."""

    generation_j: int = 0
    load_j: int = 0
    first_j: int = 0
    second_j: int = 0
    received_uc: int = 0
    paid_uc: int = 0

    def gain(self) -> DayGain:
        """What it comes to."""
        traded_j = self.first_j + self.second_j
        fed_in = self.generation_j * FEED_IN_UC / JOULES_PER_KWH
        bought = self.load_j * RETAIL_UC / JOULES_PER_KWH
        more = self.received_uc - traded_j * FEED_IN_UC / JOULES_PER_KWH
        less = traded_j * RETAIL_UC / JOULES_PER_KWH - self.paid_uc
        joint = traded_j * (RETAIL_UC - FEED_IN_UC) / JOULES_PER_KWH
        return DayGain(
            seller_percent=100 * more / fed_in if fed_in else 0.0,
            buyer_percent=100 * less / bought if bought else 0.0,
            first_stage_j=self.first_j,
            second_stage_j=self.second_j,
            generation_per_load=self.generation_j / self.load_j if self.load_j else 0.0,
            identity_error_uc=more + less - joint,
        )


class Days:
    """The days of a year, each with a community of its own."""

    def __init__(self, homes: Sequence[SourceHome], *, seed: int) -> None:
        self._homes = homes
        self._seed = seed
        params = TwoStage()
        self._auction = TwoStageAuction(params)
        self._params = MarketParams(interval_s=_HOUR_S, mechanism=params)
        self._grid = Grid(feeders=(Feeder(feeder=FeederId(1), c_ext_w=0),), interval_s=_HOUR_S)

    def day(self, day: int, bids: Bids, reaction: Reaction) -> DayGain:
        """Clear a day's hours; the same community and the same prices whatever the reaction."""
        chance = Random(f"{self._seed}/{day}")  # noqa: S311 - a simulation
        chosen = chance.sample(self._homes, SELLERS + BUYERS)
        sellers, buyers = chosen[:SELLERS], chosen[SELLERS:]
        books = _Books()
        for hour in range(HOURS_PER_DAY):
            offers = []
            for home in sellers:
                energy_j = home.sun_j_per_kw[day][hour] * home.nameplate_w // 1_000
                books.generation_j += energy_j
                offers.append((Side.SELL, energy_j, _price(Side.SELL, bids, chance)))
            for home in buyers:
                energy_j = home.load_j[day][hour]
                books.load_j += energy_j
                offers.append((Side.BUY, energy_j, _price(Side.BUY, bids, chance)))
            self._clear(offers, reaction, books)
        return books.gain()

    def _clear(self, rows: Sequence[tuple[Side, int, int]], reaction: Reaction, books: _Books) -> None:
        offers = [
            OpenOffer(
                offer_id=OfferId(number),
                address=Address(bytes(20)),
                side=side,
                feeder=FeederId(1),
                price_uc_per_kwh=price,
                ranges=((0, 0),),
                remaining_j=energy_j // LOT_J * LOT_J,
                escrow_uc=0,
            )
            for number, (side, energy_j, price) in enumerate(rows, start=1)
            if energy_j >= LOT_J
        ]
        problem = problem_of(offers, first_interval=0, params=self._params, grid=self._grid)
        first = self._auction.outcome(problem)
        final = self._second_stage(problem, offers, first, reaction)
        books.first_j += _sold_j(first)
        books.second_j += _sold_j(final) - _sold_j(first)
        for trade in final.trades:
            if trade.side == Side.SELL:
                books.received_uc += trade.amount_uc
            else:
                books.paid_uc += trade.amount_uc

    def _second_stage(
        self, problem: Problem, offers: Sequence[OpenOffer], first: Outcome, reaction: Reaction
    ) -> Outcome:
        average = self._auction.average(problem)
        if average is None or reaction is Reaction.NONE:
            return first
        opened = stages.Reaction(
            interval=0, average_uc_per_kwh=average, gate_offer=len(offers) + BUYERS + SELLERS
        )
        for offer in offers:
            own = offer.price_uc_per_kwh
            limit = average if reaction is Reaction.ACCEPT else (own + average) // 2
            if limit < own if offer.side == Side.SELL else limit > own:
                opened = opened.with_limit(offer.offer_id, limit)
        return self._auction.outcome(replace(problem, reaction=opened))


def _price(side: Side, bids: Bids, chance: Random) -> int:
    """A reservation price; the same draws are made under every reading."""
    one, other = chance.uniform(FEED_IN_UC, RETAIL_UC), chance.uniform(FEED_IN_UC, RETAIL_UC)
    if bids is Bids.TRUTHFUL:
        return FEED_IN_UC if side == Side.SELL else RETAIL_UC
    if bids is Bids.UNIFORM:
        return round(one)
    return round(min(one, other) if side == Side.SELL else max(one, other))


def _sold_j(outcome: Outcome) -> int:
    return sum(trade.energy_j for trade in outcome.trades if trade.side == Side.SELL)
