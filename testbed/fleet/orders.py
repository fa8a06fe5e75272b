"""The life of one offer as its meter sees it, from the plan to the deposit of what is left."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from light_client.rules.holdings import account_after
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
    ended_height: int = 0
    """Block after which the market no longer held its offer; 0 before, and if it never did."""
    trades: list[Trade] = field(default_factory=list)

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
            money_uc=0 if selling else most_owed_uc(plan.energy_j, plan.price_uc_per_kwh, ranges),
        )

    def signed_offer(self, chain_id: bytes) -> SignedTransaction:
        """The posting transaction: always the same bytes, so sending it twice posts it once."""
        return self._signed(PostOffer(sequence=0, offer=self.offer), chain_id)

    def signed_deposit(self, chain_id: bytes) -> SignedTransaction:
        """The transaction that hands everything back."""
        return self._signed(DepositAssets(sequence=0 if self.offer_id is None else 1), chain_id)

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
            next_sequence=0 if self.offer_id is None else 1,
        )
        return account_after(granted, self.trades)
