"""The wallet: one seed, and a fresh key for every offer.

Derivation is hardened only: each secret is a keyed hash of the seed and an index, so no public key leads to
another and there is nothing like an extended public key to leak. The next index is made durable before a key is
used, so that a power cut can waste addresses but never reuse one.

Source: the reasons for hardened-only derivation are those of BIP 32, section "Security"; the derivation itself is
our own: ``HMAC-SHA256(seed, "gridlight/wallet/1" || chain id || index || attempt)``.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from hashlib import sha256

from light_client.rules.crypto import CURVE_ORDER, address_of, public_key_of, sign
from light_client.rules.errors import LocalError
from light_client.rules.units import Address
from light_client.session.actor import Storage, Write

SEED_BYTES = 32
TABLE = "wallet"
_NEXT_INDEX = b"next-index"
_TAG = b"gridlight/wallet/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressKey:
    """One fresh key; its secret shows in no repr."""

    index: int
    address: Address
    public_key: bytes
    secret: bytes = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """A 64-byte signature over ``message``."""
        return sign(self.secret, message)


def skip_used(table: str, chance: bytes) -> Write:
    """The write that moves a wallet on to indexes that nobody can have used, where the newest one may be lost.

    Args:
        table: the wallet's table in its store.
        chance: eight random bytes. Indexes that are counted up never come near 2^61, and two random ones do not meet.
            They stay below 2^62, since a request for assets is numbered by an index.
    """
    index = 1 << 61 | int.from_bytes(chance, "big") >> 3
    return Write(table=table, key=_NEXT_INDEX, value=index.to_bytes(8, "big"))


class Wallet:
    """Derives keys by index and hands each out once."""

    def __init__(self, seed: bytes, chain_id: bytes, storage: Storage) -> None:
        if len(seed) != SEED_BYTES:
            raise LocalError("length of a wallet seed in bytes", got=len(seed), expected=SEED_BYTES)
        self._seed = seed
        self._chain_id = chain_id
        stored = storage.get(TABLE, _NEXT_INDEX)
        self._next = 0 if stored is None else int.from_bytes(stored, "big")

    def __repr__(self) -> str:
        """Say how far the wallet is; never the seed."""
        return f"Wallet(next_index={self._next})"

    @property
    def next_index(self) -> int:
        """The index that the next fresh address gets."""
        return self._next

    def fresh(self, count: int) -> tuple[list[AddressKey], Write]:
        """``count`` keys that were never handed out, and the write that must be durable before any is used."""
        first = self._next
        self._next += count
        keys = [self.key_at(index) for index in range(first, self._next)]
        return keys, Write(table=TABLE, key=_NEXT_INDEX, value=self._next.to_bytes(8, "big"))

    def key_at(self, index: int) -> AddressKey:
        """The key of an index, for signing again after a restart."""
        secret = self._secret(index)
        public_key = public_key_of(secret)
        return AddressKey(
            index=index,
            address=Address(address_of(public_key)),
            public_key=public_key,
            secret=secret,
        )

    def _secret(self, index: int) -> bytes:
        for attempt in range(256):
            message = _TAG + self._chain_id + index.to_bytes(8, "big") + bytes((attempt,))
            secret = hmac.new(self._seed, message, sha256).digest()
            if 0 < int.from_bytes(secret, "big") < CURVE_ORDER:
                return secret
        raise LocalError("no secret key in 256 attempts: the hash function is broken")
