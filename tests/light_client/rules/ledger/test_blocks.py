"""LED-30 to LED-36: headers, bodies, links; a made block is accepted, and no single field of it can be changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_client.rules import merkle
from light_client.rules.crypto import sign, verify
from light_client.rules.encoding import encode
from light_client.rules.errors import MalformedError, RuleViolation
from light_client.rules.ledger.block import (
    NO_CLEARING,
    Block,
    Body,
    Clearing,
    Header,
    body_from_bytes,
    body_from_wire,
    header_from_wire,
    solution_root_of,
    trade_leaf,
    tx_root_of,
)
from light_client.rules.ledger.chain import (
    genesis_tip,
    header_links,
    judge_block,
    make_block,
    time_is_not_ahead,
)
from light_client.rules.ledger.committee import Committee, Member
from light_client.rules.ledger.events import Cleared
from light_client.rules.ledger.genesis import ChainParams
from light_client.rules.ledger.transactions import SignedTransaction, decode_transaction, fields_of
from tests.ledger_kit import (
    FIRST,
    KWH,
    SELL,
    Chain,
    Person,
    genesis,
    sell_everything,
    seller_and_buyer,
)

OTHER_HASH = bytes(range(32))
LATE = Person(3, feeder=3)


@pytest.fixture(scope="module")
def waiting() -> Chain:
    """A chain whose next block clears with a solution and carries two transactions."""
    chain = Chain()
    seller_and_buyer(chain)
    chain.add(chain.grant(LATE.asset(sells_j=KWH)))
    chain.close_gate()
    return chain


@pytest.fixture(scope="module")
def block(waiting: Chain) -> Block:
    """That block."""
    return waiting.make(
        waiting.post(LATE, LATE.offer(SELL, KWH // 2, 5, FIRST + 1)),
        waiting.post(LATE, LATE.offer(SELL, KWH // 2, 6, FIRST + 1), sequence=1),
        solution=waiting.solution(sell_everything(waiting.problem())),
    )[0]


def rule_of(chain: Chain, block: Block) -> str:
    """Return the rule that a block breaks."""
    with pytest.raises(RuleViolation) as broken:
        chain.judge(block)
    return broken.value.rule


def test_what_is_made_is_accepted(waiting: Chain, block: Block) -> None:
    outcome = waiting.judge(block)
    assert outcome.state_root == block.header.state_root
    assert header_from_wire(block.header.to_wire()) == block.header
    assert body_from_bytes(block.body.encode(), waiting.genesis.chain) == block.body


def test_a_proposer_leaves_out_what_does_not_execute(waiting: Chain) -> None:
    good = waiting.post(LATE, LATE.offer(SELL, KWH // 2, 5, FIRST + 1))
    out_of_turn = waiting.post(LATE, LATE.offer(SELL, KWH // 2, 6, FIRST + 1), sequence=7)
    last = waiting.post(LATE, LATE.offer(SELL, KWH // 2, 6, FIRST + 1), sequence=1)
    taken: list[SignedTransaction] = []
    made, outcome = make_block(
        waiting.state,
        waiting.tip,
        round_=0,
        time_ms=waiting.tip.time_ms + 1_000,
        solution=b"",
        transactions=iter([good, out_of_turn, last]),
        verify_signature=verify,
        taken=taken,
    )
    assert taken == [good, last]
    assert made.body.transactions == (good.raw, last.raw)
    assert waiting.judge(made).state_root == outcome.state_root == made.header.state_root
    with pytest.raises(RuleViolation, match="LED-09"):
        waiting.make(good, out_of_turn, last)


def test_a_block_is_judged_alike_whoever_reads_its_transactions(waiting: Chain, block: Block) -> None:
    read: list[bytes] = []

    def remembering(raw: bytes, /, *, max_bytes: int) -> SignedTransaction:
        read.append(raw)
        return decode_transaction(raw, max_bytes=max_bytes)

    outcome = judge_block(waiting.state, waiting.tip, block, verify, remembering)
    assert outcome.state_root == block.header.state_root
    assert read == list(block.body.transactions)


HEADER_MUTATIONS: list[tuple[str, str, object]] = [
    ("chain_id", "LED-34", OTHER_HASH),
    ("height", "LED-34", 4),
    ("height", "LED-34", 6),
    ("time_ms", "LED-34", 0),
    ("previous_hash", "LED-34", OTHER_HASH),
    ("history_root", "LED-34", OTHER_HASH),
    ("tx_root", "LED-32", OTHER_HASH),
    ("state_root", "LED-36", OTHER_HASH),
    ("solution_root", "LED-36", OTHER_HASH),
    ("committee_hash", "LED-34", OTHER_HASH),
    ("next_committee_hash", "CNS-28", OTHER_HASH),
    ("clearing", "LED-21", NO_CLEARING),
    ("clearing", "LED-21", Clearing(how=Cleared.VACUOUS, interval=FIRST, traded_j=0, gap_j=0)),
    ("clearing", "LED-21", Clearing(how=Cleared.KEPT, interval=FIRST, traded_j=KWH, gap_j=0)),
    ("clearing", "LED-36", Clearing(how=Cleared.PROVEN, interval=FIRST + 1, traded_j=KWH, gap_j=0)),
    ("clearing", "LED-36", Clearing(how=Cleared.PROVEN, interval=FIRST, traded_j=KWH + 1, gap_j=0)),
    ("clearing", "LED-36", Clearing(how=Cleared.PROVEN, interval=FIRST, traded_j=KWH, gap_j=1)),
]


@pytest.mark.parametrize(("field", "rule", "value"), HEADER_MUTATIONS)
def test_no_field_of_a_header_can_be_changed(
    waiting: Chain, block: Block, field: str, rule: str, value: object
) -> None:
    forged = replace(block, header=replace(block.header, **{field: value}))  # type: ignore[arg-type]
    assert rule_of(waiting, forged) == rule


def test_every_field_of_a_header_is_mutated_but_the_round() -> None:
    """The round is the proposer's word; the light client holds the certificate's round against it (LC-05)."""
    assert {field for field, _, _ in HEADER_MUTATIONS} == set(Header.__slots__) - {"round_", "_hash"}


def test_the_time_may_be_any_later_one_that_clears_alike(waiting: Chain, block: Block) -> None:
    later = replace(block, header=replace(block.header, time_ms=block.header.time_ms + 1))
    waiting.judge(later)
    equal = replace(block, header=replace(block.header, time_ms=waiting.tip.time_ms))
    assert rule_of(waiting, equal) == "LED-34"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: replace(body, transactions=body.transactions[:1]),
        lambda body: replace(body, transactions=body.transactions[::-1]),
        lambda body: replace(body, transactions=(*body.transactions, body.transactions[0])),
        lambda body: replace(body, transactions=(body.transactions[0], body.transactions[1][:-1] + b"\x00")),
        lambda body: replace(body, solution=b""),
        lambda body: replace(body, solution=body.solution[:-1] + bytes((body.solution[-1] ^ 1,))),
        lambda body: Body(solution=b"", transactions=(body.solution, *body.transactions)),
    ],
)
def test_no_part_of_a_body_can_be_changed(waiting: Chain, block: Block, spoil: object) -> None:
    body = spoil(block.body)  # type: ignore[operator]
    assert rule_of(waiting, replace(block, body=body)) == "LED-32"
    committed = replace(block.header, tx_root=tx_root_of(body))
    with pytest.raises(RuleViolation) as broken:
        waiting.judge(Block(header=committed, body=body))
    assert broken.value.rule != "LED-32", "a proposer who commits to it is caught by what it does"


@pytest.mark.parametrize("field", ["solution", "transactions"])
def test_a_server_cannot_blame_the_quorum_for_a_body_of_its_own(
    waiting: Chain, block: Block, field: str
) -> None:
    """The meter halts when a quorum signed a wrong clearing; a wrong body alone must never look like that."""
    fake = b"\x00" if field == "solution" else (b"\x00",)
    body = replace(block.body, **{field: fake})  # type: ignore[arg-type]
    with pytest.raises(RuleViolation) as broken:
        waiting.replica.follow(block.header, body)
    assert broken.value.rule == "LED-32"


def test_a_transaction_is_not_longer_than_the_chain_allows(waiting: Chain, block: Block) -> None:
    raw = block.body.transactions[0]
    assert decode_transaction(raw, max_bytes=len(raw)).raw == raw
    small = Chain(genesis(chain=ChainParams(max_tx_bytes=100)))
    with pytest.raises(RuleViolation) as broken:
        small.add(small.grant(LATE.asset(sells_j=KWH)))
    assert broken.value.rule == "ENC-01"


def test_a_header_from_the_future_waits() -> None:
    chain = Chain()
    header = chain.make()[0].header
    time_is_not_ahead(header, header.time_ms - 10_000, 10_000)
    with pytest.raises(RuleViolation) as broken:
        time_is_not_ahead(header, header.time_ms - 10_001, 10_000)
    assert broken.value.rule == "LED-35"


@pytest.mark.parametrize(
    "change", [{"height": 0}, {"previous_hash": OTHER_HASH}, {"history_root": OTHER_HASH}]
)
def test_the_first_block_follows_the_genesis(change: dict[str, object]) -> None:
    chain = Chain()
    made = chain.make()[0]
    assert made.header.previous_hash == bytes(32)
    assert made.header.history_root == merkle.EMPTY_ROOT
    forged = replace(made, header=replace(made.header, **change))  # type: ignore[arg-type]
    assert rule_of(chain, forged) == "LED-34"


def test_a_block_of_another_committee_is_refused(waiting: Chain, block: Block) -> None:
    member = waiting.genesis.committee.members[0]
    smaller = Committee(members=(Member(public_key=member.public_key),))
    forged = replace(block, header=replace(block.header, committee_hash=smaller.hash()))
    assert rule_of(waiting, forged) == "LED-34"
    with pytest.raises(RuleViolation) as broken:
        header_links(waiting.tip, block.header, waiting.chain_id, smaller)
    assert broken.value.rule == "LED-34"


def test_a_block_follows_one_tip_only(waiting: Chain, block: Block) -> None:
    with pytest.raises(RuleViolation) as broken:
        judge_block(waiting.state, genesis_tip(waiting.genesis), block, verify)
    assert broken.value.rule == "LED-34"


def spoiled(wire: tuple[object, ...], at: int, value: object) -> tuple[object, ...]:
    """Return a wire form with one field replaced."""
    return (*wire[:at], value, *wire[at + 1 :])


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, 2),
        (0, b""),
        *((at, value) for at in (1, 5, 6, 7, 8, 9, 10, 11) for value in (b"", bytes(31), bytes(33), 0, ())),
        *((at, value) for at in (2, 3, 4) for value in (-1, 1 << 62, b"1", (), True)),
        (2, 0),
        *(
            (12, value)
            for value in ((), (0, 0, 0), (0, 0, 0, 0, 0), (4, 0, 0, 0), (0, -1, 0, 0), (0, b"", 0, 0), 0)
        ),
    ],
)
def test_a_header_has_one_shape(block: Block, at: int, value: object) -> None:
    with pytest.raises(RuleViolation) as broken:
        header_from_wire(spoiled(block.header.to_wire(), at, value))
    assert broken.value.rule == "LED-30"


@pytest.mark.parametrize("wire", [(), 0, b"", (1,) * 12, (1,) * 14, [1] * 13])
def test_what_is_no_header_is_refused(wire: object) -> None:
    with pytest.raises(RuleViolation) as broken:
        header_from_wire(wire)
    assert broken.value.rule == "LED-30"


PARAMS = ChainParams(max_block_bytes=100, max_block_txs=2)


@pytest.mark.parametrize(
    "wire",
    [
        0,
        (),
        (b"",),
        (b"", (), 0),
        ((), ()),
        (b"", b""),
        (0, ()),
        (b"", (0,)),
        (b"", ((),)),
        (b"", (b"",) * 3),
    ],
)
def test_a_body_has_one_shape_and_so_many_transactions(wire: object) -> None:
    with pytest.raises(RuleViolation) as broken:
        body_from_wire(wire, PARAMS)
    assert broken.value.rule == "LED-31"


def test_the_size_of_a_body_is_checked_first() -> None:
    fits = Body(solution=bytes(94), transactions=())
    assert body_from_bytes(fits.encode(), ChainParams(max_block_bytes=98)) == fits
    with pytest.raises(MalformedError) as broken:
        body_from_bytes(fits.encode(), ChainParams(max_block_bytes=97))
    assert broken.value.rule == "ENC-01"
    with pytest.raises(MalformedError) as broken:
        body_from_bytes(encode((b"", (b"",) * 7)), PARAMS)
    assert broken.value.rule == "ENC-08"


def test_the_roots_are_merkle_roots_over_stated_leaves(waiting: Chain, block: Block) -> None:
    trades = waiting.judge(block).trades
    leaves = [block.body.solution, *(encode(tuple(map(int, trade))) for trade in trades)]
    assert solution_root_of(block.body.solution, trades, Cleared.PROVEN) == merkle.root(leaves)
    assert trade_leaf(trades[0]) == leaves[1]
    assert solution_root_of(b"", (), Cleared.NOTHING) == merkle.EMPTY_ROOT
    assert tx_root_of(block.body) == merkle.root([block.body.solution, *block.body.transactions])


def test_a_transaction_signed_by_a_bystander_is_seen(waiting: Chain, block: Block) -> None:
    """Even with every root set right: the signature is checked for what it is."""
    signed = decode_transaction(block.body.transactions[0], max_bytes=1 << 10)
    forged = encode((*fields_of(signed.transaction), signed.public_key, sign(LATE.secret, b"something else")))
    body = replace(block.body, transactions=(forged, block.body.transactions[1]))
    assert (
        rule_of(waiting, Block(header=replace(block.header, tx_root=tx_root_of(body)), body=body)) == "LED-03"
    )
