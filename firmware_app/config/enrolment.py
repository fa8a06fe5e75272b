"""The enrolment request: what the grid operator has to know of a new meter, signed by its identity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from firmware_app.config.keys import DeviceKeys
from light_client.rules.crypto import tagged_hash
from light_client.rules.encoding import encode

SCHEMA: Final = "gridlight.enrolment/1"
_GROUPS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A request to be registered."""

    name: str
    """Of the meter."""
    identity_key: bytes
    """Public key that will sign its requests; 33 bytes."""
    signature: bytes
    """By that key over name and key, so that nobody enrols a key that is not his."""

    @property
    def fingerprint(self) -> str:
        """The key as two people compare it over a telephone: eight groups of four hexadecimal digits."""
        digits = sha256(self.identity_key).hexdigest()
        return " ".join(digits[4 * at : 4 * at + 4] for at in range(_GROUPS))

    def document(self) -> dict[str, Any]:
        """As it is written to a file."""
        return {
            "name": self.name,
            "identity_key": self.identity_key.hex(),
            "fingerprint": self.fingerprint,
            "signature": self.signature.hex(),
        }

    def is_signed(self, verify: Callable[[bytes, bytes, bytes], bool]) -> bool:
        """Whether whoever made it holds the key."""
        return verify(self.identity_key, self.signature, _message(self.name, self.identity_key))


def enrolment_of(name: str, keys: DeviceKeys) -> Enrolment:
    """The request of a meter; the same for the same name and keys."""
    message = _message(name, keys.identity_key)
    return Enrolment(name=name, identity_key=keys.identity_key, signature=keys.identity.sign(message))


def _message(name: str, identity_key: bytes) -> bytes:
    return tagged_hash("gridlight/enrolment/1", encode((name, identity_key)))
