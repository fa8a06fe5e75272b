"""X25519 in plain Python: for keys that are used once, where loading a library would cost more than it saves.

Python's integers take time that depends on their values. Whoever has a key for long needs a library that does not;
a key that is drawn, used for one document and forgotten gives nobody a second look.

Source: RFC 7748 section 5.
"""

from __future__ import annotations

from typing import Final

KEY_BYTES: Final = 32
BASE: Final = (9).to_bytes(KEY_BYTES, "little")
"""The point that public keys are multiples of."""
_PRIME: Final = 2**255 - 19
_A24: Final = 121_665
_HIGHEST: Final = 1 << 254


def x25519(secret: bytes, point: bytes) -> bytes:
    """Multiply a point by a secret.

    Args:
        secret: 32 bytes.
        point: 32 bytes, `BASE` or somebody's public key.

    Returns:
        32 bytes; all zero where the point is one of small order, with which nothing may be agreed.
    """
    factor = int.from_bytes(secret, "little") & (_HIGHEST - 8) | _HIGHEST
    start = int.from_bytes(point, "little") & (2**255 - 1)
    near, far = (1, 0), (start, 1)
    for place in reversed(range(255)):
        if factor >> place & 1:
            far, near = _stepped(start, far, near)
        else:
            near, far = _stepped(start, near, far)
    x, z = near
    return (x * pow(z, _PRIME - 2, _PRIME) % _PRIME).to_bytes(KEY_BYTES, "little")


def _stepped(
    start: int, one: tuple[int, int], other: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """One step of the ladder: the first point doubled, and the sum of both, whose difference is the start."""
    (x2, z2), (x3, z3) = one, other
    a, b = x2 + z2, x2 - z2
    aa, bb = a * a % _PRIME, b * b % _PRIME
    e = aa - bb
    da, cb = (x3 - z3) * a % _PRIME, (x3 + z3) * b % _PRIME
    doubled = (aa * bb % _PRIME, e * (aa + _A24 * e) % _PRIME)
    added = (pow(da + cb, 2, _PRIME), start * pow(da - cb, 2, _PRIME) % _PRIME)
    return doubled, added
