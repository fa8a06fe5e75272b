"""Whatever libraries a machine has, the board's among them: known answers, agreement, and time beyond 2038."""

from __future__ import annotations

import time

import pytest

from light_client.rules import crypto
from light_client.rules.crypto import Backend

_KNOWN = (
    "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
    "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"
)
"""Key 1 over "Satoshi Nakamoto", RFC 6979 on secp256k1, low s: long quoted by Bitcoin libraries."""
_SECRET = (1).to_bytes(32)
_MESSAGE = b"Satoshi Nakamoto"


@pytest.fixture(params=crypto.available_backends())
def installed(request: pytest.FixtureRequest) -> Backend:
    """Each backend that this machine has."""
    return crypto.backend_named(request.param)


def test_each_signs_the_known_answer(installed: Backend) -> None:
    assert installed.sign(_SECRET, _MESSAGE).hex() == _KNOWN


def test_each_accepts_what_the_best_has_signed_and_nothing_else(installed: Backend) -> None:
    best = crypto.BACKEND
    key, signature = best.public_key_of(_SECRET), best.sign(_SECRET, _MESSAGE)
    assert installed.public_key_of(_SECRET) == key
    assert installed.verify(key, signature, _MESSAGE)
    assert not installed.verify(key, signature, _MESSAGE + b".")
    assert not installed.verify(key, signature[:-1] + bytes([signature[-1] ^ 1]), _MESSAGE)


def test_one_of_them_is_compiled() -> None:
    assert crypto.BACKEND.name in {"coincurve", "cryptography"}, (
        "a board checks thousands of signatures a day"
    )


def test_seconds_beyond_2038_are_seconds() -> None:
    """On 32 bits only a C library with 64-bit time knows them."""
    assert time.gmtime(1 << 32).tm_year == 2106
