"""X25519 in plain Python: the published examples, and OpenSSL for everything else."""

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_app.reconcile.x25519 import BASE, x25519

_KEYS = st.binary(min_size=32, max_size=32)
_SMALL_ORDER = (
    *(0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18),
    0xB8495F16056286FDB1329CEB8D09DA6AC49FF1FAE35616AEB8413B7C7AEBE0,
    0x57119FD0DD4E22D8868E1C58C45C44045BEF839C55B1D0B1248C50A3BC959C5F,
)
"""Points with which all secrets agree on nothing, and spellings of them. Source: cr.yp.to/ecdh.html#validate."""


@pytest.mark.parametrize(
    ("secret", "point", "expected"),
    [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
    ],
)
def test_published_examples(secret: str, point: str, expected: str) -> None:
    """RFC 7748 section 5.2."""
    assert x25519(bytes.fromhex(secret), bytes.fromhex(point)).hex() == expected


def test_the_published_chain_of_a_hundred() -> None:
    """RFC 7748 section 5.2 goes on to a thousand links; OpenSSL stands in for those in between."""
    secret = point = BASE
    for link in range(100):
        secret, point = x25519(secret, point), secret
        if not link:
            assert secret.hex() == "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
    other = theirs = BASE
    for _ in range(100):
        other, theirs = _openssl(other, theirs), other
    assert secret == other


@settings(max_examples=60)
@given(_KEYS, _KEYS)
@example(bytes(32), BASE)
@example(b"\xff" * 32, b"\xff" * 32)
@example(b"\xff" * 32, (2**255 - 21).to_bytes(32, "little"))
def test_openssl_agrees(secret: bytes, point: bytes) -> None:
    assert x25519(secret, point) == _openssl(secret, point)
    assert x25519(secret, BASE) == X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


@pytest.mark.parametrize("number", _SMALL_ORDER)
def test_a_point_of_small_order_gives_nothing(number: int) -> None:
    assert x25519(b"\x77" * 32, number.to_bytes(32, "little")) == bytes(32)


def _openssl(secret: bytes, point: bytes) -> bytes:
    """The same by OpenSSL, which refuses to give nothing."""
    try:
        return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(point))
    except ValueError:
        return bytes(32)
