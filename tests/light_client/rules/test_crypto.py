"""The crypto seam: public vectors and hostile input on all three backends, and agreement among them.

How Wycheproof's verdicts map to ours. The seam takes one spelling only, so some of what the files call valid is
refused here by design:
- a high s (above half the order) is refused; its low twin, n - s, must be accepted;
- a signature that is not exactly 64 bytes is refused (P1363 file);
- a DER signature has no place on our wire: the adapter below reads strict DER into 64 bytes, and where it cannot
  (wrong lengths, BER, numbers over 32 bytes, negatives) the file must have said invalid.
What the files call invalid must be refused always.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light_client.rules import crypto
from light_client.rules.crypto import CURVE_ORDER, HIGHEST_LOW_S, Backend
from light_client.rules.errors import LocalError, MalformedError

BACKENDS = ("coincurve", "cryptography", "ecdsa")
SECRET = bytes(31) + b"\x07"
MESSAGE = b"a message"

secrets = st.integers(1, CURVE_ORDER - 1).map(lambda number: number.to_bytes(32))


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each of the three backends in turn: all are dependencies of the tests, so a missing one is a failure."""
    return crypto.backend_named(request.param)


def compressed(uncompressed: bytes) -> bytes:
    """Return the 33-byte form of an uncompressed point."""
    return bytes((2 + uncompressed[-1] % 2,)) + uncompressed[1:33]


def strict_der(signature: bytes) -> bytes | None:
    """Return the 64-byte form of a strict DER signature, or None where there is none."""
    numbers = []
    if len(signature) < 2 or signature[0] != 0x30 or signature[1] != len(signature) - 2:
        return None
    rest = signature[2:]
    for _ in range(2):
        if len(rest) < 3 or rest[0] != 0x02 or not 0 < rest[1] <= len(rest) - 2:
            return None
        body, rest = rest[2 : 2 + rest[1]], rest[2 + rest[1] :]
        padded = len(body) > 1 and body[0] == 0 and body[1] < 0x80
        if body[0] >= 0x80 or padded or len(body.lstrip(b"\x00")) > 32:
            return None
        numbers.append(int.from_bytes(body).to_bytes(32))
    return None if rest else b"".join(numbers)


def wycheproof(folder: Path, name: str) -> Iterator[tuple[dict[str, Any], bytes, bytes, bytes]]:
    """Yield each case of a file with its public key, message and signature."""
    for group in json.loads((folder / "wycheproof" / name).read_text())["testGroups"]:
        key = compressed(bytes.fromhex(group["publicKey"]["uncompressed"]))
        for case in group["tests"]:
            yield case, key, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])


def low(signature: bytes) -> bytes:
    """Return the low-s twin of a 64-byte signature."""
    s = int.from_bytes(signature[32:])
    return signature[:32] + min(s, CURVE_ORDER - s).to_bytes(32)


def check_case(backend: Backend, case: dict[str, Any], key: bytes, message: bytes, signature: bytes) -> bool:
    """Check one case in 64-byte form; tell whether it was refused for its high s alone."""
    accepted = backend.verify(key, signature, message)
    if case["result"] == "invalid":
        assert not accepted, case
        return False
    if int.from_bytes(signature[32:]) > HIGHEST_LOW_S:
        assert not accepted, case
        assert backend.verify(key, low(signature), message), case
        return True
    assert accepted, case
    return False


def test_wycheproof_p1363(backend: Backend, shared_vectors: Path) -> None:
    seen = high = 0
    for case, key, message, signature in wycheproof(shared_vectors, "ecdsa_secp256k1_sha256_p1363_test.json"):
        seen += 1
        if len(signature) != 64:
            assert not backend.verify(key, signature, message), case
            assert case["result"] == "invalid", case
        else:
            high += check_case(backend, case, key, message, signature)
    assert seen == 252
    assert high > 0


def test_wycheproof_der(backend: Backend, shared_vectors: Path) -> None:
    seen = high = without_form = 0
    for case, key, message, der in wycheproof(shared_vectors, "ecdsa_secp256k1_sha256_test.json"):
        seen += 1
        assert not backend.verify(key, der, message), "DER itself is never accepted"
        signature = strict_der(der)
        if signature is None:
            without_form += 1
            assert case["result"] == "invalid", case
        else:
            high += check_case(backend, case, key, message, signature)
    assert seen == 476
    assert high == 72
    assert 200 < without_form < 308


def test_all_backends_are_here_and_the_best_is_used() -> None:
    assert crypto.available_backends() == BACKENDS
    assert crypto.BACKEND.name == crypto._first_backend().name == "coincurve"
    assert repr(crypto.BACKEND) == "Backend(coincurve)"


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Nothing loaded before and nothing kept after."""
    crypto.backend_named.cache_clear()
    yield
    crypto.backend_named.cache_clear()


@pytest.mark.usefixtures("forgotten")
def test_the_best_library_installed_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "coincurve", None)
    assert crypto.available_backends() == ("cryptography", "ecdsa")
    assert crypto._first_backend().name == "cryptography"
    monkeypatch.setitem(sys.modules, "ecdsa", None)
    crypto.backend_named.cache_clear()
    assert crypto.available_backends() == ("cryptography",)


@pytest.mark.usefixtures("forgotten")
def test_a_cryptography_that_signs_by_chance_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Releases before 43 do not know the argument."""

    def old(algorithm: object) -> object:
        return algorithm

    monkeypatch.setattr("cryptography.hazmat.primitives.asymmetric.ec.ECDSA", old)
    assert crypto.available_backends() == ("coincurve", "ecdsa")


@pytest.mark.usefixtures("forgotten")
def test_without_any_library_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in BACKENDS:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    assert crypto.available_backends() == ()
    with pytest.raises(ImportError, match="needs one of coincurve, cryptography, ecdsa"):
        crypto._first_backend()


def test_there_is_no_other_backend() -> None:
    with pytest.raises(LocalError, match="no such cryptography backend"):
        crypto.backend_named("none")


@settings(max_examples=25, deadline=None)
@given(secrets, st.binary(max_size=100))
def test_backends_give_the_same_bytes(secret: bytes, message: bytes) -> None:
    backends = [crypto.backend_named(name) for name in BACKENDS]
    keys = {one.public_key_of(secret) for one in backends}
    signatures = {one.sign(secret, message) for one in backends}
    assert keys == {crypto.public_key_of(secret)}
    assert signatures == {crypto.sign(secret, message)}
    signature, key = signatures.pop(), keys.pop()
    assert int.from_bytes(signature[32:]) <= HIGHEST_LOW_S
    assert all(one.verify(key, signature, message) for one in backends)
    assert not any(one.verify(key, signature, message + b"x") for one in backends)


@pytest.mark.parametrize(
    ("secret", "message", "signature"),
    [  # known answers for RFC 6979 on secp256k1, low s: key 1 and key n - 1, long quoted by Bitcoin libraries
        (
            1,
            b"Satoshi Nakamoto",
            (
                "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
                "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"
            ),
        ),
        (
            CURVE_ORDER - 1,
            b"Satoshi Nakamoto",
            (
                "fd567d121db66e382991534ada77a6bd3106f0a1098c231e47993447cd6af2d0"
                "6b39cd0eb1bc8603e159ef5c20a5c8ad685a45b06ce9bebed3f153d10d93bed5"
            ),
        ),
    ],
)
def test_known_deterministic_signatures(
    backend: Backend, secret: int, message: bytes, signature: str
) -> None:
    assert backend.sign(secret.to_bytes(32), message).hex() == signature


def test_the_point_at_infinity_and_other_non_keys_are_refused(backend: Backend) -> None:
    """A library may raise anything here; the seam says False."""
    signature = backend.sign(SECRET, MESSAGE)
    key = backend.public_key_of(SECRET)
    not_keys = [
        bytes(33),
        b"\x02" + b"\xff" * 32,
        b"\x04" + key[1:],
        b"\x05" + key[1:],
        b"\x02" + bytes(32),
        b"",
        key[:32],
    ]
    assert backend.verify(key, signature, MESSAGE)
    assert not any(backend.verify(bad, signature, MESSAGE) for bad in not_keys)


def test_extreme_numbers_are_refused(backend: Backend) -> None:
    key, signature = backend.public_key_of(SECRET), backend.sign(SECRET, MESSAGE)
    r, s = signature[:32], signature[32:]
    zero, order, highest = bytes(32), CURVE_ORDER.to_bytes(32), b"\xff" * 32
    altered = [
        zero + s,
        r + zero,
        order + s,
        r + order,
        highest + s,
        r + highest,
        zero + zero,
        signature[:-1],
        b"",
    ]
    altered.append(r + (CURVE_ORDER - int.from_bytes(s)).to_bytes(32))  # the high twin
    assert not any(backend.verify(key, bad, MESSAGE) for bad in altered)


@pytest.mark.parametrize("broken", [None, 7, "text", [1]])
def test_verify_never_raises_whatever_it_is_given(backend: Backend, broken: Any) -> None:
    key, signature = backend.public_key_of(SECRET), backend.sign(SECRET, MESSAGE)
    assert backend.verify(broken, signature, MESSAGE) is False
    assert backend.verify(key, broken, MESSAGE) is False
    assert backend.verify(key, signature, broken) is False
    assert crypto.verify(broken, broken, broken) is False


@pytest.mark.parametrize(
    "secret", [b"", bytes(32), b"\xee" * 31, b"\xee" * 33, CURVE_ORDER.to_bytes(32), b"\xff" * 32]
)
def test_what_is_no_secret_is_refused_without_being_shown(backend: Backend, secret: bytes) -> None:
    with pytest.raises(LocalError) as signing:
        backend.sign(secret, MESSAGE)
    with pytest.raises(LocalError) as deriving:
        backend.public_key_of(secret)
    for caught in (signing, deriving):
        assert "ee" * 4 not in str(caught.value)
        assert "ff" * 4 not in str(caught.value)


class RaisingLibrary:
    """A library that fails on every call, as python-ecdsa does on chosen signatures."""

    name = "raising"

    def verify_digest(self, public_key: bytes, r: bytes, s: bytes, digest: bytes) -> bool:
        raise TypeError(public_key, r, s, digest)

    def sign_digest(self, secret: bytes, digest: bytes) -> tuple[int, int]:
        raise NotImplementedError

    def public_key_of(self, secret: bytes) -> bytes:
        raise NotImplementedError


class YeaSayer(RaisingLibrary):
    """A library that accepts everything, so that only the seam's own checks refuse."""

    def verify_digest(self, public_key: bytes, r: bytes, s: bytes, digest: bytes) -> bool:
        return True


def test_a_library_that_raises_means_no() -> None:
    assert Backend(RaisingLibrary()).verify(b"\x02" * 33, b"\x01" * 64, MESSAGE) is False


def test_the_seam_checks_lengths_and_ranges_itself() -> None:
    seam, key = Backend(YeaSayer()), b"\x02" * 33
    one, order = (1).to_bytes(32), CURVE_ORDER.to_bytes(32)
    assert seam.verify(key, one + HIGHEST_LOW_S.to_bytes(32), MESSAGE)
    refused = [
        (key, one + (HIGHEST_LOW_S + 1).to_bytes(32)),
        (key, one + bytes(32)),
        (key, bytes(32) + one),
        (key, order + one),
        (key, one + one + b"\x00"),
        (key + b"\x00", one + one),
    ]
    assert not any(seam.verify(bad_key, signature, MESSAGE) for bad_key, signature in refused)


def test_tagged_hash_is_that_of_bip_340() -> None:
    tag = hashlib.sha256(b"gridlight/test").digest()
    assert crypto.tagged_hash("gridlight/test", b"ab", b"c") == hashlib.sha256(tag + tag + b"abc").digest()
    assert crypto.tagged_hash("gridlight/test", b"abc") != crypto.tagged_hash("gridlight/tesu", b"abc")
    assert crypto.tagged_hash("gridlight/test") == crypto.tagged_hash("gridlight/test", b"")


def test_an_address_is_twenty_bytes_of_a_tagged_hash() -> None:
    key = crypto.public_key_of(SECRET)
    assert crypto.address_of(key) == crypto.tagged_hash("gridlight/address/1", key)[:20]


@pytest.mark.parametrize("key", [b"", bytes(33), b"\x02" + bytes(31), b"\x04" + bytes(64)])
def test_only_a_public_key_has_an_address(key: bytes) -> None:
    with pytest.raises(MalformedError, match="CRY-01"):
        crypto.address_of(key)
