"""LED-38: accounts and open offers read back from what a server sends, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.encoding import encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.records import (
    Account,
    account_from_bytes,
    account_key,
    encode_account,
    encode_offer,
    offer_from_bytes,
    offer_key,
)
from light_client.rules.market.offer import OpenOffer
from light_client.rules.units import Address, FeederId, OfferId, Side

NUMBERS = st.integers(0, (1 << 62) - 1)
ACCOUNTS = st.builds(
    Account,
    **dict.fromkeys(Account._fields, NUMBERS),
)
RANGES = st.lists(st.integers(0, 40), min_size=2, max_size=12, unique=True).map(
    lambda numbers: tuple((3 * n, 3 * n + 1) for n in sorted(numbers))
)
OFFERS = st.builds(
    OpenOffer,
    offer_id=NUMBERS.map(OfferId),
    address=st.binary(min_size=20, max_size=20).map(Address),
    side=st.sampled_from(Side),
    feeder=NUMBERS.map(FeederId),
    price_uc_per_kwh=NUMBERS,
    ranges=RANGES,
    remaining_j=NUMBERS,
    escrow_uc=NUMBERS,
)
OFFER = (1, bytes(20), 0, 2, 3, (5, 6), 7, 8)


@given(ACCOUNTS)
def test_an_account_reads_back(account: Account) -> None:
    assert account_from_bytes(encode_account(account)) == account


@given(OFFERS)
def test_an_open_offer_reads_back(offer: OpenOffer) -> None:
    assert offer_from_bytes(encode_offer(offer)) == offer


@given(ACCOUNTS, st.integers(0, 9), st.sampled_from([-1, b"", (), "text"]))
def test_an_account_is_ten_whole_numbers(account: Account, at: int, value: int | bytes | str) -> None:
    wire = list(account.to_wire())
    wire[at] = value
    assert rule_of_account(encode(wire)) in {"LED-38", "ENC-07"}


def rule_of_account(raw: bytes) -> str:
    """Return the rule that bytes of an account break."""
    with pytest.raises(RuleViolation) as broken:
        account_from_bytes(raw)
    return broken.value.rule


@pytest.mark.parametrize("raw", [encode(0), encode(()), encode((1,) * 9), encode((1,) * 11)])
def test_what_is_no_account_is_refused(raw: bytes) -> None:
    assert rule_of_account(raw) == "LED-38"


@pytest.mark.parametrize(
    ("rule", "wire"),
    [
        ("LED-38", ()),
        ("LED-38", 0),
        ("LED-38", OFFER[:7]),
        ("LED-38", (*OFFER, 0)),
        *(("LED-38", (*OFFER[:at], -1, *OFFER[at + 1 :])) for at in (0, 2, 3, 4, 6, 7)),
        *(("LED-38", (*OFFER[:at], b"", *OFFER[at + 1 :])) for at in range(8)),
        ("LED-38", (*OFFER[:2], 2, *OFFER[3:])),
        ("LED-38", (*OFFER[:5], (5,), *OFFER[6:])),
        ("LED-38", (*OFFER[:5], (5, b""), *OFFER[6:])),
        ("MKT-04", (*OFFER[:5], (), *OFFER[6:])),
        ("MKT-04", (*OFFER[:5], (6, 5), *OFFER[6:])),
        ("MKT-04", (*OFFER[:5], (5, 6, 7, 8), *OFFER[6:])),
        ("MKT-04", (*OFFER[:5], (-3, 5), *OFFER[6:])),
    ],
)
def test_an_open_offer_has_one_shape(rule: str, wire: tuple[int, ...]) -> None:
    with pytest.raises(RuleViolation) as broken:
        offer_from_bytes(encode(wire))
    assert broken.value.rule == rule


def test_records_of_different_kinds_never_share_a_key() -> None:
    keys = {offer_key(number) for number in range(9)} | {
        account_key(Address(bytes((n,)) * 20)) for n in range(9)
    }
    assert len(keys) == 18
