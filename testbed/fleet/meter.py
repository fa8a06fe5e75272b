"""An emulated meter: a home's planned day, a wallet and a light client that believes nothing it has not checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

from light_client.client.belief import Checked
from light_client.client.client import LightClient
from light_client.client.news import BalanceDiffers, BalanceVerified, BlockVerified, Halted, Output
from light_client.client.params import TAKEN, TIMERS, ClientParams
from light_client.client.proofs import OwnTrade
from light_client.messages.codec import decode_message, encode_message, type_number_of
from light_client.messages.registry import WithdrawEntry, WithdrawReply, WithdrawRequest, sign_withdraw
from light_client.messages.submission import SubmitTx, TxResult
from light_client.rules.crypto import public_key_of, sign
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.clear import deadline_ms
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.transactions import ReadTransaction, decode_transaction
from light_client.rules.market.mechanisms.reaction import Reaction
from light_client.rules.units import Address
from light_client.rules.verdict import Rejected
from light_client.session.actor import (
    Effect,
    Event,
    PeerName,
    Received,
    Report,
    Send,
    SetTimer,
    Started,
    Storage,
    TimerFired,
    Write,
)
from light_client.wallet.wallet import AddressKey, Wallet
from testbed.fleet.order_book import OrderBook
from testbed.fleet.orders import Order, Stage
from testbed.scenarios.model import PlannedOffer

_TABLE = "orders"
_FIRST_INDEX = b"first-index"
_TO_POST = (Stage.PLANNED, Stage.GRANTED, Stage.POSTED)
_ASK_BATCH = 200
"""Most addresses in one withdrawal request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterParams:
    """How one meter behaves."""

    resend_ms: int = 20_000
    """How long an answer is waited for before something is sent again, ms."""
    confirm_ms: int = 900_000
    """How long an offer that a miner has taken may wait for a block before it is sent again, ms."""
    quiet_ms: int = 5_000
    """Before the end of its interval of posting by which an offer must be out, ms."""
    client: ClientParams = field(default_factory=ClientParams)
    """How its light client follows the chain."""


def always(utc_ms: int) -> bool:
    """A home without an electricity meter goes by its plan, at any time."""
    del utc_ms
    return True


class EmulatedMeter:
    """One home."""

    def __init__(
        self,
        name: PeerName,
        genesis: Genesis,
        *,
        identity: bytes,
        wallet: Wallet,
        plan: Iterable[PlannedOffer],
        servers: tuple[PeerName, ...],
        operator: PeerName,
        storage: Storage,
        chance: Random,
        client_chance: Random,
        params: MeterParams | None = None,
        read: ReadTransaction = decode_transaction,
        is_measured: Callable[[int], bool] = always,
    ) -> None:
        """One home's actor.

        Args:
            is_measured: whether the electricity meter is to be believed at a time, UTC ms; else nothing is offered.
        """
        self.name = name
        self._is_measured = is_measured
        self._params = params or MeterParams()
        self.client = LightClient(
            genesis,
            servers=servers,
            storage=storage,
            chance=client_chance,
            params=self._params.client,
            read=read,
        )
        self._genesis = genesis
        self._chain_id = genesis.chain_id()
        self._identity = identity
        self._operator = operator
        self._chance = chance
        planned = tuple(plan)
        keys, self._first_writes = _keys_for(len(planned), wallet, storage)
        self._first_index = keys[0].index if keys else 0
        orders = [
            Order(plan=offer, key=key, post_at_ms=self._moment(offer))
            for offer, key in zip(planned, keys, strict=True)
        ]
        self._orders = OrderBook(orders, genesis.chain.max_tx_bytes)
        self._requests: dict[int, bytes] | None = None
        self._unconfirmed: dict[bytes, Order] = {}
        self._reaction: Reaction | None = None

    def _moment(self, plan: PlannedOffer) -> int:
        """When to post: uniformly random within the interval, since habits are fingerprints."""
        length_ms = self._genesis.market.interval_s * 1_000
        start_ms = plan.post_interval * length_ms
        return start_ms + self._chance.randrange(max(1, length_ms - self._params.quiet_ms))

    def orders(self) -> tuple[Order, ...]:
        """All orders of the day, for reports."""
        return self._orders.orders

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """React to one event."""
        effects: list[Effect] = []
        match event:
            case Started():
                effects += self._first_writes
                effects += self._heed(self.client.start(now_ms), now_ms)
                effects += self._withdraw(now_ms) + self._post_timer(now_ms)
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

    @property
    def checked(self) -> Checked:
        """What the light client verified and refused."""
        return self.client.belief.checked

    def _woken(self, name: str, now_ms: int) -> list[Effect]:
        if name == "withdraw":
            return self._withdraw(now_ms)
        if name == "post":
            return self._post_due(now_ms)
        if name == "react":
            return self._react(now_ms)
        return self._settle(now_ms)

    def _received(self, peer: PeerName, raw: bytes, now_ms: int) -> list[Effect]:
        effects: list[Effect] = []
        match message := decode_message(raw):
            case WithdrawReply() if peer == self._operator:
                effects = self._withdrawn(message)
            case TxResult(accepted=True):
                effects = self._taken(message.tx_id, now_ms)
            case TxResult():
                effects = self._turned_away(message, now_ms)
        return effects

    def _heed(self, outputs: Iterable[Output], now_ms: int) -> list[Effect]:
        """Act upon what the light client has verified; everything else of it is carried out as it is."""
        effects: list[Effect] = []
        for output in outputs:
            match output:
                case BlockVerified():
                    effects += self._take_in(output, now_ms)
                case BalanceVerified():
                    effects += self._deposit(output.address, now_ms)
                case BalanceDiffers():
                    effects += self._complain(output) + self._deposit(output.address, now_ms)
                case Halted():
                    pass  # posting looks at ``may_trade``; what is open goes on without us
                case _:
                    effects.append(output)
        return effects

    def _may_offer(self, now_ms: int) -> bool:
        """Whether chain and electricity meter are both to be believed."""
        return self.client.may_trade and self._is_measured(now_ms)

    def _withdraw(self, now_ms: int) -> list[Effect]:
        """Ask the DSO for the assets of the day's orders: one batch of addresses, asked again until it answers.

        After a restart the same requests go out once more; the DSO answers them as it did before.
        """
        if self._requests is None:
            self._requests = {}
            wanting = self._orders.at(Stage.PLANNED)
            for start in range(0, len(wanting), _ASK_BATCH):
                request = self._request_for(self._first_index + start, wanting[start : start + _ASK_BATCH])
                self._requests[request.request_id] = encode_message(request)
        effects: list[Effect] = [Send(peer=self._operator, message=raw) for raw in self._requests.values()]
        if effects:
            effects.append(SetTimer(name="withdraw", at_ms=now_ms + self._params.resend_ms))
        return effects

    def _request_for(self, request_id: int, orders: list[Order]) -> WithdrawRequest:
        entries = tuple(
            WithdrawEntry(
                address=asset.address,
                first_interval=asset.first_interval,
                last_interval=asset.last_interval,
                production_j=asset.production_j,
                consumption_j=asset.consumption_j,
                money_uc=asset.money_uc,
            )
            for asset in (order.asset for order in orders)
        )
        return sign_withdraw(
            self._chain_id,
            request_id=request_id,
            meter_id=self.name,
            entries=entries,
            public_key=self.identity_key,
            signer=lambda message: sign(self._identity, message),
        )

    def _withdrawn(self, reply: WithdrawReply) -> list[Effect]:
        if self._requests is None or self._requests.pop(reply.request_id, None) is None or reply.accepted:
            return []
        start = reply.request_id - self._first_index
        for order in self._orders.orders[start : start + _ASK_BATCH]:
            if order.stage is Stage.PLANNED:
                order.advance(Stage.MISSED)
        return [Report(name="withdrawal-failed", value=reply.reason)]

    def _post_due(self, now_ms: int) -> list[Effect]:
        """Post what is due; what is not granted yet is tried again, what is too late is given up."""
        effects: list[Effect] = []
        may_offer = self._may_offer(now_ms)
        for order in self._orders.at(*_TO_POST):
            if order.post_at_ms > now_ms:
                continue
            if now_ms >= self._genesis.gate_ms(order.plan.first_interval):
                order.advance(Stage.MISSED)
                effects.append(Report(name="offer-missed", value=order.plan.first_interval))
                continue
            if order.stage is Stage.GRANTED and may_offer:
                order.advance(Stage.POSTED)
                order.sent_at_ms = now_ms
            if order.stage is Stage.POSTED and may_offer:
                signed = order.signed_offer(self._chain_id)
                self._unconfirmed[signed.tx_id()] = order
                message = encode_message(SubmitTx(raw=signed.raw))
                effects.append(Send(peer=self.client.server, message=message))
            order.post_at_ms = now_ms + (
                self._params.resend_ms if may_offer else self._pause_ms(order, now_ms)
            )
        return effects + self._post_timer(now_ms)

    def _pause_ms(self, order: Order, now_ms: int) -> int:
        """How long a withheld offer waits: offers that all came when a meter recovers would be linked."""
        left_ms = self._genesis.gate_ms(order.plan.first_interval) - now_ms
        if not self.client.may_trade or left_ms <= 2 * self._params.resend_ms:
            return self._params.resend_ms
        return self._chance.randrange(self._params.resend_ms, left_ms // 2 + 1)

    def _taken(self, tx_id: bytes, now_ms: int) -> list[Effect]:
        """A miner has taken an offer: the next block will show it, so there is no hurry to send it again."""
        order = self._unconfirmed.pop(tx_id, None)
        if order is None or order.stage is not Stage.POSTED:
            return []
        order.post_at_ms = now_ms + self._params.confirm_ms
        return [Report(name="tx-taken", value=tx_id), *self._post_timer(now_ms)]

    def _turned_away(self, message: TxResult, now_ms: int) -> list[Effect]:
        """A miner did not take something. Where it says when to come again, come then, and not before.

        Not all at once with whoever was told the same, and not so late that a server could talk an offer past its gate.
        """
        report = Report(name="tx-refused", value=message.rule)
        order = self._unconfirmed.get(message.tx_id)
        if order is None or not message.retry_ms:
            return [report]
        again_ms = now_ms + message.retry_ms + self._chance.randrange(message.retry_ms)
        if order.stage is not Stage.POSTED:
            order.ask_again_ms = min(again_ms, now_ms + self._params.confirm_ms)
            return [report]
        left_ms = self._genesis.gate_ms(order.plan.first_interval) - now_ms
        order.post_at_ms = min(again_ms, now_ms + max(1, left_ms // 2))
        return [report, *self._post_timer(now_ms)]

    def _post_timer(self, now_ms: int) -> list[Effect]:
        waiting = [order.post_at_ms for order in self._orders.at(*_TO_POST)]
        return [SetTimer(name="post", at_ms=max(now_ms + 1, min(waiting)))] if waiting else []

    def _take_in(self, block: BlockVerified, now_ms: int) -> list[Effect]:
        """Find what concerns this home in a verified block."""
        effects: list[Effect] = []
        own = self._orders.take_in(block.followed)
        self._reaction = block.followed.reaction
        effects += self._react(now_ms)
        for order, _ in own:
            if order.sent_at_ms is not None and len(order.trades) == 1:
                effects.append(Report(name="offer-to-final-ms", value=now_ms - order.sent_at_ms))
        if own:
            trades = [OwnTrade(order.offer_in(trade.interval), trade) for order, trade in own]
            effects.append(self.client.proofs.want_trades(block.header.clearing.interval, trades))
        if self._orders.close_ended(block.followed.ended, block.header.height):
            delay_ms = self._chance.randrange(1, self._genesis.market.interval_s * 1_000)
            effects.append(SetTimer(name="settle", at_ms=now_ms + delay_ms))
        return effects

    def _react(self, now_ms: int) -> list[Effect]:
        """Answer the average that was broadcast between two stages, again and again until a block has the answer."""
        reaction = self._reaction
        if reaction is None or not self._may_offer(now_ms):
            return []
        if now_ms >= deadline_ms(self._genesis, reaction.interval):
            return []
        signed = self._orders.reactions(reaction, self._chain_id)
        messages = [encode_message(SubmitTx(raw=answer.raw)) for answer in signed]
        again = [SetTimer(name="react", at_ms=now_ms + self._params.resend_ms)] if messages else []
        return [*(Send(peer=self.client.server, message=message) for message in messages), *again]

    def _settle(self, now_ms: int) -> list[Effect]:
        """Ask for the balances of ended orders; ask again for what was not answered."""
        ended = [order for order in self._orders.at(Stage.CLOSED, Stage.MISSED) if order.granted]
        effects: list[Effect] = [
            self.client.proofs.want_balance(order.key.address, order.expected_account(), order.ended_height)
            for order in ended
            if order.ask_again_ms <= now_ms
        ]
        effects += self.client.proofs.again()
        if ended or effects:
            effects.append(SetTimer(name="settle", at_ms=now_ms + 3 * self._params.resend_ms))
        return effects

    def _deposit(self, address: Address, now_ms: int) -> list[Effect]:
        """The balance of an ended order was proven: hand it back."""
        order = self._orders.of_address(address)
        if order is None or order.stage not in (Stage.CLOSED, Stage.MISSED):
            return []
        order.ask_again_ms = now_ms + self._params.confirm_ms
        signed = order.signed_deposit(self._chain_id)
        self._unconfirmed[signed.tx_id()] = order
        return [Send(peer=self.client.server, message=encode_message(SubmitTx(raw=signed.raw)))]

    def _complain(self, differs: BalanceDiffers) -> list[Effect]:
        """Say once of whom a wrong balance comes; what is there is handed back as it is, and never offered."""
        order = self._orders.of_address(differs.address)
        if order is None or order.differs:
            return []
        order.differs = True
        who = self._operator if differs.rule == "LC-26" else "the DSO or the committee"
        return [Report(name="balance-differs", value=(who, differs.rule, differs.height))]

    @property
    def identity_key(self) -> bytes:
        """Public key under which the DSO knows this meter."""
        return public_key_of(self._identity)


def _keys_for(count: int, wallet: Wallet, storage: Storage) -> tuple[list[AddressKey], list[Write]]:
    """The keys of the day's orders: the same ones after a restart, so that nothing is ever offered twice."""
    stored = storage.get(_TABLE, _FIRST_INDEX)
    if stored is not None:
        first = int.from_bytes(stored, "big")
        return [wallet.key_at(index) for index in range(first, first + count)], []
    keys, write = wallet.fresh(count)
    first_index = keys[0].index if keys else 0
    return keys, [write, Write(table=_TABLE, key=_FIRST_INDEX, value=first_index.to_bytes(8, "big"))]
