"""ChaCha20-Poly1305 in plain Python: encryption only, under keys that are used once.

All blocks of a document go through the rounds side by side: each of the sixteen words of the state is one large
integer with a lane of 64 bits for each block, of which the word takes the lower half. A sum's carry and what a shift
pushes out end in the upper half, and the mask takes them away; so a day's report costs hardly more than one block.

Source: RFC 8439 sections 2.3, 2.5 and 2.8.
"""

from __future__ import annotations

import struct
from itertools import chain
from typing import Final

TAG_BYTES: Final = 16
_BLOCK_BYTES: Final = 64
_CONSTANT: Final = struct.unpack("<4I", b"expand 32-byte k")
_WORD: Final = 2**32 - 1
_POLY_PRIME: Final = 2**130 - 5
_POLY_CLAMP: Final = 0x0FFFFFFC_0FFFFFFC_0FFFFFFC_0FFFFFFF
_ROUNDS: Final = (
    *((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)),
    *((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)),
)
"""The columns, then the diagonals: which words a quarter round mixes."""


def encrypt(key: bytes, nonce: bytes, document: bytes, bound: bytes) -> bytes:
    """Encrypt a document, and bind something to it that stays readable.

    Args:
        key: 32 bytes.
        nonce: 12 bytes, never used again with this key.
        document: of any length below 2^38 bytes.
        bound: whatever else the tag vouches for.

    Returns:
        The encrypted document, as long as it was, and a tag of 16 bytes.
    """
    stream = key_stream(key, nonce, blocks=1 + -(-len(document) // _BLOCK_BYTES))
    mask = int.from_bytes(stream[_BLOCK_BYTES:][: len(document)], "little")
    hidden = (int.from_bytes(document, "little") ^ mask).to_bytes(len(document), "little")
    lengths = struct.pack("<QQ", len(bound), len(hidden))
    return hidden + poly1305(stream[:32], _filled(bound) + _filled(hidden) + lengths)


def key_stream(key: bytes, nonce: bytes, *, blocks: int) -> bytes:
    """The first blocks of the stream, counted from 0, 64 bytes each."""
    ones = int.from_bytes(struct.pack("<Q", 1) * blocks, "little")
    mask = _WORD * ones
    fixed = [word * ones for word in (*_CONSTANT, *struct.unpack("<8I", key))]
    counter = int.from_bytes(struct.pack(f"<{blocks}Q", *range(blocks)), "little")
    begin = [*fixed, counter, *(word * ones for word in struct.unpack("<3I", nonce))]
    state = [*begin]
    for _ in range(10):
        for a, b, c, d in _ROUNDS:
            state[a], state[b], state[c], state[d] = _quarter(state[a], state[b], state[c], state[d], mask)
    words = (
        ((one + other) & mask).to_bytes(8 * blocks, "little") for one, other in zip(state, begin, strict=True)
    )
    lanes = (struct.unpack(f"<{blocks}Q", word) for word in words)
    return struct.pack(f"<{16 * blocks}I", *chain.from_iterable(zip(*lanes, strict=True)))


def _quarter(a: int, b: int, c: int, d: int, mask: int) -> tuple[int, int, int, int]:
    """A quarter round, in all lanes."""
    for left, right in ((16, 12), (8, 7)):
        a = a + b & mask
        d ^= a
        d = (d << left | d >> 32 - left) & mask
        c = c + d & mask
        b ^= c
        b = (b << right | b >> 32 - right) & mask
    return a, b, c, d


def poly1305(key: bytes, message: bytes) -> bytes:
    """The tag of a message under a key of 32 bytes that is used once."""
    factor = int.from_bytes(key[:16], "little") & _POLY_CLAMP
    total = 0
    for at in range(0, len(message), 16):
        total = (total + int.from_bytes(message[at : at + 16] + b"\1", "little")) * factor % _POLY_PRIME
    return (total + int.from_bytes(key[16:], "little") & (1 << 128) - 1).to_bytes(TAG_BYTES, "little")


def _filled(part: bytes) -> bytes:
    """A part, with zeros up to a whole number of sixteens."""
    return part + bytes(-len(part) % 16)
