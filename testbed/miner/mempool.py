"""Transactions that wait for a block: bounded, fair between senders and kinds, checked against the state on admission.

What there is little of and much depends on (grants, deposits, reports, evidence, registry changes) goes first, and has
room that offers cannot take. Offers are taken in turns: the first of every sender, then the second of each, and so on.

A transaction that can only execute after one that is still missing (a later number, an address whose grant has not
come) is parked: kept, but not proposed, until what it waits for is here. Of two with one number the first counts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from itertools import islice
from typing import Final, NamedTuple

from light_client.rules.crypto import tagged_hash
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.apply import apply_transaction, first_open_interval
from light_client.rules.ledger.committee import Verify
from light_client.rules.ledger.events import Event
from light_client.rules.ledger.execution import close_gate
from light_client.rules.ledger.state import Draft, LedgerState
from light_client.rules.ledger.transactions import GrantAssets, PostOffer, SignedTransaction
from light_client.rules.units import Address
from light_client.session.actor import PeerName
from testbed.miner.memo import TransactionMemo
from testbed.miner.params import PoolLimits
from testbed.miner.parked import GRANTS, Parked, turn_of
from testbed.miner.room import Room, Waiting

_EARLY_RULES: Final = ("LED-05", "LED-08", "LED-09")
"""Broken by what comes too early, or too late."""


class Dropped(NamedTuple):
    """A transaction that waits no longer, and is in no block."""

    signed: SignedTransaction
    rule: str
    """What it breaks now; POOL-06 where it came early and had to make room."""


class Mempool:
    """What waits, over a draft of the present state with all of it applied."""

    def __init__(
        self,
        state: LedgerState,
        verify_signature: Verify,
        limits: PoolLimits | None = None,
        memo: TransactionMemo | None = None,
    ) -> None:
        """Begin empty.

        Args:
            memo: told what waits, so that it is not read again where it comes in a block.
        """
        self._state = state
        self._verify = verify_signature
        self._limits = limits or PoolLimits()
        self._memo = memo or TransactionMemo()
        self._ready: OrderedDict[bytes, Waiting] = OrderedDict()
        self._parked = Parked(self._limits)
        self._done: OrderedDict[bytes, None] = OrderedDict()
        self._room = Room(self._limits, state.genesis.dso_key)
        self._draft = state.draft()
        self._dropped: list[Dropped] = []

    def __len__(self) -> int:
        """How many transactions could be proposed now."""
        return len(self._ready)

    @property
    def oldest_ms(self) -> int | None:
        """When the transaction that waits longest arrived; None if none waits."""
        return next((waiting.arrived_ms for waiting in self._ready.values()), None)

    @property
    def fills_a_block(self) -> bool:
        """Whether what waits is as much as one block takes."""
        limits = self._state.genesis.chain
        return len(self._ready) >= limits.max_block_txs or self._room.bytes_ >= limits.max_block_bytes

    def ready(self) -> list[SignedTransaction]:
        """What could be proposed: what goes first in order of arrival, then the senders in turns."""
        first: list[SignedTransaction] = []
        queues: dict[bytes, list[SignedTransaction]] = {}
        for waiting in self._ready.values():
            if waiting.goes_first:
                first.append(waiting.signed)
            else:
                queues.setdefault(waiting.signed.public_key, []).append(waiting.signed)
        turns: list[list[SignedTransaction]] = list(queues.values())
        place = 0
        while turns:
            first += [queue[place] for queue in turns]
            place += 1
            turns = [queue for queue in turns if len(queue) > place]
        return first

    def waiting_since(self, before_ms: int, limit: int) -> list[bytes]:
        """Up to ``limit`` transactions, as bytes, that could be proposed and arrived before a time.

        Parked ones are not among them: they cost nothing to make, and would be passed round and round.
        """
        late = (waiting.signed.raw for waiting in self._ready.values() if waiting.arrived_ms < before_ms)
        return list(islice(late, limit))

    def knows(self, tx_id: bytes) -> bool:
        """Whether the transaction waits here, or was executed not long ago."""
        return tx_id in self._ready or tx_id in self._parked or tx_id in self._done

    def waits(self, tx_id: bytes) -> bool:
        """Whether the transaction waits here for a block."""
        return tx_id in self._ready or tx_id in self._parked

    def admit(
        self, signed: SignedTransaction, tx_id: bytes, now_ms: int, peer: PeerName = ""
    ) -> list[Dropped]:
        """Take a transaction in that is not known yet.

        Args:
            peer: who hands it in; no name for another miner, or ourselves.

        Returns:
            What had to go for it, or turned out to be invalid when it came to its turn.

        Raises:
            RuleViolation: POOL-01 to POOL-03, POOL-05; or a rule of the ledger.
        """
        waiting = Waiting(signed, now_ms, peer)
        self._room.check(waiting)
        try:
            self._apply(signed)
        except RuleViolation as broken:
            if broken.rule not in _EARLY_RULES or not self._comes_early(signed):
                raise
            if self._parked.full_for(peer):
                if broken.rule == "LED-08":
                    raise
                raise RuleViolation("POOL-03", "early transactions by one connection", got="more") from None
            self._park(tx_id, waiting)
            return self._take_dropped()
        self._put(tx_id, waiting)
        if self._parked:
            self._unpark(signed)
        return self._take_dropped()

    def _take_dropped(self) -> list[Dropped]:
        dropped, self._dropped = self._dropped, []
        return dropped

    def close_gate(self, now_ms: int) -> list[Dropped]:
        """From the gate time on, admit only what can follow the block that closes the gate; returns as ``renew``."""
        genesis, meta = self._state.genesis, self._draft.meta
        closes = meta.gate_offer is None and genesis.gate_ms(meta.next_interval) <= now_ms
        if closes or genesis.first_open_interval(now_ms) > genesis.first_open_interval(self._draft.time_ms):
            return self.renew([], now_ms)
        return []

    def renew(
        self, executed: list[bytes], now_ms: int, touched: Collection[Address] | None = None
    ) -> list[Dropped]:
        """Go over to the state as it is now: drop what was executed and what is no longer valid.

        Args:
            executed: identities of the transactions of the blocks that changed the state.
            touched: the accounts that they changed, where only accounts, offers and counters have changed since the
                last time; then only what concerns these is judged again. None: everything is.

        Returns:
            What waits no longer although no block has it: everything, so that whoever was promised it can be told.
        """
        for tx_id in executed:
            self._done[tx_id] = None
            if tx_id in self._ready:
                self._forget(self._ready.pop(tx_id))
            elif tx_id in self._parked:
                self._forget(self._parked.take(tx_id))
        while len(self._done) > self._limits.remembered:
            self._done.popitem(last=False)
        before, self._draft = self._draft, self._state.draft()
        close_gate(self._draft, now_ms)
        everything = touched is None or _window(before) != _window(self._draft) or not self._only_posts
        self._reapply(before, None if everything else frozenset(touched or ()))
        self._unpark_all()
        for tx_id in self._parked.outdated(now_ms - self._limits.parked_ms):
            self._drop(self._parked.take(tx_id), "LED-09")
        return self._take_dropped()

    @property
    def _only_posts(self) -> bool:
        """Whether what waits for its turn are new offers, which change nothing but the account of their sender."""
        rows = self._ready.values()
        return all(row.goes_first or isinstance(row.signed.transaction, PostOffer) for row in rows)

    def _reapply(self, before: Draft, touched: frozenset[Address] | None) -> None:
        """Put what waits onto the new draft; what nothing has touched keeps the account that the old one gave it."""
        for tx_id, waiting in list(self._ready.items()):
            if waiting.goes_first:
                self._judge_again(tx_id, waiting)
        again = None if touched is None else touched | self._draft.accounts.keys()
        for tx_id, waiting in list(self._ready.items()):
            if waiting.goes_first:
                continue
            address = waiting.signed.address
            if again is None or address in again:
                self._judge_again(tx_id, waiting)
            else:
                self._draft.accounts[address] = before.accounts[address]

    def _judge_again(self, tx_id: bytes, waiting: Waiting) -> None:
        """Apply what waits once more; park what comes early now, and forget what is no longer valid."""
        try:
            self._apply(waiting.signed)
        except RuleViolation as broken:
            del self._ready[tx_id]
            if broken.rule not in _EARLY_RULES or not self._comes_early(waiting.signed):
                self._drop(waiting, broken.rule)
                return
            self._forget(waiting)
            self._park(tx_id, waiting)

    def _apply(self, signed: SignedTransaction) -> None:
        events: list[Event] = []
        apply_transaction(self._draft, signed, self._verify, events)

    def _put(self, tx_id: bytes, waiting: Waiting) -> None:
        self._ready[tx_id] = waiting
        self._room.add(waiting)
        self._memo.remember(waiting.signed)

    def _forget(self, waiting: Waiting) -> None:
        self._room.remove(waiting)
        self._memo.forget(waiting.signed)

    def _drop(self, waiting: Waiting, rule: str) -> None:
        self._forget(waiting)
        self._dropped.append(Dropped(waiting.signed, rule))

    def _park(self, tx_id: bytes, waiting: Waiting) -> None:
        turn = turn_of(waiting.signed)
        if turn is None:
            return
        gone = self._parked.put(tx_id, waiting, turn)
        self._room.add(waiting)
        self._memo.remember(waiting.signed)
        if gone is not None:
            self._drop(gone, "POOL-06")

    def _unpark(self, signed: SignedTransaction) -> None:
        """Move what this transaction has made possible, and what that makes possible, and so on."""
        transaction = signed.transaction
        granted = (
            [asset.address for asset in transaction.assets] if isinstance(transaction, GrantAssets) else []
        )
        for whose in (GRANTS, *granted) if granted else (signed.address,):
            self._unpark_of(whose)

    def _unpark_all(self) -> None:
        self._unpark_of(GRANTS)
        for whose in self._parked.addresses:
            self._unpark_of(whose)

    def _unpark_of(self, whose: bytes) -> None:
        """Move what has become possible of one address, or of the grants and whoever they are for."""
        while True:
            turn = self._turn(whose)
            row = None if turn is None else self._parked.next_of(whose, turn)
            if row is None:
                return
            tx_id, waiting = row
            self._parked.take(tx_id)
            try:
                self._apply(waiting.signed)
            except RuleViolation as broken:
                self._drop(waiting, broken.rule)
                return
            self._forget(waiting)
            self._put(tx_id, waiting)
            if isinstance(waiting.signed.transaction, GrantAssets):
                for asset in waiting.signed.transaction.assets:
                    self._unpark_of(asset.address)

    def _turn(self, whose: bytes) -> int | None:
        """The number that comes next; None while there is no account."""
        if whose == GRANTS:
            return self._draft.meta.next_grant
        account = self._draft.account(Address(whose))
        return None if account is None else account.next_sequence

    def _comes_early(self, signed: SignedTransaction) -> bool:
        """Whether something that may still come could make the transaction valid."""
        turn = turn_of(signed)
        if turn is None:
            return False
        whose, number = turn
        now = self._turn(whose)
        return now is None or number > now


def _window(draft: Draft) -> tuple[int, bool, int]:
    """What decides, besides accounts, whether an offer may still come in."""
    return draft.meta.next_interval, draft.meta.gate_offer is not None, first_open_interval(draft)


def tx_id_of(raw: bytes) -> bytes:
    """Identity of a transaction, whatever it holds: that of ``SignedTransaction.tx_id``."""
    return tagged_hash("gridlight/tx/1", raw)
