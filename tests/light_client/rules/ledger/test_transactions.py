"""LED-02, LED-06 and the fields of offers: one spelling for each transaction, and nothing else is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.crypto import public_key_of, sign, verify
from light_client.rules.encoding import encode
from light_client.rules.errors import MalformedError, RuleViolation
from light_client.rules.ledger.transactions import (
    MAX_GRANTS,
    MAX_SEQUENCE,
    Asset,
    DepositAssets,
    GrantAssets,
    PostOffer,
    SubmitSolution,
    Transaction,
    assemble,
    check_signature,
    decode_transaction,
    granted_addresses,
    kind_of,
    sign_transaction,
    signer_of,
)
from light_client.rules.market.clearing import Solution, empty_plan
from light_client.rules.units import (
    LOT_J,
    MAX_ENERGY_J,
    MAX_INTERVAL,
    MAX_MONEY_UC,
    MAX_PRICE_UC_PER_KWH,
    Address,
)
from tests.ledger_kit import BUY, FIRST, KWH, SELL, Chain, Person, sell_everything, seller_and_buyer

CHAIN_ID = bytes(32)
PERSON = Person(1)
KEY = PERSON.secret
PUBLIC = public_key_of(KEY)

lots = st.integers(0, MAX_ENERGY_J // LOT_J).map(lambda number: number * LOT_J)
sequences = st.integers(0, MAX_SEQUENCE - 1)


@st.composite
def ranges_of(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    """Draw up to 16 ranges in canonical form."""
    at, found = draw(st.integers(0, 1 << 20)), []
    for gap, length in draw(
        st.lists(st.tuples(st.integers(2, 99), st.integers(0, 99)), min_size=1, max_size=16)
    ):
        found.append((at + gap, at + gap + length))
        at += gap + length
    return tuple(found)


@st.composite
def grants(draw: st.DrawFn) -> GrantAssets:
    """Draw a batch in the order of its addresses."""
    addresses = sorted(draw(st.sets(st.binary(min_size=20, max_size=20), min_size=1, max_size=4)))
    assets = []
    for address in addresses:
        first, last = sorted(draw(st.tuples(*(st.integers(0, MAX_INTERVAL - 1),) * 2)))
        assets.append(
            Asset(
                address=Address(address),
                feeder=draw(st.integers(0, 65_535)),  # type: ignore[arg-type]
                first_interval=first,
                last_interval=last,
                production_j=draw(lots),
                consumption_j=draw(lots),
                money_uc=draw(st.integers(0, MAX_MONEY_UC)),
            )
        )
    return GrantAssets(sequence=draw(sequences), assets=tuple(assets))


posts = st.builds(
    lambda sequence, side, lot, price, ranges: PostOffer(
        sequence=sequence, offer=PERSON.offer(side, (lot + 1) * LOT_J, price, ranges)
    ),
    sequences,
    st.sampled_from([SELL, BUY]),
    st.integers(0, MAX_ENERGY_J // LOT_J - 1),
    st.integers(0, MAX_PRICE_UC_PER_KWH),
    ranges_of(),
)


@given(st.one_of(grants(), posts, st.builds(DepositAssets, sequence=sequences)))
def test_a_transaction_reads_back_and_its_signature_holds(transaction: Transaction) -> None:
    signed = sign_transaction(transaction, CHAIN_ID, KEY)
    read = decode_transaction(signed.raw, max_bytes=1 << 20)
    assert read == signed
    assert read.address == PERSON.address
    check_signature(read, CHAIN_ID, verify)


def test_a_solution_reads_back() -> None:
    chain = Chain()
    seller_and_buyer(chain)
    solved = sell_everything(chain.close_gate())
    for solution in (solved, Solution(plan=empty_plan(0), certificates=())):
        signed = sign_transaction(SubmitSolution(solution=solution), CHAIN_ID, KEY)
        assert decode_transaction(signed.raw, max_bytes=1 << 20) == signed


def test_whoever_keeps_the_key_signs_the_same_bytes() -> None:
    asked: list[bytes] = []

    def keeper(message: bytes) -> bytes:
        asked.append(message)
        return sign(KEY, message)

    assert assemble(DepositAssets(sequence=3), CHAIN_ID, PUBLIC, keeper) == sign_transaction(
        DepositAssets(sequence=3), CHAIN_ID, KEY
    )
    assemble(DepositAssets(sequence=3), bytes(31) + b"1", PUBLIC, keeper)
    assert asked[0] != asked[1], "the chain is part of what is signed"


def raw_of(fields: tuple[object, ...], *, key: object = PUBLIC, signature: object = bytes(64)) -> bytes:
    """Return a transaction with any fields."""
    return encode((*fields, key, signature))  # type: ignore[arg-type]


def rule_of(raw: bytes) -> str:
    """Return the rule that bytes break."""
    with pytest.raises(RuleViolation) as broken:
        decode_transaction(raw, max_bytes=1 << 16)
    return broken.value.rule


@pytest.mark.parametrize(
    "raw",
    [
        encode(0),
        encode(()),
        encode((4, 0)),
        encode((b"", PUBLIC, bytes(64))),
        *(raw_of((kind,)) for kind in range(6)),
        raw_of((0, 0)),
        raw_of((5, 0)),
        raw_of((4, 0, 0)),
        raw_of((4, -1)),
        raw_of((4, MAX_SEQUENCE)),
        raw_of((4, b"")),
        raw_of((1, (), ())),
        raw_of((4, 0), key=0),
        raw_of((4, 0), key=PUBLIC[1:]),
        raw_of((4, 0), signature=0),
        raw_of((4, 0), signature=bytes(63)),
        raw_of((4, 0), signature=bytes(65)),
    ],
)
def test_a_transaction_has_one_shape(raw: bytes) -> None:
    assert rule_of(raw) == "LED-02"


ROW = (bytes(20), 1, FIRST, FIRST, LOT_J, 0, 5)
TWIN = (bytes(19) + b"\x01", *ROW[1:])


@pytest.mark.parametrize(
    "rows",
    [
        0,
        (),
        (0,),
        (ROW[:6],),
        ((*ROW, 0),),
        ((bytes(19), *ROW[1:]),),
        ((0, *ROW[1:]),),
        *(((*ROW[:at], -1, *ROW[at + 1 :]),) for at in range(1, 7)),
        *(((*ROW[:at], b"", *ROW[at + 1 :]),) for at in range(1, 7)),
        ((*ROW[:1], 65_536, *ROW[2:]),),
        ((*ROW[:2], FIRST + 1, *ROW[3:]),),
        ((*ROW[:3], MAX_INTERVAL, *ROW[4:]),),
        ((*ROW[:4], LOT_J + 1, *ROW[5:]),),
        ((*ROW[:5], MAX_ENERGY_J + LOT_J, *ROW[6:]),),
        ((*ROW[:6], MAX_MONEY_UC + 1),),
        (ROW, ROW),
        (TWIN, ROW),
        tuple((number.to_bytes(20, "big"), *ROW[1:]) for number in range(MAX_GRANTS + 1)),
    ],
)
def test_a_batch_of_grants_has_one_shape(rows: object) -> None:
    assert rule_of(raw_of((1, 0, rows))) == "LED-06"


def test_the_largest_batch_is_read() -> None:
    rows = tuple((number.to_bytes(20, "big"), *ROW[1:]) for number in range(MAX_GRANTS))
    assert decode_transaction(raw_of((1, 0, rows)), max_bytes=1 << 16).raw


POST = (2, 0, 0, 1, LOT_J, 5, (FIRST, 0))


@pytest.mark.parametrize(
    ("rule", "body"),
    [
        *(("MKT-03", (*POST[:2], side, *POST[3:])) for side in (-1, 2, b"", ())),
        *(("MKT-02", (*POST[:3], feeder, *POST[4:])) for feeder in (-1, 65_536, b"", ())),
        *(
            ("MKT-05", (*POST[:4], energy, *POST[5:]))
            for energy in (0, -LOT_J, 1, MAX_ENERGY_J + LOT_J, b"", ())
        ),
        *(("MKT-06", (*POST[:5], price, *POST[6:])) for price in (-1, MAX_PRICE_UC_PER_KWH + 1, b"", ())),
        *(
            ("MKT-04", (*POST[:6], flat))
            for flat in (
                0,
                (),
                (FIRST,),
                (FIRST, b""),
                (FIRST, -1),
                (-1, 0),
                (FIRST, 0, FIRST, 0),
                (FIRST, 0, FIRST + 1, 0),
                (FIRST, 5, FIRST + 3, 9),
                (0, MAX_INTERVAL),
                ((1 << 64) - 1, (1 << 64) - 1),
                tuple(value for n in range(17) for value in (3 * n, 0)),
            )
        ),
    ],
)
def test_an_offer_has_one_shape(rule: str, body: tuple[object, ...]) -> None:
    assert rule_of(raw_of(body)) == rule


def test_the_key_of_an_offer_has_an_address() -> None:
    assert rule_of(raw_of(POST, key=b"\x04" + PUBLIC[1:])) == "CRY-01"


def test_sizes_come_first() -> None:
    raw = sign_transaction(DepositAssets(sequence=0), CHAIN_ID, KEY).raw
    decode_transaction(raw, max_bytes=len(raw))
    with pytest.raises(MalformedError) as broken:
        decode_transaction(raw, max_bytes=len(raw) - 1)
    assert broken.value.rule == "ENC-01"


def test_the_identity_of_a_transaction_is_that_of_all_its_bytes() -> None:
    signed = sign_transaction(DepositAssets(sequence=0), CHAIN_ID, KEY)
    assert signed.tx_id() != replace(signed, raw=signed.raw + b"\x00").tx_id()


Forge = Callable[[Asset], Asset]


@pytest.mark.parametrize(
    "forge",
    [
        lambda asset: replace(asset, money_uc=True),
        lambda asset: replace(asset, production_j=True),
        lambda asset: replace(asset, feeder=True),
        lambda asset: replace(asset, address=bytearray(20)),
        lambda asset: replace(asset, first_interval=False),
    ],
)
def test_look_alikes_of_numbers_and_bytes_are_refused(forge: Forge) -> None:
    with pytest.raises(RuleViolation) as broken:
        forge(Person(1).asset(sells_j=KWH))
    assert broken.value.rule == "LED-06"


def test_a_follower_reads_kinds_and_granted_addresses_without_the_rest() -> None:
    grant = GrantAssets(sequence=0, assets=(Person(1).asset(money_uc=1),))
    offer = PostOffer(sequence=0, offer=PERSON.offer(SELL, LOT_J, 5, FIRST))
    signed = [sign_transaction(each, CHAIN_ID, KEY) for each in (grant, offer, DepositAssets(sequence=0))]
    assert [kind_of(each.raw) for each in signed] == [1, 2, 4]
    assert (kind_of(b""), kind_of(b"\x84")) == (0, 0)
    assert granted_addresses(signed[0].raw, max_bytes=1 << 10) == (Person(1).address,)
    assert granted_addresses(encode(0), max_bytes=1 << 10) == ()
    assert granted_addresses(raw_of((1, 0, (0, (), (5,)))), max_bytes=1 << 10) == ()
    with pytest.raises(RuleViolation) as broken:
        granted_addresses(raw_of((1, 0, 0)), max_bytes=1 << 10)
    assert broken.value.rule == "LED-06"
    with pytest.raises(MalformedError):
        granted_addresses(signed[0].raw, max_bytes=10)


def test_the_signer_stands_where_signer_of_looks() -> None:
    chain, person = Chain(), Person(1)
    for signed in (
        chain.grant(person.asset(sells_j=KWH)),
        chain.sign(DepositAssets(sequence=3), person.secret),
    ):
        assert signer_of(signed.raw) == signed.public_key


def test_addresses_of_what_is_no_batch_are_refused_by_rule() -> None:
    with pytest.raises(RuleViolation) as caught:
        granted_addresses(encode((1, 0, 7)), max_bytes=100)
    assert caught.value.rule == "LED-06"
    assert granted_addresses(encode((1,)), max_bytes=100) == ()
