"""The life of one offer as its meter sees it, from the plan to the deposit of what is left."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from light_client.rules.holdings import account_after
from light_client.rules.ledger.improvement import ImproveOffer
from light_client.rules.ledger.records import Account
from light_client.rules.ledger.transactions import (
    Asset,
    DepositAssets,
    PostOffer,
    SignedTransaction,
    Transaction,
    assemble,
)
from light_client.rules.market.clearing import Trade
from light_client.rules.market.offer import Offer
from light_client.rules.market.settlement import most_owed_uc
from light_client.rules.units import FeederId, OfferId, Side
from light_client.wallet.wallet import AddressKey
from testbed.scenarios.model import PlannedOffer


class Stage(Enum):
    """Where an order stands."""

    PLANNED = "planned"
    """Its address is fresh; the DSO has not granted anything yet."""
    GRANTED = "granted"
    """The assets are on the ledger; it waits for its moment."""
    POSTED = "posted"
    """Sent; no block has it yet."""
    OPEN = "open"
    """A block accepted it."""
    CLOSED = "closed"
    """Served or expired; the balance is being checked."""
    DEPOSITED = "deposited"
    """Everything went back to the DSO."""
    MISSED = "missed"
    """It could not be posted in time; its assets go back like those of any other."""


NEXT_STAGES = {
    Stage.PLANNED: {Stage.GRANTED, Stage.MISSED},
    Stage.GRANTED: {Stage.POSTED, Stage.OPEN, Stage.MISSED},
    Stage.POSTED: {Stage.OPEN, Stage.MISSED},
    Stage.OPEN: {Stage.CLOSED},
    Stage.CLOSED: {Stage.DEPOSITED},
    Stage.MISSED: {Stage.OPEN, Stage.DEPOSITED},
    Stage.DEPOSITED: set(),
}
"""From stage to stage; an offer believed missed may still turn up in a block, and so may one sent before a restart."""


@dataclass(slots=True)
class Order:
    """One planned offer with its own address."""

    plan: PlannedOffer
    key: AddressKey
    post_at_ms: int
    """When it is to be posted, UTC ms: uniformly random in its interval."""
    stage: Stage = Stage.PLANNED
    offer_id: OfferId | None = None
    sent_at_ms: int | None = None
    """When it was first sent."""
    ask_again_ms: int = 0
    """When its balance is to be asked for again, UTC ms: after a deposit, not before a block had time to take it."""
    granted: bool = False
    """Whether a block granted its assets."""
    differs: bool = False
    """Whether its balance was proven and found to be another than the one that its trades give."""
    ended_height: int = 0
    """Block after which the market no longer held its offer; 0 before, and if it never did."""
    trades: list[Trade] = field(default_factory=list)
    limits: dict[int, int] = field(default_factory=dict)
    """Interval -> the improved limit that a block took for its second stage, micro-currency per kWh."""

    def advance(self, stage: Stage) -> None:
        """Go to a stage that the table allows; anything else is a bug of ours."""
        if stage not in NEXT_STAGES[self.stage]:
            raise ValueError(f"an order cannot go from {self.stage.value} to {stage.value}")
        self.stage = stage

    @property
    def offer(self) -> Offer:
        """What is signed."""
        plan = self.plan
        return Offer(
            side=plan.side,
            feeder=FeederId(plan.feeder),
            energy_j=plan.energy_j,
            ranges=((plan.first_interval, plan.last_interval),),
            price_uc_per_kwh=plan.price_uc_per_kwh,
            address=self.key.address,
        )

    @property
    def asset(self) -> Asset:
        """What its address needs from the DSO."""
        plan = self.plan
        selling = plan.side is Side.SELL
        ranges = ((plan.first_interval, plan.last_interval),)
        return Asset(
            address=self.key.address,
            feeder=FeederId(plan.feeder),
            first_interval=plan.first_interval,
            last_interval=plan.last_interval,
            production_j=plan.energy_j if selling else 0,
            consumption_j=0 if selling else plan.energy_j,
            money_uc=0 if selling else most_owed_uc(plan.energy_j, self._highest_price(), ranges),
        )

    def _highest_price(self) -> int:
        """The most that the home ever pays, micro-currency per kWh."""
        return max(self.plan.price_uc_per_kwh, self.plan.last_limit_uc_per_kwh or 0)

    def offer_in(self, interval: int) -> Offer:
        """The offer with the limit that held when an interval became final."""
        limit = self.limits.get(interval, self.plan.price_uc_per_kwh)
        return replace(self.offer, price_uc_per_kwh=limit)

    def answer_to(self, interval: int, average: int) -> int | None:
        """The limit with which to answer a broadcast average; None to stay as it is.

        A seller comes down to the average, a buyer up to it, neither beyond the home's last limit.
        """
        plan = self.plan
        takes_part = plan.first_interval <= interval <= plan.last_interval
        if plan.last_limit_uc_per_kwh is None or not takes_part or interval in self.limits:
            return None
        if plan.side is Side.SELL:
            limit = max(average, plan.last_limit_uc_per_kwh)
            return limit if limit < plan.price_uc_per_kwh else None
        limit = min(average, plan.last_limit_uc_per_kwh)
        return limit if limit > plan.price_uc_per_kwh else None

    def signed_improvement(self, limit: int, chain_id: bytes) -> SignedTransaction | None:
        """The transaction that improves the limit; None while the offer has no number."""
        if self.offer_id is None:
            return None
        change = ImproveOffer(sequence=self._next_sequence(), offer_id=self.offer_id, limit_uc_per_kwh=limit)
        return self._signed(change, chain_id)

    def _next_sequence(self) -> int:
        """How many transactions of its address are in blocks."""
        return 0 if self.offer_id is None else 1 + len(self.limits)

    def signed_offer(self, chain_id: bytes) -> SignedTransaction:
        """The posting transaction: always the same bytes, so sending it twice posts it once."""
        return self._signed(PostOffer(sequence=0, offer=self.offer), chain_id)

    def signed_deposit(self, chain_id: bytes) -> SignedTransaction:
        """The transaction that hands everything back."""
        return self._signed(DepositAssets(sequence=self._next_sequence()), chain_id)

    def _signed(self, transaction: Transaction, chain_id: bytes) -> SignedTransaction:
        return assemble(transaction, chain_id, self.key.public_key, self.key.sign)

    def expected_account(self) -> Account:
        """What the address must hold once the offer is closed, out of the verified trades alone."""
        asset = self.asset
        granted = Account(
            feeder=asset.feeder,
            first_interval=asset.first_interval,
            last_interval=asset.last_interval,
            production_j=asset.production_j,
            consumption_j=asset.consumption_j,
            money_uc=asset.money_uc,
            next_sequence=self._next_sequence(),
        )
        return account_after(granted, self.trades)
