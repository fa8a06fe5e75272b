"""What a miner tells its followers: new blocks, blocks on request, and proofs for meters."""

from __future__ import annotations

from itertools import islice

from light_client.messages.anchors import CheckpointMessage, GetCheckpoint, GetHistory, HistoryMessage
from light_client.messages.chain import (
    MAX_UPDATES,
    Announce,
    Blocks,
    CertifiedBlock,
    GetBlocks,
    GetUpdate,
    NewBlock,
    Subscribe,
    Unavailable,
    UpdateMessage,
)
from light_client.messages.codec import Message, encode_message, number_of
from light_client.messages.proofs import (
    MAX_ASKED,
    AccountMessage,
    GetAccount,
    GetTrades,
    ProvenRecord,
    ProvenTrade,
    TradesMessage,
)
from light_client.messages.snapshots import (
    MAX_TURNS,
    ChunkMessage,
    GetChunk,
    GetHashes,
    GetSnapshot,
    HashesMessage,
    SnapshotMessage,
)
from light_client.rules.checkpoint import Checkpoint, checkpoint_from_bytes, checkpoint_is_signed
from light_client.rules.holdings import TradeProof
from light_client.rules.ledger.records import account_key, encode_account, encode_offer, offer_key
from light_client.rules.light import Update
from light_client.rules.market.clearing import Trade
from light_client.rules.statetree import prove
from light_client.session.actor import PeerName, Send
from testbed.miner.ledger import Ledger

SUBSCRIPTION_MS = 600_000
"""How long a subscription lasts unless it is repeated, ms."""
MAX_FOLLOWERS = 10_000
_ANSWER_BYTES = 4 << 20
"""An answer with blocks ends with the one that goes beyond this."""


class Server:
    """Answers requests out of the ledger; keeps nothing but the list of followers and a checkpoint."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._followers: dict[PeerName, tuple[Announce, int]] = {}
        self._checkpoint: Checkpoint | None = None
        """The newest that the registry signed, as far as it came here."""

    def answer(self, request: Message, peer: PeerName, now_ms: int) -> Message | None:
        """The answer to a request of a follower; None if it needs none, or is no request."""
        answer: Message | None = None
        match request:
            case Subscribe():
                answer = self._subscribe(request, peer, now_ms)
            case GetSnapshot() | GetChunk() | GetHashes():
                answer = self._part_of_snapshot(request)
            case GetBlocks():
                answer = self._blocks(request)
            case GetUpdate():
                answer = self._update(request)
            case GetHistory():
                answer = self._history(request)
            case GetCheckpoint():
                answer = self._anchor(request)
            case CheckpointMessage():
                self._take_checkpoint(request)
            case GetTrades():
                answer = self._trades(request)
            case GetAccount():
                answer = self._account(request)
        return answer

    def announce(self, block: CertifiedBlock, now_ms: int) -> list[Send]:
        """Tell the followers of a new block."""
        if not self._followers:
            return []
        gone = [peer for peer, (_, until_ms) in self._followers.items() if until_ms < now_ms]
        for peer in gone:
            del self._followers[peer]
        header = encode_message(NewBlock(header=block.header, certificate=block.certificate))
        whole = encode_message(Blocks(blocks=(block,)))
        final = bool(block.header.clearing.interval)
        return [
            Send(peer=peer, message=whole if announce is Announce.BLOCKS else header)
            for peer, (announce, _) in self._followers.items()
            if final or announce is not Announce.CLEARINGS
        ]

    def newest(self) -> NewBlock | None:
        """The announcement of the tip; None before the first block."""
        tip = self._ledger.newest
        return None if tip is None else NewBlock(header=tip.header, certificate=tip.certificate)

    def _refuse(self, request: Message) -> Unavailable:
        return Unavailable(request=number_of(type(request)), height=self._ledger.height)

    def _subscribe(self, request: Subscribe, peer: PeerName, now_ms: int) -> Message | None:
        if peer not in self._followers and len(self._followers) >= MAX_FOLLOWERS:
            return self._refuse(request)
        self._followers[peer] = (request.announce, now_ms + SUBSCRIPTION_MS)
        return self.newest() if request.from_height < self._ledger.height else None

    def _blocks(self, request: GetBlocks) -> Message:
        found: list[CertifiedBlock] = []
        size = 0
        if (
            request.from_height <= self._ledger.height
            and self._ledger.store.block(request.from_height) is None
        ):
            return self._refuse(request)
        for height in range(request.from_height, request.from_height + request.limit):
            block = self._ledger.store.block(height) if height <= self._ledger.height else None
            if block is None or size > _ANSWER_BYTES:
                break
            found.append(block)
            size += len(block.body)
        return Blocks(blocks=tuple(found))

    def _update(self, request: GetUpdate) -> Message:
        """The way from a trusted header to the newest: over the last header of every committee between them."""
        ledger, trusted = self._ledger, request.trusted_height
        tip, turns = ledger.newest, ledger.store.turns
        if tip is None or trusted > ledger.height:
            return self._refuse(request)
        stops = [height for height in turns if height > trusted]
        if not stops or stops[-1] != ledger.height:
            stops.append(ledger.height)
        updates: list[Update] = []
        for height in stops[:MAX_UPDATES]:
            if 0 < trusted < height - 1 and not self._knows_history(trusted, height):
                return self._refuse(request)
            turn = turns.get(height)
            updates.append(
                Update(
                    header=tip.header if turn is None else turn.header,
                    certificate=tip.certificate if turn is None else turn.certificate,
                    history_proof=self._inclusion(trusted, height),
                    next_committee=None if turn is None else turn.committee,
                )
            )
            trusted = height
        return UpdateMessage(updates=tuple(updates))

    def _knows_history(self, height: int, head_height: int) -> bool:
        """Whether it can be proven here that one header precedes another: not for what a snapshot skipped."""
        known_from = self._ledger.history.known_from
        return height > known_from and head_height > known_from

    def _inclusion(self, height: int, head_height: int) -> tuple[bytes, ...]:
        """That one header is in the history of another; nothing where it is its parent, or the genesis."""
        if not 0 < height < head_height - 1:
            return ()
        return self._ledger.history.inclusion_proof(height - 1, head_height - 1)

    def _history(self, request: GetHistory) -> Message:
        ledger, height, head_height = self._ledger, request.height, request.head_height
        older, size = height < head_height, head_height - 1
        provable = head_height <= ledger.height and (not older or self._knows_history(height, head_height))
        block = ledger.store.block(height) if provable else None
        if block is None:
            return self._refuse(request)
        return HistoryMessage(
            header=block.header,
            certificate=block.certificate,
            head_height=head_height,
            inclusion=ledger.history.inclusion_proof(height - 1, size) if older else (),
            consistency=ledger.history.consistency_proof(height - 1, size) if older and height > 1 else (),
        )

    def _anchor(self, request: GetCheckpoint) -> Message:
        if self._checkpoint is None or self._checkpoint.header.height <= request.above_height:
            return self._refuse(request)
        return CheckpointMessage(checkpoint=self._checkpoint.encode())

    def _take_checkpoint(self, message: CheckpointMessage) -> None:
        """Keep the registry's newest checkpoint, from whomever it comes, for meters whose trusting period is over.

        Raises:
            RuleViolation: LC-17 for one that the registry did not sign.
        """
        made, registry = checkpoint_from_bytes(message.checkpoint), self._ledger.genesis.registry
        if registry is None:
            return
        checkpoint_is_signed(made, self._ledger.state.chain_id, registry)
        if self._checkpoint is None or made.header.height > self._checkpoint.header.height:
            self._checkpoint = made

    def _trades(self, request: GetTrades) -> Message:
        proven = self._ledger.proven_trades(request.interval)
        if proven is None:
            return self._refuse(request)
        found = []
        for offer in request.offers:
            leaf = proven.leaves.get(offer)
            if leaf is not None:
                size = proven.tree.size
                proof = TradeProof(leaf, size, proven.tree.inclusion_proof(leaf, size))
                found.append(ProvenTrade(trade=Trade(*proven.trades[leaf - 1]), proof=proof))
        return TradesMessage(height=proven.height, interval=request.interval, trades=tuple(found))

    def _account(self, request: GetAccount) -> Message:
        ledger, address = self._ledger, request.address
        height = request.height or ledger.height
        tree = ledger.tree_at(height)
        if tree is None or height < 1:
            return self._refuse(request)
        account = ledger.account_at(address, height)
        record = None if account is None else encode_account(account)
        offers = tuple(
            ProvenRecord(record=encode_offer(offer), proof=prove(tree, offer_key(offer.offer_id)))
            for offer in ledger.offers_at(address, height)[:MAX_ASKED]
        )
        proven = ProvenRecord(record=record, proof=prove(tree, account_key(address)))
        return AccountMessage(height=height, address=address, account=proven, offers=offers)

    def _part_of_snapshot(self, request: GetSnapshot | GetChunk | GetHashes) -> Message:
        match request:
            case GetSnapshot():
                return self._snapshot(request)
            case GetChunk():
                return self._chunk(request)
        return self._hashes(request)

    def _snapshot(self, request: GetSnapshot) -> Message:
        ledger, known = self._ledger, request.known_height
        found = ledger.checkpoints.manifest()
        if found is None or found[0].header.height <= known:
            return self._refuse(request)
        base, manifest = found
        between = (turn for height, turn in ledger.store.turns.items() if known < height < base.header.height)
        return SnapshotMessage(
            turns=tuple(islice(between, MAX_TURNS)),
            header=base.header,
            certificate=base.certificate,
            manifest=manifest,
        )

    def _chunk(self, request: GetChunk) -> Message:
        records = self._ledger.checkpoints.chunk(request.height, request.number)
        if records is None:
            return self._refuse(request)
        return ChunkMessage(height=request.height, number=request.number, records=records)

    def _hashes(self, request: GetHashes) -> Message:
        ledger, first = self._ledger, request.from_height
        if not ledger.history.known_from < first <= ledger.height:
            return self._refuse(request)
        last = min(first + request.limit - 1, ledger.height)
        return HashesMessage(from_height=first, hashes=tuple(ledger.store.hashes(first, last)))
