"""One fixed message of every type, and Hypothesis strategies for arbitrary ones."""

from __future__ import annotations

from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from light_client.messages.anchors import (
    CheckpointMessage,
    ForkMessage,
    GetCheckpoint,
    GetHistory,
    HistoryMessage,
)
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
from light_client.messages.codec import Message
from light_client.messages.consensus import PolRequest, Proposal, RoundStatus, Vote
from light_client.messages.proofs import (
    AccountMessage,
    GetAccount,
    GetTrades,
    ProvenRecord,
    ProvenTrade,
    TradesMessage,
)
from light_client.messages.registry import WithdrawEntry, WithdrawReply, WithdrawRequest
from light_client.messages.snapshots import (
    ChunkMessage,
    GetChunk,
    GetHashes,
    GetSnapshot,
    HashesMessage,
    SnapshotMessage,
    Turn,
)
from light_client.messages.submission import MAX_RETRY_MS, SubmitTx, TxResult
from light_client.rules.holdings import TradeProof
from light_client.rules.ledger.block import Clearing, Header
from light_client.rules.ledger.committee import Committee, Member, QuorumCertificate, VoteKind
from light_client.rules.ledger.events import Cleared
from light_client.rules.ledger.records import Record, RecordKind
from light_client.rules.ledger.snapshot import Manifest
from light_client.rules.light import Update
from light_client.rules.market.clearing import Trade
from light_client.rules.statetree import StateProof, Summary
from light_client.rules.units import LOT_J, MAX_INTERVAL, Address


def fill(byte: int, length: int = 32) -> bytes:
    return bytes((byte,)) * length


HEADER = Header(
    chain_id=fill(1),
    height=7,
    round_=1,
    time_ms=1_800_000_000_123,
    previous_hash=fill(2),
    history_root=fill(3),
    tx_root=fill(4),
    state_root=fill(5),
    solution_root=fill(6),
    committee_hash=fill(7),
    next_committee_hash=fill(7),
    clearing=Clearing(how=Cleared.PROVEN, interval=2_000_000, traded_j=7_200_000, gap_j=0),
)
CERTIFICATE = QuorumCertificate(
    height=7,
    round_=1,
    header_hash=fill(8),
    bitmap=0b1011,
    signatures=(fill(9, 64), fill(10, 64), fill(11, 64)),
)
BLOCK = CertifiedBlock(header=HEADER, certificate=CERTIFICATE, body=b"\x82\x40\x80")
PRESENT = ProvenRecord(record=b"\x8a", proof=StateProof((fill(12), fill(13)), None))
ABSENT = ProvenRecord(record=None, proof=StateProof((fill(12),), (fill(14), fill(15))))
ENTRY = WithdrawEntry(
    address=Address(fill(16, 20)),
    first_interval=2_000_000,
    last_interval=2_000_095,
    production_j=LOT_J,
    consumption_j=0,
    money_uc=5_000_000,
)

SUCCESSORS = Committee(members=(Member(public_key=b"\x02" + fill(32)), Member(public_key=b"\x03" + fill(33))))

SAMPLES: tuple[Message, ...] = (
    Proposal(round_=1, pol_round=0, header=HEADER, body=b"\x82\x40\x80", signature=fill(17, 64)),
    Vote(kind=VoteKind.PRECOMMIT, height=7, round_=1, header_hash=fill(8), seat=3, signature=fill(18, 64)),
    RoundStatus(
        height=7,
        round_=2,
        has_proposal=True,
        prevotes=0b1010,
        precommits=0,
        pol=PolRequest(round_=1, header_hash=fill(8), have=0b1),
    ),
    Subscribe(from_height=7, announce=Announce.CLEARINGS),
    NewBlock(header=HEADER, certificate=CERTIFICATE),
    GetBlocks(from_height=1, limit=64),
    Blocks(blocks=(BLOCK,)),
    GetUpdate(trusted_height=3),
    UpdateMessage(
        updates=(
            Update(
                header=HEADER,
                certificate=CERTIFICATE,
                history_proof=(fill(19), fill(20)),
                next_committee=Committee(members=(Member(public_key=fill(2, 33)),)),
            ),
            Update(header=HEADER, certificate=CERTIFICATE),
        )
    ),
    Unavailable(request=8, height=0),
    SubmitTx(raw=b"\x83\x40\x40\x40"),
    TxResult(tx_id=fill(21), accepted=False, rule="LED-09", reason="sequence number of an address"),
    GetTrades(interval=2_000_000, offers=(4, 9)),
    TradesMessage(
        height=7,
        interval=2_000_000,
        trades=(
            ProvenTrade(
                trade=Trade(4, 1, 2_000_000, 3_600_000, 110_000), proof=TradeProof(1, 3, (fill(22), fill(23)))
            ),
        ),
    ),
    GetAccount(address=Address(fill(16, 20)), height=0),
    AccountMessage(height=7, address=Address(fill(16, 20)), account=ABSENT, offers=(PRESENT,)),
    WithdrawRequest(
        request_id=12,
        meter_id="meter-0417",
        entries=(ENTRY,),
        public_key=b"\x02" + fill(24),
        signature=fill(25, 64),
    ),
    WithdrawReply(request_id=12, accepted=True),
    GetHistory(height=3, head_height=7),
    HistoryMessage(
        header=HEADER,
        certificate=CERTIFICATE,
        head_height=9,
        inclusion=(fill(26), fill(27)),
        consistency=(fill(28),),
    ),
    ForkMessage(fork=b"\x82\x80\x80"),
    GetCheckpoint(above_height=7),
    CheckpointMessage(checkpoint=b"\x84\x80\x80\x80\x80"),
    GetSnapshot(known_height=7),
    SnapshotMessage(
        turns=(Turn(header=HEADER, certificate=CERTIFICATE, committee=SUCCESSORS),),
        header=HEADER,
        certificate=CERTIFICATE,
        manifest=Manifest(
            summaries=(Summary(fill(30), True), Summary(bytes(32), False)), frontier=(fill(31),)
        ),
    ),
    GetChunk(height=7, number=1),
    ChunkMessage(
        height=7,
        number=1,
        records=(Record(RecordKind.ACCOUNT, fill(16, 20), b"\x8a"), Record(RecordKind.META, b"", b"\x88")),
    ),
    GetHashes(from_height=1, limit=4_096),
    HashesMessage(from_height=1, hashes=(fill(17, 32), fill(18, 32))),
)

T = TypeVar("T")

whole = st.integers(0, (1 << 62) - 1)
rounds = st.integers(0, (1 << 31) - 1)
hashes = st.binary(min_size=32, max_size=32)
signatures = st.binary(min_size=64, max_size=64)
bitmaps = st.integers(0, (1 << 64) - 1)
addresses = st.binary(min_size=20, max_size=20).map(Address)
bodies = st.binary(min_size=1, max_size=80)
intervals = st.integers(0, MAX_INTERVAL - 1)
short = st.text(st.characters(exclude_categories=["Cs"]), max_size=16)

clearings = st.builds(Clearing, how=st.sampled_from(Cleared), interval=whole, traded_j=whole, gap_j=whole)
headers = st.builds(
    Header,
    chain_id=hashes,
    height=st.integers(1, 1 << 60),
    round_=rounds,
    time_ms=whole,
    previous_hash=hashes,
    history_root=hashes,
    tx_root=hashes,
    state_root=hashes,
    solution_root=hashes,
    committee_hash=hashes,
    next_committee_hash=hashes,
    clearing=clearings,
)


@st.composite
def certificates(draw: st.DrawFn) -> QuorumCertificate:
    signed = draw(st.lists(signatures, max_size=5))
    return QuorumCertificate(
        height=draw(whole),
        round_=draw(rounds),
        header_hash=draw(hashes),
        bitmap=(1 << len(signed)) - 1 << draw(st.integers(0, 59)),
        signatures=tuple(signed),
    )


@st.composite
def proposals(draw: st.DrawFn) -> Proposal:
    round_ = draw(rounds)
    pol = draw(st.none() | st.integers(0, round_ - 1)) if round_ else None
    return Proposal(
        round_=round_, pol_round=pol, header=draw(headers), body=draw(bodies), signature=draw(signatures)
    )


@st.composite
def proven_trades(draw: st.DrawFn) -> ProvenTrade:
    size = draw(st.integers(1, 1 << 40))
    trade = Trade(
        draw(st.integers(1, 1 << 40)),
        draw(st.integers(0, 1)),
        draw(intervals),
        draw(st.integers(1, 1 << 40)),
        draw(whole),
    )
    proof = TradeProof(draw(st.integers(0, size - 1)), size, tuple(draw(st.lists(hashes, max_size=4))))
    return ProvenTrade(trade=trade, proof=proof)


@st.composite
def entries(draw: st.DrawFn) -> WithdrawEntry:
    last = draw(intervals)
    return WithdrawEntry(
        address=draw(addresses),
        first_interval=draw(st.integers(0, last)),
        last_interval=last,
        production_j=LOT_J * draw(st.integers(0, 1 << 20)),
        consumption_j=LOT_J * draw(st.integers(0, 1 << 20)),
        money_uc=draw(st.integers(0, 1 << 60)),
    )


def up_to(strategy: SearchStrategy[T], count: int) -> SearchStrategy[tuple[T, ...]]:
    return st.lists(strategy, max_size=count).map(tuple)


committees = st.lists(st.binary(min_size=33, max_size=33), min_size=1, max_size=4, unique=True).map(
    lambda keys: Committee(members=tuple(Member(public_key=key) for key in keys))
)
blocks = st.builds(CertifiedBlock, header=headers, certificate=certificates(), body=bodies)
state_proofs = st.builds(StateProof, up_to(hashes, 4), st.none() | st.tuples(hashes, hashes))
records = st.builds(ProvenRecord, record=st.none() | bodies, proof=state_proofs)
offer_numbers = st.sets(st.integers(1, 1 << 40), max_size=6).map(lambda found: tuple(sorted(found)))
withdrawals = st.lists(entries(), min_size=1, max_size=3, unique_by=lambda entry: entry.address).map(
    lambda found: tuple(sorted(found, key=lambda entry: entry.address))
)

summaries = st.sampled_from((1, 2, 4)).flatmap(
    lambda count: st.tuples(*[st.builds(Summary, hashes, st.booleans())] * count)
)

MESSAGES: dict[type[Message], SearchStrategy[Message]] = {
    Proposal: proposals(),
    Vote: st.builds(
        Vote,
        kind=st.sampled_from(VoteKind),
        height=st.integers(1, 1 << 60),
        round_=rounds,
        header_hash=hashes,
        seat=st.integers(0, 63),
        signature=signatures,
    ),
    RoundStatus: st.builds(
        RoundStatus,
        height=st.integers(1, 1 << 60),
        round_=rounds,
        has_proposal=st.booleans(),
        prevotes=bitmaps,
        precommits=bitmaps,
        pol=st.none() | st.builds(PolRequest, round_=rounds, header_hash=hashes, have=bitmaps),
    ),
    Subscribe: st.builds(Subscribe, from_height=whole, announce=st.sampled_from(Announce)),
    NewBlock: st.builds(NewBlock, header=headers, certificate=certificates()),
    GetBlocks: st.builds(GetBlocks, from_height=st.integers(1, 1 << 60), limit=st.integers(1, 256)),
    Blocks: st.builds(Blocks, blocks=up_to(blocks, 3)),
    GetUpdate: st.builds(GetUpdate, trusted_height=whole),
    UpdateMessage: st.builds(
        UpdateMessage,
        updates=up_to(
            st.builds(
                Update,
                header=headers,
                certificate=certificates(),
                history_proof=up_to(hashes, 4),
                next_committee=st.none() | committees,
            ),
            3,
        ),
    ),
    Unavailable: st.builds(Unavailable, request=st.integers(1, 255), height=whole),
    SubmitTx: st.builds(SubmitTx, raw=bodies, more=st.lists(bodies, max_size=3).map(tuple)),
    TxResult: st.builds(
        TxResult,
        tx_id=hashes,
        accepted=st.booleans(),
        rule=short,
        reason=short,
        retry_ms=st.integers(0, MAX_RETRY_MS),
    ),
    GetTrades: st.builds(GetTrades, interval=intervals, offers=offer_numbers),
    TradesMessage: st.builds(
        TradesMessage, height=st.integers(1, 1 << 60), interval=intervals, trades=up_to(proven_trades(), 3)
    ),
    GetAccount: st.builds(GetAccount, address=addresses, height=whole),
    AccountMessage: st.builds(
        AccountMessage,
        height=st.integers(1, 1 << 60),
        address=addresses,
        account=records,
        offers=up_to(records, 3),
    ),
    WithdrawRequest: st.builds(
        WithdrawRequest,
        request_id=whole,
        meter_id=short.filter(bool),
        entries=withdrawals,
        public_key=st.binary(min_size=33, max_size=33),
        signature=signatures,
    ),
    WithdrawReply: st.builds(WithdrawReply, request_id=whole, accepted=st.booleans(), reason=short),
    GetHistory: st.builds(
        lambda height, further: GetHistory(height=height, head_height=height + further),
        st.integers(1, 1 << 60),
        st.integers(0, 1 << 60),
    ),
    HistoryMessage: st.builds(
        HistoryMessage,
        header=headers,
        certificate=certificates(),
        head_height=st.integers(1, 1 << 60),
        inclusion=up_to(hashes, 4),
        consistency=up_to(hashes, 4),
    ),
    ForkMessage: st.builds(ForkMessage, fork=bodies),
    GetCheckpoint: st.builds(GetCheckpoint, above_height=whole),
    CheckpointMessage: st.builds(CheckpointMessage, checkpoint=bodies),
    GetSnapshot: st.builds(GetSnapshot, known_height=whole),
    SnapshotMessage: st.builds(
        SnapshotMessage,
        turns=up_to(st.builds(Turn, header=headers, certificate=certificates(), committee=committees), 2),
        header=headers,
        certificate=certificates(),
        manifest=st.builds(Manifest, summaries=summaries, frontier=up_to(hashes, 3)),
    ),
    GetChunk: st.builds(GetChunk, height=st.integers(1, 1 << 60), number=st.integers(0, 4_095)),
    ChunkMessage: st.builds(
        ChunkMessage,
        height=st.integers(1, 1 << 60),
        number=st.integers(0, 4_095),
        records=up_to(
            st.builds(Record, kind=st.just(RecordKind.ACCOUNT), identity=addresses, value=bodies)
            | st.builds(Record, kind=st.just(RecordKind.META), identity=st.just(b""), value=bodies),
            3,
        ),
    ),
    GetHashes: st.builds(GetHashes, from_height=st.integers(1, 1 << 60), limit=st.integers(1, 4_096)),
    HashesMessage: st.builds(HashesMessage, from_height=st.integers(1, 1 << 60), hashes=up_to(hashes, 3)),
}
