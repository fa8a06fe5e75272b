"""docs/protocol.md against the code: the same rules in both, and worked bytes that the code makes and reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from light_client.messages.codec import TYPES, decode_message, encode_message
from light_client.messages.consensus import Vote
from light_client.rules import merkle
from light_client.rules.crypto import address_of, public_key_of, sign, tagged_hash
from light_client.rules.encoding import decode, encode
from light_client.rules.ledger.accountability import Accountability, Conviction, Fault
from light_client.rules.ledger.block import (
    Body,
    Clearing,
    Header,
    body_from_bytes,
    header_from_wire,
    solution_root_of,
    trade_leaf,
    tx_root_of,
)
from light_client.rules.ledger.committee import (
    NIL,
    Committee,
    Member,
    VoteKind,
    body_hash_of,
    proposal_message,
    vote_message,
)
from light_client.rules.ledger.delivery import (
    DeliveryRecord,
    DeliveryRow,
    ReportDelivery,
    delivery_from_bytes,
    encode_delivery,
)
from light_client.rules.ledger.election import tie_break
from light_client.rules.ledger.events import Cleared
from light_client.rules.ledger.evidence import SignedVote, contradiction
from light_client.rules.ledger.genesis import ChainParams, Genesis, genesis_from_wire
from light_client.rules.ledger.improvement import ImproveOffer
from light_client.rules.ledger.records import (
    Account,
    Record,
    RecordKind,
    account_from_bytes,
    account_key,
    encode_account,
    encode_offer,
    offer_from_bytes,
)
from light_client.rules.ledger.registry import ChangeRegistry, MinerRegistry, registry_message
from light_client.rules.ledger.score import delivery_of
from light_client.rules.ledger.snapshot import encode_record, record_from_wire
from light_client.rules.ledger.transactions import (
    Asset,
    DepositAssets,
    GrantAssets,
    PostOffer,
    SubmitEvidence,
    SubmitSolution,
    Transaction,
    decode_transaction,
    sign_transaction,
)
from light_client.rules.market.certificate import Certificate
from light_client.rules.market.clearing import Solution, Trade
from light_client.rules.market.grid import ROOT, Feeder
from light_client.rules.market.mechanisms.kinds import Continuous, TwoStage, UniformPrice
from light_client.rules.market.mechanisms.mechanism import Transfer
from light_client.rules.market.offer import ClassKey, Offer, OpenOffer
from light_client.rules.market.params import MarketParams
from light_client.rules.market.plan import Plan
from light_client.rules.market.routing import path_queue, routes_hash
from light_client.rules.statetree import make_entry, value_hash_of
from light_client.rules.units import Address, FeederId, OfferId, Side
from tests.anchor_vectors import anchor_vectors, check_readable
from tests.worked_auction import REACTION, auctioned

REPOSITORY = Path(__file__).resolve().parents[2]
TEXT = (REPOSITORY / "docs" / "protocol.md").read_text(encoding="utf-8")
FAMILIES = "CNS|CRY|ENC|EVI|FLT|LC|LED|MKT|MSG|RPT"
RULE = re.compile(rf"\b(?:{FAMILIES})-\d\d\b")
LITERAL = re.compile(r"""["']([A-Z]{2,4}-\d\d)["']""")
ROW = re.compile(rf"^\| ((?:{FAMILIES})-\d\d) \|", re.MULTILINE)
VECTOR = re.compile(r"^```text vector=([a-z-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SOURCES = [
    path
    for folder in ("light_client", "firmware_app", "deploy", "testbed")
    for path in sorted((REPOSITORY / folder).rglob("*.py"))
]


def rules_in_code() -> dict[str, list[str]]:
    """Return rule id -> files that name it."""
    found: dict[str, list[str]] = {}
    for path in SOURCES:
        for rule in set(RULE.findall(path.read_text(encoding="utf-8"))):
            found.setdefault(rule, []).append(str(path.relative_to(REPOSITORY)))
    return found


def test_every_rule_of_the_code_is_documented() -> None:
    documented = set(ROW.findall(TEXT))
    assert {rule: files for rule, files in rules_in_code().items() if rule not in documented} == {}


def test_every_documented_rule_is_in_the_code_and_documented_once() -> None:
    rows = ROW.findall(TEXT)
    assert sorted(set(rows) - rules_in_code().keys()) == []
    assert sorted(rule for rule in set(rows) if rows.count(rule) > 1) == []


def test_no_rule_hides_in_a_family_of_its_own() -> None:
    raised = {
        rule
        for path in SOURCES
        if path.is_relative_to(REPOSITORY / "light_client")
        for rule in LITERAL.findall(path.read_text(encoding="utf-8"))
    }
    assert {rule for rule in raised if not RULE.fullmatch(rule)} == set()


def test_the_table_of_messages_is_that_of_the_codec() -> None:
    rows = re.findall(r"^\| (\d+) \| ([A-Za-z]+) \|", TEXT, re.MULTILINE)
    assert {(int(number), name) for number, name in rows} == {
        (number, row.cls.__name__) for number, row in TYPES.items()
    }


def test_every_tag_of_the_code_is_listed() -> None:
    tag = re.compile(r"gridlight/[a-z/-]+/1")
    used = {found for path in SOURCES for found in tag.findall(path.read_text(encoding="utf-8"))}
    listed = set(tag.findall(TEXT))
    assert used == listed


# -- worked bytes --------------------------------------------------------------------------------------------------


def _secret(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _ascending(*secrets: int) -> tuple[bytes, ...]:
    return tuple(sorted(public_key_of(_secret(number)) for number in secrets))


GENESIS = Genesis(
    name="test-worked",
    genesis_time_ms=1_800_000_000_000,
    first_interval=2_000_001,
    market=MarketParams(interval_s=900),
    feeders=(
        Feeder(feeder=FeederId(1), c_ext_w=20_000),
        Feeder(feeder=FeederId(2), c_ext_w=20_000, c_int_w=25_000),
    ),
    dso_key=public_key_of(_secret(1)),
    committee=Committee(members=tuple(Member(public_key=public_key_of(_secret(n))) for n in range(11, 15))),
    chain=ChainParams(),
    registry=MinerRegistry(
        threshold=2,
        keys=_ascending(21, 22, 23),
        candidates=_ascending(11, 12, 13, 14),
    ),
)
CHAIN_ID = GENESIS.chain_id()
SELLER = Address(address_of(public_key_of(_secret(3))))
FIRST = GENESIS.first_interval


def _signed(transaction: Transaction, secret: int) -> bytes:
    return sign_transaction(transaction, CHAIN_ID, _secret(secret)).raw


GRANT = GrantAssets(
    sequence=0,
    assets=(
        Asset(
            address=SELLER,
            feeder=FeederId(1),
            first_interval=FIRST,
            last_interval=FIRST + 3,
            production_j=3_600_000,
            consumption_j=0,
            money_uc=0,
        ),
    ),
)
OFFER = Offer(
    side=Side.SELL,
    feeder=FeederId(1),
    energy_j=3_600_000,
    ranges=((FIRST, FIRST + 1), (FIRST + 3, FIRST + 3)),
    price_uc_per_kwh=100_000,
    address=SELLER,
)


def _flat(*weights: int) -> Certificate:
    return Certificate(
        weights=weights, schedules={FIRST: ((0,), (0,))}, net={}, production={}, consumption={}
    )


SOLUTION = Solution(
    plan=Plan(
        first_interval=FIRST,
        flows={
            ClassKey(Side.SELL, 1, 100_000, ((FIRST, FIRST),)): ((FIRST, 3_600_000),),
            ClassKey(Side.BUY, 2, 200_000, ((FIRST, FIRST),)): ((FIRST, 3_600_000),),
        },
    ),
    certificates=(_flat(1), _flat(1 << 29, 1)),
)
REGISTRY = MinerRegistry(
    version=2, threshold=1, keys=_ascending(23, 24), candidates=_ascending(11, 12, 13, 14, 15)
)
REGISTRY_BYTES = registry_message(CHAIN_ID, REGISTRY)
TRADE = Trade(1, Side.SELL, FIRST, 3_600_000, 150_000)
TRANSACTIONS: dict[str, Transaction] = {
    "grant": GRANT,
    "offer": PostOffer(sequence=0, offer=OFFER),
    "solution": SubmitSolution(solution=SOLUTION),
    "deposit": DepositAssets(sequence=1),
    "improve": ImproveOffer(sequence=1, offer_id=OfferId(1), limit_uc_per_kwh=80_000),
    "report": ReportDelivery(
        first_interval=FIRST,
        last_interval=FIRST + 95,
        rows=(
            DeliveryRow(public_key=public_key_of(_secret(11)), promised_j=36_000_000, delivered_j=28_800_000),
        ),
    ),
    "registry-change": ChangeRegistry(
        registry=REGISTRY,
        signatures=tuple(
            (public_key_of(_secret(number)), sign(_secret(number), REGISTRY_BYTES))
            for number in sorted((21, 23), key=lambda number: public_key_of(_secret(number)))
        ),
    ),
}
PATH_QUEUE = path_queue({1: ROOT, 2: ROOT}, (Transfer(1, 2, 3_600_000), Transfer(2, 2, 1_800_000)))
BODY = Body(solution=b"", transactions=(_signed(GRANT, 1),))
HEADER = Header(
    chain_id=CHAIN_ID,
    height=1,
    round_=0,
    time_ms=1_800_000_001_000,
    previous_hash=bytes(32),
    history_root=merkle.EMPTY_ROOT,
    tx_root=tx_root_of(BODY),
    state_root=bytes.fromhex("11" * 32),
    solution_root=solution_root_of(b"", (), Cleared.NOTHING),
    committee_hash=GENESIS.committee.hash(),
    next_committee_hash=GENESIS.committee.hash(),
    clearing=Clearing(how=Cleared.NOTHING, interval=0, traded_j=0, gap_j=0),
)
DELIVERY = DeliveryRecord(epochs=((0, delivery_of(36_000_000, 28_800_000)),))
VOTE_BYTES = vote_message(VoteKind.PRECOMMIT, CHAIN_ID, 1, 0, HEADER.hash())
VOTE = Vote(
    kind=VoteKind.PRECOMMIT,
    height=1,
    round_=0,
    header_hash=HEADER.hash(),
    seat=1,
    signature=sign(_secret(12), VOTE_BYTES),
)
NIL_VOTE_BYTES = vote_message(VoteKind.PRECOMMIT, CHAIN_ID, 1, 0, NIL)
EVIDENCE = contradiction(
    public_key_of(_secret(12)),
    1,
    SignedVote(kind=VOTE.kind, round_=0, header_hash=VOTE.header_hash, signature=VOTE.signature),
    SignedVote(kind=VOTE.kind, round_=0, header_hash=NIL, signature=sign(_secret(12), NIL_VOTE_BYTES)),
)
TRANSACTIONS["evidence"] = SubmitEvidence(evidence=EVIDENCE)
PROPOSAL_BYTES = proposal_message(CHAIN_ID, 1, 0, None, HEADER.hash(), body_hash_of(BODY.encode()))
CONVICTED = Accountability().with_conviction(
    Conviction(
        public_key=public_key_of(_secret(12)),
        fault=Fault.CONTRADICTION,
        fault_height=1,
        height=2,
        until_interval=FIRST + 672,
    )
)
ACCOUNT = Account(
    feeder=1,
    first_interval=FIRST,
    last_interval=FIRST + 3,
    production_j=3_600_000,
    consumption_j=0,
    money_uc=0,
)
OPEN = OpenOffer(
    offer_id=OfferId(1),
    address=SELLER,
    side=Side.SELL,
    feeder=FeederId(1),
    price_uc_per_kwh=100_000,
    ranges=OFFER.ranges,
    remaining_j=3_600_000,
    escrow_uc=0,
)

VECTORS: dict[str, bytes] = {
    "tagged-hash": tagged_hash("gridlight/tx/1", b"abc"),
    "genesis": encode(GENESIS.to_wire()),
    "chain-id": CHAIN_ID,
    "address": SELLER,
    "committee-hash": GENESIS.committee.hash(),
    "grant": _signed(GRANT, 1),
    "offer": _signed(TRANSACTIONS["offer"], 3),
    "solution": _signed(TRANSACTIONS["solution"], 2),
    "deposit": _signed(TRANSACTIONS["deposit"], 3),
    "improve": _signed(TRANSACTIONS["improve"], 3),
    "auction-uniform-price": encode(auctioned(UniformPrice(), GENESIS.grid)),
    "auction-continuous": encode(auctioned(Continuous(), GENESIS.grid)),
    "auction-two-stage": encode(auctioned(TwoStage(), GENESIS.grid, REACTION)),
    "path-queue": encode((FIRST, PATH_QUEUE)),
    "routes": routes_hash(FIRST, PATH_QUEUE),
    "report": _signed(TRANSACTIONS["report"], 1),
    "registry-bytes": REGISTRY_BYTES,
    "registry-change": _signed(TRANSACTIONS["registry-change"], 3),
    "delivery-record": encode_delivery(DELIVERY),
    "record": encode_record(Record(RecordKind.ACCOUNT, SELLER, encode_account(ACCOUNT))),
    "tie-break": tie_break(CHAIN_ID, 1, public_key_of(_secret(11))),
    "body": BODY.encode(),
    "tx-root": tx_root_of(BODY),
    "header": encode(HEADER.to_wire()),
    "header-hash": HEADER.hash(),
    "vote-bytes": VOTE_BYTES,
    "vote-message": encode_message(VOTE),
    "proposal-bytes": PROPOSAL_BYTES,
    "evidence": _signed(TRANSACTIONS["evidence"], 13),
    "accountability": encode(CONVICTED.to_wire()),
    "account": encode_account(ACCOUNT),
    "account-key": account_key(SELLER),
    "account-entry": make_entry(account_key(SELLER), value_hash_of(encode_account(ACCOUNT))).hash,
    "open-offer": encode_offer(OPEN),
    "trade-leaf": trade_leaf(TRADE),
    **anchor_vectors(GENESIS, HEADER),
}
"""What the page shows, made from the values that its words state."""


def shown() -> dict[str, str]:
    """Return the vectors of the page, spaces and line ends removed."""
    return {name: "".join(text.split()) for name, text in VECTOR.findall(TEXT)}


def test_the_page_shows_every_vector_and_no_other() -> None:
    assert shown().keys() == VECTORS.keys()


@pytest.mark.parametrize("name", VECTORS)
def test_the_worked_bytes_are_those_of_the_code(name: str) -> None:
    assert shown()[name] == VECTORS[name].hex()


def test_the_worked_bytes_can_be_read() -> None:
    page = {name: bytes.fromhex(text) for name, text in shown().items()}
    assert genesis_from_wire(decode(page["genesis"], max_bytes=1 << 12)) == GENESIS
    assert header_from_wire(decode(page["header"], max_bytes=1 << 10)) == HEADER
    assert body_from_bytes(page["body"], GENESIS.chain) == BODY
    for name, transaction in TRANSACTIONS.items():
        assert decode_transaction(page[name], max_bytes=1 << 12).transaction == transaction
    assert account_from_bytes(page["account"]) == ACCOUNT
    assert record_from_wire(decode(page["record"], max_bytes=1 << 10)).value == page["account"]
    assert delivery_from_bytes(page["delivery-record"]) == DELIVERY
    assert offer_from_bytes(page["open-offer"]) == OPEN
    assert decode_message(page["vote-message"]) == VOTE
    check_readable(page, GENESIS, HEADER)
