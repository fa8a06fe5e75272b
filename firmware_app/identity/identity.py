"""What the device asks of its identity, and the usual one: a secret read from a file."""

from __future__ import annotations

from typing import Protocol

from light_client.rules.crypto import public_key_of, sign


class Identity(Protocol):
    """Signs for the device, wherever its key lies."""

    @property
    def public_key(self) -> bytes:
        """What the grid operator knows the device by; 33 bytes."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message, 64 bytes with the low s.

        Raises:
            IdentityError: the key cannot be used.
        """


class IdentityError(Exception):
    """The key cannot be reached, or does not sign; no message holds any of it."""


class SecretIdentity:
    """A key in memory; it shows in no repr."""

    def __init__(self, secret: bytes) -> None:
        """Take a secret key.

        Raises:
            LocalError: it is none.
        """
        self._secret = secret
        self._public_key = public_key_of(secret)

    def __repr__(self) -> str:
        """Name the public half."""
        return f"SecretIdentity({self._public_key.hex()})"

    @property
    def public_key(self) -> bytes:
        """Its public half."""
        return self._public_key

    def sign(self, message: bytes) -> bytes:
        """Sign with it."""
        return sign(self._secret, message)
