"""A whole day cleared as it happens: one problem per interval, its trades final, what is left over rolls on.

At step tau the problem holds the offers with ``start <= tau + window - 2`` that are not over and have energy
left; the trades of tau become final (T_clear = 1). Source: equations (11)-(15) of the transactive-energy
paper; a window counts the current interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from light_client.rules.market.clearing import Trade, final_trades
from light_client.rules.market.grid import Grid
from light_client.rules.market.levelling import complete
from light_client.rules.market.offer import OpenOffer
from light_client.rules.market.params import MarketParams
from light_client.rules.market.problem import Problem, problem_of
from light_client.rules.units import ADDRESS_BYTES, Address, FeederId, OfferId, Side
from testbed.scenarios.model import Scenario
from testbed.solver.solve import Solved, solve


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearing:
    """One problem that was cleared."""

    offers: tuple[OpenOffer, ...]
    """Offers that the problem was made of."""
    problem: Problem
    solved: Solved


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A cleared day."""

    clearings: tuple[Clearing, ...]
    trades: tuple[Trade, ...]

    @property
    def traded_j(self) -> int:
        """Energy sold in all final trades, J."""
        return sum(trade.energy_j for trade in self.trades if trade.side == Side.SELL)


def clear_at_once(
    offers: Sequence[OpenOffer], *, first_interval: int, params: MarketParams, grid: Grid
) -> Clearing:
    """Everything known beforehand: one problem."""
    problem = problem_of(offers, first_interval=first_interval, params=params, grid=grid)
    ordered = tuple(sorted(offers, key=lambda offer: offer.offer_id))
    return Clearing(offers=ordered, problem=problem, solved=solve(problem))


def clear_day(
    offers: Iterable[OpenOffer],
    *,
    window: int,
    params: MarketParams,
    grid: Grid,
    on_step: Callable[[int], None] = lambda _: None,
) -> Day:
    """Clear interval after interval until no offer is left.

    Args:
        window: prediction window L, at least 2: offers become visible ``window - 2`` intervals before they
        start. on_step: told each interval that has become final.
    """
    waiting = sorted(offers, key=lambda offer: (offer.ranges[0][0], offer.offer_id))
    live: dict[OfferId, OpenOffer] = {}
    clearings: list[Clearing] = []
    trades: list[Trade] = []
    at = 0
    interval = waiting[0].ranges[0][0] if waiting else 0
    end = max((offer.ranges[-1][1] for offer in waiting), default=-1)
    while interval <= end:
        while at < len(waiting) and waiting[at].ranges[0][0] <= interval + window - 2:
            live[waiting[at].offer_id] = waiting[at]
            at += 1
        clearing = clear_at_once(tuple(live.values()), first_interval=interval, params=params, grid=grid)
        clearings.append(clearing)
        solved = clearing.solved
        plan = solved.proven.plan if solved.proven else complete(clearing.problem, solved.solution.plan)
        final = final_trades(clearing.problem, plan)
        trades.extend(final)
        for trade in final:
            number = OfferId(trade.offer_id)
            paid = trade.amount_uc if trade.side == Side.BUY else 0
            live[number] = live[number].after_trade(interval, trade.energy_j, paid)
        live = {
            number: offer
            for number, offer in live.items()
            if offer.remaining_j and offer.ranges and offer.ranges[-1][1] > interval
        }
        on_step(interval)
        interval += 1
    return Day(clearings=tuple(clearings), trades=tuple(trades))


def open_offers(scenario: Scenario) -> list[OpenOffer]:
    """The offers of a scenario as the ledger would number them, before anything is traded."""
    return [
        OpenOffer(
            offer_id=OfferId(number),
            address=Address(bytes(ADDRESS_BYTES)),
            side=offer.side,
            feeder=FeederId(offer.feeder),
            price_uc_per_kwh=offer.price_uc_per_kwh,
            ranges=((offer.first_interval, offer.last_interval),),
            remaining_j=offer.energy_j,
            escrow_uc=0,
        )
        for number, offer in enumerate(scenario.offers)
    ]
