"""The recorder: what the DSO's re-judged copy of the chain shows of a day, as a report needs it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from light_client.messages.chain import CertifiedBlock
from light_client.rules.ledger.committee import Committee
from light_client.rules.ledger.events import Cleared, EpochEnded, OfferPosted, SolutionFinalised
from light_client.rules.market.clearing import Trade
from light_client.rules.market.offer import OpenOffer
from light_client.rules.units import Address, OfferId, Side
from testbed.dso.operator import FollowedBlock
from testbed.scenarios.model import Scenario


@dataclass(slots=True)
class DayRecord:
    """Blocks, offers and final trades of one day."""

    scenario: Scenario
    blocks: list[CertifiedBlock] = field(default_factory=list)
    offers: dict[int, OpenOffer] = field(default_factory=dict)
    """Offer -> the offer as it was accepted."""
    trades: dict[int, tuple[Trade, ...]] = field(default_factory=dict)
    """Interval -> final trades."""
    finals: Counter[Cleared] = field(default_factory=Counter)
    gaps_j: dict[int, int] = field(default_factory=dict)
    """Interval -> proven gap of the plan that cleared it, J."""
    committees: dict[bytes, Committee] = field(default_factory=dict)
    """Hash -> elected committee."""
    settled_uc: int = 0
    """Money paid by buyers, micro-currency."""

    def take(self, block: FollowedBlock) -> None:
        """Record one block."""
        self.blocks.append(block.certified)
        draft = block.outcome.draft
        for event in block.outcome.events:
            match event:
                case EpochEnded(election=election):
                    self.committees[election.committee.hash()] = election.committee
                case OfferPosted(offer_id=offer_id):
                    self.offers[offer_id] = draft.offer(OfferId(offer_id))
                case SolutionFinalised():
                    self.trades[event.interval] = event.trades
                    self.finals[event.how] += 1
                    self.gaps_j[event.interval] = event.gap_j
                    self.settled_uc += sum(t.amount_uc for t in event.trades if t.side == Side.BUY)

    def _offset(self, interval: int) -> int:
        return interval - self.scenario.first_interval

    def offered_j(self, side: Side) -> tuple[int, ...]:
        """Energy of accepted offers by their first interval, J."""
        totals = [0] * self.scenario.intervals
        for offer in self.offers.values():
            if offer.side is side:
                totals[self._offset(offer.ranges[0][0])] += offer.remaining_j
        return tuple(totals)

    def traded_j(self) -> tuple[int | None, ...]:
        """Final energy per interval, J; None where the interval is not final."""
        series: list[int | None] = [None] * self.scenario.intervals
        for interval, trades in self.trades.items():
            if 0 <= self._offset(interval) < len(series):
                series[self._offset(interval)] = sum(t.energy_j for t in trades if t.side == Side.SELL)
        return tuple(series)

    def net_j(self, feeder: int) -> tuple[int | None, ...]:
        """What a feeder sold less what it bought per interval, J."""
        series: list[int | None] = [None] * self.scenario.intervals
        for interval, trades in self.trades.items():
            if 0 <= self._offset(interval) < len(series):
                series[self._offset(interval)] = sum(
                    t.energy_j if t.side == Side.SELL else -t.energy_j
                    for t in trades
                    if self.offers[t.offer_id].feeder == feeder
                )
        return tuple(series)

    def sales_of(self, addresses: set[Address]) -> dict[int, int]:
        """Interval -> energy sold by these addresses, J."""
        sold: dict[int, int] = {}
        for interval, trades in self.trades.items():
            for trade in trades:
                if trade.side == Side.SELL and self.offers[trade.offer_id].address in addresses:
                    sold[interval] = sold.get(interval, 0) + trade.energy_j
        return sold

    def purchases_by_feeder(self, interval: int) -> dict[int, int]:
        """Feeder -> energy bought in an interval, J."""
        bought: dict[int, int] = {}
        for trade in self.trades.get(interval, ()):
            if trade.side == Side.BUY:
                feeder = self.offers[trade.offer_id].feeder
                bought[feeder] = bought.get(feeder, 0) + trade.energy_j
        return bought
