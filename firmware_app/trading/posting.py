"""Posting offers at their moments, and following up until a block has them or their gate has closed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from firmware_app.trading.intent import Intent
from firmware_app.trading.order_book import OrderBook
from firmware_app.trading.orders import Order, Stage
from firmware_app.trading.params import MeterParams
from firmware_app.trading.submitting import Submissions
from light_client.client.client import LightClient
from light_client.messages.submission import TxResult
from light_client.rules.ledger.clear import deadline_ms
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.market.mechanisms.reaction import Reaction
from light_client.session.actor import Effect, Report, SetTimer

TIMER: Final = "post"
REACT_TIMER: Final = "react"
_TO_POST: Final = (Stage.PLANNED, Stage.GRANTED, Stage.POSTED)


class Posting:
    """Sends what is due, as long as the chain and the home's electricity meter are both to be believed."""

    def __init__(
        self,
        genesis: Genesis,
        *,
        book: OrderBook,
        client: LightClient,
        submissions: Submissions,
        chance: Random,
        params: MeterParams,
        is_measured: Callable[[int], bool],
    ) -> None:
        self._genesis = genesis
        self._chain_id = genesis.chain_id()
        self._book = book
        self._client = client
        self._submissions = submissions
        self._chance = chance
        self._params = params
        self._is_measured = is_measured
        self._reaction: Reaction | None = None

    def moment(self, intent: Intent) -> int:
        """When to post, UTC ms: uniformly random within the interval, since habits are fingerprints."""
        length_ms = self._genesis.market.interval_s * 1_000
        start_ms = intent.post_interval * length_ms
        return start_ms + self._chance.randrange(max(1, length_ms - self._params.quiet_ms))

    def may_offer(self, now_ms: int) -> bool:
        """Whether chain and electricity meter are both to be believed."""
        return self._client.may_trade and self._is_measured(now_ms)

    def due(self, now_ms: int) -> list[Effect]:
        """Post what is due; what is not granted yet is tried again, what is too late is given up."""
        effects: list[Effect] = []
        may_offer = self.may_offer(now_ms)
        for order in self._waiting():
            if order.post_at_ms > now_ms:
                continue
            if now_ms >= self._genesis.gate_ms(order.intent.first_interval):
                order.advance(Stage.MISSED)
                effects.append(Report(name="offer-missed", value=order.intent.first_interval))
                continue
            if order.stage is Stage.GRANTED and may_offer:
                order.sent_at_ms = now_ms
                order.advance(Stage.POSTED)
            if order.stage is Stage.POSTED and may_offer:
                effects.append(self._submissions.submit(order, order.signed_offer(self._chain_id)))
            order.post_at_ms = now_ms + (
                self._params.resend_ms if may_offer else self._pause_ms(order, now_ms)
            )
        return effects + self.timer(now_ms)

    def timer(self, now_ms: int) -> list[Effect]:
        """Wake up for the next offer that is due."""
        waiting = [order.post_at_ms for order in self._waiting()]
        return [SetTimer(name=TIMER, at_ms=max(now_ms + 1, min(waiting)))] if waiting else []

    def _waiting(self) -> list[Order]:
        return [order for order in self._book.at(*_TO_POST) if not order.is_spare]

    def _pause_ms(self, order: Order, now_ms: int) -> int:
        """How long a withheld offer waits: offers that all came when a meter recovers would be linked."""
        left_ms = self._genesis.gate_ms(order.intent.first_interval) - now_ms
        if not self._client.may_trade or left_ms <= 2 * self._params.resend_ms:
            return self._params.resend_ms
        return self._chance.randrange(self._params.resend_ms, left_ms // 2 + 1)

    def taken(self, tx_id: bytes, now_ms: int) -> list[Effect]:
        """A miner has taken an offer: the next block will show it, so there is no hurry to send it again."""
        order = self._submissions.taken(tx_id)
        if order is None or order.stage is not Stage.POSTED:
            return []
        order.post_at_ms = now_ms + self._params.confirm_ms
        return [Report(name="tx-taken", value=tx_id), *self.timer(now_ms)]

    def turned_away(self, message: TxResult, now_ms: int) -> list[Effect]:
        """A miner did not take something. Where it says when to come again, come then, and not before.

        Not all at once with whoever was told the same, and not so late that a server could talk an offer past its gate.
        """
        report = Report(name="tx-refused", value=message.rule)
        order = self._submissions.owner(message.tx_id)
        if order is None or not message.retry_ms:
            return [report]
        again_ms = now_ms + message.retry_ms + self._chance.randrange(message.retry_ms)
        if order.stage is not Stage.POSTED:
            order.ask_again_ms = min(again_ms, now_ms + self._params.confirm_ms)
            return [report]
        left_ms = self._genesis.gate_ms(order.intent.first_interval) - now_ms
        order.post_at_ms = min(again_ms, now_ms + max(1, left_ms // 2))
        return [report, *self.timer(now_ms)]

    def hear(self, reaction: Reaction | None, now_ms: int) -> list[Effect]:
        """A block says what is broadcast between two stages, if anything is."""
        self._reaction = reaction
        return self.react(now_ms)

    def react(self, now_ms: int) -> list[Effect]:
        """Answer the average that was broadcast between two stages, again and again until a block has the answer."""
        reaction = self._reaction
        if reaction is None or not self.may_offer(now_ms):
            return []
        if now_ms >= deadline_ms(self._genesis, reaction.interval):
            return []
        answers = self._book.reactions(reaction, self._chain_id)
        effects: list[Effect] = [self._submissions.send(order, signed) for order, signed in answers]
        if effects:
            effects.append(SetTimer(name=REACT_TIMER, at_ms=now_ms + self._params.resend_ms))
        return effects
