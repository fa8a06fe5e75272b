"""CNS-01 to CNS-05: seats, quorums and certificates."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules import crypto
from light_client.rules.crypto import public_key_of, sign, verify
from light_client.rules.encoding import encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import Header
from light_client.rules.ledger.committee import (
    MAX_COMMITTEE,
    MAX_WEIGHT,
    Committee,
    Member,
    QuorumCertificate,
    VoteKind,
    certificate_of_quorum_from_wire,
    check_quorum,
    committee_from_wire,
    vote_message,
)
from tests.ledger_kit import MINER_SECRETS, Chain, certificate_of, genesis, secret

CHAIN = Chain()
COMMITTEE = CHAIN.genesis.committee
HEADER: Header = CHAIN.make()[0].header
GOOD = CHAIN.certificate(HEADER)
KEYS = tuple(public_key_of(secret(number)) for number in range(1, MAX_COMMITTEE + 2))


def weighted(*weights: int) -> Committee:
    """Return a committee with these weights."""
    return Committee(
        members=tuple(Member(public_key=KEYS[at], weight=weight) for at, weight in enumerate(weights))
    )


def rule_of(
    certificate: QuorumCertificate, committee: Committee = COMMITTEE, chain_id: bytes = CHAIN.chain_id
) -> str:
    """Return the rule that a certificate breaks."""
    with pytest.raises(RuleViolation) as broken:
        check_quorum(committee, chain_id, certificate)
    return broken.value.rule


@pytest.mark.parametrize("seats", [(0, 1, 2), (1, 2, 3), (0, 1, 2, 3), (0, 2, 3)])
def test_any_three_of_four_are_a_quorum(seats: tuple[int, ...]) -> None:
    check_quorum(COMMITTEE, CHAIN.chain_id, CHAIN.certificate(HEADER, seats))


@pytest.mark.parametrize("seats", [(), (0,), (1, 3)])
def test_two_of_four_are_not(seats: tuple[int, ...]) -> None:
    assert rule_of(CHAIN.certificate(HEADER, seats)) == "CNS-04"


def test_exactly_two_thirds_are_not_enough() -> None:
    """The step from more than to at least two thirds would let two halves of a split network both decide."""
    three = Committee(members=COMMITTEE.members[:3])
    assert rule_of(CHAIN.certificate(HEADER, (0, 1)), three) == "CNS-04"
    check_quorum(three, CHAIN.chain_id, CHAIN.certificate(HEADER, (0, 1, 2)))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=7), st.data())
def test_two_quorums_share_an_honest_member(weights: list[int], data: st.DataObject) -> None:
    committee = weighted(*weights)
    seats = st.sets(st.integers(0, len(weights) - 1))
    one, two = data.draw(seats), data.draw(seats)
    weight = [sum(weights[seat] for seat in chosen) for chosen in (one, two)]
    if all(committee.is_quorum(each) for each in weight):
        assert committee.exceeds_faults(sum(weights[seat] for seat in one & two))
    assert committee.is_quorum(committee.total_weight)
    assert not committee.is_quorum(2 * committee.total_weight // 3)


def test_a_seat_that_does_not_exist_cannot_sign() -> None:
    assert (
        rule_of(replace(GOOD, bitmap=0b10111, signatures=(*GOOD.signatures, GOOD.signatures[0]))) == "CNS-03"
    )
    assert rule_of(replace(GOOD, bitmap=GOOD.bitmap | 1 << 63)) == "CNS-03"


def test_every_signature_counts_for_its_own_seat_only() -> None:
    swapped = (GOOD.signatures[1], GOOD.signatures[0], GOOD.signatures[2])
    assert rule_of(replace(GOOD, signatures=swapped)) == "CNS-05"
    doubled = (GOOD.signatures[0],) * 3
    assert rule_of(replace(GOOD, signatures=doubled)) == "CNS-05"


@pytest.mark.parametrize("field", ["height", "round_", "header_hash"])
def test_a_signature_covers_every_field_of_the_vote(field: str) -> None:
    value: object = bytes(32) if field == "header_hash" else getattr(GOOD, field) + 1
    assert rule_of(replace(GOOD, **{field: value})) == "CNS-05"  # type: ignore[arg-type]


def test_a_vote_of_another_chain_does_not_count() -> None:
    assert rule_of(GOOD, chain_id=Chain(genesis(name="test-other")).chain_id) == "CNS-05"


def test_a_prevote_is_no_precommit() -> None:
    message = vote_message(VoteKind.PREVOTE, CHAIN.chain_id, HEADER.height, HEADER.round_, HEADER.hash())
    prevotes = tuple(sign(miner, message) for miner in MINER_SECRETS[:3])
    assert rule_of(replace(GOOD, signatures=prevotes)) == "CNS-05"


def test_a_malleated_signature_does_not_count() -> None:
    first = GOOD.signatures[0]
    twin = first[:32] + (crypto.CURVE_ORDER - int.from_bytes(first[32:])).to_bytes(32)
    assert rule_of(replace(GOOD, signatures=(twin, *GOOD.signatures[1:]))) == "CNS-05"


def test_sizes_are_checked_before_any_signature() -> None:
    asked = []

    def counted(public_key: bytes, signature: bytes, message: bytes) -> bool:
        asked.append(signature)
        return verify(public_key, signature, message)

    for certificate in (CHAIN.certificate(HEADER, (0, 1)), replace(GOOD, bitmap=1 << 9)):
        with pytest.raises(RuleViolation):
            check_quorum(COMMITTEE, CHAIN.chain_id, certificate, counted)
    assert asked == []
    check_quorum(COMMITTEE, CHAIN.chain_id, GOOD, counted)
    assert asked == list(GOOD.signatures)


def test_a_certificate_reads_back() -> None:
    assert certificate_of_quorum_from_wire(GOOD.to_wire()) == GOOD


WIRE = GOOD.to_wire()


@pytest.mark.parametrize(
    "wire",
    [
        0,
        (),
        WIRE[:4],
        (*WIRE, 0),
        (-1, *WIRE[1:]),
        (1 << 63, *WIRE[1:]),
        (True, *WIRE[1:]),
        (WIRE[0], -1, *WIRE[2:]),
        (WIRE[0], b"", *WIRE[2:]),
        (*WIRE[:2], b"", *WIRE[3:]),
        (*WIRE[:2], bytes(33), *WIRE[3:]),
        (*WIRE[:2], 7, *WIRE[3:]),
        (*WIRE[:3], -1, WIRE[4]),
        (*WIRE[:3], 1 << MAX_COMMITTEE, WIRE[4]),
        (*WIRE[:3], b"\x07", WIRE[4]),
        (*WIRE[:3], 0b11, WIRE[4]),
        (*WIRE[:4], 0),
        (*WIRE[:4], WIRE[4][:2]),
        (*WIRE[:4], (*WIRE[4][:2], b"")),
        (*WIRE[:4], (*WIRE[4][:2], 5)),
    ],
)
def test_a_certificate_has_one_shape(wire: object) -> None:
    with pytest.raises(RuleViolation) as broken:
        certificate_of_quorum_from_wire(wire)
    assert broken.value.rule == "CNS-02"


@pytest.mark.parametrize(
    "wire",
    [
        0,
        (),
        ((),),
        ((KEYS[0],),),
        ((KEYS[0], 1, 1),),
        ((KEYS[0], 0),),
        ((KEYS[0], MAX_WEIGHT + 1),),
        ((KEYS[0], True),),
        ((KEYS[0], b""),),
        ((KEYS[0][1:], 1),),
        ((5, 1),),
        ((KEYS[0], 1), (KEYS[0], 2)),
        tuple((key, 1) for key in KEYS),
    ],
)
def test_a_committee_has_distinct_members_with_weight(wire: object) -> None:
    with pytest.raises(RuleViolation) as broken:
        committee_from_wire(wire)
    assert broken.value.rule == "CNS-01"


def test_a_committee_reads_back_and_its_hash_covers_order_and_weight() -> None:
    largest = weighted(*(MAX_WEIGHT,) * MAX_COMMITTEE)
    assert committee_from_wire(largest.to_wire()) == largest
    hashes = {
        weighted(1, 2).hash(),
        weighted(2, 1).hash(),
        Committee(members=weighted(1, 2).members[::-1]).hash(),
    }
    assert len(hashes) == 3
    assert weighted(1, 2).hash() == crypto.tagged_hash(
        "gridlight/committee/1", encode(weighted(1, 2).to_wire())
    )


def test_seats_and_leaders() -> None:
    assert [COMMITTEE.index_of(member.public_key) for member in COMMITTEE.members] == [0, 1, 2, 3]
    assert COMMITTEE.index_of(KEYS[40]) is None
    assert [COMMITTEE.leader(height, 0) for height in range(1, 6)] == [1, 2, 3, 0, 1]
    assert {COMMITTEE.leader(7, round_) for round_ in range(4)} == {0, 1, 2, 3}, "everyone leads in turn"


def test_a_certificate_of_a_later_round_signs_the_same_header() -> None:
    check_quorum(COMMITTEE, CHAIN.chain_id, certificate_of(CHAIN.chain_id, HEADER, (0, 1, 2), round_=5))
