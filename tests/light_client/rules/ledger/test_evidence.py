"""Evidence by itself: its forms, its bytes, and that none can be made out of what an honest member signs."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light_client.rules.crypto import verify
from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.committee import NIL, VoteKind
from light_client.rules.ledger.evidence import (
    Contradiction,
    Evidence,
    SignedProposal,
    SignedVote,
    Statement,
    contradiction,
    contradictions_in,
    evidence_from_wire,
    solution_is_the_headers,
    statements_are_signed,
    votes_in,
)
from light_client.rules.ledger.transactions import SubmitEvidence, decode_transaction
from tests.evidence_kit import PRECOMMIT, PREVOTE, accuse, forged, key_of, proposal, two_votes, unsound, vote
from tests.ledger_kit import Chain, certificate_of, sell_everything, seller_and_buyer

CHAIN = Chain()
ID = CHAIN.chain_id
A, B = b"\x01" * 32, b"\x02" * 32


@pytest.fixture(scope="module")
def closed() -> Chain:
    chain = Chain()
    seller_and_buyer(chain)
    chain.close_gate()
    return chain


@pytest.fixture(scope="module")
def pieces(closed: Chain) -> list[Evidence]:
    block, _ = closed.make(solution=closed.solution(sell_everything(closed.problem())))
    other, _ = closed.make(at_ms=closed.tip.time_ms + 7)
    height = block.header.height
    return [
        two_votes(closed, 0, height=1),
        two_votes(closed, 3, height=9, round_=4, kind=PREVOTE),
        contradiction(key_of(1), height, proposal(ID, 1, block), proposal(ID, 1, other)),
        contradiction(
            key_of(1), height, proposal(ID, 1, block), proposal(ID, 1, block, round_=0, pol_round=0)
        ),
        unsound(closed, 2, block),
        unsound(closed, 2, block, statement=vote(ID, 2, block.header.hash(), height=height)),
    ]


def test_evidence_survives_its_bytes(closed: Chain, pieces: list[Evidence]) -> None:
    for evidence in pieces:
        signed = accuse(closed, evidence)
        read = decode_transaction(signed.raw, max_bytes=1 << 18)
        assert read == signed
        assert read.transaction == SubmitEvidence(evidence=evidence)


def test_every_statement_is_checked_for_its_signature(closed: Chain, pieces: list[Evidence]) -> None:
    for evidence in pieces:
        statements_are_signed(evidence, ID, verify)
        with pytest.raises(RuleViolation, match="EVI-03"):
            statements_are_signed(evidence, b"\x05" * 32, verify)
        with pytest.raises(RuleViolation, match="EVI-03"):
            statements_are_signed(
                replace(evidence, public_key=key_of(0 if evidence.height != 1 else 1)), ID, verify
            )
        for twin in with_one_forged(evidence):
            with pytest.raises(RuleViolation, match="EVI-03"):
                statements_are_signed(twin, ID, verify)


def with_one_forged(evidence: Evidence) -> list[Evidence]:
    """The same evidence, one of its signatures being none."""
    if isinstance(evidence, Contradiction):
        first, second = forged(evidence.first), forged(evidence.second)
        return [replace(evidence, first=first), replace(evidence, second=second)]
    return [replace(evidence, statement=forged(evidence.statement))]


def test_the_order_in_which_two_statements_were_seen_does_not_matter() -> None:
    one, other = vote(ID, 0, A, height=3), vote(ID, 0, B, height=3)
    assert contradiction(key_of(0), 3, one, other) == contradiction(key_of(0), 3, other, one)
    with pytest.raises(RuleViolation, match="EVI-02"):
        Contradiction(public_key=key_of(0), height=3, first=other, second=one)


def test_the_same_thing_said_twice_is_no_contradiction() -> None:
    """Even with another signature: randomised ones would be honest too."""
    said = vote(ID, 0, A, height=3)
    for again in (said, forged(said)):
        with pytest.raises(RuleViolation, match="EVI-02"):
            contradiction(key_of(0), 3, said, again)


@pytest.mark.parametrize(
    "other",
    [
        vote(ID, 0, B, height=3, round_=1),
        vote(ID, 0, B, height=3, kind=PREVOTE),
        SignedProposal(round_=0, pol_round=None, header_hash=B, body_hash=B, signature=bytes(64)),
    ],
)
def test_statements_of_another_round_or_kind_contradict_nothing(other: Statement) -> None:
    with pytest.raises(RuleViolation, match="EVI-02"):
        contradiction(key_of(0), 3, vote(ID, 0, A, height=3), other)


hashes = st.sampled_from([NIL, A, B, b"\x03" * 32])
steps = st.tuples(st.sampled_from([PREVOTE, PRECOMMIT]), st.integers(0, 5))


@settings(max_examples=40, deadline=None)
@given(said=st.dictionaries(steps, hashes, min_size=2, max_size=8), seat=st.integers(0, 3))
def test_no_evidence_can_be_made_of_what_an_honest_member_signs(
    said: dict[tuple[VoteKind, int], bytes], seat: int
) -> None:
    """One vote per kind and round, whatever it is for: no two of them, under no key and as no other kind, convict."""
    votes = [
        vote(ID, seat, header_hash, height=4, round_=round_, kind=kind)
        for (kind, round_), header_hash in said.items()
    ]
    for one, other in combinations(votes, 2):
        with pytest.raises(RuleViolation, match="EVI-02"):
            contradiction(key_of(seat), 4, one, other)
        relabelled = replace(other, kind=one.kind, round_=one.round_)
        for accused in (seat, (seat + 1) % 4):
            for height in (3, 4):
                with pytest.raises(RuleViolation, match=r"EVI-0[23]"):
                    statements_are_signed(contradiction(key_of(accused), height, one, relabelled), ID, verify)


def test_two_certificates_of_one_round_accuse_those_in_both(closed: Chain) -> None:
    first, _ = closed.make(at_ms=closed.tip.time_ms + 1)
    second, _ = closed.make(at_ms=closed.tip.time_ms + 2)
    ours, theirs = (
        certificate_of(ID, block.header, seats) for block, seats in ((first, (0, 1, 2)), (second, (1, 2, 3)))
    )
    found = contradictions_in(ours, theirs, closed.genesis.committee)
    assert [evidence.public_key for evidence in found] == [key_of(1), key_of(2)]
    for evidence in found:
        statements_are_signed(evidence, ID, verify)
    assert votes_in(ours).keys() == {0, 1, 2}
    assert contradictions_in(ours, ours, closed.genesis.committee) == ()


def test_two_certificates_of_different_rounds_accuse_nobody(closed: Chain) -> None:
    """An honest member may have signed both: the second after a later quorum of prevotes."""
    first, _ = closed.make(at_ms=closed.tip.time_ms + 1)
    second, _ = closed.make(at_ms=closed.tip.time_ms + 2)
    ours = certificate_of(ID, first.header, (0, 1, 2))
    theirs = certificate_of(ID, second.header, (1, 2, 3), round_=1)
    assert contradictions_in(ours, theirs, closed.genesis.committee) == ()
    elsewhere = replace(theirs, round_=0, height=ours.height + 1)
    assert contradictions_in(ours, elsewhere, closed.genesis.committee) == ()


def test_a_seat_that_does_not_exist_accuses_nobody(closed: Chain) -> None:
    first, second = (closed.make(at_ms=closed.tip.time_ms + extra)[0] for extra in (1, 2))
    ours, theirs = (
        replace(certificate_of(ID, block.header, (0,)), bitmap=1 << 5) for block in (first, second)
    )
    assert contradictions_in(ours, theirs, closed.genesis.committee) == ()


def test_the_solution_shown_is_the_headers(closed: Chain) -> None:
    block, _ = closed.make(solution=closed.solution(sell_everything(closed.problem())))
    shown = unsound(closed, 0, block)
    solution_is_the_headers(shown)
    for other in (
        replace(shown, solution=shown.solution + b"\0"),
        replace(shown, leaves=2),
        replace(shown, path=(bytes(32),)),
    ):
        with pytest.raises(RuleViolation, match="EVI-08"):
            solution_is_the_headers(other)


def test_a_statement_about_another_header_is_refused(closed: Chain) -> None:
    block, _ = closed.make(at_ms=closed.tip.time_ms + 1)
    with pytest.raises(RuleViolation, match="EVI-02"):
        unsound(closed, 0, block, statement=vote(ID, 0, A, height=block.header.height))


def wires(pieces: list[Evidence]) -> list[Any]:
    return [decode(encode(evidence.to_wire()), max_bytes=1 << 18) for evidence in pieces]


def test_every_field_is_checked(pieces: list[Evidence]) -> None:
    """Each field of each form, and of each statement in it, replaced by what does not fit."""
    for wire in wires(pieces):
        assert evidence_from_wire(wire).to_wire() == wire
        for strange in ((), wire[:-1], (*wire, 1), (9, *wire[1:]), b"", 5):
            refuse(strange)
        for position, value in enumerate(wire):
            for strange in strangers(value):
                refuse((*wire[:position], strange, *wire[position + 1 :]))
            if type(value) is tuple and value and type(value[0]) is int:
                for inner, field in enumerate(value):
                    for strange in strangers(field):
                        row = (*value[:inner], strange, *value[inner + 1 :])
                        refuse((*wire[:position], row, *wire[position + 1 :]))


def strangers(value: object) -> list[object]:
    """Values that fit no field which holds ``value``."""
    other: object = b"\x01" if type(value) is int else 7
    return [other, -1, (1, 2), "text", (b"\x01",) * 65]


def refuse(wire: Any) -> None:
    with pytest.raises(RuleViolation) as broken:
        evidence_from_wire(wire)
    assert broken.value.rule in ("EVI-01", "EVI-02", "LED-30")


def test_a_vote_is_of_a_kind_that_exists() -> None:
    with pytest.raises(RuleViolation, match="EVI-01"):
        SignedVote(kind=1, round_=0, header_hash=A, signature=bytes(64))  # type: ignore[arg-type]
