"""A document that nobody but the grid operator can read, and whose length tells nothing.

    sealed      form (1 byte), ephemeral public key (32), the padded document encrypted, tag (16)
    key         HKDF-SHA-256 of the X25519 secret of both, salted with both public keys; used for one document alone,
                which is why the nonce may be zero
    padding     length (4 bytes), document, zeros up to a size that depends on the length of an interval alone

Who wrote it is not the seal's business: the document is signed before it is sealed. The same document is sealed anew
each time, so two sealings of it cannot be told from sealings of two.

Source: X25519 RFC 7748; HKDF RFC 5869; ChaCha20-Poly1305 RFC 8439.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from light_client.rules.errors import LocalError, RuleViolation

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

KEY_BYTES: Final = 32
OVERHEAD_BYTES: Final = 1 + KEY_BYTES + 4 + 16
"""What a seal adds to the padded size."""
_FORM: Final = b"\x01"
_LABEL: Final = b"gridlight/sealed-report/1"
_NONCE: Final = bytes(12)
_LENGTH_BYTES: Final = 4


def public_seal_key(secret: bytes) -> bytes:
    """The public half of a sealing key.

    Raises:
        LocalError: the secret has not 32 bytes.
    """
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: PLC0415 - once a day

    _require_key("secret sealing key", secret)
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def seal(document: bytes, operator_key: bytes, *, size: int, ephemeral: bytes) -> bytes:
    """Seal a document.

    Args:
        operator_key: the grid operator's public sealing key.
        size: to which it is padded, bytes.
        ephemeral: 32 fresh random bytes, never used again.

    Raises:
        LocalError: it is longer than the size, or a key is none.
    """
    if len(document) > size:
        raise LocalError("length of a document to seal", got=len(document), expected=f"at most {size}")
    _require_key("public sealing key", operator_key)
    public = public_seal_key(ephemeral)
    cipher = _cipher(ephemeral, operator_key, public, operator_key)
    if cipher is None:
        raise LocalError("public sealing key", got=operator_key.hex(), expected="a point of full order")
    padded = len(document).to_bytes(_LENGTH_BYTES, "big") + document.ljust(size, b"\0")
    return _FORM + public + cipher.encrypt(_NONCE, padded, _FORM + public)


def unseal(sealed: bytes, secret: bytes) -> bytes:
    """Open what was sealed to a key.

    Args:
        secret: the grid operator's secret sealing key.

    Raises:
        LocalError: the secret has not 32 bytes.
        RuleViolation: RPT-03 it was not sealed to this key, or it was changed.
    """
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above

    head = len(_FORM) + KEY_BYTES
    if len(sealed) < OVERHEAD_BYTES or not sealed.startswith(_FORM):
        raise _not_ours(f"{len(sealed)} bytes, form {sealed[:1].hex() or 'none'}")
    public = sealed[len(_FORM) : head]
    cipher = _cipher(secret, public, public, public_seal_key(secret))
    try:
        padded = b"" if cipher is None else cipher.decrypt(_NONCE, sealed[head:], sealed[:head])
    except InvalidTag:
        padded = b""
    length = int.from_bytes(padded[:_LENGTH_BYTES], "big")
    document, rest = padded[_LENGTH_BYTES:][:length], padded[_LENGTH_BYTES:][length:]
    if not padded or len(document) != length or rest.strip(b"\0"):
        raise _not_ours("what this key does not open")
    return document


def _cipher(secret: bytes, other: bytes, ephemeral: bytes, operator: bytes) -> ChaCha20Poly1305 | None:
    """What encrypts between two keys; None where the other one is a point of small order, with which all agree."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric import x25519  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    try:
        shared = x25519.X25519PrivateKey.from_private_bytes(secret).exchange(
            x25519.X25519PublicKey.from_public_bytes(other)
        )
    except ValueError:
        return None
    derive = HKDF(algorithm=hashes.SHA256(), length=32, salt=ephemeral + operator, info=_LABEL)
    return ChaCha20Poly1305(derive.derive(shared))


def _require_key(what: str, key: bytes) -> None:
    if len(key) != KEY_BYTES:
        raise LocalError(what, got=f"{len(key)} bytes", expected=f"{KEY_BYTES} bytes")


def _not_ours(got: str) -> RuleViolation:
    return RuleViolation("RPT-03", "a sealed report", got=got, expected="one sealed to the operator's key")
