"""ChaCha20-Poly1305 in plain Python: the published examples, and OpenSSL for everything else."""

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_app.reconcile.chacha import encrypt, key_stream, poly1305

_KEY = bytes(range(0x80, 0xA0))
_SUNSCREEN = (
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
    b"sunscreen would be it."
)


def test_the_published_block() -> None:
    """RFC 8439 section 2.3.2: block 1."""
    nonce = bytes.fromhex("000000090000004a00000000")
    assert key_stream(bytes(range(32)), nonce, blocks=2)[64:].hex() == (
        "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
        "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"
    )


def test_the_published_tag() -> None:
    """RFC 8439 section 2.5.2."""
    key = bytes.fromhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b")
    tag = poly1305(key, b"Cryptographic Forum Research Group")
    assert tag.hex() == "a8061dc1305136c6c22b8baf0c0127a9"


def test_the_published_message() -> None:
    """RFC 8439 section 2.8.2."""
    hidden = encrypt(
        _KEY,
        bytes.fromhex("070000004041424344454647"),
        _SUNSCREEN,
        bytes.fromhex("50515253c0c1c2c3c4c5c6c7"),
    )
    assert hidden[:16].hex() == "d31a8d34648e60db7b86afbc53ef7ec2"
    assert hidden[-16:].hex() == "1ae10b594f09e26a7e902ecbd0600691"
    assert len(hidden) == len(_SUNSCREEN) + 16


@settings(max_examples=150)
@given(
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=12, max_size=12),
    st.binary(max_size=400),
    st.binary(max_size=80),
)
@example(bytes(32), bytes(12), b"", b"")
@example(b"\xff" * 32, b"\xff" * 12, b"\xff" * 64, b"\xff" * 16)
@example(b"\xff" * 32, b"\xff" * 12, bytes(30_000), b"\1")
def test_openssl_agrees(key: bytes, nonce: bytes, document: bytes, bound: bytes) -> None:
    """Every length around the blocks of 64 and the sixteens; carries in every lane."""
    assert encrypt(key, nonce, document, bound) == ChaCha20Poly1305(key).encrypt(nonce, document, bound)
