"""A miner's copy of the ledger: the state with what proofs need, and how blocks are judged, made and adopted."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from light_client.messages.chain import CertifiedBlock
from light_client.messages.snapshots import Turn
from light_client.rules import merkle
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import Block, Header, body_from_bytes, solution_leaves
from light_client.rules.ledger.chain import Tip, genesis_tip, judge_block, make_block, way_to_clear
from light_client.rules.ledger.clear import deadline_ms
from light_client.rules.ledger.committee import Committee, QuorumCertificate, Verify, check_quorum
from light_client.rules.ledger.events import Cleared
from light_client.rules.ledger.execution import Outcome
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.records import Account, Record
from light_client.rules.ledger.state import LedgerState
from light_client.rules.ledger.transactions import (
    ReadTransaction,
    SignedTransaction,
    decode_transaction,
)
from light_client.rules.market.offer import OpenOffer
from light_client.rules.merkle import History, Tree
from light_client.rules.statetree import Node
from light_client.rules.units import Address, OfferId
from light_client.session.actor import Storage, Write
from testbed.miner.checkpoints import Base, Checkpoints
from testbed.miner.params import MinerParams
from testbed.miner.store import BlockStore
from testbed.miner.wal import SeenBlock

RECENT_STATES = 32
"""Past heights at which accounts can still be proven."""
_PROVEN_INTERVALS = 4
"""Trees of final trades kept for proofs."""


class Past(NamedTuple):
    """How the state was before a block: what it touched."""

    height: int
    tree: Node
    accounts: dict[Address, Account | None]
    offers: dict[OfferId, OpenOffer | None]


class ProvenTrades(NamedTuple):
    """The final trades of an interval, with the tree over them."""

    height: int
    leaves: dict[int, int]
    """Offer -> leaf."""
    trades: tuple[tuple[int, int, int, int, int], ...]
    tree: merkle.Tree


class Joined(NamedTuple):
    """A snapshot that was fetched and checked."""

    base: Base
    turns: tuple[Turn, ...]
    records: tuple[Record, ...]


class Ledger:
    """State, tip and history of the decided chain."""

    def __init__(
        self,
        genesis: Genesis,
        storage: Storage,
        verify_signature: Verify,
        params: MinerParams | None = None,
        read: ReadTransaction = decode_transaction,
    ) -> None:
        """Take up the last checkpoint, held to its root, and replay the blocks after it, each judged again.

        Args:
            read: reads the transactions of blocks.

        Raises:
            RuleViolation: a stored block or record breaks a rule; the disk is not that of this chain, or is damaged.
        """
        self.genesis = genesis
        self._params = params or MinerParams()
        self.store = BlockStore(storage)
        self.checkpoints = Checkpoints(storage, chunk_records=self._params.chunk_records)
        self.newest: Base | None = self.checkpoints.base
        """The header of the tip with its certificate and the history before it; None before the first block."""
        self.state = self.checkpoints.load(genesis) or LedgerState(genesis)
        self.tip = genesis_tip(genesis) if self.newest is None else tip_after(self.newest)
        self.history = self.store.history(self.height)
        self._history_is_the_headers()
        self.past: deque[Past] = deque(maxlen=RECENT_STATES)
        self._verify = verify_signature
        self._read = read
        self._outcomes: dict[tuple[bytes, bytes], Outcome | None] = {}
        self._proven: OrderedDict[int, ProvenTrades] = OrderedDict()
        self._offers_of: dict[Address, set[OfferId]] = {}
        for offer_id, offer in self.state.offers.items():
            self._index(offer_id, offer)
        for block in self.store.stored(after=self.height):
            self._extend(block, self._judge(SeenBlock(block.header, block.body)))
            self.store.remember(block)

    def _history_is_the_headers(self) -> None:
        """LED-61: the hashes on disk are those that the checkpoint's header commits to."""
        newest = self.newest
        if newest is None:
            return
        whole = self.history.size == self.height and newest.header.chain_id == self.state.chain_id
        root = self.history.root(self.height - 1) if whole else b""
        if root != newest.header.history_root:
            raise RuleViolation(
                "LED-61", "history on disk", got=self.history.size, expected=f"{self.height} headers"
            )

    @property
    def height(self) -> int:
        """Height of the newest block; 0 before the first."""
        return self.tip.height

    def committee_at(self, height: int) -> Committee:
        """Who signs a height, up to the one under way."""
        turns = self.store.turns
        last = next((turn for turn in reversed(turns) if turn < height), None)
        return self.genesis.committee if last is None else turns[last].committee

    # -- judging and making ----------------------------------------------------------------------------------------

    def is_valid(self, block: SeenBlock) -> bool:
        """Whether the block may follow the tip; judged once."""
        key = (block.header.hash(), block.body)
        if key not in self._outcomes:
            try:
                self._outcomes[key] = self._judge(block)
            except RuleViolation:
                self._outcomes[key] = None
        return self._outcomes[key] is not None

    def _judge(self, block: SeenBlock) -> Outcome:
        body = body_from_bytes(block.body, self.genesis.chain)
        whole = Block(header=block.header, body=body)
        return judge_block(self.state, self.tip, whole, self._verify, self._read)

    def make(
        self,
        round_: int,
        time_ms: int,
        solution: bytes,
        waiting: Iterable[SignedTransaction],
        most: int | None = None,
    ) -> SeenBlock:
        """The next block, out of as much of what waits as executes and fits.

        Args:
            most: most transactions that are tried, so that making a block takes a bounded time.
        """
        how = way_to_clear(self.state, time_ms, have_solution=bool(solution))
        used = solution if how == Cleared.PROVEN else b""
        taken: list[SignedTransaction] = []
        block, outcome = make_block(
            self.state,
            self.tip,
            round_=round_,
            time_ms=time_ms,
            solution=used,
            transactions=self._fitting(waiting, len(used), taken, most),
            verify_signature=self._verify,
            taken=taken,
        )
        seen = SeenBlock(block.header, block.body.encode())
        self._outcomes[seen.header.hash(), seen.body] = outcome
        return seen

    def _fitting(
        self,
        waiting: Iterable[SignedTransaction],
        solution_bytes: int,
        taken: list[SignedTransaction],
        most: int | None,
    ) -> Iterator[SignedTransaction]:
        """What is tried for a block: as long as there is room beside what was ``taken`` so far."""
        limits = self.genesis.chain
        tries = limits.max_block_txs if most is None else min(most, limits.max_block_txs)
        room = limits.max_block_bytes - solution_bytes - 64
        for signed in islice(waiting, tries):
            size = len(signed.raw) + 5
            if size > room:
                return
            before = len(taken)
            yield signed
            room -= size * (len(taken) - before)

    # -- time ------------------------------------------------------------------------------------------------------

    @property
    def gate_closed(self) -> bool:
        """Whether an interval waits to be cleared."""
        return self.state.meta.gate_offer is not None

    @property
    def stage_open(self) -> bool:
        """Whether the second stage of an auction takes improved limits."""
        return self.state.reaction is not None

    def clearing_due_ms(self) -> int:
        """When the next step of clearing falls due without a solution: the gate, or the deadline for the kept plan."""
        interval = self.state.meta.next_interval
        return deadline_ms(self.genesis, interval) if self.gate_closed else self.genesis.gate_ms(interval)

    # -- adopting --------------------------------------------------------------------------------------------------

    def adopt(self, block: CertifiedBlock) -> tuple[Outcome, list[Write]]:
        """Make a decided block the new tip; returns what it did and what makes it durable.

        Raises:
            RuleViolation: CNS-03 to CNS-05, CNS-13 for the certificate; or the rule that the block breaks.
        """
        header_hash = block.header.hash()
        certificate_fits(block.header, header_hash, block.certificate)
        check_quorum(self.state.committee, self.state.chain_id, block.certificate, self._verify)
        outcome = self._outcomes.get((header_hash, block.body))
        if outcome is None:
            outcome = self._judge(SeenBlock(block.header, block.body))
        sitting = self.state.committee
        self._extend(block, outcome)
        successor = self.state.committee if self.state.committee.hash() != sitting.hash() else None
        return outcome, self.store.record(block, outcome.trades, successor)

    def checkpoint(self) -> list[Write]:
        """Write the state to disk, if it is time, and delete blocks that nobody needs any more.

        Called once in each call of ``handle``, after everything else.
        """
        params, last = self._params, self.checkpoints.height
        if self.newest is None or self.height < last + params.checkpoint_blocks:
            return []
        pinned = self.checkpoints.newest_pin
        pin = pinned is None or self.height >= pinned.header.height + params.snapshot_blocks
        writes = self.checkpoints.write(self.newest, self.state, pin=pin)
        return [*writes, *self.store.prune(min(self.height - params.keep_blocks, last))]

    def join(self, joined: Joined) -> list[Write]:
        """Make a snapshot what is on disk; the miner has to be built anew from there."""
        base = joined.base
        history = History(size=base.header.height - 1, frontier=base.frontier)
        return [
            *self.checkpoints.replace(base, joined.records),
            *self.store.join(history, base.header.hash(), joined.turns),
        ]

    def complete_history(self, older: Tree) -> list[Write]:
        """Take up the hashes of all headers that a snapshot skipped; nothing happens while newer ones are not on disk.

        Raises:
            RuleViolation: LED-61, they are not those that the snapshot's history was made of.
        """
        skipped = self.store.skipped()
        if older.root(older.size) != skipped.root:
            raise RuleViolation("LED-61", "hashes of older headers", got=older.size, expected=skipped.size)
        newer = tuple(self.store.hashes(skipped.size + 1, self.height))
        if len(newer) < self.height - skipped.size:
            return []
        for hashed in newer:
            older.append(hashed)
        self.history = older
        return self.store.complete()

    def _extend(self, block: CertifiedBlock, outcome: Outcome) -> None:
        state, draft = self.state, outcome.draft
        accounts = {address: state.accounts.get(address) for address in draft.accounts}
        offers = {offer_id: state.offers.get(offer_id) for offer_id in draft.offers}
        self.past.append(Past(self.height, state.tree, accounts, offers))
        for offer_id, offer in draft.offers.items():
            self._index(offer_id, offer)
        state.adopt(draft, block.header.hash())
        self.checkpoints.note(draft.changed)
        self.newest = Base(block.header, block.certificate, self.tip.history.frontier)
        self.tip = self.tip.extend(block.header)
        self.history.append(self.tip.header_hash)
        self._outcomes.clear()

    def _index(self, offer_id: OfferId, offer: OpenOffer | None) -> None:
        """Keep the offers of an address at hand; called before the state changes."""
        if offer is not None:
            self._offers_of.setdefault(offer.address, set()).add(offer_id)
            return
        before = self.state.offers.get(offer_id)
        numbers = set() if before is None else self._offers_of.get(before.address, set())
        numbers.discard(offer_id)
        if before is not None and not numbers:
            self._offers_of.pop(before.address, None)

    # -- looking back ----------------------------------------------------------------------------------------------

    def tree_at(self, height: int) -> Node | None:
        """The state tree after a recent block; None if it is no longer kept."""
        if height == self.height:
            return self.state.tree
        return next((past.tree for past in self.past if past.height == height), None)

    def account_at(self, address: Address, height: int) -> Account | None:
        """An account after a recent block."""
        for past in self.past:
            if past.height >= height and address in past.accounts:
                return past.accounts[address]
        return self.state.accounts.get(address)

    def offers_at(self, address: Address, height: int) -> list[OpenOffer]:
        """The open offers of an address after a recent block, ascending."""
        found = {key: self.state.offers[key] for key in self._offers_of.get(address, ())}
        for past in reversed(self.past):
            if past.height < height:
                break
            for offer_id, before in past.offers.items():
                if before is not None and before.address == address:
                    found[offer_id] = before
                elif before is None:
                    found.pop(offer_id, None)
        return [found[offer_id] for offer_id in sorted(found)]

    def proven_trades(self, interval: int) -> ProvenTrades | None:
        """The final trades of an interval with their tree; None if it is not final here."""
        known = self._proven.get(interval)
        if known is not None:
            return known
        stored = self.store.trades(interval)
        block = None if stored is None else self.store.block(stored[0])
        if stored is None or block is None:
            return None
        height, trades = stored
        body = body_from_bytes(block.body, self.genesis.chain)
        tree = merkle.Tree(solution_leaves(body.solution, trades))
        leaves = {trade.offer_id: position + 1 for position, trade in enumerate(trades)}
        found = self._proven[interval] = ProvenTrades(height, leaves, trades, tree)
        if len(self._proven) > _PROVEN_INTERVALS:
            self._proven.popitem(last=False)
        return found


def tip_after(base: Base) -> Tip:
    """The tip of a chain whose newest header this is."""
    header, before = base.header, History(size=base.header.height - 1, frontier=base.frontier)
    return Tip(
        height=header.height,
        header_hash=header.hash(),
        time_ms=header.time_ms,
        history=before.append(header.hash()),
    )


def certificate_fits(header: Header, header_hash: bytes, certificate: QuorumCertificate) -> None:
    """CNS-13: the certificate speaks of this header, and was signed in the header's round or later."""
    if certificate.header_hash != header_hash or certificate.height != header.height:
        raise RuleViolation(
            "CNS-13", "header of a certificate", got=certificate.header_hash, expected=header_hash
        )
    if certificate.round_ < header.round_:
        raise RuleViolation(
            "CNS-13", "round of a certificate", got=certificate.round_, expected=f"{header.round_} or later"
        )
