"""Settling ended orders: the balance is proven against the verified trades, then everything goes back to the DSO."""

from __future__ import annotations

from random import Random
from typing import Final

from firmware_app.trading.order_book import OrderBook
from firmware_app.trading.orders import Order, Stage
from firmware_app.trading.params import MeterParams
from firmware_app.trading.submitting import Submissions
from light_client.client.client import LightClient
from light_client.client.news import BalanceDiffers
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.units import Address
from light_client.session.actor import Effect, Report, SetTimer

TIMER: Final = "settle"


class Settling:
    """Hands back what ended orders leave."""

    def __init__(
        self,
        genesis: Genesis,
        *,
        book: OrderBook,
        client: LightClient,
        submissions: Submissions,
        chance: Random,
        params: MeterParams,
    ) -> None:
        self._genesis = genesis
        self._chain_id = genesis.chain_id()
        self._interval_ms = genesis.market.interval_s * 1_000
        self._book = book
        self._client = client
        self._submissions = submissions
        self._chance = chance
        self._params = params

    def soon(self, now_ms: int) -> list[Effect]:
        """Orders have ended: look at them at a random moment, not all meters with the block that ended them."""
        delay_ms = self._chance.randrange(1, self._interval_ms)
        return [SetTimer(name=TIMER, at_ms=now_ms + delay_ms)]

    def expire_spare(self, now_ms: int) -> list[Effect]:
        """Give up the spare addresses with which nothing can be offered any more; what they hold goes back."""
        over = [o for o in self._book.spare if now_ms >= self._genesis.gate_ms(o.asset.last_interval)]
        for order in over:
            order.advance(Stage.MISSED)
            order.ask_again_ms = now_ms + self._chance.randrange(self._interval_ms)
        return self.soon(now_ms) if over else []

    def start(self, now_ms: int) -> list[Effect]:
        """Take up what an earlier life left."""
        return self.soon(now_ms) if self._ended() else []

    def settle(self, now_ms: int) -> list[Effect]:
        """Ask for the balances of ended orders; ask again for what was not answered."""
        ended, proofs = self._ended(), self._client.proofs
        effects: list[Effect] = [
            proofs.want_balance(order.key.address, order.expected_account(), order.ended_height)
            for order in ended
            if order.ask_again_ms <= now_ms
        ]
        effects += proofs.again()
        if ended or effects:
            effects.append(SetTimer(name=TIMER, at_ms=now_ms + 3 * self._params.resend_ms))
        return effects

    def _ended(self) -> list[Order]:
        return [order for order in self._book.at(Stage.CLOSED, Stage.MISSED) if order.granted]

    def differs(self, news: BalanceDiffers, now_ms: int) -> list[Effect]:
        """The balance of an ended order was proven, and is not what its trades give: say so once, and hand it back.

        With more than was asked for (LC-26) it is the DSO's doing. Nothing of that is ever offered.
        """
        order = self._book.of_address(news.address)
        reports: list[Effect] = []
        if order is not None and not order.differs:
            order.differs = True
            who = "DSO" if news.rule == "LC-26" else "DSO or committee"
            reports.append(Report(name="balance-differs", value=(who, news.rule, news.height)))
        return [*reports, *self.deposit(news.address, now_ms)]

    def deposit(self, address: Address, now_ms: int) -> list[Effect]:
        """The balance of an ended order was proven: hand it back."""
        order = self._book.of_address(address)
        if order is None or order.stage not in (Stage.CLOSED, Stage.MISSED):
            return []
        order.ask_again_ms = now_ms + self._params.confirm_ms
        return [self._submissions.submit(order, order.signed_deposit(self._chain_id))]
