"""A document that nobody but the grid operator can read, and whose length tells nothing.

    sealed      form (1 byte), ephemeral public key (32), the padded document encrypted, tag (16)
    key         HKDF-SHA-256 of the X25519 secret of both, salted with both public keys; used for one document alone,
                which is why the nonce may be zero
    padding     length (4 bytes), document, zeros up to a size that depends on the length of an interval alone

Who wrote it is not the seal's business: the document is signed before it is sealed. The same document is sealed anew
each time, so two sealings of it cannot be told from sealings of two.

The device seals by libsodium: OpenSSL for that alone would take a fifth of its memory. The operator opens by OpenSSL.

Source: X25519 RFC 7748; HKDF RFC 5869; ChaCha20-Poly1305 RFC 8439.
"""

from __future__ import annotations

import hmac
from typing import Final

from light_client.rules.errors import LocalError, RuleViolation

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
    from nacl import bindings  # noqa: PLC0415 - for one report a day, on boards that make any

    _require_key("secret sealing key", secret)
    return bindings.crypto_scalarmult_base(secret)


def seal(document: bytes, operator_key: bytes, *, size: int, ephemeral: bytes) -> bytes:
    """Seal a document.

    Args:
        operator_key: the grid operator's public sealing key.
        size: to which it is padded, bytes.
        ephemeral: 32 fresh random bytes, never used again.

    Raises:
        LocalError: it is longer than the size, or a key is none.
    """
    from nacl import bindings, exceptions  # noqa: PLC0415 - as above

    if len(document) > size:
        raise LocalError("length of a document to seal", got=len(document), expected=f"at most {size}")
    _require_key("public sealing key", operator_key)
    public = public_seal_key(ephemeral)
    try:
        shared = bindings.crypto_scalarmult(ephemeral, operator_key)
    except exceptions.RuntimeError as blocked:
        raise LocalError(
            "public sealing key", got=operator_key.hex(), expected="a point of full order"
        ) from blocked
    padded = len(document).to_bytes(_LENGTH_BYTES, "big") + document.ljust(size, b"\0")
    head = _FORM + public
    key = _document_key(shared, public, operator_key)
    return head + bindings.crypto_aead_chacha20poly1305_ietf_encrypt(padded, head, _NONCE, key)


def unseal(sealed: bytes, secret: bytes) -> bytes:
    """Open what was sealed to a key.

    Args:
        secret: the grid operator's secret sealing key.

    Raises:
        LocalError: the secret has not 32 bytes.
        RuleViolation: RPT-03 it was not sealed to this key, or it was changed.
    """
    _require_key("secret sealing key", secret)
    head = len(_FORM) + KEY_BYTES
    if len(sealed) < OVERHEAD_BYTES or not sealed.startswith(_FORM):
        raise _not_ours(f"{len(sealed)} bytes, form {sealed[:1].hex() or 'none'}")
    padded = _opened(sealed[:head], sealed[head:], secret)
    length = int.from_bytes(padded[:_LENGTH_BYTES], "big")
    document, rest = padded[_LENGTH_BYTES:][:length], padded[_LENGTH_BYTES:][length:]
    if not padded or len(document) != length or rest.strip(b"\0"):
        raise _not_ours("what this key does not open")
    return document


def _opened(head: bytes, hidden: bytes, secret: bytes) -> bytes:
    """What a secret key opens, still padded; nothing where it is not the right one, or no byte may be believed."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - the operator's; no device opens anything
    from cryptography.hazmat.primitives.asymmetric import x25519 as agreed  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: PLC0415

    public, own = head[len(_FORM) :], agreed.X25519PrivateKey.from_private_bytes(secret)
    try:
        shared = own.exchange(agreed.X25519PublicKey.from_public_bytes(public))
        key = _document_key(shared, public, own.public_key().public_bytes_raw())
        return ChaCha20Poly1305(key).decrypt(_NONCE, hidden, head)
    except (InvalidTag, ValueError):  # a ValueError is a point of small order
        return b""


def _document_key(shared: bytes, ephemeral: bytes, operator: bytes) -> bytes:
    """The key of one document: HKDF-SHA-256 with one block of output.

    Args:
        shared: on which both agree.
        ephemeral, operator: the public keys.
    """
    extracted = hmac.digest(ephemeral + operator, shared, "sha256")
    return hmac.digest(extracted, _LABEL + b"\x01", "sha256")


def _require_key(what: str, key: bytes) -> None:
    if len(key) != KEY_BYTES:
        raise LocalError(what, got=f"{len(key)} bytes", expected=f"{KEY_BYTES} bytes")


def _not_ours(got: str) -> RuleViolation:
    return RuleViolation("RPT-03", "a sealed report", got=got, expected="one sealed to the operator's key")
