"""Who may sign what for a fleet, and how that changes.

As with the miners' registry, a new set is signed by a threshold of the old keys *and* of the new ones, and its version
is the next: fewer stolen keys than the threshold change nothing, a revoked key cannot come back by an old document,
nobody is made a signer without agreeing. Bundles name the version of the set that they were signed under, so that a
new set revokes at once whatever a stolen key has signed.

The first set is the fleet's anchor: a device is given it when it is provisioned, and its hash is the fleet's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from firmware_app.fleet.envelope import MAX_KEYS, Envelope, Kind, Verify, check_signatures, read_body
from firmware_app.fleet.form import MAX_NUMBER, ascending, form, octets, record, rows, whole
from light_client.rules.crypto import HASH_BYTES, PUBLIC_KEY_BYTES, tagged_hash
from light_client.rules.encoding import encode
from light_client.rules.errors import RuleViolation

_FLEET_TAG: Final = "gridlight/fleet/1"


class Role(IntEnum):
    """What keys may sign."""

    KEYS = 1
    """The next key set."""
    CONFIG = 2
    """Bundles."""
    GRID = 3
    """Besides, whatever decides which chain, whose servers and which clocks a device believes."""
    FIRMWARE = 4
    """Besides, what replaces the device's system; a set without this role lets nobody do that."""


_ALWAYS: Final = 3
"""Roles that every set has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signers:
    """The keys of one role.

    Raises:
        RuleViolation: FLT-02.
    """

    threshold: int
    """How many of them must sign."""
    keys: tuple[bytes, ...]
    """Public keys, ascending."""

    def __post_init__(self) -> None:
        for key in rows("keys of a role", self.keys, 1, MAX_KEYS):
            octets("key of a role", key, PUBLIC_KEY_BYTES, PUBLIC_KEY_BYTES)
        ascending("keys of a role", self.keys)
        whole("threshold of a role", self.threshold, 1, len(self.keys))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """All roles of a fleet.

    Raises:
        RuleViolation: FLT-02.
    """

    fleet: bytes = b""
    """Name of the fleet, 32 bytes; empty in the first set, whose hash it is."""
    version: int = 1
    roles: tuple[Signers, ...]
    """One entry for each ``Role``, in their order; the last may be missing."""

    def __post_init__(self) -> None:
        whole("version of a key set", self.version, 1, MAX_NUMBER)
        size = 0 if self.version == 1 else HASH_BYTES
        octets("fleet of a key set", self.fleet, size, size)
        rows("roles of a key set", self.roles, _ALWAYS, len(Role))
        if len(self.all_keys) > MAX_KEYS:
            raise form("keys of a key set", len(self.all_keys), f"at most {MAX_KEYS}")

    @property
    def all_keys(self) -> frozenset[bytes]:
        """The keys of all roles."""
        return frozenset(key for signers in self.roles for key in signers.keys)

    @property
    def fleet_id(self) -> bytes:
        """Name of the fleet."""
        return self.fleet or tagged_hash(_FLEET_TAG, self.encode())

    @property
    def held_roles(self) -> tuple[Role, ...]:
        """The roles that somebody has."""
        return tuple(Role)[: len(self.roles)]

    def signers(self, role: Role) -> Signers:
        """The keys of a role.

        Raises:
            RuleViolation: FLT-23 nobody has it.
        """
        if role > len(self.roles):
            raise RuleViolation("FLT-23", "keys of the role", got="none", expected=role.name.lower())
        return self.roles[role - 1]

    def encode(self) -> bytes:
        """Canonical bytes, which are signed."""
        return encode((self.fleet, self.version, tuple((part.threshold, part.keys) for part in self.roles)))


def key_set_from_bytes(body: bytes) -> KeySet:
    """Read canonical bytes.

    Raises:
        RuleViolation: FLT-02.
    """
    fleet, version, roles = record("key set", read_body("key set", body), 3)
    pairs = [record("role", pair, 2) for pair in rows("roles of a key set", roles, _ALWAYS, len(Role))]
    return KeySet(
        fleet=octets("fleet of a key set", fleet, 0, HASH_BYTES),
        version=whole("version of a key set", version, 1, MAX_NUMBER),
        roles=tuple(
            Signers(threshold=threshold, keys=rows("keys of a role", keys, 1, MAX_KEYS))
            for threshold, keys in pairs
        ),
    )


def check_next_key_set(current: KeySet, envelope: Envelope, verify_signature: Verify) -> KeySet:
    """The set that takes the place of ``current``.

    Raises:
        RuleViolation: FLT-02 its form; FLT-03 another fleet; FLT-18 not the next version; FLT-05 a signer of neither
            set; FLT-19, FLT-20 too few signatures of the old or the new keys; FLT-07 a signature is not valid.
    """
    fresh = key_set_from_bytes(envelope.body)
    if fresh.fleet_id != current.fleet_id:
        raise RuleViolation("FLT-03", "fleet of a key set", got=fresh.fleet_id, expected=current.fleet_id)
    if fresh.version != current.version + 1:
        raise RuleViolation("FLT-18", "version of a key set", got=fresh.version, expected=current.version + 1)
    old, new = current.signers(Role.KEYS), fresh.signers(Role.KEYS)
    check_signatures(
        envelope,
        fleet=current.fleet_id,
        known=frozenset((*old.keys, *new.keys)),
        needed=(("FLT-19", "old keys", old), ("FLT-20", "new keys", new)),
        verify_signature=verify_signature,
    )
    return fresh


def is_key_set(envelope: Envelope) -> bool:
    """Whether an envelope holds a key set."""
    return envelope.kind is Kind.KEY_SET
