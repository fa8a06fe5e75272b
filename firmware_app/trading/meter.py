"""The trading meter: a home's intents, a wallet and a light client that believes nothing it has not checked.

It decides nothing by itself: whoever decides hands it intents, once for each interval, see ``offer``. What a decision
leads to is durable before the first message about it leaves, so a restart repeats messages and never offers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from firmware_app.identity.identity import Identity
from firmware_app.trading import posting, settling, withdrawing
from firmware_app.trading.addresses import Addresses
from firmware_app.trading.intent import Intent
from firmware_app.trading.lost_orders import LostOrders
from firmware_app.trading.news import Final, News
from firmware_app.trading.order_book import OrderBook
from firmware_app.trading.order_store import load, stored
from firmware_app.trading.orders import Order
from firmware_app.trading.params import MeterParams
from firmware_app.trading.posting import Posting
from firmware_app.trading.reservation import Reservation
from firmware_app.trading.settling import Settling
from firmware_app.trading.submitting import Submissions
from firmware_app.trading.withdrawing import Withdrawing
from light_client.client.belief import Checked
from light_client.client.client import LightClient
from light_client.client.news import BalanceDiffers, BalanceVerified, BlockVerified, Halted, Output
from light_client.client.params import TAKEN, TIMERS
from light_client.client.proofs import OwnTrade
from light_client.messages.codec import decode_message, type_number_of
from light_client.messages.registry import WithdrawReply
from light_client.messages.submission import TxResult
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.transactions import ReadTransaction, decode_transaction
from light_client.rules.verdict import Rejected
from light_client.session.actor import (
    Effect,
    Event,
    PeerName,
    Received,
    Report,
    Started,
    Storage,
    TimerFired,
)
from light_client.wallet.wallet import Wallet


def always(utc_ms: int) -> bool:
    """A home without an electricity meter goes by its plan, at any time."""
    del utc_ms
    return True


class TradingMeter:
    """One home on the market."""

    def __init__(
        self,
        name: PeerName,
        genesis: Genesis,
        *,
        identity: Identity,
        wallet: Wallet,
        feeder: int,
        servers: tuple[PeerName, ...],
        operator: PeerName,
        storage: Storage,
        chance: Random,
        client_chance: Random,
        params: MeterParams | None = None,
        read: ReadTransaction = decode_transaction,
        is_measured: Callable[[int], bool] = always,
    ) -> None:
        """Take up what an earlier life left.

        Args:
            is_measured: whether the electricity meter is to be believed at a time, UTC ms; else nothing is offered.

        Raises:
            StoreDamagedError: what is stored cannot be read, or is not of this wallet or chain.
        """
        self.name = name
        self._params = params = params or MeterParams()
        self.client = client = LightClient(
            genesis, servers=servers, storage=storage, chance=client_chance, params=params.client, read=read
        )
        self._book = book = OrderBook(load(storage, wallet), genesis.chain.max_tx_bytes)
        self._withdrawing = Withdrawing(
            name,
            genesis.chain_id(),
            identity=identity,
            operator=operator,
            book=book,
            resend_ms=params.resend_ms,
        )
        self._addresses = Addresses(wallet, storage, feeder=feeder, book=book)
        self._lost = LostOrders(
            wallet,
            storage,
            book=book,
            max_tx_bytes=genesis.chain.max_tx_bytes,
            gate_ms=genesis.gate_ms,
        )
        submissions = Submissions(client)
        self._posting = Posting(
            genesis,
            book=book,
            client=client,
            submissions=submissions,
            chance=chance,
            params=params,
            is_measured=is_measured,
        )
        self._settling = Settling(
            genesis, book=book, client=client, submissions=submissions, chance=chance, params=params
        )
        self._news = News(finals=[Final(order, trade, 0) for order in book.orders for trade in order.trades])

    # -- what others ask and say ---------------------------------------------------------------------------------------

    def orders(self) -> tuple[Order, ...]:
        """All orders that are remembered, in the order of their addresses."""
        return self._book.orders

    @property
    def checked(self) -> Checked:
        """What the light client verified and refused."""
        return self.client.belief.checked

    @property
    def identity_key(self) -> bytes:
        """Public key under which the DSO knows this meter."""
        return self._withdrawing.identity_key

    @property
    def decided(self) -> int | None:
        """The last interval in which offers were decided, in this life or an earlier one."""
        return self._addresses.decided

    def offer(self, interval: int, intents: Iterable[Intent], now_ms: int) -> list[Effect]:
        """Carry out what was decided in an interval.

        A decision for an interval that is not after ``decided`` is not carried out: it was, before a restart.
        """
        lost = self._look_after_lost(interval, now_ms)
        if self.decided is not None and interval <= self.decided:
            return lost
        wanted = tuple(intents)
        forgotten = self._book.forget(interval - self._params.kept_intervals)
        expired = self._settling.expire_spare(now_ms)
        if not wanted:
            return [*lost, *forgotten, *expired, *self._stored()]
        asking, writes = self._addresses.assign(interval, wanted, self._posting.moment)
        self._withdrawing.want(asking)
        asked = self._withdrawing.ask(now_ms) if asking else []
        posting = self._posting.timer(now_ms)
        return [*lost, *forgotten, *expired, *writes, *self._stored(), *asked, *posting]

    def _look_after_lost(self, interval: int, now_ms: int) -> list[Effect]:
        """Where orders were lost with a damaged file: wait until nothing of them can be offered, hand back the rest."""
        waits = self._addresses.wait_for_what_was_lost(interval)
        ends = self._lost.end(interval, self._params.kept_intervals)
        soon = self._settling.soon(now_ms) if self._lost.hand_back(now_ms) else []
        return [*waits, *ends, *self._stored(), *soon]

    @property
    def reserved_day(self) -> int | None:
        """The last day for which spare addresses were asked for, UTC days since 1970, in any life."""
        return self._addresses.reserved_day

    def reserve(self, day: int, wants: Iterable[Reservation], now_ms: int) -> list[Effect]:
        """Ask for a day's spare addresses; once for each day, whatever happens in between."""
        if self.reserved_day is not None and day <= self.reserved_day:
            return []
        asking, writes = self._addresses.reserve(day, wants)
        self._withdrawing.want(asking)
        asked = self._withdrawing.ask(now_ms) if asking else []
        return [*writes, *self._stored(), *asked]

    def take_news(self) -> News:
        """What has happened since this was last asked; what an earlier life left is told by the first answer."""
        news, self._news = self._news, News()
        return news

    def _stored(self) -> list[Effect]:
        """The writes that keep what has changed of orders; the changes are news."""
        changed = self._book.take_changed()
        self._news.orders += changed
        writes = [stored(order) for order in changed]
        for order in changed:
            order.binds = False
        return [*writes]

    # -- events --------------------------------------------------------------------------------------------------------

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """React to one event; what changes of orders is written before anything leaves."""
        effects = self._react(event, now_ms)
        return [*self._stored(), *effects]

    def _react(self, event: Event, now_ms: int) -> list[Effect]:
        effects: list[Effect] = []
        match event:
            case Started():
                effects += self._heed(self.client.start(now_ms), now_ms)
                effects += self._withdrawing.ask(now_ms) + self._posting.timer(now_ms)
                effects += self._settling.start(now_ms)
            case TimerFired(name=name) if name in TIMERS:
                effects = self._heed(self.client.woken(name, now_ms), now_ms)
            case TimerFired(name=name):
                effects = self._woken(name, now_ms)
            case Received(peer=peer, message=raw) if type_number_of(raw) in TAKEN:
                effects = self._heed(self.client.received(peer, raw, now_ms), now_ms)
            case Received(peer=peer, message=raw):
                try:
                    effects = self._received(peer, raw, now_ms)
                except RuleViolation as broken:
                    self.checked.refuse(Rejected(rule=broken.rule, reason=str(broken)))
                    effects = [Report(name="message-refused", value=(peer, broken.rule))]
        return effects

    def _woken(self, name: str, now_ms: int) -> list[Effect]:
        effects: list[Effect] = []
        match name:
            case withdrawing.TIMER:
                effects = self._withdrawing.ask(now_ms)
            case posting.TIMER:
                effects = self._posting.due(now_ms)
            case posting.REACT_TIMER:
                effects = self._posting.react(now_ms)
            case settling.TIMER:
                effects = self._settling.settle(now_ms)
        return effects

    def _received(self, peer: PeerName, raw: bytes, now_ms: int) -> list[Effect]:
        effects: list[Effect] = []
        match message := decode_message(raw):
            case WithdrawReply():
                effects = self._withdrawing.answered(peer, message)
            case TxResult(accepted=True):
                effects = self._posting.taken(message.tx_id, now_ms)
            case TxResult():
                effects = self._posting.turned_away(message, now_ms)
        return effects

    def _heed(self, outputs: Iterable[Output], now_ms: int) -> list[Effect]:
        """Act upon what the light client has verified; everything else of it is carried out as it is."""
        effects: list[Effect] = []
        for output in outputs:
            match output:
                case BlockVerified():
                    effects += self._take_in(output, now_ms)
                case BalanceVerified():
                    effects += self._settling.deposit(output.address, now_ms)
                case BalanceDiffers():
                    effects += self._settling.differs(output, now_ms)
                case Halted(reason=reason):  # posting looks at ``may_trade``; what is open goes on without us
                    self._news.alarms.append((self.client.belief.trusted.height, reason))
                case _:
                    effects.append(output)
        return effects

    def _take_in(self, block: BlockVerified, now_ms: int) -> list[Effect]:
        """Find what concerns this home in a verified block."""
        self._lost.take_in(block.followed)
        own = self._book.take_in(block.followed)
        height = block.header.height
        self._news.headers.append(block.header)
        self._news.finals += [Final(taken.order, taken.trade, height) for taken in own]
        effects = self._posting.hear(block.followed.reaction, now_ms)
        for order in (taken.order for taken in own if taken.is_new):
            if order.sent_at_ms is not None and len(order.trades) == 1:
                effects.append(Report(name="offer-to-final-ms", value=now_ms - order.sent_at_ms))
        if own:
            trades = [OwnTrade(order.offer_in(trade.interval), trade) for order, trade, _ in own]
            effects += self.client.proofs.want_trades(block.header.clearing.interval, trades)
        if self._book.close_ended(block.followed.ended, height):
            effects += self._settling.soon(now_ms)
        return effects
