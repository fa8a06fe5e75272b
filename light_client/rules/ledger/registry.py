"""The miners' registry: who may be elected, and whose signatures change that.

A change is signed by a threshold of the old keys *and* of the new ones, and its version is the next one, as the root
role of The Update Framework has it: stealing fewer keys than the threshold changes nothing, an old registry cannot be
played back, and nobody can be written into the keys without agreeing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from light_client.rules.crypto import tagged_hash
from light_client.rules.encoding import encode
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.committee import Verify
from light_client.rules.units import PUBLIC_KEY_BYTES, SIGNATURE_BYTES

MAX_REGISTRY_KEYS = 16
MAX_CANDIDATES = 256
MAX_VERSION = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class MinerRegistry:
    """Candidates and the keys that answer for them.

    Raises:
        RuleViolation: CNS-21.
    """

    version: int = 1
    threshold: int
    """How many of the keys must sign a change."""
    keys: tuple[bytes, ...]
    """Public keys, ascending."""
    candidates: tuple[bytes, ...]
    """Public keys of the miners that may be elected, ascending."""

    def __post_init__(self) -> None:
        if type(self.version) is not int or not 1 <= self.version < MAX_VERSION:
            raise RuleViolation(
                "CNS-21", "version of a registry", got=self.version, expected=f"1..{MAX_VERSION - 1}"
            )
        _check_keys("keys of a registry", self.keys, 1, MAX_REGISTRY_KEYS)
        _check_keys("candidates of a registry", self.candidates, 0, MAX_CANDIDATES)
        if type(self.threshold) is not int or not 1 <= self.threshold <= len(self.keys):
            raise RuleViolation(
                "CNS-21", "threshold of a registry", got=self.threshold, expected=f"1..{len(self.keys)}"
            )

    def to_wire(self) -> tuple[Any, ...]:
        """Canonical form."""
        return (self.version, self.threshold, self.keys, self.candidates)


def _check_keys(what: str, keys: object, fewest: int, most: int) -> None:
    if type(keys) is not tuple or not fewest <= len(keys) <= most:
        raise RuleViolation("CNS-21", what, got=keys, expected=f"{fewest}..{most} keys")
    previous = b""
    for key in keys:
        if type(key) is not bytes or len(key) != PUBLIC_KEY_BYTES or key <= previous:
            raise RuleViolation("CNS-21", what, got=key, expected="public keys, strictly ascending")
        previous = key


def registry_from_wire(wire: Any) -> MinerRegistry:
    """Read the canonical form back.

    Raises:
        RuleViolation: CNS-21.
    """
    if type(wire) is not tuple or len(wire) != 4:
        raise RuleViolation("CNS-21", "a registry has four fields", got=wire, expected="4 fields")
    version, threshold, keys, candidates = wire
    return MinerRegistry(version=version, threshold=threshold, keys=keys, candidates=candidates)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRegistry:
    """Transaction: replace the registry. Anyone may hand it in; the signatures within count, not who sends it.

    Raises:
        RuleViolation: CNS-23 for signatures that are not ascending by key.
    """

    registry: MinerRegistry
    """The whole new registry."""
    signatures: tuple[tuple[bytes, bytes], ...]
    """(public key, signature over ``registry_message``), strictly ascending by key: nobody counts twice."""

    def __post_init__(self) -> None:
        if type(self.signatures) is not tuple or len(self.signatures) > 2 * MAX_REGISTRY_KEYS:
            expected = f"at most {2 * MAX_REGISTRY_KEYS}"
            raise RuleViolation(
                "CNS-23", "signatures of a registry change", got=self.signatures, expected=expected
            )
        previous = b""
        for row in self.signatures:
            if type(row) is not tuple or len(row) != 2 or any(type(part) is not bytes for part in row):
                raise RuleViolation("CNS-23", "a signature of a registry change", got=row, expected="a pair")
            key, signature = row
            if key <= previous or len(key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
                raise RuleViolation(
                    "CNS-23", "keys of a registry change", got=key, expected="strictly ascending"
                )
            previous = key

    def to_fields(self) -> tuple[Any, ...]:
        """The fields of the transaction after its kind; the version comes first."""
        return (self.registry.version, self.registry.to_wire(), self.signatures)


def change_from_fields(fields: tuple[Any, ...]) -> ChangeRegistry:
    """Read the fields after the kind.

    Raises:
        RuleViolation: CNS-21, CNS-23; CNS-22 where the version stated in front is another one.
    """
    version, wire, signatures = fields
    change = ChangeRegistry(registry=registry_from_wire(wire), signatures=signatures)
    if version != change.registry.version:
        raise RuleViolation(
            "CNS-22", "version of a registry change", got=version, expected=change.registry.version
        )
    return change


def registry_message(chain_id: bytes, registry: MinerRegistry) -> bytes:
    """The bytes that the holders of registry keys sign for a new registry."""
    return tagged_hash("gridlight/registry/1", chain_id, encode(registry.to_wire()))


def check_registry_change(
    current: MinerRegistry | None, change: ChangeRegistry, chain_id: bytes, verify_signature: Verify
) -> None:
    """Check that ``change`` may replace ``current``.

    Raises:
        RuleViolation: CNS-27 the chain has no registry; CNS-22 another version than the next one; CNS-23 a signature by
            a key of neither registry; CNS-24, CNS-25 too few signatures of the old or the new keys; CNS-26 a signature
            is not valid.
    """
    if current is None:
        raise RuleViolation("CNS-27", "registry of the chain", got=None, expected="one, in the genesis")
    new = change.registry
    if new.version != current.version + 1:
        raise RuleViolation(
            "CNS-22", "version of a registry change", got=new.version, expected=current.version + 1
        )
    signers = [key for key, _ in change.signatures]
    strangers = [key for key in signers if key not in current.keys and key not in new.keys]
    if strangers:
        raise RuleViolation(
            "CNS-23", "signer of a registry change", got=strangers[0], expected="a registry key"
        )
    for rule, name, registry in (("CNS-24", "old", current), ("CNS-25", "new", new)):
        count = sum(key in registry.keys for key in signers)
        if count < registry.threshold:
            raise RuleViolation(
                rule, f"signatures of the {name} registry keys", got=count, expected=registry.threshold
            )
    message = registry_message(chain_id, new)
    for key, signature in change.signatures:
        if not verify_signature(key, signature, message):
            raise RuleViolation(
                "CNS-26", "signature of a registry change", got=key, expected="valid for this registry"
            )
