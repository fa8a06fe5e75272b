"""Light verification: what a meter accepts of a chain that it does not store.

A trusted state holds the newest verified header and the committee that signs the next one. An update brings a
later header with its quorum certificate and, unless it is the very next one, a proof that the trusted header is
part of its history.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from light_client.rules import merkle
from light_client.rules.crypto import verify
from light_client.rules.encoding import encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import Header, trade_leaf
from light_client.rules.ledger.chain import time_is_not_ahead
from light_client.rules.ledger.committee import (
    Committee,
    QuorumCertificate,
    Verify,
    check_quorum,
)
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.records import Account, account_key
from light_client.rules.market.clearing import Trade
from light_client.rules.market.intervals import contains
from light_client.rules.market.offer import Offer
from light_client.rules.statetree import StateProof, verify_state
from light_client.rules.units import HASH_BYTES, JOULES_PER_KWH, Address, Side
from light_client.rules.verdict import Accepted, Rejected, Undecided, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class LightParams:
    """What a meter demands of a header's time."""

    trusting_period_ms: int = 14 * 86_400_000
    """How long after its time a trusted header may vouch for later ones; the committee is accountable for that long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedState:
    """What the meter believes, and may lose only by a new anchor."""

    chain_id: bytes
    height: int
    header_hash: bytes
    time_ms: int
    committee: Committee
    """Who signs the next header."""
    header: Header | None
    """None at the genesis."""


def trust_genesis(genesis: Genesis) -> TrustedState:
    """The anchor that a meter is provisioned with."""
    return TrustedState(
        chain_id=genesis.chain_id(),
        height=0,
        header_hash=bytes(HASH_BYTES),
        time_ms=genesis.genesis_time_ms,
        committee=genesis.committee,
        header=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """An untrusted header with what should make it trusted."""

    header: Header
    certificate: QuorumCertificate
    history_proof: tuple[bytes, ...] = ()
    """Inclusion of the trusted header's hash in ``header.history_root``; not needed for the very next header."""


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
    """LC-03: the trusting period is not over (hard; a signed checkpoint is needed then)."""
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


def verify_update(
    trusted: TrustedState,
    update: Update,
    genesis: Genesis,
    params: LightParams,
    now_ms: int,
) -> tuple[Verdict, TrustedState]:
    """Judge an update in a fixed order: cheap comparisons first, signatures last.

    Args:
        now_ms: the meter's clock, UTC ms; the caller has made sure that it is set.

    Returns:
        The verdict, and the new trusted state (the old one unless accepted). A header from the near future is
        undecided: the same one may be accepted once the clock has caught up.
    """
    try:
        header_is_of_this_chain(trusted, update)
        header_is_newer(trusted, update)
        trusted_header_is_fresh(trusted, now_ms, params)
        committee_is_the_known_one(trusted, update)
        certificate_is_for_the_header(update)
        header_continues_history(trusted, update)
        check_quorum(trusted.committee, trusted.chain_id, update.certificate, verify)
    except RuleViolation as broken:
        return Rejected(rule=broken.rule, reason=str(broken)), trusted
    try:
        time_is_not_ahead(update.header, now_ms, genesis.chain.max_drift_ms)
    except RuleViolation as early:
        return Undecided(missing=f"a clock past the header's time: {early}"), trusted
    header = update.header
    return Accepted(), TrustedState(
        chain_id=trusted.chain_id,
        height=header.height,
        header_hash=header.hash(),
        time_ms=header.time_ms,
        committee=trusted.committee,
        header=header,
    )


class TradeProof(NamedTuple):
    """That a final trade stands under a header's solution root."""

    leaf: int
    """Leaf number; leaf 0 is the solution itself."""
    size: int
    siblings: tuple[bytes, ...]


def verify_trade(header: Header, offer_id: int, offer: Offer, trade: Trade, proof: TradeProof) -> None:
    """Check one's own final trade: it is in the block, and within one's own offer.

    Raises:
        RuleViolation: LC-10 not under the solution root; LC-11 of another offer or side; LC-12 outside the offer's
            intervals; LC-13 more energy than offered; LC-14 a price beyond the reservation price by 1 uc or more.
    """
    included = merkle.verify_inclusion(
        trade_leaf(trade), proof.leaf, proof.size, proof.siblings, header.solution_root
    )
    if not included or proof.leaf == 0:
        raise RuleViolation(
            "LC-10",
            "the trade is not under the solution root",
            got=trade,
            expected=header.solution_root,
        )
    if trade.offer_id != offer_id or trade.side != offer.side:
        raise RuleViolation(
            "LC-11",
            "offer of the trade",
            got=(trade.offer_id, trade.side),
            expected=(offer_id, offer.side),
        )
    if trade.interval != header.clearing.interval or not contains(offer.ranges, trade.interval):
        raise RuleViolation("LC-12", "interval of the trade", got=trade.interval, expected=offer.ranges)
    if not 0 < trade.energy_j <= offer.energy_j:
        raise RuleViolation(
            "LC-13",
            "energy of the trade",
            got=trade.energy_j,
            expected=f"1..{offer.energy_j}",
        )
    own = trade.energy_j * offer.price_uc_per_kwh
    paid = trade.amount_uc * JOULES_PER_KWH
    if offer.side == Side.SELL and paid <= own - JOULES_PER_KWH:
        raise RuleViolation(
            "LC-14",
            "receipts below the reservation price",
            got=trade.amount_uc,
            expected=own // JOULES_PER_KWH,
        )
    if offer.side == Side.BUY and paid >= own + JOULES_PER_KWH:
        raise RuleViolation(
            "LC-14",
            "payment above the reservation price",
            got=trade.amount_uc,
            expected=own // JOULES_PER_KWH,
        )


def verify_balance(header: Header, address: Address, account: Account | None, proof: StateProof) -> None:
    """Check one's own account (None: none exists) against the state root.

    Raises:
        RuleViolation: LC-20, LC-21.
    """
    encoded = None if account is None else encode(account.to_wire())
    verify_state(header.state_root, account_key(address), encoded, proof)
