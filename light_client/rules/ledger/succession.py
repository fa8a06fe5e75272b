"""From one committee to the next, without the blocks between: what a miner checks that joins by snapshot."""

from __future__ import annotations

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import Header
from light_client.rules.ledger.committee import Committee, QuorumCertificate, Verify, check_quorum
from light_client.rules.ledger.genesis import Genesis


def check_certified(
    genesis: Genesis,
    committee: Committee,
    header: Header,
    certificate: QuorumCertificate,
    verify_signature: Verify,
) -> None:
    """CNS-29: the header is of this chain, names ``committee``, and a quorum of it signed this very header.

    Raises:
        RuleViolation: CNS-29, or CNS-03 to CNS-05 for the signatures.
    """
    pairs = (
        ("chain", header.chain_id, genesis.chain_id()),
        ("committee", header.committee_hash, committee.hash()),
        ("height in the certificate", certificate.height, header.height),
        ("header in the certificate", certificate.header_hash, header.hash()),
    )
    for name, got, expected in pairs:
        if got != expected:
            raise RuleViolation("CNS-29", f"{name} of a certified header", got=got, expected=expected)
    if certificate.round_ < header.round_:
        expected_round = f"{header.round_} or later"
        raise RuleViolation(
            "CNS-29", "round of a certified header", got=certificate.round_, expected=expected_round
        )
    check_quorum(committee, genesis.chain_id(), certificate, verify_signature)


def check_turn(
    genesis: Genesis,
    committee: Committee,
    header: Header,
    certificate: QuorumCertificate,
    *,
    known_height: int,
    successor: Committee,
    verify_signature: Verify,
) -> None:
    """CNS-30: the old committee signed who comes after it, at the end of an epoch.

    Args:
        committee: signs the heights after ``known_height``.

    Raises:
        RuleViolation: CNS-30, or what ``check_certified`` raises.
    """
    if header.height <= known_height or not genesis.epochs.ends_at(header.height):
        raise RuleViolation(
            "CNS-30", "height of a change of committee", got=header.height, expected="a later end of an epoch"
        )
    if header.next_committee_hash != successor.hash():
        raise RuleViolation(
            "CNS-30", "next committee", got=successor.hash(), expected=header.next_committee_hash
        )
    check_certified(genesis, committee, header, certificate, verify_signature)
