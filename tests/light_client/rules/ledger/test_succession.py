"""From committee to committee without the blocks between: every way in which a header may fail to hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from light_client.rules.crypto import sign, verify
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import Header
from light_client.rules.ledger.committee import Committee, QuorumCertificate, VoteKind, vote_message
from light_client.rules.ledger.succession import check_certified, check_turn
from tests.epoch_kit import EPOCH_BLOCKS, SECRETS, epoch_chain, finish_epoch


def signed(chain_id: bytes, committee: Committee, header: Header, *, round_: int = 0) -> QuorumCertificate:
    """Return the precommits of a whole committee."""
    message = vote_message(VoteKind.PRECOMMIT, chain_id, header.height, round_, header.hash())
    return QuorumCertificate(
        height=header.height,
        round_=round_,
        header_hash=header.hash(),
        bitmap=(1 << len(committee.members)) - 1,
        signatures=tuple(sign(SECRETS[member.public_key], message) for member in committee.members),
    )


CHAIN = epoch_chain()
FIRST = CHAIN.genesis.committee
finish_epoch(CHAIN)
SECOND = CHAIN.state.committee
END = CHAIN.blocks[-1].header
CERTIFICATE = signed(CHAIN.chain_id, FIRST, END)


def rule_of(
    header: Header = END,
    certificate: QuorumCertificate = CERTIFICATE,
    *,
    committee: Committee = FIRST,
    known_height: int = 0,
    successor: Committee = SECOND,
) -> str:
    """Return the rule that a change of committee breaks, or nothing."""
    try:
        check_turn(
            CHAIN.genesis,
            committee,
            header,
            certificate,
            known_height=known_height,
            successor=successor,
            verify_signature=verify,
        )
    except RuleViolation as broken:
        return broken.rule
    return ""


def test_the_old_committee_names_the_new_one() -> None:
    assert rule_of() == ""
    assert FIRST != SECOND


def test_the_new_committee_cannot_name_itself() -> None:
    assert rule_of(certificate=signed(CHAIN.chain_id, SECOND, END)) == "CNS-05"
    assert rule_of(committee=SECOND) == "CNS-29"


def test_only_the_end_of_a_later_epoch_changes_a_committee() -> None:
    assert rule_of(known_height=END.height) == "CNS-30"
    within = CHAIN.blocks[EPOCH_BLOCKS - 2].header
    assert rule_of(within, signed(CHAIN.chain_id, FIRST, within), successor=FIRST) == "CNS-30"


def test_the_list_is_the_one_that_was_signed() -> None:
    assert rule_of(successor=FIRST) == "CNS-30"
    other = replace(END, next_committee_hash=FIRST.hash())
    assert rule_of(other, CERTIFICATE, successor=FIRST) == "CNS-29", "its certificate is of another header"


@pytest.mark.parametrize(
    "header",
    [replace(END, chain_id=bytes(32)), replace(END, committee_hash=bytes(32)), replace(END, round_=3)],
)
def test_a_certified_header_is_of_chain_committee_and_round(header: Header) -> None:
    with pytest.raises(RuleViolation) as broken:
        check_certified(CHAIN.genesis, FIRST, header, signed(CHAIN.chain_id, FIRST, header), verify)
    assert broken.value.rule == "CNS-29"


def test_a_certificate_is_of_its_header() -> None:
    for wrong in (replace(CERTIFICATE, height=4), replace(CERTIFICATE, header_hash=bytes(32))):
        assert rule_of(certificate=wrong) == "CNS-29"
    few = replace(CERTIFICATE, bitmap=3, signatures=CERTIFICATE.signatures[:2])
    assert rule_of(certificate=few) == "CNS-04"
