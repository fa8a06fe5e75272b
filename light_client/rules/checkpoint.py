"""A new anchor: a header vouched for by the keys of the registry instead of by a committee.

When the trusting period is over, a committee of long ago proves nothing any more: its keys may be sold. The registry's
keys, named in the genesis, then say which header to go on from: k of its n keys sign one checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from light_client.rules.crypto import tagged_hash, verify
from light_client.rules.encoding import decode, encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import Header, header_from_wire
from light_client.rules.ledger.committee import Committee, committee_from_wire
from light_client.rules.ledger.registry import MinerRegistry
from light_client.rules.light import LightParams, TrustedState
from light_client.rules.units import SIGNATURE_BYTES
from light_client.rules.verdict import Accepted, Rejected, Undecided, Verdict

MAX_CHECKPOINT_BYTES = 12 << 10
"""A header, two committees of 64 and as many signatures as a registry has keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A header with its two committees, and signatures of the registry."""

    header: Header
    signers: Committee
    """Who signed the header."""
    committee: Committee
    """Who signs the next one."""
    signatures: tuple[tuple[int, bytes], ...]
    """``(number of the key, signature)``, ascending by number."""

    def message(self) -> bytes:
        """What the registry signs: the header's hash covers the chain, the height, the time and both committees."""
        return tagged_hash("gridlight/checkpoint/1", self.header.chain_id, self.header.hash())

    def encode(self) -> bytes:
        """Canonical bytes."""
        committees = (self.signers.to_wire(), self.committee.to_wire())
        return encode((self.header.to_wire(), *committees, self.signatures))


def checkpoint_from_bytes(raw: bytes) -> Checkpoint:
    """Read a checkpoint, sizes first.

    Raises:
        RuleViolation: ENC-xx, LED-30, CNS-01 for other bytes, LC-17 for another shape.
    """
    wire: Any = decode(raw, max_bytes=MAX_CHECKPOINT_BYTES, max_depth=4, max_items=512)
    if type(wire) is not tuple or len(wire) != 4 or type(wire[3]) is not tuple:
        raise RuleViolation("LC-17", "a checkpoint has four fields", got=wire, expected="4 fields")
    rows = wire[3]
    for row in rows:
        if (
            type(row) is not tuple
            or len(row) != 2
            or type(row[0]) is not int
            or type(row[1]) is not bytes
            or len(row[1]) != SIGNATURE_BYTES
        ):
            raise RuleViolation(
                "LC-17", "signature of a checkpoint", got=row, expected="(key number, 64 bytes)"
            )
    return Checkpoint(
        header=header_from_wire(wire[0]),
        signers=committee_from_wire(wire[1]),
        committee=committee_from_wire(wire[2]),
        signatures=rows,
    )


def checkpoint_is_signed(checkpoint: Checkpoint, chain_id: bytes, registry: MinerRegistry) -> None:
    """LC-17: of this chain, with the committees that its header names, signed by enough distinct registry keys."""
    header, keys, threshold = checkpoint.header, registry.keys, registry.threshold
    told = (header.chain_id, header.committee_hash, header.next_committee_hash)
    if told != (chain_id, checkpoint.signers.hash(), checkpoint.committee.hash()):
        raise RuleViolation("LC-17", "chain and committees of a checkpoint", got=told[0], expected=chain_id)
    numbers = [number for number, _ in checkpoint.signatures]
    if numbers != sorted(set(numbers)) or any(not 0 <= number < len(keys) for number in numbers):
        raise RuleViolation(
            "LC-17", "signers of a checkpoint", got=numbers, expected=f"distinct keys of {len(keys)}"
        )
    if len(numbers) < threshold:
        raise RuleViolation("LC-17", "signatures of a checkpoint", got=len(numbers), expected=threshold)
    message = checkpoint.message()
    for number, signature in checkpoint.signatures:
        if not verify(keys[number], signature, message):
            raise RuleViolation(
                "LC-17", f"signature of registry key {number}", got=signature, expected="a valid one"
            )


def checkpoint_is_not_below_the_floor(trusted: TrustedState, checkpoint: Checkpoint) -> None:
    """LC-18: it does not lead back behind what was trusted, nor contradict it."""
    header = checkpoint.header
    same = (header.height, header.hash()) == (trusted.height, trusted.header_hash)
    later = header.height > trusted.height and header.time_ms > trusted.time_ms
    if not (same or later):
        raise RuleViolation(
            "LC-18", "height of a checkpoint", got=header.height, expected=f"over {trusted.height}"
        )


def checkpoint_is_fresh(checkpoint: Checkpoint, now_ms: int, params: LightParams, max_drift_ms: int) -> None:
    """LC-24: its header is within the trusting period, and not from the future."""
    time_ms = checkpoint.header.time_ms
    if not time_ms - max_drift_ms <= now_ms < time_ms + params.trusting_period_ms:
        raise RuleViolation("LC-24", "time of a checkpoint", got=time_ms, expected=f"about {now_ms}")


def verify_checkpoint(
    trusted: TrustedState,
    checkpoint: Checkpoint,
    *,
    registry: MinerRegistry,
    params: LightParams,
    now_ms: int,
    max_drift_ms: int,
) -> tuple[Verdict, TrustedState]:
    """Judge a checkpoint as a new anchor.

    Args:
        registry: the one of the genesis, whose keys answer for new anchors too.
        now_ms: the meter's clock, UTC ms.

    Returns:
        The verdict, and the new trusted state (the old one unless accepted). A checkpoint too old or too early for the
        own clock is undecided.
    """
    try:
        checkpoint_is_signed(checkpoint, trusted.chain_id, registry)
        checkpoint_is_not_below_the_floor(trusted, checkpoint)
    except RuleViolation as broken:
        return Rejected(rule=broken.rule, reason=str(broken)), trusted
    try:
        checkpoint_is_fresh(checkpoint, now_ms, params, max_drift_ms)
    except RuleViolation as broken:
        return Undecided(rule=broken.rule, missing=str(broken)), trusted
    header = checkpoint.header
    return Accepted(), TrustedState(
        chain_id=trusted.chain_id,
        height=header.height,
        header_hash=header.hash(),
        time_ms=header.time_ms,
        signers=checkpoint.signers,
        committee=checkpoint.committee,
        header=header,
        certificate=None,
    )
