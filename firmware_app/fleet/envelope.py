"""Signed bytes: a body of one kind, and the signatures over it.

An envelope is `(1, kind, body, ((key, signature), ...))`, signatures strictly ascending by key. What is signed is the
tagged hash of the fleet's name and the body: no signature serves another fleet, another kind of body or the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, Protocol, TypeAlias

from firmware_app.fleet.form import ascending, form, octets, record, rows, whole
from light_client.rules.crypto import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, public_key_of, sign, tagged_hash
from light_client.rules.encoding import DEPTH_LIMIT, decode, encode
from light_client.rules.errors import RuleViolation

MAX_ENVELOPE_BYTES: Final = 64 << 10
MAX_KEYS: Final = 32
"""Keys of a set over all roles; a change of sets has up to twice as many signatures."""
_FORMAT: Final = 1
_MAX_ITEMS: Final = 8_192

Verify: TypeAlias = Callable[[bytes, bytes, bytes], bool]
"""(public key, signature, message) -> whether it is valid; never raises."""


class Kind(IntEnum):
    """What the body is."""

    BUNDLE = 1
    KEY_SET = 2


_TAGS: Final = {Kind.BUNDLE: "gridlight/fleet-bundle/1", Kind.KEY_SET: "gridlight/fleet-keys/1"}


class Threshold(Protocol):
    """Keys of which so many must sign."""

    @property
    def threshold(self) -> int:
        """How many."""

    @property
    def keys(self) -> tuple[bytes, ...]:
        """Of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A body with signatures, of which nothing is known yet.

    Raises:
        RuleViolation: FLT-02.
    """

    kind: Kind
    body: bytes
    signatures: tuple[tuple[bytes, bytes], ...]
    """(public key, signature), strictly ascending by key: nobody counts twice."""

    def __post_init__(self) -> None:
        octets("body", self.body, 1, MAX_ENVELOPE_BYTES)
        for row in rows("signatures", self.signatures, 0, 2 * MAX_KEYS):
            key, signature = record("signature", row, 2)
            octets("key of a signature", key, PUBLIC_KEY_BYTES, PUBLIC_KEY_BYTES)
            octets("signature", signature, SIGNATURE_BYTES, SIGNATURE_BYTES)
        ascending("keys of signatures", tuple(key for key, _ in self.signatures))

    def encode(self) -> bytes:
        """Canonical bytes."""
        return encode((_FORMAT, int(self.kind), self.body, self.signatures))

    def hash(self, fleet: bytes) -> bytes:
        """What is signed, 32 bytes: the name of the body."""
        return tagged_hash(_TAGS[self.kind], fleet, self.body)

    def signed(self, fleet: bytes, secrets: Iterable[bytes]) -> Envelope:
        """The same body with more signatures."""
        rows_by_key = dict(self.signatures)
        for secret in secrets:
            rows_by_key[public_key_of(secret)] = sign(secret, self.hash(fleet))
        return Envelope(kind=self.kind, body=self.body, signatures=tuple(sorted(rows_by_key.items())))


def read_envelope(raw: bytes) -> Envelope:
    """Read bytes of unknown origin.

    Raises:
        RuleViolation: FLT-01 too long; FLT-02 not canonical, or not the form.
    """
    if len(raw) > MAX_ENVELOPE_BYTES:
        raise RuleViolation(
            "FLT-01", "a bundle is too long", got=len(raw), expected=f"at most {MAX_ENVELOPE_BYTES}"
        )
    format_, kind, body, signatures = record("envelope", read_body("envelope", raw), 4)
    whole("format", format_, _FORMAT, _FORMAT)
    kind = Kind(whole("kind of an envelope", kind, Kind.BUNDLE, Kind.KEY_SET))
    return Envelope(kind=kind, body=body, signatures=signatures)


def read_body(what: str, body: Any) -> Any:
    """Decode canonical bytes.

    Raises:
        RuleViolation: FLT-02.
    """
    octets(what, body, 1, MAX_ENVELOPE_BYTES)
    try:
        return decode(body, max_bytes=MAX_ENVELOPE_BYTES, max_depth=DEPTH_LIMIT, max_items=_MAX_ITEMS)
    except RuleViolation as error:
        raise form(what, str(error), "canonical bytes") from None


def check_signatures(
    envelope: Envelope,
    *,
    fleet: bytes,
    known: Collection[bytes],
    needed: Iterable[tuple[str, str, Threshold]],
    verify_signature: Verify,
) -> None:
    """Check who signed, whether they are enough, and last, since it costs most, whether they really did.

    Args:
        known: keys that may sign.
        needed: (rule, for people, keys of which enough must have signed).

    Raises:
        RuleViolation: FLT-05 a stranger signed; the rule of ``needed`` too few did; FLT-07 a signature is not valid.
    """
    signers = [key for key, _ in envelope.signatures]
    strangers = [key for key in signers if key not in known]
    if strangers:
        raise RuleViolation("FLT-05", "signer", got=strangers[0], expected="a key that may sign this")
    for rule, who, keys in needed:
        count = sum(key in keys.keys for key in signers)
        if count < keys.threshold:
            raise RuleViolation(rule, f"signatures of the {who}", got=count, expected=keys.threshold)
    message = envelope.hash(fleet)
    for key, signature in envelope.signatures:
        if not verify_signature(key, signature, message):
            raise RuleViolation("FLT-07", "signature", got=key, expected="valid for this body")
