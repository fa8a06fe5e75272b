"""The one seam to cryptography: ECDSA over secp256k1 with SHA-256, tagged hashes, addresses.

Signatures are 64 bytes, `r || s` big-endian, with RFC 6979 nonces and the low one of the two valid `s`. Public keys
are 33 bytes, compressed. No other spelling is accepted, so a signature cannot be altered and stay valid.

Three libraries can stand behind the seam and the first that loads does: coincurve (libsecp256k1, fastest),
cryptography (OpenSSL), ecdsa (pure Python, runs anywhere). They give the same bytes and the same answers; the
tests hold all three to the same public vectors. The choice is by what is installed and by nothing else.

Not checked here: who a key belongs to, and whether a message should have been signed at all.

Source: SEC 1 v2 section 4.1, RFC 6979 section 3.2, BIP 340 (tagged hashes), BIP 62 rule 5 (low s).
"""

import hashlib
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Final, Protocol

from light_client.rules.errors import LocalError, MalformedError

CURVE_ORDER: Final = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
HIGHEST_LOW_S: Final = CURVE_ORDER // 2
SECRET_BYTES: Final = 32
PUBLIC_KEY_BYTES: Final = 33
SIGNATURE_BYTES: Final = 64
HASH_BYTES: Final = 32
ADDRESS_BYTES: Final = 20
_ADDRESS_TAG: Final = "gridlight/address/1"


def tagged_hash(tag: str, *parts: bytes) -> bytes:
    """Return SHA-256(SHA-256(tag) || SHA-256(tag) || parts), 32 bytes: hashes under two tags never meet.

    The parts are joined as they are: the caller sees to it that their boundaries are not ambiguous.
    """
    return hashlib.sha256(tag_prefix(tag) + b"".join(parts)).digest()


@lru_cache(maxsize=256)
def tag_prefix(tag: str) -> bytes:
    """Return SHA-256(tag) twice, 64 bytes: what `tagged_hash` puts first, for where the same tag is used in a loop."""
    return hashlib.sha256(tag.encode()).digest() * 2


class Library(Protocol):
    """What a library must do for the seam. It is given well-formed arguments only, and may raise anything."""

    name: str

    def verify_digest(self, public_key: bytes, r: bytes, s: bytes, digest: bytes) -> bool:
        """Tell whether (r, s), 32 bytes each, is a signature of the 32-byte `digest`."""

    def sign_digest(self, secret: bytes, digest: bytes) -> tuple[int, int]:
        """Return r and either s of the RFC 6979 signature of the 32-byte `digest`."""

    def public_key_of(self, secret: bytes) -> bytes:
        """Return the compressed public key."""


class Backend:
    """One library behind the seam's own checks, which are the same whichever library it is."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.name: Final = library.name

    def __repr__(self) -> str:
        """Name the library."""
        return f"Backend({self.name})"

    def verify(self, public_key: bytes, signature: bytes, message: bytes) -> bool:
        """See `crypto.verify`."""
        try:
            if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
                return False
            r, s = signature[:32], signature[32:]
            if not 0 < int.from_bytes(s) <= HIGHEST_LOW_S or not 0 < int.from_bytes(r) < CURVE_ORDER:
                return False
            return self._library.verify_digest(public_key, r, s, hashlib.sha256(message).digest())
        except Exception:  # noqa: BLE001 - a key or signature chosen by a peer must never stop the node
            return False

    def sign(self, secret: bytes, message: bytes) -> bytes:
        """See `crypto.sign`."""
        _check_secret(secret)
        r, s = self._library.sign_digest(secret, hashlib.sha256(message).digest())
        return r.to_bytes(32) + min(s, CURVE_ORDER - s).to_bytes(32)

    def public_key_of(self, secret: bytes) -> bytes:
        """See `crypto.public_key_of`."""
        _check_secret(secret)
        return self._library.public_key_of(secret)


def _check_secret(secret: bytes) -> None:
    """Refuse what is no secret key, without a word of what it was."""
    if len(secret) != SECRET_BYTES or not 0 < int.from_bytes(secret) < CURVE_ORDER:
        raise LocalError("a secret key is 32 bytes between 1 and the order of the curve less one")


def _der(r: bytes, s: bytes) -> bytes:
    """Return the strict DER form that the libraries' own interfaces take."""
    body = _der_integer(r) + _der_integer(s)
    return bytes((0x30, len(body))) + body


def _der_integer(number: bytes) -> bytes:
    body = number.lstrip(b"\x00")
    if body[0] & 0x80:
        body = b"\x00" + body
    return bytes((0x02, len(body))) + body


def _coincurve() -> Library:
    import coincurve

    parsed = lru_cache(maxsize=256)(coincurve.PublicKey)  # a committee's few keys sign every block

    class Coincurve:
        name = "coincurve"

        def verify_digest(self, public_key: bytes, r: bytes, s: bytes, digest: bytes) -> bool:
            return bool(parsed(public_key).verify(_der(r, s), digest, hasher=None))

        def sign_digest(self, secret: bytes, digest: bytes) -> tuple[int, int]:
            compact = coincurve.PrivateKey(secret).sign_recoverable(digest, hasher=None)
            return int.from_bytes(compact[:32]), int.from_bytes(compact[32:64])

        def public_key_of(self, secret: bytes) -> bytes:
            return bytes(coincurve.PublicKey.from_valid_secret(secret).format(compressed=True))

    return Coincurve()


def _cryptography() -> Library:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    curve, digest_algorithm = ec.SECP256K1(), utils.Prehashed(SHA256())
    verifying = ec.ECDSA(digest_algorithm)
    try:
        signing = ec.ECDSA(digest_algorithm, deterministic_signing=True)
    except (
        TypeError,
        UnsupportedAlgorithm,
    ) as error:  # a release, or an OpenSSL, without RFC 6979
        raise ImportError("this release of cryptography cannot sign deterministically") from error

    class Cryptography:
        name = "cryptography"

        def verify_digest(self, public_key: bytes, r: bytes, s: bytes, digest: bytes) -> bool:
            key = ec.EllipticCurvePublicKey.from_encoded_point(curve, public_key)
            try:
                key.verify(_der(r, s), digest, verifying)
            except InvalidSignature:
                return False
            return True

        def sign_digest(self, secret: bytes, digest: bytes) -> tuple[int, int]:
            key = ec.derive_private_key(int.from_bytes(secret), curve)
            return utils.decode_dss_signature(key.sign(digest, signing))

        def public_key_of(self, secret: bytes) -> bytes:
            key = ec.derive_private_key(int.from_bytes(secret), curve).public_key()
            return key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)

    return Cryptography()


def _ecdsa() -> Library:
    import ecdsa
    from ecdsa.util import sigdecode_strings, string_to_number

    class Ecdsa:
        name = "ecdsa"

        def verify_digest(self, public_key: bytes, r: bytes, s: bytes, digest: bytes) -> bool:
            key = ecdsa.VerifyingKey.from_string(public_key, ecdsa.SECP256k1, valid_encodings=("compressed",))
            try:
                return bool(key.verify_digest((r, s), digest, sigdecode=sigdecode_strings))
            except ecdsa.BadSignatureError:
                return False

        def sign_digest(self, secret: bytes, digest: bytes) -> tuple[int, int]:
            key = ecdsa.SigningKey.from_string(secret, ecdsa.SECP256k1)
            raw = key.sign_digest_deterministic(digest, hashfunc=hashlib.sha256)
            return string_to_number(raw[:32]), string_to_number(raw[32:])

        def public_key_of(self, secret: bytes) -> bytes:
            key = ecdsa.SigningKey.from_string(secret, ecdsa.SECP256k1).verifying_key
            return bytes(key.to_string("compressed"))

    return Ecdsa()


_LOADERS: Final[dict[str, Callable[[], Library]]] = {
    "coincurve": _coincurve,
    "cryptography": _cryptography,
    "ecdsa": _ecdsa,
}
"""In order of preference."""


def available_backends() -> tuple[str, ...]:
    """Return the names of the backends that load here, best first. Loads each of them: for tests and `doctor`."""
    names = []
    for name in _LOADERS:
        try:
            backend_named(name)
        except ImportError:
            continue
        names.append(name)
    return tuple(names)


@cache
def backend_named(name: str) -> Backend:
    """Return one backend.

    Raises:
        ImportError: its library is not installed, or too old to give the same signatures as the others.
        LocalError: there is no backend of that name.
    """
    if name not in _LOADERS:
        raise LocalError(
            "there is no such cryptography backend",
            got=name,
            expected=" or ".join(_LOADERS),
        )
    return Backend(_LOADERS[name]())


def _first_backend() -> Backend:
    for name in _LOADERS:
        try:
            return backend_named(name)
        except ImportError:
            continue
    raise ImportError(f"gridlight needs one of {', '.join(_LOADERS)} to check signatures")


BACKEND: Final = _first_backend()
"""The backend in use."""


def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether `signature` (64 bytes, low s) signs SHA-256(`message`) under `public_key` (33 bytes).

    Never raises, whatever a peer made the arguments hold: what cannot be checked is not a signature.
    """
    return BACKEND.verify(public_key, signature, message)


def sign(secret: bytes, message: bytes) -> bytes:
    """Return the 64-byte signature of SHA-256(`message`): the same for the same arguments, always (RFC 6979).

    Raises:
        LocalError: `secret` is not 32 bytes that make a key. The error does not show it.
    """
    return BACKEND.sign(secret, message)


def public_key_of(secret: bytes) -> bytes:
    """Return the 33-byte public key of a 32-byte secret key.

    Raises:
        LocalError: `secret` is not 32 bytes that make a key. The error does not show it.
    """
    return BACKEND.public_key_of(secret)


def address_of(public_key: bytes) -> bytes:
    """Return the 20-byte address of a public key.

    Raises:
        MalformedError: `public_key` is not 33 bytes that start with 2 or 3 (CRY-01).
    """
    if len(public_key) != PUBLIC_KEY_BYTES or public_key[0] not in (2, 3):
        raise MalformedError("CRY-01", "a public key is 33 bytes and starts with 2 or 3", got=public_key)
    return tagged_hash(_ADDRESS_TAG, public_key)[:ADDRESS_BYTES]
