"""Snapshots: a state goes through its records and back, and no wrong manifest, chunk or record gets in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.accountability import accountability_from_bytes
from light_client.rules.ledger.block import Header
from light_client.rules.ledger.records import (
    Amounts,
    Record,
    RecordKind,
    candidate_from_bytes,
    meta_from_bytes,
)
from light_client.rules.ledger.snapshot import (
    MAX_BITS,
    Manifest,
    chunk_is_the_manifests,
    chunk_of,
    encode_record,
    manifest_is_the_headers,
    record_from_wire,
    record_to_wire,
    restore,
)
from light_client.rules.ledger.state import LedgerState
from light_client.rules.merkle import History
from light_client.rules.statetree import (
    EMPTY_ROOT,
    Summary,
    nodes_at,
    root_of,
    root_over,
    subtree,
    summary_of,
    update,
    value_hash_of,
)
from tests.epoch_kit import CANDIDATES, epoch_chain, finish_epoch, report
from tests.ledger_kit import FIRST, KWH, Chain, Person, sell_everything, seller_and_buyer


def _busy() -> Chain:
    """Return a chain with a record of every kind, a candidate plan with its certificate among them."""
    chain = epoch_chain()
    chain.add(chain.grant(*(Person(n).asset(sells_j=KWH) for n in range(10, 60))))
    seller_and_buyer(chain, intervals=(FIRST, FIRST + 1, FIRST + 2, FIRST + 3))
    problem = chain.close_gate()
    chain.add(solution=chain.solution(sell_everything(problem)))
    chain.add(report(chain, {CANDIDATES[0]: (3, 2)}), at_ms=chain.gate(FIRST + 1))
    chain.add(at_ms=chain.deadline(FIRST + 1))
    finish_epoch(chain)
    return chain


CHAIN = _busy()
STATE, HEADER = CHAIN.state, CHAIN.blocks[-1].header
RECORDS = sorted(STATE.records(), key=Record.key)
FRONTIER = CHAIN.history
BEFORE = History()
for _block in CHAIN.blocks[:-1]:
    BEFORE = BEFORE.append(_block.header.hash())


def manifest(bits: int = 3) -> Manifest:
    """Return the manifest of the state, cut at a depth."""
    nodes = nodes_at(STATE.tree, bits)
    return Manifest(summaries=tuple(summary_of(node) for node in nodes), frontier=BEFORE.frontier)


def chunk(number: int, bits: int = 3) -> list[Record]:
    """Return the records of a chunk."""
    return [record for record in RECORDS if chunk_of(record.key(), bits) == number]


def same(one: LedgerState, other: LedgerState) -> bool:
    """Tell whether two states agree in everything."""
    names = (
        *("accounts", "offers", "deliveries", "meta", "candidate", "committee", "registry"),
        *("accountability", "height", "head"),
    )
    return all(getattr(one, name) == getattr(other, name) for name in names) and one.root() == other.root()


def test_a_state_goes_through_its_records_and_back() -> None:
    assert {record.kind for record in RECORDS} == set(RecordKind) - {RecordKind.REACTION}
    assert STATE.candidate.certificate is not None
    assert STATE.meta.deposited == Amounts()
    restored = restore(CHAIN.genesis, HEADER, RECORDS)
    assert same(restored, STATE)
    again = Chain(CHAIN.genesis)
    again.state, again.tip, again.replica = restored, CHAIN.tip, CHAIN.replica
    block, _ = CHAIN.make()
    again.judge(block)


def test_a_state_with_a_closed_gate_goes_through_as_well() -> None:
    chain = Chain()
    assert restore(chain.genesis, _after(chain), chain.state.records()).meta == chain.state.meta
    seller_and_buyer(chain)
    chain.close_gate()
    restored = restore(chain.genesis, chain.blocks[-1].header, chain.state.records())
    assert same(restored, chain.state)
    assert restored.draft().problem() == chain.problem()


def _after(chain: Chain) -> Header:
    chain.add()
    return chain.blocks[-1].header


@given(st.integers(0, 8))
def test_chunks_make_up_the_state(bits: int) -> None:
    told = manifest(bits)
    assert told.bits == bits
    tip = manifest_is_the_headers(told, HEADER)
    assert tip == CHAIN.tip
    together: list[Record] = []
    for number in range(1 << bits):
        records = chunk(number, bits)
        chunk_is_the_manifests(records, number, told)
        together += records
    assert same(restore(CHAIN.genesis, HEADER, together), STATE)


@given(st.sets(st.binary(min_size=32, max_size=32), max_size=40), st.integers(0, MAX_BITS))
def test_subtrees_give_the_root_of_any_tree(keys: set[bytes], bits: int) -> None:
    tree = update(None, dict.fromkeys(keys, bytes(32)))
    nodes = nodes_at(tree, bits)
    assert root_over([summary_of(node) for node in nodes]) == root_of(tree)
    for number, node in enumerate(nodes):
        inside = {key: bytes(32) for key in keys if chunk_of(key, bits) == number}
        assert summary_of(subtree(inside, bits)) == summary_of(node)


def rule_of_manifest(told: Manifest) -> str:
    """Return the rule that a manifest breaks."""
    with pytest.raises(RuleViolation) as broken:
        manifest_is_the_headers(told, HEADER)
    return broken.value.rule


def test_a_wrong_manifest_is_refused() -> None:
    good = manifest()
    for at, summary in enumerate(good.summaries):
        wrong = Summary(bytes(31) + b"\x01", summary.is_branch)
        forged = (*good.summaries[:at], wrong, *good.summaries[at + 1 :])
        assert rule_of_manifest(replace(good, summaries=forged)) == "LED-61"
    assert rule_of_manifest(replace(good, summaries=good.summaries[::-1])) == "LED-61"
    assert rule_of_manifest(replace(good, frontier=good.frontier[:-1])) == "LED-61"
    assert rule_of_manifest(replace(good, frontier=(EMPTY_ROOT, *good.frontier[1:]))) == "LED-61"


@pytest.mark.parametrize("count", [0, 3, 1 << (MAX_BITS + 1)])
def test_a_manifest_has_a_power_of_two_of_chunks(count: int) -> None:
    with pytest.raises(RuleViolation) as broken:
        Manifest(summaries=(Summary(EMPTY_ROOT, False),) * count, frontier=())
    assert broken.value.rule == "LED-60"


def test_hashes_of_a_manifest_have_their_length() -> None:
    for frontier, hashed in (((b"",), EMPTY_ROOT), ((), b"")):
        with pytest.raises(RuleViolation) as broken:
            Manifest(summaries=(Summary(hashed, False),), frontier=frontier)
        assert broken.value.rule == "LED-60"


def rule_of_chunk(records: list[Record], number: int) -> str:
    """Return the rule that a chunk breaks."""
    with pytest.raises(RuleViolation) as broken:
        chunk_is_the_manifests(records, number, manifest())
    return broken.value.rule


def test_a_wrong_chunk_is_refused() -> None:
    records = chunk(2)
    assert len(records) > 2
    richer = records[0]._replace(value=records[0].value + b"\x00")
    for forged in (
        records[1:],
        records[:-1],
        [],
        records[::-1],
        [*records, records[-1]],
        [*records, chunk(3)[0]],
        [richer, *records[1:]],
        chunk(3),
    ):
        assert rule_of_chunk(forged, 2) == "LED-62"


def test_an_entry_told_in_its_neighbours_place_gets_nobody_in() -> None:
    """Two neighbours of which one is empty have one root, whichever is told to be the empty one: the chunk tells."""
    lone = Record(RecordKind.META, b"", b"")
    values = {lone.key(): bytes(32)}
    bits = 4
    honest = [summary_of(node) for node in nodes_at(update(None, dict(values)), bits)]
    place = chunk_of(lone.key(), bits)
    moved = [Summary(EMPTY_ROOT, False)] * (1 << bits)
    moved[place ^ 1] = honest[place]
    assert root_over(moved) == root_over(honest)
    lying = Manifest(summaries=tuple(moved), frontier=())
    with pytest.raises(RuleViolation) as broken:
        chunk_is_the_manifests([lone], place ^ 1, lying)
    assert broken.value.rule == "LED-62"


@pytest.mark.parametrize(
    "kind", [RecordKind.META, RecordKind.CANDIDATE, RecordKind.COMMITTEE, RecordKind.ACCOUNTABILITY]
)
def test_a_state_lacks_nothing(kind: RecordKind) -> None:
    with pytest.raises(RuleViolation) as broken:
        restore(CHAIN.genesis, HEADER, [record for record in RECORDS if record.kind is not kind])
    assert broken.value.rule == "LED-63"


def test_a_state_is_the_one_that_the_header_commits_to() -> None:
    without = [record for record in RECORDS if record.kind is not RecordKind.REGISTRY]
    with pytest.raises(RuleViolation) as broken:
        restore(CHAIN.genesis, HEADER, without)
    assert broken.value.rule == "LED-63"


def test_a_state_that_a_quorum_got_wrong_does_not_add_up() -> None:
    account = next(record for record in RECORDS if record.kind is RecordKind.ACCOUNT)
    wire = decode(account.value, max_bytes=1 << 10)
    assert isinstance(wire, tuple)
    richer = account._replace(value=encode((*wire[:5], 1 << 40, *wire[6:])))
    forged = [richer if record is account else record for record in RECORDS]
    values = {record.key(): record.value for record in forged}
    state = LedgerState(CHAIN.genesis)
    for key, value in values.items():
        state.tree = update(state.tree, {key: value_hash_of(value)})
    with pytest.raises(RuleViolation) as broken:
        restore(CHAIN.genesis, replace(HEADER, state_root=state.root()), forged)
    assert broken.value.rule == "LED-20"


@pytest.mark.parametrize(
    "wire",
    [
        0,
        ("meta", b""),
        ("meta", b"", 0),
        ("meta", 0, b""),
        ("nothing", b"", b""),
        (5, b"", b""),
        ("meta", b"\x00", b""),
        ("account", bytes(19), b""),
        ("offer", bytes(9), b""),
        ("delivery", bytes(32), b""),
    ],
)
def test_a_record_has_one_shape(wire: object) -> None:
    with pytest.raises(RuleViolation) as broken:
        record_from_wire(wire)
    assert broken.value.rule == "LED-60"


def test_records_read_back() -> None:
    for record in RECORDS:
        assert record_from_wire(decode(encode_record(record), max_bytes=1 << 20)) == record
        assert record_from_wire(record_to_wire(record)) == record


def test_an_offer_stands_under_its_own_number() -> None:
    offer = next(record for record in RECORDS if record.kind is RecordKind.OFFER)
    with pytest.raises(RuleViolation) as broken:
        restore(CHAIN.genesis, HEADER, [offer._replace(identity=bytes(8))])
    assert broken.value.rule == "LED-60"


META = STATE.meta.to_wire()


@pytest.mark.parametrize(
    "wire",
    [
        0,
        META[:7],
        (*META, 0),
        (*META[:1], 0, *META[2:]),
        (*META[:1], (1, 2), *META[2:]),
        (*META[:1], (-1,), *META[2:]),
        (-1, *META[1:]),
        (*META[:2], b"", *META[3:]),
        (*META[:5], 0, *META[6:]),
        (*META[:5], (1, 2, 3, 4), *META[6:]),
        (*META[:5], (1, 2, 3, 4, -1), *META[6:]),
    ],
)
def test_counters_have_one_shape(wire: object) -> None:
    with pytest.raises(RuleViolation) as broken:
        meta_from_bytes(encode(wire))  # type: ignore[arg-type]
    assert broken.value.rule == "LED-38"


GATE, CONVICTION = (5, bytes(32), (bytes(32),)), (bytes(33), 1, 2, 3, 4)


def test_gates_and_convictions_read_back() -> None:
    wire = ((GATE, (6, bytes(32), ())), (CONVICTION, (bytes(32) + b"\x01", 2, 9, 9, 9)))
    assert accountability_from_bytes(encode(wire)).to_wire() == wire


@pytest.mark.parametrize(
    "wire",
    [
        0,
        ((),),
        (0, ()),
        ((0,), ()),
        ((GATE[:2],), ()),
        ((("", *GATE[1:]),), ()),
        (((5, bytes(31), ()),), ()),
        (((5, bytes(32), 0),), ()),
        (((5, bytes(32), (b"",)),), ()),
        ((), (0,)),
        ((), (CONVICTION[:4],)),
        ((), ((bytes(32), *CONVICTION[1:]),)),
        ((), ((bytes(33), 7, 2, 3, 4),)),
        ((), ((bytes(33), 1, -2, 3, 4),)),
    ],
)
def test_gates_and_convictions_have_one_shape(wire: object) -> None:
    with pytest.raises(RuleViolation) as broken:
        accountability_from_bytes(encode(wire))  # type: ignore[arg-type]
    assert broken.value.rule == "LED-38"


@pytest.mark.parametrize("wire", [0, (), (1, 2, 3)])
def test_a_candidate_has_one_shape(wire: object) -> None:
    with pytest.raises(RuleViolation) as broken:
        candidate_from_bytes(encode(wire), 100)  # type: ignore[arg-type]
    assert broken.value.rule == "LED-38"
