"""The DSO as an actor: answers withdrawals, grants in sorted batches, follows the ledger, credits deposits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from light_client.messages.chain import Blocks, CertifiedBlock, NewBlock
from light_client.messages.codec import decode_message, encode_message
from light_client.messages.registry import (
    WithdrawEntry,
    WithdrawReply,
    WithdrawRequest,
    withdraw_is_signed,
)
from light_client.messages.submission import SubmitTx
from light_client.rules.crypto import public_key_of, verify
from light_client.rules.encoding import decode, encode
from light_client.rules.errors import LocalError, RuleViolation
from light_client.rules.ledger.events import Deposited
from light_client.rules.ledger.execution import Outcome
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.transactions import (
    MAX_GRANTS,
    Asset,
    GrantAssets,
    asset_from_wire,
    asset_to_wire,
    sign_transaction,
)
from light_client.rules.units import PUBLIC_KEY_BYTES, FeederId
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
from testbed.dso.accuracy import GrantedTrades
from testbed.dso.registry import Registry, WithdrawalRefusedError
from testbed.dso.reporting import Delivered, Reporter
from testbed.follower import LedgerFollower

WITHDRAWALS = "withdrawals"
_BATCH_TIMER = "batch"
_RESEND_TIMER = "resend"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorParams:
    """How the DSO batches."""

    batch_ms: int = 5_000
    """How long requests are collected before a batch of grants, ms: batches hide who asked."""
    resend_ms: int = 10_000
    """How long a batch may take to appear in a block before it is sent again, ms."""
    max_batch: int = MAX_GRANTS
    """Most addresses in one batch."""
    report_intervals: int = 4
    """Intervals of one delivery report."""
    settling_intervals: int = 0
    """So many intervals pass before a stretch is reported."""
    follow: FollowParams = field(default_factory=FollowParams)


class FollowedBlock(NamedTuple):
    """What the DSO reports of each block it has re-judged."""

    certified: CertifiedBlock
    outcome: Outcome


class Operator:
    """One DSO."""

    def __init__(
        self,
        name: PeerName,
        genesis: Genesis,
        *,
        secret: bytes,
        registry: Registry,
        miners: tuple[PeerName, ...],
        storage: Storage,
        params: OperatorParams | None = None,
        delivered: Delivered | None = None,
    ) -> None:
        """Build the DSO on what is durable.

        Args:
            delivered: what registered miners promised and delivered; None where nobody is reported.
        """
        if public_key_of(secret) != genesis.dso_key:
            raise LocalError("the DSO's secret does not belong to the key in the genesis")
        unknown = registry.feeders - genesis.grid.ext_j.keys()
        if unknown:  # one grant that no block can take would hold up every batch
            raise LocalError("meters are registered on feeders that are not in the grid", got=sorted(unknown))
        self.name = name
        self.registry = registry
        self._secret = secret
        self._miners = miners
        self._params = params or OperatorParams()
        self._reporter = None if delivered is None else self._reporter_of(delivered)
        self.ledger = LedgerFollower(genesis, verify)
        self._follower = self._params.follow.follower(miners)
        self.trades = GrantedTrades(registry.owner)
        self._answered: dict[tuple[bytes, int], WithdrawReply] = {}
        self._waiting: dict[bytes, Asset] = {}
        self._outstanding: tuple[int, frozenset[bytes], bytes] | None = None
        self._batch_set = False
        self._reload(storage)

    def _reporter_of(self, delivered: Delivered) -> Reporter:
        params = self._params
        return Reporter(self._secret, delivered, params.report_intervals, settling=params.settling_intervals)

    def _reload(self, storage: Storage) -> None:
        """Rebuild registry and waiting grants from the withdrawals made before a restart.

        Grants that are on the ledger already leave the queue as their blocks are followed.
        """
        for key, value in storage.scan(WITHDRAWALS):
            record = decode(value, max_bytes=1 << 20)
            identity_key, request_id = (
                key[:PUBLIC_KEY_BYTES],
                int.from_bytes(key[PUBLIC_KEY_BYTES:], "big"),
            )
            assets = [asset_from_wire(row) for row in record] if isinstance(record, tuple) else []
            self.registry.restore(identity_key, assets)
            self._waiting.update((asset.address, asset) for asset in assets)
            reply = WithdrawReply(request_id=request_id, accepted=True, reason="")
            self._answered[identity_key, request_id] = reply

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """React to one event."""
        match event:
            case Started():
                return [
                    *self._follower.start(self.ledger.tip.height, now_ms),
                    *self._batch_later(now_ms),
                ]
            case TimerFired(name=name):
                return self._woken(name, now_ms)
            case Received(peer=peer, message=raw):
                try:
                    return self._received(peer, raw, now_ms)
                except RuleViolation as broken:
                    return [Report(name="message-refused", value=(peer, broken.rule))]
        return []

    def _woken(self, name: str, now_ms: int) -> list[Effect]:
        if name == FOLLOW_TIMER:
            return self._follower.woken(self.ledger.tip.height, now_ms)
        if name == _BATCH_TIMER:
            self._batch_set = False
            return self._grant(now_ms)
        return self._send_batch(now_ms)

    def _received(self, peer: PeerName, raw: bytes, now_ms: int) -> list[Effect]:
        message = decode_message(raw)
        match message:
            case WithdrawRequest():
                return self._withdraw(peer, message, now_ms)
            case NewBlock():
                return self._follower.announced(message.header.height, self.ledger.tip.height, now_ms)
            case Blocks():
                return self._follow(message, now_ms)
        return []

    def _withdraw(self, peer: PeerName, request: WithdrawRequest, now_ms: int) -> list[Effect]:
        """Answer a withdrawal; asking twice is harmless, since the answer to a request never changes once it is yes."""
        known = self._answered.get((request.public_key, request.request_id))
        if known is not None:
            return [Send(peer=peer, message=encode_message(known))]
        try:
            assets = self._judge(request)
        except WithdrawalRefusedError as refused:
            refusal = WithdrawReply(request_id=request.request_id, accepted=False, reason=str(refused))
            report = Report(name="withdrawal-refused", value=str(refused))
            return [report, Send(peer=peer, message=encode_message(refusal))]
        reply = WithdrawReply(request_id=request.request_id, accepted=True)
        self._answered[request.public_key, request.request_id] = reply
        self._waiting.update((asset.address, asset) for asset in assets)
        record = encode(tuple(asset_to_wire(asset) for asset in assets))
        return [
            Write(table=WITHDRAWALS, key=_request_key(request), value=record),
            *self._batch_later(now_ms),
            Send(peer=peer, message=encode_message(reply)),
        ]

    def _judge(self, request: WithdrawRequest) -> list[Asset]:
        """Take the request out of the prosumer's allowance, or say why not."""
        meter = self.registry.registration(request.public_key)
        withdraw_is_signed(request, self.ledger.state.chain_id, verify)
        assets = [_asset_of(entry, meter.feeder) for entry in request.entries]
        self.registry.withdraw(meter, assets)
        return assets

    def _batch_later(self, now_ms: int) -> list[Effect]:
        if self._batch_set or not self._waiting:
            return []
        self._batch_set = True
        return [SetTimer(name=_BATCH_TIMER, at_ms=now_ms + self._params.batch_ms)]

    def _grant(self, now_ms: int) -> list[Effect]:
        """Sign the next batch, in order of address; one batch is under way at a time, since batches are numbered."""
        if self._outstanding is not None or not self._waiting:
            return []
        chosen = sorted(self._waiting)[: self._params.max_batch]
        sequence = self.ledger.state.meta.next_grant
        batch = GrantAssets(
            sequence=sequence,
            assets=tuple(self._waiting[address] for address in chosen),
        )
        signed = sign_transaction(batch, self.ledger.state.chain_id, self._secret)
        self._outstanding = (sequence, frozenset(chosen), signed.raw)
        return self._send_batch(now_ms)

    def _send_batch(self, now_ms: int) -> list[Effect]:
        if self._outstanding is None:
            return []
        message = encode_message(SubmitTx(raw=self._outstanding[2]))
        resend = SetTimer(name=_RESEND_TIMER, at_ms=now_ms + self._params.resend_ms)
        return [*(Send(peer=miner, message=message) for miner in self._miners), resend]

    def _follow(self, blocks: Blocks, now_ms: int) -> list[Effect]:
        effects: list[Effect] = []
        received = 0
        for certified in blocks.blocks:
            if certified.header.height != self.ledger.tip.height + 1:
                continue
            try:
                outcome = self.ledger.take(certified.header, certified.certificate, certified.body)
            except RuleViolation as broken:
                effects.append(Report(name="block-refused", value=broken.rule))
                return [
                    *effects,
                    *self._follower.refused(self.ledger.tip.height, now_ms),
                ]
            received += 1
            effects.append(Report(name="block", value=FollowedBlock(certified=certified, outcome=outcome)))
            self.trades.take(outcome.events)
            for event in outcome.events:
                if isinstance(event, Deposited):
                    self.registry.deposit(event.address, event.amounts)
        self._forget_granted()
        effects.extend(self._follower.came(received, newest_of(blocks), self.ledger.tip.height, now_ms))
        return [*effects, *self._batch_later(now_ms), *(self._report() if received else ())]

    def _report(self) -> list[Effect]:
        """Send the delivery report that is due, with every new block until it is on the ledger."""
        raw = None if self._reporter is None else self._reporter.due(self.ledger.state, self.ledger.tip)
        if raw is None:
            return []
        message = encode_message(SubmitTx(raw=raw))
        return [Send(peer=miner, message=message) for miner in self._miners]

    def _forget_granted(self) -> None:
        """Drop what is on the ledger from the queue; if another batch took the number, the rest is signed anew."""
        accounts = self.ledger.state.accounts
        if self._outstanding is not None and self.ledger.state.meta.next_grant > self._outstanding[0]:
            self._outstanding = None
        for address in [address for address in self._waiting if address in accounts]:
            del self._waiting[address]


def _request_key(request: WithdrawRequest) -> bytes:
    return request.public_key + request.request_id.to_bytes(8, "big")


def _asset_of(entry: WithdrawEntry, feeder: int) -> Asset:
    return Asset(
        address=entry.address,
        feeder=FeederId(feeder),
        first_interval=entry.first_interval,
        last_interval=entry.last_interval,
        production_j=entry.production_j,
        consumption_j=entry.consumption_j,
        money_uc=entry.money_uc,
    )
