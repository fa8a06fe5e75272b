"""An emulated meter: a home's planned day, a wallet and a light client that believes nothing it has not checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from light_client.client import LightClient
from light_client.messages.chain import Blocks, NewBlock
from light_client.messages.codec import decode_message, encode_message
from light_client.messages.proofs import (
    AccountMessage,
    GetAccount,
    GetTrades,
    TradesMessage,
)
from light_client.messages.registry import WithdrawEntry, WithdrawReply, WithdrawRequest, sign_withdraw
from light_client.messages.submission import SubmitTx, TxResult
from light_client.rules.crypto import public_key_of, sign
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.audit import Followed
from light_client.rules.ledger.block import Header
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.records import account_from_bytes, account_key
from light_client.rules.ledger.transactions import ReadTransaction, decode_transaction
from light_client.rules.light import Update
from light_client.rules.statetree import verify_state
from light_client.rules.units import OfferId
from light_client.rules.verdict import Accepted, Rejected
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
from light_client.sync.follow import TIMER as FOLLOW_TIMER
from light_client.sync.follow import FollowParams, newest_of
from light_client.wallet.wallet import AddressKey, Wallet
from testbed.fleet.order_book import OrderBook
from testbed.fleet.orders import Order, Stage
from testbed.scenarios.model import PlannedOffer

_TABLE = "orders"
_FIRST_INDEX = b"first-index"
_TO_POST = (Stage.PLANNED, Stage.GRANTED, Stage.POSTED)
_HEADERS_KEPT = 256
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
    follow: FollowParams = field(default_factory=FollowParams)


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
        params: MeterParams | None = None,
        read: ReadTransaction = decode_transaction,
    ) -> None:
        self.name = name
        self.client = LightClient(genesis, read=read)
        self.balances = 0
        """Balances of own addresses verified against a state root."""
        self._genesis = genesis
        self._chain_id = genesis.chain_id()
        self._identity = identity
        self._operator = operator
        self._params = params or MeterParams()
        self._chance = chance
        self._follower = self._params.follow.follower(servers)
        self._headers: dict[int, Header] = {}
        self._halted = False
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
        self._unproven: dict[int, set[OfferId]] = {}

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
        match event:
            case Started():
                effects: list[Effect] = list(self._first_writes)
                effects += self._follower.start(self.client.replica.height, now_ms)
                return effects + self._withdraw(now_ms) + self._post_timer(now_ms)
            case TimerFired(name=name):
                return self._woken(name, now_ms)
            case Received(peer=peer, message=raw):
                try:
                    return self._received(peer, raw, now_ms)
                except RuleViolation as broken:
                    self.client.checked.refuse(Rejected(rule=broken.rule, reason=str(broken)))
                    return [Report(name="message-refused", value=(peer, broken.rule))]
        return []

    def _woken(self, name: str, now_ms: int) -> list[Effect]:
        if self._halted:
            return []
        if name == FOLLOW_TIMER:
            return self._follower.woken(self.client.replica.height, now_ms)
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
            case NewBlock():
                effects = self._follower.announced(message.header.height, self.client.replica.height, now_ms)
            case Blocks():
                effects = self._follow(message, now_ms)
            case WithdrawReply() if peer == self._operator:
                effects = self._withdrawn(message)
            case TradesMessage():
                effects = self._take_proofs(message)
            case AccountMessage():
                effects = self._take_balance(message, now_ms)
            case TxResult(accepted=True):
                effects = self._taken(message.tx_id, now_ms)
            case TxResult():
                effects = [Report(name="tx-refused", value=message.rule)]
        return effects

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
        for order in self._orders.at(*_TO_POST):
            if order.post_at_ms > now_ms:
                continue
            if now_ms >= self._genesis.gate_ms(order.plan.first_interval):
                order.advance(Stage.MISSED)
                effects.append(Report(name="offer-missed", value=order.plan.first_interval))
                continue
            if order.stage is Stage.GRANTED:
                order.advance(Stage.POSTED)
                order.sent_at_ms = now_ms
            if order.stage is Stage.POSTED:
                signed = order.signed_offer(self._chain_id)
                self._unconfirmed[signed.tx_id()] = order
                message = encode_message(SubmitTx(raw=signed.raw))
                effects.append(Send(peer=self._follower.server, message=message))
            order.post_at_ms = now_ms + self._params.resend_ms
        return effects + self._post_timer(now_ms)

    def _taken(self, tx_id: bytes, now_ms: int) -> list[Effect]:
        """A miner has taken an offer: the next block will show it, so there is no hurry to send it again."""
        order = self._unconfirmed.pop(tx_id, None)
        if order is None or order.stage is not Stage.POSTED:
            return []
        order.post_at_ms = now_ms + self._params.confirm_ms
        return self._post_timer(now_ms)

    def _post_timer(self, now_ms: int) -> list[Effect]:
        waiting = [order.post_at_ms for order in self._orders.at(*_TO_POST)]
        return [SetTimer(name="post", at_ms=max(now_ms + 1, min(waiting)))] if waiting else []

    def _follow(self, blocks: Blocks, now_ms: int) -> list[Effect]:
        effects: list[Effect] = []
        received = 0
        for certified in blocks.blocks:
            header = certified.header
            if header.height != self.client.replica.height + 1:
                continue
            verdict = self.client.take_header(
                Update(header=header, certificate=certified.certificate), now_ms
            )
            followed = self.client.take_body(certified.body) if isinstance(verdict, Accepted) else verdict
            if not isinstance(followed, Followed):
                if (
                    isinstance(verdict, Accepted)
                    and isinstance(followed, Rejected)
                    and followed.rule != "LED-32"
                ):
                    return self._halt(followed)
                return [
                    *effects,
                    *self._follower.refused(self.client.replica.height, now_ms),
                ]
            received += 1
            self._headers[header.height] = header
            self._headers.pop(header.height - _HEADERS_KEPT, None)
            effects += self._take_in(header, followed, now_ms)
        effects += self._react(now_ms)
        return effects + self._follower.came(received, newest_of(blocks), self.client.replica.height, now_ms)

    def _halt(self, broken: Rejected) -> list[Effect]:
        """A quorum signed what the rules forbid: stop trading, say why, and never go on by oneself."""
        self._halted = True
        return [Report(name="halted", value=broken.reason)]

    def _take_in(self, header: Header, followed: Followed, now_ms: int) -> list[Effect]:
        """Find what concerns this home in a verified block."""
        effects: list[Effect] = []
        own = self._orders.take_in(followed, self.client.replica.next_interval)
        for order, _ in own:
            if order.sent_at_ms is not None and len(order.trades) == 1:
                effects.append(Report(name="offer-to-final-ms", value=now_ms - order.sent_at_ms))
        if own:
            interval = header.clearing.interval
            ids = tuple(sorted(OfferId(trade.offer_id) for _, trade in own))
            self._unproven[interval] = set(ids)
            request = GetTrades(interval=interval, offers=ids)
            effects.append(Send(peer=self._follower.server, message=encode_message(request)))
        if followed.cleared is not None and self._orders.close_ended(
            self.client.replica.offers, header.height
        ):
            delay_ms = self._chance.randrange(1, self._genesis.market.interval_s * 1_000)
            effects.append(SetTimer(name="settle", at_ms=now_ms + delay_ms))
        return effects

    def _react(self, now_ms: int) -> list[Effect]:
        """Answer the average that was broadcast between two stages, again and again until a block has the answer."""
        closed = self.client.replica.closed
        if closed is None or closed.reaction is None:
            return []
        signed = self._orders.reactions(closed.reaction, self._chain_id)
        messages = [encode_message(SubmitTx(raw=answer.raw)) for answer in signed]
        again = [SetTimer(name="react", at_ms=now_ms + self._params.resend_ms)] if messages else []
        return [*(Send(peer=self._follower.server, message=message) for message in messages), *again]

    def _take_proofs(self, message: TradesMessage) -> list[Effect]:
        """Check own trades by inclusion, each against its offer and against what the replica derived."""
        header = self._headers.get(message.height)
        waiting = self._unproven.get(message.interval, set())
        for proven in message.trades if header is not None else ():
            trade = proven.trade
            order = self._orders.of_number(trade.offer_id)
            if order is None or trade.offer_id not in waiting or header is None:
                continue
            waiting.discard(OfferId(trade.offer_id))
            own = order.offer_in(message.interval)
            verdict = self.client.take_trade(header, trade.offer_id, own, trade, proven.proof)
            if isinstance(verdict, Accepted) and trade not in order.trades:
                self.client.checked.refuse(
                    Rejected(rule="LC-11", reason="a proven trade that was not derived")
                )
        if not waiting:
            self._unproven.pop(message.interval, None)
        return []

    def _settle(self, now_ms: int) -> list[Effect]:
        """Ask for the balances of ended orders; ask again for what was not answered."""
        ended = [order for order in self._orders.at(Stage.CLOSED, Stage.MISSED) if order.granted]
        server, height = self._follower.server, self.client.replica.height
        effects: list[Effect] = [
            Send(peer=server, message=encode_message(GetAccount(address=order.key.address, height=height)))
            for order in ended
            if order.ask_again_ms <= now_ms
        ]
        for interval, ids in self._unproven.items():
            request = GetTrades(interval=interval, offers=tuple(sorted(ids)))
            effects.append(Send(peer=server, message=encode_message(request)))
        if ended or effects:
            effects.append(SetTimer(name="settle", at_ms=now_ms + 3 * self._params.resend_ms))
        return effects

    def _take_balance(self, message: AccountMessage, now_ms: int) -> list[Effect]:
        """Check an own balance under a trusted state root, compare it with the verified trades, then hand it back."""
        header = self._headers.get(message.height)
        order = self._orders.of_address(message.address)
        if header is None or order is None or order.stage not in (Stage.CLOSED, Stage.MISSED):
            return []
        if message.height < order.ended_height:
            return []  # asked before the offer turned up after all: nobody's fault
        verify_state(
            header.state_root,
            account_key(order.key.address),
            message.account.record,
            message.account.proof,
        )
        if message.account.record is None:
            return []
        got, expected = (
            account_from_bytes(message.account.record),
            order.expected_account(),
        )
        if got != expected:
            raise RuleViolation(
                "LC-15",
                "own balance against verified trades",
                got=got,
                expected=expected,
            )
        self.balances += 1
        order.ask_again_ms = now_ms + self._params.confirm_ms
        raw = order.signed_deposit(self._chain_id).raw
        return [Send(peer=self._follower.server, message=encode_message(SubmitTx(raw=raw)))]

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
