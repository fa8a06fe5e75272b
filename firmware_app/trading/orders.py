"""The life of one offer as its meter sees it, from the plan to the deposit of what is left."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from firmware_app.trading.intent import Intent
from light_client.rules.errors import LocalError
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
from light_client.rules.units import Address, FeederId, OfferId, Side
from light_client.wallet.wallet import AddressKey


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


@dataclass(slots=True, kw_only=True)
class Order:
    """One address of the home: what the DSO grants it, the one offer that it makes, and what becomes of that.

    An address that was asked for ahead of any decision is *spare*: it has no intent until it gets one, and may never.
    """

    key: AddressKey
    asset: Asset
    """What the DSO is asked to grant to the address."""
    request: int
    """Number of the request that asks for it."""
    wish: Intent | None = None
    post_at_ms: int = 0
    """When the offer is to be posted, UTC ms: uniformly random in its interval."""
    stage: Stage = Stage.PLANNED
    offer_id: OfferId | None = None
    sent_at_ms: int | None = None
    """When the offer was first sent."""
    ask_again_ms: int = 0
    """When its balance is to be asked for again, UTC ms: after a deposit, not before a block had time to take it."""
    granted: bool = False
    """Whether a block granted its assets."""
    differs: bool = False
    """Whether its balance was proven and found to be another than the one that its trades give."""
    ended_height: int = 0
    """Block after which the market no longer held its offer; 0 before, and if it never did."""
    trades: list[Trade] = field(default_factory=list)
    """Final, at most one for each interval."""
    limits: dict[int, int] = field(default_factory=dict)
    """Interval -> the improved limit that a block took for its second stage, micro-currency per kWh."""
    changed: bool = True
    """Whether what is stored of it is out of date."""
    binds: bool = True
    """Whether the change must outlive any power cut: no block tells it again."""

    def advance(self, stage: Stage) -> None:
        """Go to a stage that the table allows; anything else is a bug of ours."""
        if stage not in NEXT_STAGES[self.stage]:
            raise LocalError("next stage of an order", got=stage.value, expected=f"after {self.stage.value}")
        self.stage = stage
        self.changed = True

    @property
    def is_spare(self) -> bool:
        """Whether nobody has decided yet what the address offers."""
        return self.wish is None

    @property
    def intent(self) -> Intent:
        """What it offers.

        Raises:
            LocalError: it is spare.
        """
        if self.wish is None:
            raise LocalError("a spare address offers nothing", got=self.key.index)
        return self.wish

    def take_on(self, intent: Intent, post_at_ms: int) -> None:
        """Let a spare address make an offer."""
        if not self.is_spare or not covers(self.asset, intent):
            raise LocalError("address for an intent", got=self.asset, expected="a spare one that covers it")
        self.wish, self.post_at_ms, self.changed, self.binds = intent, post_at_ms, True, True

    def number(self, offer_id: OfferId) -> None:
        """A block accepted its offer under a number."""
        self.offer_id = offer_id
        self.advance(Stage.OPEN)

    def fill(self, trade: Trade) -> bool:
        """Keep a final trade; tell whether it was new."""
        if any(known.interval == trade.interval for known in self.trades):
            return False
        self.trades.append(trade)
        self.changed = self.binds = True
        return True

    def improved(self, interval: int, limit: int) -> None:
        """A block took an improved limit."""
        if self.limits.get(interval) != limit:
            self.limits[interval] = limit
            self.changed = True

    @property
    def offer(self) -> Offer:
        """What is signed."""
        intent = self.intent
        return Offer(
            side=intent.side,
            feeder=self.asset.feeder,
            energy_j=intent.energy_j,
            ranges=((intent.first_interval, intent.last_interval),),
            price_uc_per_kwh=intent.price_uc_per_kwh,
            address=self.key.address,
        )

    def offer_in(self, interval: int) -> Offer:
        """The offer with the limit that held when an interval became final."""
        limit = self.limits.get(interval, self.intent.price_uc_per_kwh)
        return replace(self.offer, price_uc_per_kwh=limit)

    def answer_to(self, interval: int, average: int) -> int | None:
        """The limit with which to answer a broadcast average; None to stay as it is.

        A seller comes down to the average, a buyer up to it, neither beyond the home's last limit.
        """
        intent = self.intent
        takes_part = intent.first_interval <= interval <= intent.last_interval
        if intent.last_limit_uc_per_kwh is None or not takes_part or interval in self.limits:
            return None
        if intent.side is Side.SELL:
            limit = max(average, intent.last_limit_uc_per_kwh)
            return limit if limit < intent.price_uc_per_kwh else None
        limit = min(average, intent.last_limit_uc_per_kwh)
        return limit if limit > intent.price_uc_per_kwh else None

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


def covers(asset: Asset, intent: Intent) -> bool:
    """Whether what an address is granted suffices for an offer."""
    need = asset_for(intent, asset.address, asset.feeder)
    return (
        asset.first_interval <= need.first_interval
        and need.last_interval <= asset.last_interval
        and need.production_j <= asset.production_j
        and need.consumption_j <= asset.consumption_j
        and need.money_uc <= asset.money_uc
    )


def asset_for(intent: Intent, address: Address, feeder: FeederId) -> Asset:
    """What an address needs from the DSO for one offer, and no more."""
    selling = intent.side is Side.SELL
    ranges = ((intent.first_interval, intent.last_interval),)
    highest = max(intent.price_uc_per_kwh, intent.last_limit_uc_per_kwh or 0)
    return Asset(
        address=address,
        feeder=feeder,
        first_interval=intent.first_interval,
        last_interval=intent.last_interval,
        production_j=intent.energy_j if selling else 0,
        consumption_j=0 if selling else intent.energy_j,
        money_uc=0 if selling else most_owed_uc(intent.energy_j, highest, ranges),
    )
