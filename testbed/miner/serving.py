"""What a miner tells its followers: new blocks, blocks on request, and proofs for meters."""

from __future__ import annotations

from itertools import islice

from light_client.messages.chain import (
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
    GetSnapshot,
    SnapshotMessage,
)
from light_client.rules.ledger.records import account_key, encode_account, encode_offer, offer_key
from light_client.rules.light import TradeProof, Update
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
    """Answers requests out of the ledger; keeps nothing but the list of followers."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._followers: dict[PeerName, tuple[Announce, int]] = {}

    def answer(self, request: Message, peer: PeerName, now_ms: int) -> Message | None:
        """The answer to a request of a follower; None if it needs none, or is no request."""
        match request:
            case Subscribe():
                return self._subscribe(request, peer, now_ms)
            case GetSnapshot() | GetChunk():
                return self._part_of_snapshot(request)
            case GetBlocks():
                return self._blocks(request)
            case GetUpdate():
                return self._update(request)
            case GetTrades():
                return self._trades(request)
        return self._account(request) if isinstance(request, GetAccount) else None

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
        ledger, trusted = self._ledger, request.trusted_height
        tip = ledger.newest
        if tip is None or not (trusted == 0 or ledger.history.known_from < trusted <= ledger.height):
            return self._refuse(request)
        needed = 0 < trusted < ledger.height - 1
        proof = ledger.history.inclusion_proof(trusted - 1, ledger.height - 1) if needed else ()
        update = Update(header=tip.header, certificate=tip.certificate, history_proof=proof)
        return UpdateMessage(update=update)

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

    def _part_of_snapshot(self, request: GetSnapshot | GetChunk) -> Message:
        return self._snapshot(request) if isinstance(request, GetSnapshot) else self._chunk(request)

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
