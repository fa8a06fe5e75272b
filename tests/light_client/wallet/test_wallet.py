"""The wallet: one key per index, never the same one twice, whatever is lost in a power cut."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from light_client.rules.crypto import CURVE_ORDER, address_of, public_key_of, verify
from light_client.rules.errors import LocalError
from light_client.session.actor import Write
from light_client.wallet.wallet import TABLE, Wallet

SEED, CHAIN_ID = bytes(range(32)), bytes(32)


class Memory:
    """Storage that is durable as soon as `apply` is called."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, bytes], bytes] = {}

    def get(self, table: str, key: bytes) -> bytes | None:
        """Return a value."""
        return self.rows.get((table, key))

    def scan(self, table: str, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Return a table's rows in order."""
        for (name, key), value in sorted(self.rows.items()):
            if name == table and key >= start:
                yield key, value

    def apply(self, write: Write) -> None:
        """Make a write durable."""
        if write.value is None:
            self.rows.pop((write.table, write.key), None)
        else:
            self.rows[write.table, write.key] = write.value


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.booleans()), max_size=12))
def test_no_index_is_handed_out_twice(steps: list[tuple[int, bool, bool]]) -> None:
    """Each step: how many keys, whether the write became durable before a crash, whether there was a crash.

    A key counts as used only once its write is durable, which is what the driver promises.
    """
    storage = Memory()
    wallet = Wallet(SEED, CHAIN_ID, storage)
    used: list[int] = []
    for count, durable, crash in steps:
        keys, write = wallet.fresh(count)
        if durable or not crash:
            storage.apply(write)
            used += [key.index for key in keys]
        if crash:
            wallet = Wallet(SEED, CHAIN_ID, storage)
    assert len(used) == len(set(used))
    assert wallet.next_index > max(used, default=-1)


def test_a_key_follows_from_seed_chain_and_index() -> None:
    wallet = Wallet(SEED, CHAIN_ID, Memory())
    (first, second), write = wallet.fresh(2)
    assert (first.index, second.index) == (0, 1)
    assert write == Write(table=TABLE, key=b"next-index", value=bytes(7) + b"\x02")
    message = b"gridlight/wallet/1" + CHAIN_ID + bytes(8) + b"\x00"
    assert first.secret == hmac.new(SEED, message, sha256).digest()
    assert first.public_key == public_key_of(first.secret)
    assert first.address == address_of(first.public_key)
    assert verify(first.public_key, first.sign(b"hello"), b"hello")
    assert wallet.key_at(1) == second
    others = {
        Wallet(bytes(32), CHAIN_ID, Memory()).key_at(0).secret,
        Wallet(SEED, bytes(31) + b"\x01", Memory()).key_at(0).secret,
        first.secret,
        second.secret,
    }
    assert len(others) == 4


def test_a_digest_that_is_no_key_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """One in 2^128: the next attempt counts, and a broken hash function is our bug, not an endless loop."""
    real = hmac.new

    class Fixed:
        def __init__(self, raw: bytes) -> None:
            self.raw = raw

        def digest(self) -> bytes:
            return self.raw

    def zero_first(seed: bytes, message: bytes, kind: object) -> object:
        if message[-1] == 0:
            return Fixed(bytes(32))
        if message[-1] == 1:
            return Fixed(CURVE_ORDER.to_bytes(32))
        return real(seed, message, sha256)

    monkeypatch.setattr(hmac, "new", zero_first)
    wallet = Wallet(SEED, CHAIN_ID, Memory())
    assert (
        wallet.key_at(0).secret
        == real(SEED, b"gridlight/wallet/1" + CHAIN_ID + bytes(8) + b"\x02", sha256).digest()
    )
    monkeypatch.setattr(hmac, "new", lambda *arguments: Fixed(bytes(32)))
    with pytest.raises(LocalError):
        wallet.key_at(0)


def test_no_secret_is_ever_shown() -> None:
    wallet = Wallet(SEED, CHAIN_ID, Memory())
    (key,), _ = wallet.fresh(1)
    for text in (repr(wallet), repr(key), str(key)):
        assert key.secret.hex() not in text
        assert repr(key.secret) not in text
        assert SEED.hex() not in text
    with pytest.raises(LocalError) as error:
        Wallet(SEED[1:], CHAIN_ID, Memory())
    assert SEED[1:].hex() not in str(error.value)
