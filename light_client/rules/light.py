"""Light verification: which headers a meter trusts of a chain that it does not store.

A trusted state holds the newest verified header and the committee that signs the next one. An update brings a later
header with its quorum certificate, the committee after it if that is another one, and, unless it is the very next
header, a proof that the trusted header is part of its history. Within an epoch the committee is fixed, so that one
update for the epoch's end leads to the next committee, however many blocks lie between.
"""

from __future__ import annotations

from dataclasses import dataclass

from light_client.rules import merkle
from light_client.rules.crypto import verify
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import Header
from light_client.rules.ledger.chain import time_is_not_ahead
from light_client.rules.ledger.committee import (
    Committee,
    QuorumCertificate,
    Verify,
    check_quorum,
)
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.units import HASH_BYTES
from light_client.rules.verdict import Accepted, Rejected, Undecided, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class LightParams:
    """What a meter demands of times."""

    trusting_period_ms: int = 14 * 86_400_000
    """How long after its time a trusted header may vouch for later ones; the committee is accountable for that long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedState:
    """What the meter believes, and may lose only by a new anchor. Its height and time are floors: nothing older is
    ever trusted again.
    """

    chain_id: bytes
    height: int
    header_hash: bytes
    time_ms: int
    signers: Committee
    """Who signed the header; at the genesis, who signs the first one."""
    committee: Committee
    """Who signs the next header."""
    header: Header | None
    """None at the genesis."""
    certificate: QuorumCertificate | None
    """What made the header trusted; None at the genesis and at a checkpoint."""


def trust_genesis(genesis: Genesis) -> TrustedState:
    """The anchor that a meter is provisioned with."""
    return TrustedState(
        chain_id=genesis.chain_id(),
        height=0,
        header_hash=bytes(HASH_BYTES),
        time_ms=genesis.genesis_time_ms,
        signers=genesis.committee,
        committee=genesis.committee,
        header=None,
        certificate=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """An untrusted header with what should make it trusted."""

    header: Header
    certificate: QuorumCertificate
    history_proof: tuple[bytes, ...] = ()
    """Inclusion of the trusted header's hash in ``header.history_root``; not needed for the very next header."""
    next_committee: Committee | None = None
    """Who signs after this header, where that is another committee: the list behind ``next_committee_hash``."""


def clock_is_set(trusted: TrustedState, now_ms: int, max_drift_ms: int) -> None:
    """LC-08: the own clock is not behind the newest time that a quorum vouched for, give or take the drift.

    A clock that stands at 1970 or at the day of the image can neither tell an expired header from a fresh one nor an
    early one from one that is on time.
    """
    if now_ms + max_drift_ms < trusted.time_ms:
        raise RuleViolation(
            "LC-08",
            "the own clock is behind the trusted header",
            got=now_ms,
            expected=f"at least {trusted.time_ms - max_drift_ms}",
        )


def header_is_of_this_chain(trusted: TrustedState, update: Update) -> None:
    """LC-01: chain id of the header is the trusted one."""
    if update.header.chain_id != trusted.chain_id:
        raise RuleViolation("LC-01", "chain id", got=update.header.chain_id, expected=trusted.chain_id)


def header_is_newer(trusted: TrustedState, update: Update) -> None:
    """LC-02: height and time are later than the trusted ones."""
    header = update.header
    if header.height <= trusted.height:
        raise RuleViolation(
            "LC-02",
            "height of the update",
            got=header.height,
            expected=f"over {trusted.height}",
        )
    if header.time_ms <= trusted.time_ms:
        raise RuleViolation(
            "LC-02",
            "time of the update",
            got=header.time_ms,
            expected=f"after {trusted.time_ms}",
        )


def trusted_header_is_fresh(trusted: TrustedState, now_ms: int, params: LightParams) -> None:
    """LC-03: the trusting period is not over: strictly before its end, and a signed checkpoint is needed after it."""
    end_ms = trusted.time_ms + params.trusting_period_ms
    if now_ms >= end_ms:
        raise RuleViolation(
            "LC-03",
            "the trusting period is over",
            got=now_ms,
            expected=f"before {end_ms}",
        )


def committee_is_the_known_one(trusted: TrustedState, update: Update) -> None:
    """LC-04: the header names the committee that the trusted state expects to sign."""
    expected = trusted.committee.hash()
    if update.header.committee_hash != expected:
        raise RuleViolation(
            "LC-04",
            "committee of the header",
            got=update.header.committee_hash,
            expected=expected,
        )


def certificate_is_for_the_header(update: Update) -> None:
    """LC-05: the certificate speaks of this header: its hash and height.

    It was signed in the header's round or later.
    """
    header, certificate = update.header, update.certificate
    if certificate.header_hash != header.hash() or certificate.height != header.height:
        raise RuleViolation(
            "LC-05",
            "header of the certificate",
            got=certificate.header_hash,
            expected=header.hash(),
        )
    if certificate.round_ < header.round_:
        raise RuleViolation(
            "LC-05",
            "round of the certificate",
            got=certificate.round_,
            expected=f"{header.round_} or later",
        )


def header_is_certified(
    committee: Committee, chain_id: bytes, update: Update, verify_signature: Verify = verify
) -> None:
    """LC-05 and CNS-03 to CNS-05: a quorum of ``committee`` signed this very header."""
    certificate_is_for_the_header(update)
    check_quorum(committee, chain_id, update.certificate, verify_signature)


def header_continues_history(trusted: TrustedState, update: Update) -> None:
    """LC-06: the trusted header is the parent, or stands in the history that the header commits to."""
    header = update.header
    if header.height == trusted.height + 1:
        if header.previous_hash != trusted.header_hash:
            raise RuleViolation(
                "LC-06",
                "previous hash",
                got=header.previous_hash,
                expected=trusted.header_hash,
            )
        return
    if trusted.height == 0:
        return
    size = header.height - 1
    held = merkle.verify_inclusion(
        trusted.header_hash,
        trusted.height - 1,
        size,
        update.history_proof,
        header.history_root,
    )
    if not held:
        raise RuleViolation(
            "LC-06",
            "the trusted header is not in the header's history",
            got=header.height,
            expected=trusted.height,
        )


def next_committee_is_the_announced_one(update: Update) -> None:
    """LC-07: a list of the next committee that comes with the header is the one whose hash the header carries."""
    announced, listed = update.header.next_committee_hash, update.next_committee
    if listed is not None and listed.hash() != announced:
        raise RuleViolation("LC-07", "next committee", got=listed.hash(), expected=announced)


def committee_changes_at_an_epochs_end(genesis: Genesis, update: Update) -> None:
    """LC-25: another committee is announced by the last header of an epoch only."""
    header = update.header
    if header.next_committee_hash != header.committee_hash and not genesis.epochs.ends_at(header.height):
        raise RuleViolation(
            "LC-25",
            "a change of committee within an epoch",
            got=header.height,
            expected=f"a multiple of {genesis.epochs.blocks}",
        )


def next_committee_is_known(update: Update) -> None:
    """LC-09: whoever signs after the header is known: the same committee, or one that is listed."""
    header = update.header
    if header.next_committee_hash != header.committee_hash and update.next_committee is None:
        raise RuleViolation(
            "LC-09",
            "the list of the next committee is missing",
            got=None,
            expected=header.next_committee_hash,
        )


def verify_update(
    trusted: TrustedState,
    update: Update,
    genesis: Genesis,
    params: LightParams,
    now_ms: int,
) -> tuple[Verdict, TrustedState]:
    """Judge an update in a fixed order: the own clock and anchor, cheap comparisons, signatures, the header's time.

    Args:
        now_ms: the meter's clock, UTC ms.

    Returns:
        The verdict, and the new trusted state (the old one unless accepted). Undecided are: everything while the
        clock is not set (LC-08) or the trusting period is over (LC-03), since no server can be blamed for either; a
        change of committee without the list (LC-09); and a header from the near future (LED-35), which may be
        accepted once the clock has caught up.
    """
    drift_ms = genesis.chain.max_drift_ms
    try:
        clock_is_set(trusted, now_ms, drift_ms)
        trusted_header_is_fresh(trusted, now_ms, params)
    except RuleViolation as broken:
        return Undecided(rule=broken.rule, missing=str(broken)), trusted
    try:
        header_is_of_this_chain(trusted, update)
        header_is_newer(trusted, update)
        committee_is_the_known_one(trusted, update)
        certificate_is_for_the_header(update)
        header_continues_history(trusted, update)
        committee_changes_at_an_epochs_end(genesis, update)
        next_committee_is_the_announced_one(update)
        check_quorum(trusted.committee, trusted.chain_id, update.certificate, verify)
    except RuleViolation as broken:
        return Rejected(rule=broken.rule, reason=str(broken)), trusted
    try:
        next_committee_is_known(update)
        time_is_not_ahead(update.header, now_ms, drift_ms)
    except RuleViolation as early:
        return Undecided(rule=early.rule, missing=str(early)), trusted
    return Accepted(), _trust(trusted, update)


def _trust(trusted: TrustedState, update: Update) -> TrustedState:
    header = update.header
    return TrustedState(
        chain_id=trusted.chain_id,
        height=header.height,
        header_hash=header.hash(),
        time_ms=header.time_ms,
        signers=trusted.committee,
        committee=update.next_committee or trusted.committee,
        header=header,
        certificate=update.certificate,
    )
